//! Where attributions lie, against masks of the objects.

use ascan_engine::faithfulness::masks::overlap;
use ascan_math::resize::resize_map;
use ascan_store::Scan;
use ascan_store::table::ScanTable;

/// How the attributions of a scan lie on the objects, mean over the images that have a mask and an attribution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Placement {
    /// Share of the positive attribution inside the mask.
    pub energy: f64,
    /// `Σ min(A, M) / Σ max(A, M)`, A the attribution as a share of its largest value, M the mask.
    pub aiou: f64,
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
