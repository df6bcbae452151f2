//! What the benchmarks share: seeded tables of the same sizes for every method.

use ascan_core::testing::{ToyTable, toy_slice_table};

/// Sizes `[n, d]` of the tables: a small scan, and one of many images.
pub const SIZES: [[usize; 2]; 2] = [[1_200, 64], [20_000, 512]];

/// The table of this size, the same for every method.
pub fn table([n, d]: [usize; 2]) -> ToyTable {
    toy_slice_table(n, d, 0)
}

/// The name of a size in the id of a benchmark.
pub fn name([n, d]: [usize; 2]) -> String {
    format!("{n}x{d}")
}
