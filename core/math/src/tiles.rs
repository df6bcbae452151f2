//! Tiles: the inner products of two blocks of rows, and what they say about distances.
//!
//! A matrix product is the quickest way to look at all pairs, but it rounds. So a tile only rules pairs out, by lower
//! bounds that hold in spite of the rounding. The pairs that remain are measured directly ([`sq_distance`]). The result
//! is exact and does not depend on how rows are cut into tiles.

use crate::points::Points;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Maximum number of rows on each side of a tile.
pub const SIDE: usize = 256;

/// Limits of columns that take no pair.
pub const NOTHING: [f32; SIDE] = [f32::NEG_INFINITY; SIDE];

/// Number of pairs that are looked at together.
const LANES: usize = 16;

/// `‖x‖²` of each row, less the share that rounding may take, so that `bound(x) + bound(y) − 2x·y` is never above the
/// squared distance of `x` and `y` as [`sq_distance`] gives it.
pub struct Bounds {
    values: Vec<f32>,
    rounding: f32,
}

impl Bounds {
    /// The bounds of all rows.
    pub fn new(points: &Points) -> Self {
        // Each of `d` products and sums rounds by 2⁻²⁴ of at most ‖x‖·‖y‖; twice that, and some for the norms.
        let rounding = (points.d() + 32) as f32 * f32::EPSILON;
        let values = (0..points.n()).map(|i| points.sq_norm(i) * (1.0 - rounding)).collect();
        Self { values, rounding }
    }

    /// The same bounds, each lowered by its own amount.
    pub(crate) fn lowered(mut self, by: impl Iterator<Item = f32>) -> Self {
        self.values.iter_mut().zip(by).for_each(|(value, by)| *value -= by);
        self
    }

    /// The bounds of these rows.
    pub fn rows(&self, rows: Range<usize>) -> &[f32] {
        &self.values[rows]
    }

    /// An upper bound of the squared distance whose lower bound is `low`; `sq_norms` is the sum of both rows' squared
    /// norms.
    pub fn above(&self, low: f32, sq_norms: f32) -> f32 {
        low + 3.0 * self.rounding * sq_norms
    }
}

