//! The same slices, as another model judges them.

use super::{SliceSet, describe};
use ascan_core::Tensor;
use ascan_core::{Error, Result};
use ascan_store::table::ScanTable;
use std::collections::BTreeMap;

/// The same images in the same slices, by a scan of another model: accuracy, confidence and typical images are said anew, while
/// number, order and place of each slice stay.
///
/// # Errors
/// `Shape` for a scan of another number of images.
pub fn judged_by(set: &SliceSet, table: &ScanTable) -> Result<SliceSet> {
    if set.assignment.len() != table.n() {
        return Err(Error::shape("slices", format!("{} rows, as the scan has", table.n()), set.assignment.len()));
    }
    let rows: Vec<usize> = table.valid_rows().into_iter().filter(|&row| set.assignment[row] >= 0).collect();
    let assigned: Vec<i32> = rows.iter().map(|&row| set.assignment[row]).collect();
    let d = table.embeddings.view().row_len();
    let embeddings = rows.iter().flat_map(|&row| table.embeddings.row(row).to_vec()).collect();
    let mut judged = describe(table, set.recipe.clone(), &rows, &Tensor::new([rows.len(), d], embeddings)?, &assigned);
    let place: BTreeMap<i32, usize> = set.slices.iter().enumerate().map(|(at, slice)| (slice.id, at)).collect();
    judged.slices.sort_by_key(|slice| place.get(&slice.id).copied());
    for slice in &mut judged.slices {
        if let Some(before) = set.slice(slice.id) {
            slice.position = before.position;
        }
    }
    Ok(judged)
}
