//! An index of many rows: rows are grouped into cells, and only near cells are searched.
//!
//! Cells are k-means clusters of a sample. All rows of a cell search the same, nearest cells, so that the search
//! consists of matrix products, as the exact one does, and gives the same bits at any number of threads. How many cells
//! are searched is not guessed: it grows until a sample of the rows finds the wanted share of its true neighbours.

use crate::best::{Best, Block, Scan};
use crate::exact::nearest;
use crate::kmeans;
use crate::neighbours::Neighbours;
use crate::points::Points;
use crate::tiles::{Bounds, blocks, sq_distance};
use ascan_core::Result;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Average number of rows per cell.
const CELL: usize = 1_000;

/// Average number of sampled rows per cell, from which the cells are found.
const SAMPLE_OF_CELL: usize = 64;

/// Number of rows whose true neighbours are computed to measure the recall.
const SAMPLE: usize = 512;

/// Rows grouped into cells.
///
/// # Source
/// Sivic & Zisserman 2003 (inverted file); Jégou et al. 2011 (cells by k-means).
pub struct InvertedFile {
    /// The rows, cell after cell.
    ordered: Points,
    bounds: Bounds,
    /// `[n]`: the original index of each row of `ordered`.
    order: Vec<u32>,
    centres: kmeans::Centres,
    /// `[cells]`: the rows of `ordered` in each cell.
    cells: Vec<Range<usize>>,
    /// `[cells, cells]`: for each cell, all cells by distance. The first `n_probes` are searched.
    near: Vec<Vec<usize>>,
    n_probes: usize,
    recall: f64,
}

impl InvertedFile {
    /// Makes the index, for searches of `k` neighbours. It finds this share of the true ones or more, on a sample.
    pub fn build(
        points: &Points,
        k: usize,
        (recall, seed): (f64, u64),
        pool: &ThreadPool,
        progress: &mut impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let n = points.n();
        let n_cells = n.div_ceil(CELL);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut draw = |n_drawn: usize| -> Vec<usize> {
            (0..n_drawn).map(|_| ((rng.random::<f64>() * n as f64) as usize).min(n - 1)).collect()
        };
        let sample = points.select(draw((n_cells * SAMPLE_OF_CELL).min(n)).into_iter());
        let settings = kmeans::Settings { k: n_cells, n_init: 1, max_iterations: 10, tolerance: 1e-3, seed };
        let centres = kmeans::fit(&sample, &settings, pool, |_, _| progress(0, 1))?.centres;
        let cell_of_row = kmeans::nearest(points, &centres, pool);
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by_key(|&row| cell_of_row[row as usize]);
        let mut start = 0;
        let cells = (0..centres.k()).map(|cell| {
            let len = order[start..].partition_point(|&row| cell_of_row[row as usize] <= cell);
            start += len;
            start - len..start
        });
        let cells: Vec<Range<usize>> = cells.collect();
        let ordered = pool.install(|| points.select(order.iter().map(|&row| row as usize)));
        let near = pool.install(|| {
            let of_cell = |cell: usize| {
                let distance = |other: &usize| sq_distance(centres.row(cell), centres.row(*other));
                let mut others: Vec<(f32, usize)> = (0..centres.k()).map(|other| (distance(&other), other)).collect();
                others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                others.into_iter().map(|(_, other)| other).collect()
            };
            (0..centres.k()).into_par_iter().map(of_cell).collect()
        });
        let bounds = Bounds::new(&ordered);
        let mut index = Self { ordered, bounds, order, centres, cells, near, n_probes: 1, recall: 0.0 };
        let sample = points.select(draw(SAMPLE.min(n)).into_iter());
        // One more than asked for: a row of the sample finds itself.
        let truth = nearest(points, &sample, k + 1, pool, |_, _| progress(0, 1))?;
        loop {
            let found = index.nearest(&sample, k + 1, pool, |_, _| progress(0, 1))?;
            index.recall = recall_of(&found, &truth);
            if index.recall >= recall || index.n_probes >= index.cells.len() {
                return Ok(index);
            }
            index.n_probes = (index.n_probes * 2).min(index.cells.len());
        }
    }

