//! A slice that a person picked.

use super::{Recipe, SliceSet, describe};
use ascan_core::params::ParamMap;
use ascan_core::{Error, Result};
use ascan_store::table::ScanTable;
use std::collections::BTreeSet;

/// The same set with one more slice: these rows, taken out of the slices they were in.
///
/// # Errors
/// `Param` if no row is given, or one that was not sliced.
pub fn with_slice_of(table: &ScanTable, set: &SliceSet, rows: &[usize]) -> Result<SliceSet> {
    let input = table.slice_input();
    let known: BTreeSet<usize> = input.rows.iter().copied().collect();
    if rows.is_empty() || rows.iter().any(|row| !known.contains(row)) {
        let hint = "pick images that could be read";
        return Err(Error::param("rows", "a slice needs at least one image, and all its images need features", hint));
    }
    let new = set.assignment.iter().copied().max().unwrap_or(-1) + 1;
    let mut assignment = set.assignment.clone();
    rows.iter().for_each(|&row| assignment[row] = new);
    let assigned: Vec<i32> = input.rows.iter().map(|&row| assignment[row]).collect();
    let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
    let recipe = Recipe {
        plugin: "picked".into(),
        params: ParamMap::from_iter([
            ("set".to_owned(), set.id.as_str().into()),
            ("rows".to_owned(), blake3::hash(&bytes).to_hex().to_string().into()),
        ]),
        ..set.recipe.clone()
    };
    Ok(describe(table, recipe, &input.rows, &input.embeddings, &assigned))
}
