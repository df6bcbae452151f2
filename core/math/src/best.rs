//! The nearest rows so far, and how a tile adds to them.

use crate::knn::Neighbours;
use crate::points::Points;
use crate::tiles::{Bounds, NOTHING, SIDE, Tile, sq_distance};
use crate::wide;
use std::ops::Range;

/// Consecutive rows of some points.
#[derive(Clone)]
pub struct Block<'a> {
    pub points: &'a Points,
    pub bounds: &'a Bounds,
    pub rows: Range<usize>,
}

/// The `k` nearest so far of each row of a block: sorted by distance, then by index. Which they are in the end does
/// not depend on the order in which candidates come.
pub struct Best {
    k: usize,
    /// `[rows, k]`.
    indices: Vec<u32>,
    /// `[rows, k]`, infinite where there is none yet.
    sq_distances: Vec<f32>,
    /// `[rows]`, the last distance of each row.
    limits: Vec<f32>,
}

impl Best {
    pub fn new(n_rows: usize, k: usize) -> Self {
        Self {
            k,
            indices: vec![u32::MAX; n_rows * k],
            sq_distances: vec![f32::INFINITY; n_rows * k],
            limits: vec![if k == 0 { f32::NEG_INFINITY } else { f32::INFINITY }; n_rows],
        }
    }

    /// Whether a candidate at no less than `bound` can be among the nearest.
    fn wants(&self, row: usize, bound: f32, index: u32) -> bool {
        let limit = self.limits[row];
        // Many equal rows have a limit of zero, and the bound is below it by rounding alone.
        bound.max(0.0) < limit || (bound <= limit && index < self.indices[(row + 1) * self.k - 1])
    }

    fn insert(&mut self, row: usize, sq_distance: f32, index: u32) {
        let range = row * self.k..(row + 1) * self.k;
        let (distances, indices) = (&mut self.sq_distances[range.clone()], &mut self.indices[range]);
        let mut at = distances.len();
        while at > 0 && (sq_distance, index) < (distances[at - 1], indices[at - 1]) {
            at -= 1;
        }
        if at < distances.len() {
            distances[at..].rotate_right(1);
            indices[at..].rotate_right(1);
            (distances[at], indices[at]) = (sq_distance, index);
            self.limits[row] = distances[distances.len() - 1];
        }
    }

    /// Puts blocks one after the other.
    pub fn collect(blocks: impl IntoIterator<Item = Self>, k: usize) -> Neighbours {
        let mut all = Neighbours { n: 0, k, indices: Vec::new(), sq_distances: Vec::new(), recall: 1.0 };
        for block in blocks {
            all.n += block.limits.len();
            all.indices.extend(block.indices);
            all.sq_distances.extend(block.sq_distances);
        }
        all
    }
}

/// Pairs of a tile that are measured one by one; where more remain, the whole product is quicker.
const FEW: usize = SIDE * SIDE / 16;

/// What a thread needs to look at tiles.
#[derive(Default)]
pub struct Scan {
    tile: Tile,
    found: Vec<(usize, f32)>,
    /// Rows, columns and bounds.
    pairs: Vec<(usize, usize, f32)>,
}

impl Scan {
    /// Offers the rows of `base` to those of `queries`. `index` is the name of a row of the base, for a row of the
    /// queries: `None` keeps the pair out.
    pub fn offer(&mut self, queries: Block, base: Block, best: &mut Best, index: impl Fn(usize, usize) -> Option<u32>) {
        self.multiply(&queries, &base);
        let columns = base.bounds.rows(base.rows.clone());
        wide(
            #[inline(always)]
            || {
                for (row, (i, &bound)) in queries.rows.clone().zip(queries.bounds.rows(queries.rows)).enumerate() {
                    let limits = (best.limits[row], &NOTHING[..columns.len()]);
                    self.tile.below(row, (bound, columns), limits, &mut self.found);
                    for &(column, bound) in &self.found {
                        let j = base.rows.start + column;
                        if let Some(index) = index(i, j).filter(|&index| best.wants(row, bound, index)) {
                            best.insert(row, sq_distance(queries.points.row(i), base.points.row(j)), index);
                        }
                    }
                }
            },
        );
    }

    /// Offers two blocks of the same points to each other; they do not overlap. `index` is the name of a row. The tile
    /// is filled before ([`Self::multiply`]), so that the locks are not held for the product.
    pub fn offer_both(
        &mut self,
        (a, b): (&Block, &Block),
        (best_a, best_b): (&mut Best, &mut Best),
        index: impl Fn(usize) -> u32,
    ) {
        let columns = b.bounds.rows(b.rows.clone());
        wide(
            #[inline(always)]
            || {
                for (row, (i, &bound)) in a.rows.clone().zip(a.bounds.rows(a.rows.clone())).enumerate() {
                    self.tile.below(row, (bound, columns), (best_a.limits[row], &best_b.limits), &mut self.found);
                    for &(column, bound) in &self.found {
                        let j = b.rows.start + column;
                        measure((a, b), (i, j), bound, (best_a, best_b), &index);
                    }
                }
            },
        );
    }

    /// As [`Self::offer_both`], by the bounds of a tile of sketches, `of_sketch`. `false` if too many pairs remain:
    /// nothing is offered then.
    pub fn offer_few(
        &mut self,
        (a, b): (&Block, &Block),
        of_sketch: &Bounds,
        (best_a, best_b): (&mut Best, &mut Best),
        index: impl Fn(usize) -> u32,
    ) -> bool {
        let columns = of_sketch.rows(b.rows.clone());
        self.pairs.clear();
        wide(
            #[inline(always)]
            || {
                for (row, &bound) in of_sketch.rows(a.rows.clone()).iter().enumerate() {
                    self.tile.below(row, (bound, columns), (best_a.limits[row], &best_b.limits), &mut self.found);
                    self.pairs.extend(self.found.iter().map(|&(column, bound)| (row, column, bound)));
                    if self.pairs.len() > FEW {
                        return false;
                    }
                }
                for &(row, column, bound) in &self.pairs {
                    measure((a, b), (a.rows.start + row, b.rows.start + column), bound, (best_a, best_b), &index);
                }
                true
            },
        )
    }

    /// Fills the tile.
    pub fn multiply(&mut self, a: &Block, b: &Block) {
        self.tile.fill((a.points, a.rows.clone()), (b.points, b.rows.clone()));
    }
}

/// Measures a pair, if either row wants it at no less than `bound`.
#[inline(always)]
fn measure(
    (a, b): (&Block, &Block),
    (i, j): (usize, usize),
    bound: f32,
    (best_a, best_b): (&mut Best, &mut Best),
    index: &impl Fn(usize) -> u32,
) {
    let (row, column) = (i - a.rows.start, j - b.rows.start);
    if best_a.wants(row, bound, index(j)) || best_b.wants(column, bound, index(i)) {
        let distance = sq_distance(a.points.row(i), b.points.row(j));
        best_a.insert(row, distance, index(j));
        best_b.insert(column, distance, index(i));
    }
}