    /// The `k` nearest other rows of each row.
    pub fn graph(
        &self,
        k: usize,
        pool: &ThreadPool,
        progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Neighbours> {
        let k = k.min(self.order.len().saturating_sub(1));
        let cell_blocks = (0..self.cells.len())
            .flat_map(|cell| blocks(self.cells[cell].clone()).map(move |rows| (cell, rows)).collect::<Vec<_>>());
        let index = |i: usize, j: usize| (i != j).then_some(self.order[j]);
        let ordered = Block { points: &self.ordered, bounds: &self.bounds, rows: 0..0 };
        let found = self.search(ordered, &cell_blocks.collect::<Vec<_>>(), k, index, pool, progress)?;
        Ok(found.scatter(&self.order))
    }

    /// The `k` nearest rows of each row of `queries`.
    pub fn nearest(
        &self,
        queries: &Points,
        k: usize,
        pool: &ThreadPool,
        progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Neighbours> {
        let k = k.min(self.order.len());
        let cell_of_row = kmeans::nearest(queries, &self.centres, pool);
        let mut order: Vec<u32> = (0..queries.n() as u32).collect();
        order.sort_by_key(|&row| cell_of_row[row as usize]);
        let ordered = pool.install(|| queries.select(order.iter().map(|&row| row as usize)));
        let bounds = Bounds::new(&ordered);
        let mut cell_blocks = Vec::new();
        let mut start = 0;
        for rows in order.chunk_by(|&a, &b| cell_of_row[a as usize] == cell_of_row[b as usize]) {
            let cell = cell_of_row[rows[0] as usize];
            cell_blocks.extend(blocks(start..start + rows.len()).map(|rows| (cell, rows)));
            start += rows.len();
        }
        let queries = Block { points: &ordered, bounds: &bounds, rows: 0..0 };
        let found = self.search(queries, &cell_blocks, k, |_, j| Some(self.order[j]), pool, progress)?;
        Ok(found.scatter(&order))
    }

    /// Searches the cells near each block of queries.
    fn search(
        &self,
        queries: Block,
        cell_blocks: &[(usize, Range<usize>)],
        k: usize,
        index: impl Fn(usize, usize) -> Option<u32> + Sync,
        pool: &ThreadPool,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Neighbours> {
        const AT_ONCE: usize = 64;
        let search = |scan: &mut Scan, (cell, rows): &(usize, Range<usize>)| {
            let mut best = Best::new(rows.clone(), k);
            let mut n_seen = 0;
            for (probe, &near) in self.near[*cell].iter().enumerate() {
                // More than k rows, so that k are left without the row itself.
                if probe >= self.n_probes && n_seen > k {
                    break;
                }
                n_seen += self.cells[near].len();
                for columns in blocks(self.cells[near].clone()) {
                    let base = Block { points: &self.ordered, bounds: &self.bounds, rows: columns };
                    scan.offer(Block { rows: rows.clone(), ..queries.clone() }, base, &mut best, &index);
                }
            }
            best
        };
        let mut best = Vec::with_capacity(cell_blocks.len());
        for (batch, blocks) in cell_blocks.chunks(AT_ONCE).enumerate() {
            progress(batch * AT_ONCE, cell_blocks.len())?;
            best.extend(pool.install(|| blocks.par_iter().map_init(Scan::default, search).collect::<Vec<Best>>()));
        }
        progress(cell_blocks.len(), cell_blocks.len())?;
        Ok(Neighbours { recall: self.recall, ..Best::collect(best, k) })
    }
}

/// Share of the true neighbours that were found. A row as far away as the last true neighbour counts as found.
fn recall_of(found: &Neighbours, truth: &Neighbours) -> f64 {
    let hits = (0..truth.n).map(|i| {
        let last = truth.row(i).1.last().copied().unwrap_or(0.0);
        found.row(i).1.iter().filter(|&&distance| distance <= last).count()
    });
    hits.sum::<usize>() as f64 / truth.indices.len().max(1) as f64
}
