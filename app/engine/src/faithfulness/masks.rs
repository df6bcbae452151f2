//! Masks of the objects in a scan's images, and how an attribution lies on one.

use ascan_images::unit::unit_pictures;
use ascan_images::{ImageSet, decode, read_file};
use ascan_store::Scan;
use ascan_store::table::ScanTable;

/// The object's mask of each of these rows, `[h, w]` at the model's input size, 0 or 1, where there is one.
pub fn masks(scan: &Scan, table: &ScanTable, rows: impl ExactSizeIterator<Item = usize>) -> Vec<Option<Vec<f32>>> {
    let none = || vec![None; rows.len()];
    let Some(paths) = &table.masks else { return none() };
    let input_shape = scan.plan.model.input_shape;
    let Ok(images) = ImageSet::open(&scan.config.data) else { return none() };
    let Ok(pictures) = unit_pictures(&scan.config.model.preprocess, input_shape) else { return none() };
    let plane = input_shape[1] * input_shape[2];
    let read = |path: &String| {
        let picture = decode::decode(&read_file(&images.root.join(path)).ok()?).ok()?;
        let values = pictures.apply(&picture);
        Some(values[..plane].iter().map(|&value| f32::from(u8::from(value > 0.5))).collect::<Vec<f32>>())
    };
    // A mask without an object says nothing.
    rows.map(|row| read(&paths[row]).filter(|mask| mask.contains(&1.0))).collect()
}

/// Energy inside and overlap of one image; `None` for a map without weight.
pub fn overlap(map: &[f32], mask: &[f32]) -> Option<(f64, f64)> {
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
