//! DBSCAN in tiles: which images are cores, which cores are joined, which images touch a core.
//!
//! No list of neighbours is kept, so that memory does not grow with `eps`.

use crate::cores::Clusters;
use ascan_core::Result;
use ascan_math::points::Points;
use ascan_math::tiles::{Bounds, NOTHING, Tile, blocks, sq_distance};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Tiles between two reports of progress.
const BATCH: usize = 256;

/// Finds the clusters. A row that touches several is in the one whose first core comes first, as in scikit-learn.
///
/// # Errors
/// What `progress` says.
pub fn dbscan(
    points: &Points,
    sq_eps: f32,
    min_samples: usize,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Clusters> {
    let n = points.n();
    // A row is within any distance of itself.
    let n_within: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(1)).collect();
    each_pair(
        (points, points),
        true,
        sq_eps,
        pool,
        |done, of| progress(done, 3 * of),
        |_, _| true,
        |i, j| {
            n_within[i].fetch_add(1, Relaxed);
            n_within[j].fetch_add(1, Relaxed);
        },
    )?;
    let is_core: Vec<bool> = n_within.iter().map(|n| n.load(Relaxed) >= min_samples).collect();
    let (cores, others): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| is_core[i]);

    let of_cores = points.select(cores.iter().copied());
    let sets = Sets::new(cores.len());
    let apart = |i: usize, j: usize| sets.find(i as u32) != sets.find(j as u32);
    each_pair(
        (&of_cores, &of_cores),
        true,
        sq_eps,
        pool,
        |done, of| progress(of + done, 3 * of),
        apart,
        |i, j| sets.join(i as u32, j as u32),
    )?;
    let mut slices = vec![None; n];
    let mut slice_of_set = vec![None; cores.len()];
    let mut n_slices = 0;
    // Slices by their first core.
    for (at, &row) in cores.iter().enumerate() {
        let slice = slice_of_set[sets.find(at as u32) as usize].get_or_insert_with(|| {
            n_slices += 1;
            n_slices - 1
        });
        slices[row] = Some(*slice);
    }

    let of_others = points.select(others.iter().copied());
    let first: Vec<AtomicUsize> = others.iter().map(|_| AtomicUsize::new(usize::MAX)).collect();
    let slice_of_core = |at: usize| slices[cores[at]].unwrap_or(usize::MAX);
    let earlier = |i: usize, j: usize| slice_of_core(j) < first[i].load(Relaxed);
    each_pair(
        (&of_others, &of_cores),
        false,
        sq_eps,
        pool,
        |done, of| progress(2 * of + done, 3 * of),
        earlier,
        |i, j| {
            first[i].fetch_min(slice_of_core(j), Relaxed);
        },
    )?;
    for (&row, first) in others.iter().zip(&first) {
        slices[row] = Some(first.load(Relaxed)).filter(|&slice| slice != usize::MAX);
    }
    Ok(Clusters { slices, is_core, n_slices })
}

/// Calls `visit` with each pair of rows within the distance for which `matters` holds; each pair once if both sides
/// are `same`, and no row with itself. The order is any: what `visit` does must not depend on it.
fn each_pair(
    (a, b): (&Points, &Points),
    same: bool,
    sq_eps: f32,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
    matters: impl Fn(usize, usize) -> bool + Sync,
    visit: impl Fn(usize, usize) + Sync,
) -> Result<()> {
    let (bounds_a, bounds_b) = (Bounds::new(a), Bounds::new(b));
    let columns_of: Vec<Range<usize>> = blocks(0..b.n()).collect();
    let pairs: Vec<(Range<usize>, Range<usize>)> = blocks(0..a.n())
        .enumerate()
        .flat_map(|(at, rows)| {
            let columns = columns_of.iter().skip(if same { at } else { 0 }).cloned();
            columns.map(move |columns| (rows.clone(), columns))
        })
        .collect();
    for (batch, pairs_of_batch) in pairs.chunks(BATCH).enumerate() {
        progress(batch * BATCH, pairs.len())?;
        pool.install(|| {
            let room = || (Tile::default(), Vec::new());
            pairs_of_batch.par_iter().for_each_init(room, |(tile, found), (rows, columns)| {
                tile.fill((a, rows.clone()), (b, columns.clone()));
                let of_columns = bounds_b.rows(columns.clone());
                for (at, (i, &bound)) in rows.clone().zip(bounds_a.rows(rows.clone())).enumerate() {
                    tile.below(at, (bound, of_columns), (sq_eps, &NOTHING[..columns.len()]), found);
                    for &(column, low) in &*found {
                        let j = columns.start + column;
                        if (same && j <= i) || !matters(i, j) {
                            continue;
                        }
                        // Only where rounding leaves a doubt is the distance itself needed.
                        let surely = bounds_a.above(low, a.sq_norm(i) + b.sq_norm(j)) <= sq_eps;
                        if surely || sq_distance(a.row(i), b.row(j)) <= sq_eps {
                            visit(i, j);
                        }
                    }
                }
            });
        });
    }
    progress(pairs.len(), pairs.len())
}

/// Sets that several threads join at once. The name of a set is its smallest member: the end does not depend on the
/// order of the joins.
struct Sets(Vec<AtomicU32>);

impl Sets {
    fn new(n: usize) -> Self {
        Self((0..n as u32).map(AtomicU32::new).collect())
    }

    fn find(&self, mut i: u32) -> u32 {
        loop {
            let up = self.0[i as usize].load(Relaxed);
            if up == i {
                return i;
            }
            let above = self.0[up as usize].load(Relaxed);
            // Shortens the path; if another thread did, so much the better.
            let _ = self.0[i as usize].compare_exchange_weak(up, above, Relaxed, Relaxed);
            i = above;
        }
    }

    fn join(&self, a: u32, b: u32) {
        loop {
            let (a, b) = (self.find(a), self.find(b));
            let (low, high) = (a.min(b), a.max(b));
            if low == high || self.0[high as usize].compare_exchange(high, low, Relaxed, Relaxed).is_ok() {
                return;
            }
        }
    }
}
