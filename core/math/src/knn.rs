//! Nearest neighbours of rows among themselves, and of new rows among known ones.
//!
//! Exact up to [`Search::exact_to`] rows, by [`tiles`](crate::tiles); an inverted file beyond.

use crate::best::{Best, Block, Scan};
use crate::inverted_file::InvertedFile;
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

/// The neighbours of each row, nearest first; of equally near rows the earlier one comes first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Number of rows.
    pub n: usize,
    /// Number of neighbours per row; fewer than asked for if there are fewer rows.
    pub k: usize,
    /// `[n, k]`, rows of the base.
    pub indices: Vec<u32>,
    /// `[n, k]`, squared Euclidean distances.
    pub sq_distances: Vec<f32>,
    /// Share of the true neighbours that were found: 1 for an exact search, measured on a sample for others.
    pub recall: f64,
}

impl Neighbours {
    /// The neighbours of a row and their squared distances.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = i * self.k..(i + 1) * self.k;
        (&self.indices[range.clone()], &self.sq_distances[range])
    }

    /// An order of the rows in which neighbours stand near each other (breadth first), so that a walk along the edges
    /// finds them in fast memory. Returns the row at each place.
    pub fn order(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        // A row that is nobody's neighbour stands beside its own nearest neighbour.
        let mut places = vec![NONE; self.n];
        let mut walk = Vec::with_capacity(self.n);
        for start in 0..self.n {
            let nearest = self.row(start).0.first().map_or(NONE, |&nearest| places[nearest as usize]);
            match (places[start], nearest) {
                (NONE, NONE) => {
                    places[start] = walk.len() as u32;
                    walk.push(start as u32);
                }
                (NONE, place) => places[start] = place,
                _ => {}
            }
            let mut next = walk.len().saturating_sub(1);
            while next < walk.len() {
                for &neighbour in self.row(walk[next] as usize).0 {
                    if places[neighbour as usize] == NONE {
                        places[neighbour as usize] = walk.len() as u32;
                        walk.push(neighbour);
                    }
                }
                next += 1;
            }
        }
        let mut order: Vec<u32> = (0..self.n as u32).collect();
        order.sort_by_key(|&row| places[row as usize]);
        order
    }

    /// The same neighbours with the rows in another order; indices are places in that order.
    pub fn ordered(&self, order: &[u32]) -> Self {
        let mut place = vec![0; self.n];
        order.iter().enumerate().for_each(|(i, &row)| place[row as usize] = i as u32);
        let rows = || order.iter().map(|&row| self.row(row as usize));
        let indices = rows().flat_map(|(indices, _)| indices).map(|&neighbour| place[neighbour as usize]).collect();
        let sq_distances = rows().flat_map(|(_, sq_distances)| sq_distances).copied().collect();
        Self { indices, sq_distances, ..*self }
    }

    /// Moves row `i` to place `order[i]`.
    pub(crate) fn scatter(&self, order: &[u32]) -> Self {
        let mut all = self.clone();
        for (i, &row) in order.iter().enumerate() {
            let range = row as usize * self.k..(row as usize + 1) * self.k;
            all.indices[range.clone()].copy_from_slice(self.row(i).0);
            all.sq_distances[range].copy_from_slice(self.row(i).1);
        }
        all
    }
}

/// How to search for neighbours.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Up to this many rows, every pair is looked at.
    pub exact_to: usize,
    /// Beyond them: the share of the true neighbours to find. The search widens until a sample reaches it.
    pub recall: f64,
    /// Beyond them: the seed of all random choices.
    pub seed: u64,
}

impl Search {
    /// Exact up to 50,000 rows, 95 % of the neighbours beyond. Both numbers are our choice.
    pub fn new(seed: u64) -> Self {
        Self { exact_to: 50_000, recall: 0.95, seed }
    }

