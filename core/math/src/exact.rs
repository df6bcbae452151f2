//! Nearest neighbours by looking at every pair of rows, [`tiles`](crate::tiles) at a time.

use crate::best::{Best, Block, Scan};
use crate::neighbours::Neighbours;
use crate::points::Points;
use crate::sketch::Sketch;
use crate::tiles::{Bounds, blocks};
use ascan_core::Result;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Number of tiles between two reports of progress.
const BATCH: usize = 256;

/// The `k` nearest other rows of each row, exactly. Each pair of rows is looked at once, long rows by their
/// sketches first.
///
/// # Errors
/// Whatever error `progress` returns.
pub fn graph(
    points: &Points,
    k: usize,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Neighbours> {
    let k = k.min(points.n().saturating_sub(1));
    let sketch = Sketch::of(points, pool, &mut progress)?;
    let points = sketch.as_ref().map_or(points, |sketch| &sketch.rows);
    let index = |i: usize| sketch.as_ref().map_or(i as u32, |sketch| sketch.order[i]);
    let bounds = Bounds::new(points);
    let blocks = sketch.as_ref().map_or_else(|| blocks(0..points.n()).collect(), |sketch| sketch.blocks.clone());
    let best: Vec<Mutex<Best>> = blocks.iter().map(|rows| Mutex::new(Best::new(rows.clone(), k))).collect();
    let mut pairs: Vec<(usize, usize)> =
        (0..blocks.len()).flat_map(|a| (a..blocks.len()).map(move |b| (a, b))).collect();
    // Near blocks first: the neighbours found there rule out most other pairs.
    pairs.sort_by_key(|&(a, b)| b - a);
    let lock = |block: usize| best[block].lock().unwrap_or_else(PoisonError::into_inner);
    let look = |scan: &mut Scan, &(a, b): &(usize, usize)| {
        let block = |block: usize| Block { points, bounds: &bounds, rows: blocks[block].clone() };
        if a == b {
            return scan.offer(block(a), block(a), &mut lock(a), |i, j| (i != j).then_some(index(j)));
        }
        let (mut rows_a, mut rows_b) = (block(a), block(b));
        if let Some(sketch) = &sketch {
            let apart = sketch.apart(a, b);
            if apart > lock(a).furthest() && apart > lock(b).furthest() {
                return;
            }
            let short = |rows: &Block| Block { points: &sketch.short, bounds: &sketch.bounds, rows: rows.rows.clone() };
            scan.multiply(&short(&rows_a), &short(&rows_b));
            let (mut best_a, mut best_b) = (lock(a), lock(b));
            let bests = (&mut *best_a, &mut *best_b);
            let Some(left) = scan.offer_few((&rows_a, &rows_b), &sketch.bounds, bests, index) else { return };
            (rows_a, rows_b) = left;
        }
        scan.multiply(&rows_a, &rows_b);
        // Always the earlier block first, so that no two threads wait for each other.
        let (mut best_a, mut best_b) = (lock(a), lock(b));
        scan.offer_both((&rows_a, &rows_b), (&mut best_a, &mut best_b), index);
    };
    for (batch, pairs_of_batch) in pairs.chunks(BATCH).enumerate() {
        progress(batch * BATCH, pairs.len())?;
        pool.install(|| pairs_of_batch.par_iter().for_each_init(Scan::default, look));
    }
    progress(pairs.len(), pairs.len())?;
    let best = best.into_iter().map(|best| best.into_inner().unwrap_or_else(PoisonError::into_inner));
    let found = Best::collect(best, k);
    Ok(match &sketch {
        Some(sketch) => found.scatter(&sketch.order),
        None => found,
    })
}

/// The `k` nearest rows of `base` of each row of `queries`, exactly.
///
/// # Errors
/// Whatever error `progress` returns.
pub fn nearest(
    base: &Points,
    queries: &Points,
    k: usize,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Neighbours> {
    let k = k.min(base.n());
    let (bounds, of_queries) = (Bounds::new(base), Bounds::new(queries));
    let query_blocks: Vec<Range<usize>> = blocks(0..queries.n()).collect();
    let base_blocks: Vec<Range<usize>> = blocks(0..base.n()).collect();
    // Few enough at a time that the user does not wait long for a stop.
    let at_once = (BATCH * 8 / base_blocks.len().max(1)).max(8);
    let mut best = Vec::with_capacity(query_blocks.len());
    for (batch, query_blocks_of_batch) in query_blocks.chunks(at_once).enumerate() {
        progress(batch * at_once, query_blocks.len())?;
        let search = |scan: &mut Scan, rows: &Range<usize>| {
            let mut best = Best::new(rows.clone(), k);
            for columns in &base_blocks {
                let queries = Block { points: queries, bounds: &of_queries, rows: rows.clone() };
                let base = Block { points: base, bounds: &bounds, rows: columns.clone() };
                scan.offer(queries, base, &mut best, |_, j| Some(j as u32));
            }
            best
        };
        best.extend(pool.install(|| {
            let blocks = query_blocks_of_batch.par_iter().map_init(Scan::default, search);
            blocks.collect::<Vec<Best>>()
        }));
    }
    progress(query_blocks.len(), query_blocks.len())?;
    Ok(Best::collect(best, k))
}
