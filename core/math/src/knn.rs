//! Nearest neighbours of rows among themselves, and of new rows among known ones.
//!
//! Exact up to [`Search::exact_to`] rows, by [`tiles`](crate::tiles); an inverted file beyond.

pub use crate::exact::{graph, nearest};
pub use crate::neighbours::Neighbours;

use crate::inverted_file::InvertedFile;
use crate::points::Points;
use ascan_core::Result;
use rayon::ThreadPool;

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
        InvertedFile::build(points, k, (self.recall, self.seed), pool, &mut progress)?.graph(k, pool, progress)
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
        InvertedFile::build(base, k, (self.recall, self.seed), pool, &mut progress)?.nearest(queries, k, pool, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Normalise;
    use crate::points::testing::points;
    use crate::pool;
    use ascan_core::testing::toy_slice_table;
    use ascan_core::{Context, Tensor};

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
