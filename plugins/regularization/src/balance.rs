//! Drawing the same number of images from each cell.

use ascan_core::{Habits, Strengths};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// Of a method that decides itself how often each image comes.
pub(crate) const BALANCES: Strengths =
    Strengths { habits: Habits { balances: true, ..Habits::none() }, ..Strengths::none() };

/// Of a method that is not meant to change where a model looks.
pub(crate) const OTHER_AIM: Strengths =
    Strengths { habits: Habits { has_other_aim: true, ..Habits::none() }, ..Strengths::none() };

/// Rows by cell, in the order of the cells' names.
pub(crate) type Cells = BTreeMap<(usize, i32), Vec<usize>>;

/// Sorts rows into cells of label and group.
pub(crate) fn cells(rows: impl Iterator<Item = usize>, labels: &[usize], groups: &[i32]) -> Cells {
    let mut cells = Cells::new();
    for row in rows {
        cells.entry((labels[row], groups[row])).or_default().push(row);
    }
    cells
}

/// `n` rows of each cell, drawn anew with each seed; all of a smaller cell come before any of its rows comes again.
pub(crate) fn draw(cells: &Cells, n: usize, seed: u64) -> Vec<usize> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut drawn = Vec::with_capacity(n * cells.len());
    for rows in cells.values().filter(|rows| !rows.is_empty()) {
        let mut left = n;
        while left > 0 {
            let mut rows = rows.clone();
            rows.shuffle(&mut rng);
            rows.truncate(left);
            left -= rows.len();
            drawn.append(&mut rows);
        }
    }
    drawn
}

/// The seed of an epoch.
pub(crate) fn of_epoch(seed: u64, epoch: u64) -> u64 {
    seed ^ epoch.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
