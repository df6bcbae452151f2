//! Two scans of the same images, by the model before a repair and by the model after it, side by side.
//!
//! Every average has its own name:
//!
//! - **mean accuracy**: share of right predictions;
//! - **training-weighted mean accuracy**: accuracy of each known group, weighted by its share of the training images;
//! - **worst-class accuracy**: of the classes, by label;
//! - **worst-group accuracy**: of the known groups;
//! - **worst-slice accuracy**: of the slices of the scan before with at least [`MIN_SLICE`] images;
//! - **core accuracy**: with noise in place of everything outside the object's mask;
//! - **RFS**, relative foreground sensitivity: `(a_bg − a_fg) / (2 · min(ā, 1 − ā))`, `a_bg` and `a_fg` the accuracies
//!   with noise over the background and over the object, `ā` their mean: above 0 the object counts more;
//! - **energy in the core region**, **AIoU**: where the attribution lies, against the object's mask.

mod attribution;
mod figures;
mod named;
mod noise;
mod page;
#[cfg(test)]
mod tests;

pub use figures::{Comparison, Group, Pair, SlicePair};
pub use named::Named;
pub use noise::Sensitivity;
pub use page::report;

use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Result};
use ascan_engine::faithfulness::masks::masks;
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use ascan_store::table::ScanTable;

/// Slices with fewer images are left out of the worst: chance alone would fill that place.
pub const MIN_SLICE: usize = 10;

/// Compares two scans of the same images. The slices are those of the scan before.
///
/// `training`: the scan of the training images, whose known groups weigh the training-weighted mean. Core accuracy and
/// RFS need the objects' masks, and run both models on disturbed images.
///
/// # Errors
/// `File` for a scan that is not finished, or for scans of different images; `Cancelled`.
pub fn compare(
    before: &Scan,
    after: &Scan,
    set: &SliceSet,
    training: Option<&Scan>,
    host: &PluginHost,
    context: &Context,
) -> Result<Comparison> {
    let tables = [before.table()?, after.table()?];
    check_same(before, after, &tables)?;
    let training = training.map(Scan::table).transpose()?;
    let mut comparison = Comparison::of(&tables, set, training.as_ref(), &before.plan.model.class_names);
    if training.is_some() && comparison.training_weighted_accuracy.is_none() {
        comparison.notes.push("no training-weighted mean: no known groups weigh it (`data.columns.group`)".to_owned());
    }
    comparison.notes.extend(worst_of_its_own(after));
    let masks = masks(before, &tables[0], 0..tables[0].n());
    if masks.iter().any(Option::is_some) {
        let sides = [before, after].into_iter().zip(&tables);
        let places: Vec<attribution::Placement> =
            sides.map(|(scan, table)| attribution::of(scan, table, &masks)).collect();
        comparison.energy_in_core = Some(Pair::new(places[0].energy, places[1].energy));
        comparison.aiou = Some(Pair::new(places[0].aiou, places[1].aiou));
        let found = [before, after].map(|scan| noise::sensitivity(scan, &tables[0], &masks, host, context));
        match found {
            [Ok(before), Ok(after)] => comparison.set_sensitivity(before, after),
            [Err(Error::Cancelled), _] | [_, Err(Error::Cancelled)] => return Err(Error::Cancelled),
            [Err(error), _] | [_, Err(error)] => {
                comparison.notes.push(format!("no core accuracy: {error}"));
            }
        }
    }
    Ok(comparison)
}

/// The worst of the slices that the scan after has itself: a repair may break images that no slice before holds together.
fn worst_of_its_own(after: &Scan) -> Option<String> {
    let set = SliceSet::load(after, None).ok()?;
    let large = set.slices.iter().filter(|slice| slice.errors().n >= MIN_SLICE);
    let (accuracy, slice) =
        large.filter_map(|slice| Some((slice.accuracy?, slice))).min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!(
        "slices are those of the scan before; of its own slices, the scan after is worst on number {}: {:.1} % of {} images",
        slice.id,
        accuracy * 100.0,
        slice.size
    ))
}

fn check_same(before: &Scan, after: &Scan, tables: &[ScanTable; 2]) -> Result<()> {
    if tables[0].uris == tables[1].uris && tables[0].labels == tables[1].labels {
        return Ok(());
    }
    let message = format!("is a scan of other images, or of other labels, than {}", before.dir.display());
    Err(Error::file(&after.dir, message, "scan the same images with both models"))
}
