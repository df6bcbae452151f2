//! Where attributions lie, against masks of the objects.

use crate::images::{ImageSet, decode};
use crate::repair::unit_pictures;
use crate::store::Scan;
use crate::table::ScanTable;
use ascan_math::resize::resize_map;

/// How the attributions of a scan lie on the objects, mean over the images that have a mask and an attribution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Placement {
    /// Share of the positive attribution inside the mask.
    pub energy: f64,
    /// `Σ min(A, M) / Σ max(A, M)`, A the attribution as a share of its largest value, M the mask.
    pub aiou: f64,
}

/// The object's mask of each of these rows, `[h, w]` at the model's input size, 0 or 1, where there is one.
pub(crate) fn masks(
    scan: &Scan,
    table: &ScanTable,
    rows: impl ExactSizeIterator<Item = usize>,
) -> Vec<Option<Vec<f32>>> {
    let none = || vec![None; rows.len()];
    let Some(paths) = &table.masks else { return none() };
    let input_shape = scan.plan.model.input_shape;
    let Ok(images) = ImageSet::open(&scan.config.data) else { return none() };
    let Ok(pictures) = unit_pictures(&scan.config.model.preprocess, input_shape) else { return none() };
    let plane = input_shape[1] * input_shape[2];
    let read = |path: &String| {
        let picture = decode::decode(&std::fs::read(images.root.join(path)).ok()?).ok()?;
        let values = pictures.apply(&picture);
        Some(values[..plane].iter().map(|&value| f32::from(u8::from(value > 0.5))).collect::<Vec<f32>>())
    };
    // A mask without an object says nothing.
    rows.map(|row| read(&paths[row]).filter(|mask| mask.contains(&1.0))).collect()
}

/// How the attributions of a scan lie on the objects.
pub(super) fn of(scan: &Scan, table: &ScanTable, masks: &[Option<Vec<f32>>]) -> Placement {
    let [_, h, w] = scan.plan.model.input_shape;
    let map_size = scan.plan.attribution.stored_map_size;
    let absolute = scan.config.features.sign == "absolute";
    let (mut energy, mut aiou, mut n) = (0.0, 0.0, 0usize);
    for (row, mask) in masks.iter().enumerate() {
        let Some(mask) = mask.as_ref().filter(|_| table.errors[row].is_none()) else { continue };
        let strength = |&v: &f32| if absolute { v.abs() } else { v.max(0.0) };
        let map: Vec<f32> = table.maps.row(row).iter().map(strength).collect();
        let map = resize_map(&map, map_size, [h, w]);
        if let Some((of_energy, of_aiou)) = overlap(&map, mask) {
            energy += of_energy;
            aiou += of_aiou;
            n += 1;
        }
    }
    Placement { energy: energy / n as f64, aiou: aiou / n as f64 }
}

/// Energy inside and overlap of one image; `None` for a map without weight.
pub(crate) fn overlap(map: &[f32], mask: &[f32]) -> Option<(f64, f64)> {
    let largest = map.iter().copied().fold(0.0f32, f32::max);
    if !(largest > 0.0 && largest.is_finite()) {
        return None;
    }
    let (mut inside, mut total, mut both, mut either) = (0.0, 0.0, 0.0, 0.0);
    for (&value, &m) in map.iter().zip(mask) {
        let share = value / largest;
        inside += f64::from(value * m);
        total += f64::from(value);
        both += f64::from(share.min(m));
        either += f64::from(share.max(m));
    }
    Some((inside / total, both / either))
}