/// Blocks of at most [`SIDE`] rows that cover `rows`.
pub fn blocks(rows: Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> + Clone {
    let end = rows.end;
    rows.step_by(SIDE).map(move |start| start..(start + SIDE).min(end))
}

/// Buffer for the inner products between two blocks of rows.
pub struct Tile {
    n_columns: usize,
    /// `[rows of the first block, rows of the second]`.
    products: Vec<f32>,
}

impl Default for Tile {
    fn default() -> Self {
        Self { n_columns: 0, products: vec![0.0; SIDE * SIDE] }
    }
}

impl Tile {
    /// Multiplies the rows `a` with the rows `b`, at most [`SIDE`] each.
    pub fn fill(&mut self, a: (&Points, Range<usize>), b: (&Points, Range<usize>)) {
        let (n_rows, n_columns, d) = (a.1.len(), b.1.len(), a.0.d());
        self.n_columns = n_columns;
        let a = MatRef::from_row_major_slice(a.0.rows(a.1), n_rows, d);
        let b = MatRef::from_row_major_slice(b.0.rows(b.1), n_columns, d);
        let products = &mut self.products[..n_rows * n_columns];
        let products = MatMut::from_column_major_slice_mut(products, n_columns, n_rows);
        matmul(products, Accum::Replace, b, a.transpose(), 1.0f32, Par::Seq);
    }

    /// The inner products of a row of the first block with all rows of the second.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.products[row * self.n_columns..][..self.n_columns]
    }

    /// Finds the columns of a row whose lower bound is at most `limit`, or at most the limit of the column; gives them
    /// with the bound. `bound` is that of the row, `columns` those of the columns.
    #[inline(always)]
    pub fn below(
        &self,
        row: usize,
        (bound, columns): (f32, &[f32]),
        (limit, limits): (f32, &[f32]),
        found: &mut Vec<(usize, f32)>,
    ) {
        found.clear();
        for (start, lows, limits) in self.groups(row, (bound, columns), limits) {
            if any(&lows, limit, limits) {
                let hits = lows.iter().zip(limits).enumerate();
                let hits = hits.filter(|(_, (low, of_column))| **low <= limit || low <= of_column);
                found.extend(hits.map(|(column, (low, _))| (start + column, *low)));
            }
        }
    }

    /// A range of columns that holds all that [`Self::below`] finds, at less cost.
    #[inline(always)]
    pub(crate) fn reach(
        &self,
        row: usize,
        (bound, columns): (f32, &[f32]),
        (limit, limits): (f32, &[f32]),
    ) -> Option<Range<usize>> {
        let mut reach = None;
        for (start, lows, limits) in self.groups(row, (bound, columns), limits) {
            if any(&lows, limit, limits) {
                let first = reach.map_or(start, |reach: Range<usize>| reach.start);
                reach = Some(first..start + limits.len());
            }
        }
        reach
    }

    /// The lower bounds of a row, some columns at a time, with the first of the columns and their limits.
    #[inline(always)]
    fn groups<'a>(
        &'a self,
        row: usize,
        (bound, columns): (f32, &'a [f32]),
        limits: &'a [f32],
    ) -> impl Iterator<Item = (usize, [f32; LANES], &'a [f32])> {
        let groups = self.row(row).chunks(LANES).zip(columns.chunks(LANES)).zip(limits.chunks(LANES));
        (0..).step_by(LANES).zip(groups).map(
            #[inline(always)]
            move |(start, ((products, columns), limits))| {
                let mut lows = [f32::INFINITY; LANES];
                for ((low, product), column) in lows.iter_mut().zip(products).zip(columns) {
                    *low = bound + column - 2.0 * product;
                }
                (start, lows, limits)
            },
        )
    }
}

/// Whether a bound is at most `limit`, or at most that of its column.
#[inline(always)]
fn any(lows: &[f32; LANES], limit: f32, limits: &[f32]) -> bool {
    lows.iter().zip(limits).fold(false, |any, (low, of_column)| any | (*low <= limit) | (low <= of_column))
}

/// Squared Euclidean distance, by the differences; exactly zero for equal rows, and the same bits on every machine.
#[inline(always)]
pub fn sq_distance(a: &[f32], b: &[f32]) -> f32 {
    Arch::new().dispatch(SqDistance { a, b })
}

/// Number of partial sums of one distance.
const SUMS: usize = 16;

/// Written out in registers: the compiler splits the sums of a loop over arrays again to add them up.
struct SqDistance<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for SqDistance<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        const { assert!(SUMS.is_multiple_of(S::F32_LANES)) };
        let n_registers = SUMS / S::F32_LANES;
        let whole = self.a.len().min(self.b.len()) / SUMS * SUMS;
        let ((a, a_tail), (b, b_tail)) = (self.a.split_at(whole), self.b.split_at(whole));
        let (a, b) = (S::as_simd_f32s(a).0, S::as_simd_f32s(b).0);
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        for (a, b) in a.chunks_exact(n_registers).zip(b.chunks_exact(n_registers)) {
            for (sum, (&a, &b)) in sums[..n_registers].iter_mut().zip(a.iter().zip(b)) {
                let difference = simd.sub_f32s(a, b);
                *sum = simd.add_f32s(*sum, simd.mul_f32s(difference, difference));
            }
        }
        let mut lanes = [0.0; SUMS];
        S::as_mut_simd_f32s(&mut lanes).0.copy_from_slice(&sums[..n_registers]);
        let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| (a - b) * (a - b)).sum();
        sum(lanes) + tail
    }
}

/// Adds the partial sums in a fixed order, by halves, so that lanes add in parallel.
fn sum(mut sums: [f32; SUMS]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}
