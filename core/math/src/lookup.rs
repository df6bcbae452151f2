//! Finds rows that were seen before.

use crate::points::Points;
use rayon::prelude::*;
use std::collections::HashMap;

/// Rows by their bits: a model that keeps its rows gives them the same answer as at the fit, without a search.
pub struct Lookup(HashMap<u64, Vec<u32>>);

impl Lookup {
    /// An index of all rows. Uses the threads of the pool that it is called in, if it is called in one.
    pub fn new(points: &Points) -> Self {
        let of_row = |i: usize| hash(points.row(i));
        let hashes: Vec<u64> = match rayon::current_thread_index() {
            Some(_) => (0..points.n()).into_par_iter().map(of_row).collect(),
            None => (0..points.n()).map(of_row).collect(),
        };
        let mut rows: HashMap<u64, Vec<u32>> = HashMap::with_capacity(points.n());
        for (i, hash) in hashes.into_iter().enumerate() {
            rows.entry(hash).or_default().push(i as u32);
        }
        Self(rows)
    }

    /// The first of `points` (those of [`Self::new`]) that equals `row`.
    pub fn find(&self, points: &Points, row: &[f32]) -> Option<usize> {
        let rows = self.0.get(&hash(row))?;
        rows.iter().map(|&i| i as usize).find(|&i| points.row(i) == row)
    }
}

/// A hash of the bits of a row, the same in every run. In four chains, since a multiplication waits for the one before.
fn hash(row: &[f32]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let turn = |hash: u64, bits: u32| (hash ^ u64::from(bits)).wrapping_mul(FACTOR).rotate_left(29);
    let mut chains = [1u64, 2, 3, 4];
    for values in row.chunks(4) {
        chains.iter_mut().zip(values).for_each(|(chain, value)| *chain = turn(*chain, value.to_bits()));
    }
    let all =
        chains.into_iter().fold(row.len() as u64, |all, chain| (all ^ chain).wrapping_mul(FACTOR).rotate_left(32));
    all ^ (all >> 29)
}
