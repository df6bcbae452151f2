//! Finds rows that were seen before.

use crate::points::Points;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Rows by their bits: a model that keeps its rows gives the same answer for them as it did at the fit, without a
/// search.
pub struct Lookup(HashMap<u64, Vec<u32>>);

impl Lookup {
    /// Over all rows.
    pub fn new(points: &Points) -> Self {
        let mut rows: HashMap<u64, Vec<u32>> = HashMap::with_capacity(points.n());
        for i in 0..points.n() {
            rows.entry(hash(points.row(i))).or_default().push(i as u32);
        }
        Self(rows)
    }

    /// The first of `points` (those of [`Self::new`]) that equals `row`.
    pub fn find(&self, points: &Points, row: &[f32]) -> Option<usize> {
        let rows = self.0.get(&hash(row))?;
        rows.iter().map(|&i| i as usize).find(|&i| points.row(i) == row)
    }
}

/// Of the bits of a row; the same in every run.
pub fn hash(row: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.iter().for_each(|value| value.to_bits().hash(&mut hasher));
    hasher.finish()
}