    /// The `k` nearest other rows of each row. `progress(done, of)` is called between the steps.
    ///
    /// # Errors
    /// Whatever error `progress` returns.
    pub fn graph(
        &self,
        points: &Points,
        k: usize,
        pool: &ThreadPool,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Neighbours> {
        if points.n() <= self.exact_to {
            return graph(points, k, pool, progress);
        }
        InvertedFile::build(points, k, self, pool, &mut progress)?.graph(k, pool, progress)
    }

    /// The `k` nearest rows of `base` of each row of `queries`, which are centred around the same mean.
    ///
    /// # Errors
    /// Whatever error `progress` returns.
    pub fn nearest(
        &self,
        base: &Points,
        queries: &Points,
        k: usize,
        pool: &ThreadPool,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Neighbours> {
        // An index pays when it is asked more often than it takes to build.
        if base.n() <= self.exact_to || queries.n() <= base.n() / 16 {
            return nearest(base, queries, k, pool, progress);
        }
        InvertedFile::build(base, k, self, pool, &mut progress)?.nearest(queries, k, pool, progress)
    }
}

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
pub(crate) fn nearest(
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::points::Normalise;
    use crate::pool;
    use ascan_core::testing::toy_slice_table;
    use ascan_core::{Context, Tensor, TensorView};

    pub fn points(embeddings: TensorView) -> Points {
        let rows: Vec<usize> = (0..embeddings.n_rows()).collect();
        Points::to_fit(embeddings, &rows, Normalise::None).unwrap()
    }

    #[test]
    fn rows_in_the_order_of_their_neighbours_are_the_same_rows() {
        let table = toy_slice_table(300, 6, 4);
        let neighbours = graph(&points(table.embeddings.view()), 5, &threads(1), |_, _| Ok(())).unwrap();
        let order = neighbours.order();
        let mut rows = order.clone();
        rows.sort_unstable();
        assert_eq!(rows, (0..300).collect::<Vec<u32>>());
        // The planted clusters are mixed in the table, and each is nearly together in this order.
        let cluster = |i: usize| table.planted[order[i] as usize];
        let n_changes = (1..300).filter(|&i| cluster(i) != cluster(i - 1)).count();
        assert!(n_changes < 15, "{n_changes}, where the table has 299");

        let ordered = neighbours.ordered(&order);
        for i in 0..300 {
            let (indices, sq_distances) = neighbours.row(order[i] as usize);
            let named: Vec<u32> = ordered.row(i).0.iter().map(|&place| order[place as usize]).collect();
            assert_eq!((&named[..], ordered.row(i).1), (indices, sq_distances));
        }
    }

    fn threads(n_threads: usize) -> ThreadPool {
        pool("knn", &Context { n_threads, ..Context::default() }).unwrap()
    }

    /// The neighbours by their definition.
    fn by_sorting(base: &Points, queries: &Points, k: usize, with_self: bool) -> Vec<(f32, u32)> {
        let of_row = |i: usize| {
            let others = (0..base.n()).filter(|&j| with_self || i != j);
            let distance = |j: usize| crate::tiles::sq_distance(queries.row(i), base.row(j));
            let mut all: Vec<(f32, u32)> = others.map(|j| (distance(j), j as u32)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            all.truncate(k);
            all
        };
        (0..queries.n()).flat_map(of_row).collect()
    }

    fn pairs(neighbours: &Neighbours) -> Vec<(f32, u32)> {
        neighbours.sq_distances.iter().copied().zip(neighbours.indices.iter().copied()).collect()
    }

    #[test]
    fn the_graph_is_that_of_sorting_all_pairs() {
        for (n, d, k) in [(2_200, 140, 9), (700, 6, 9), (300, 40, 20), (257, 3, 1), (5, 2, 9), (1, 2, 3), (0, 2, 3)] {
            let points = points(toy_slice_table(n, d, 4).embeddings.view());
            let expected = by_sorting(&points, &points, k, false);
            for n_threads in [1, 2, 5] {
                let found = graph(&points, k, &threads(n_threads), |_, _| Ok(())).unwrap();
                assert_eq!(pairs(&found), expected, "{n} × {d}, k = {k}, {n_threads} threads");
            }
        }
    }

    /// Two clusters that are tight and far apart: products round by more than the distances.
    #[test]
    fn rounding_does_not_hide_a_neighbour() {
        let mut embeddings = toy_slice_table(400, 20, 4).embeddings;
        for (i, value) in embeddings.data_mut().iter_mut().enumerate() {
            *value = *value * 1e-4 + if i / 20 % 2 == 0 { 100.0 } else { -100.0 };
        }
        let points = points(embeddings.view());
        let found = graph(&points, 7, &threads(2), |_, _| Ok(())).unwrap();
        assert_eq!(pairs(&found), by_sorting(&points, &points, 7, false));
    }

    #[test]
    fn equal_rows_are_neighbours_at_distance_zero_the_earlier_first() {
        let table = toy_slice_table(3, 4, 0);
        let rows: Vec<usize> = (0..900).map(|i| i % 3).collect();
        let points = points(table.rows(&rows).embeddings.view());
        let found = graph(&points, 4, &threads(2), |_, _| Ok(())).unwrap();
        assert_eq!(found.row(0), (&[3, 6, 9, 12][..], &[0.0; 4][..]));
        assert_eq!(found.row(899).0, [2, 5, 8, 11]);
    }

    #[test]
    fn new_rows_find_their_neighbours() {
        let embeddings = toy_slice_table(600, 7, 4).embeddings;
        let base = points(embeddings.view());
        let others = toy_slice_table(310, 7, 9).embeddings;
        let rows: Vec<usize> = (0..310).collect();
        let queries = Points::to_assign(others.view(), &rows, Normalise::None, base.mean()).unwrap();
        let found = nearest(&base, &queries, 8, &threads(3), |_, _| Ok(())).unwrap();
        assert_eq!(pairs(&found), by_sorting(&base, &queries, 8, true));
    }

    #[test]
    fn beyond_the_exact_search_most_neighbours_are_found_and_the_recall_is_true() {
        let embeddings = toy_slice_table(6_000, 12, 4).embeddings;
        let points = points(embeddings.view());
        let exact = graph(&points, 10, &threads(2), |_, _| Ok(())).unwrap();
        let search = Search { exact_to: 1_000, recall: 0.95, seed: 3 };
        let found = search.graph(&points, 10, &threads(2), |_, _| Ok(())).unwrap();
        let hits = (0..6_000).map(|i| exact.row(i).0.iter().filter(|&j| found.row(i).0.contains(j)).count());
        let recall = hits.sum::<usize>() as f64 / 60_000.0;
        assert!(recall > 0.93 && recall < 1.0, "recall {recall}");
        assert!((found.recall - recall).abs() < 0.02, "measured {}, true {recall}", found.recall);
        assert_eq!(search.graph(&points, 10, &threads(1), |_, _| Ok(())).unwrap(), found);
        let queries = points.select(0..3_000);
        let found = search.nearest(&points, &queries, 10, &threads(2), |_, _| Ok(())).unwrap();
        assert!((0..3_000).all(|i| found.row(i).0[0] == i as u32), "each row is its own nearest");
    }

    #[test]
    fn a_stop_is_heard() {
        let points = points(Tensor::zeros([40, 2]).view());
        assert!(graph(&points, 3, &threads(1), |_, _| Err(ascan_core::Error::Cancelled)).is_err());
    }
}
