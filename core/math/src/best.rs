//! The nearest rows so far, and how a tile adds to them.

use crate::neighbours::Neighbours;
use crate::points::Points;
use crate::tiles::{Bounds, NOTHING, Tile, sq_distance};
use crate::wide;
use std::ops::Range;

/// Consecutive rows of some points.
#[derive(Clone)]
pub struct Block<'a> {
    pub points: &'a Points,
    pub bounds: &'a Bounds,
    pub rows: Range<usize>,
}

/// The `k` nearest candidates so far of each row of a consecutive range, sorted by distance, then by index. The final
/// result does not depend on the order in which candidates come.
pub struct Best {
    k: usize,
    /// The first of the rows.
    start: usize,
    /// `[rows, k]`.
    indices: Vec<u32>,
    /// `[rows, k]`, infinite where there is none yet.
    sq_distances: Vec<f32>,
    /// `[rows]`, the largest distance kept for each row.
    limits: Vec<f32>,
}

impl Best {
    pub fn new(rows: Range<usize>, k: usize) -> Self {
        Self {
            k,
            start: rows.start,
            indices: vec![u32::MAX; rows.len() * k],
            sq_distances: vec![f32::INFINITY; rows.len() * k],
            limits: vec![if k == 0 { f32::NEG_INFINITY } else { f32::INFINITY }; rows.len()],
        }
    }

    /// The largest distance kept for each of these rows.
    fn limits(&self, rows: Range<usize>) -> &[f32] {
        &self.limits[rows.start - self.start..rows.end - self.start]
    }

    /// No row takes a candidate beyond this squared distance.
    pub fn furthest(&self) -> f32 {
        self.limits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Whether a candidate of row `i`, at no less than `bound`, can be among the nearest.
    fn wants(&self, i: usize, bound: f32, index: u32) -> bool {
        let row = i - self.start;
        let limit = self.limits[row];
        // Many equal rows have a limit of zero, and the bound is below it by rounding alone.
        bound.max(0.0) < limit || (bound <= limit && index < self.indices[(row + 1) * self.k - 1])
    }

    fn insert(&mut self, i: usize, sq_distance: f32, index: u32) {
        let row = i - self.start;
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

    /// Joins the results of consecutive blocks.
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

/// If at most one pair in this many is left of a tile, measuring the pairs one by one is as quick as the whole product.
const FEW: usize = 8;

/// Buffers of one thread that looks at tiles.
#[derive(Default)]
pub struct Scan {
    tile: Tile,
    found: Vec<(usize, f32)>,
    /// Rows, other rows and bounds.
    pairs: Vec<(usize, usize, f32)>,
}

impl Scan {
    /// Offers the rows of `base` to those of `queries`. `index(query, base row)` is the number under
    /// which the base row is kept; `None` keeps the pair out.
    pub fn offer(&mut self, queries: Block, base: Block, best: &mut Best, index: impl Fn(usize, usize) -> Option<u32>) {
        self.multiply(&queries, &base);
        let columns = base.bounds.rows(base.rows.clone());
        wide(
            #[inline(always)]
            || {
                for (row, (i, &bound)) in queries.rows.clone().zip(queries.bounds.rows(queries.rows)).enumerate() {
                    let limits = (best.limits(i..i + 1)[0], &NOTHING[..columns.len()]);
                    self.tile.below(row, (bound, columns), limits, &mut self.found);
                    for &(column, bound) in &self.found {
                        let j = base.rows.start + column;
                        if let Some(index) = index(i, j).filter(|&index| best.wants(i, bound, index)) {
                            best.insert(i, sq_distance(queries.points.row(i), base.points.row(j)), index);
                        }
                    }
                }
            },
        );
    }

    /// Offers two blocks of the same points to each other; they do not overlap. `index(row)` is the number under which
    /// a row is kept. The tile is filled before ([`Self::multiply`]), so that the locks are not held for the product.
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
                    let limits = (best_a.limits(i..i + 1)[0], best_b.limits(b.rows.clone()));
                    self.tile.below(row, (bound, columns), limits, &mut self.found);
                    for &(column, bound) in &self.found {
                        measure(a.points, (i, b.rows.start + column), bound, (best_a, best_b), &index);
                    }
                }
            },
        );
    }

    /// As [`Self::offer_both`], by the bounds of a tile of sketches, `of_sketch`. Where too many pairs remain, nothing
    /// is offered; the blocks that hold them all are given back.
    pub fn offer_few<'a>(
        &mut self,
        (a, b): (&Block<'a>, &Block<'a>),
        of_sketch: &Bounds,
        (best_a, best_b): (&mut Best, &mut Best),
        index: impl Fn(usize) -> u32,
    ) -> Option<(Block<'a>, Block<'a>)> {
        let columns = of_sketch.rows(b.rows.clone());
        let most = a.rows.len() * b.rows.len() / FEW;
        let (mut rows, mut others, mut n_pairs) = (a.rows.end..0, b.rows.end..0, 0);
        self.pairs.clear();
        wide(
            #[inline(always)]
            || {
                for (row, (i, &bound)) in a.rows.clone().zip(of_sketch.rows(a.rows.clone())).enumerate() {
                    let limits = (best_a.limits(i..i + 1)[0], best_b.limits(b.rows.clone()));
                    let reach = if n_pairs > most {
                        self.tile.reach(row, (bound, columns), limits)
                    } else {
                        self.tile.below(row, (bound, columns), limits, &mut self.found);
                        n_pairs += self.found.len();
                        let found = self.found.iter();
                        self.pairs.extend(found.map(|&(column, bound)| (i, b.rows.start + column, bound)));
                        self.found.first().zip(self.found.last()).map(|(first, last)| first.0..last.0 + 1)
                    };
                    let Some(reach) = reach else { continue };
                    rows = rows.start.min(i)..i + 1;
                    others = others.start.min(b.rows.start + reach.start)..others.end.max(b.rows.start + reach.end);
                }
                if n_pairs > rows.len() * others.len() / FEW {
                    return Some((Block { rows, ..a.clone() }, Block { rows: others, ..b.clone() }));
                }
                for &(i, j, bound) in &self.pairs {
                    measure(a.points, (i, j), bound, (best_a, best_b), &index);
                }
                None
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
    points: &Points,
    (i, j): (usize, usize),
    bound: f32,
    (best_i, best_j): (&mut Best, &mut Best),
    index: &impl Fn(usize) -> u32,
) {
    if best_i.wants(i, bound, index(j)) || best_j.wants(j, bound, index(i)) {
        let distance = sq_distance(points.row(i), points.row(j));
        best_i.insert(i, distance, index(j));
        best_j.insert(j, distance, index(i));
    }
}
