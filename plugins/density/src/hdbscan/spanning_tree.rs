//! The minimum spanning tree of the mutual reachability distance, by Borůvka's rounds.
//!
//! In each round every component takes the shortest edge that leaves it. Most of these edges are between near
//! neighbours, so the graph of nearest neighbours gives them; rows for which it cannot are compared with all others,
//! in tiles. What a row learns there holds for all later rounds: its shortest edge out only grows.

use ascan_core::Result;
use ascan_math::knn::Neighbours;
use ascan_math::points::Points;
use ascan_math::tiles::{Bounds, NOTHING, SIDE, Tile, blocks, sq_distance};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Rows that are compared with all others at a time; after them, fewer may still need it.
const BATCH: usize = 32 * SIDE;

/// An edge of the tree. Compared by weight, then by ends, so that one edge is the shortest.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Edge {
    /// Squared mutual reachability distance.
    pub sq_weight: f32,
    /// The smaller row.
    pub a: u32,
    /// The larger row.
    pub b: u32,
}

impl Edge {
    fn new(sq_weight: f32, i: usize, j: usize) -> Self {
        Self { sq_weight, a: i.min(j) as u32, b: i.max(j) as u32 }
    }
}

/// Sets that grow together.
pub struct Sets(Vec<u32>);

impl Sets {
    /// `n` sets of one.
    pub fn new(n: usize) -> Self {
        Self((0..n as u32).collect())
    }

    /// The set of an element, by one of its members.
    pub fn find(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            // Halves the path for the next time.
            self.0[i as usize] = self.0[self.0[i as usize] as usize];
            i = self.0[i as usize];
        }
        i
    }

    /// Joins the set of `a` to that of `b`; `false` if they are one already.
    pub fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a as usize] = b;
        a != b
    }
}

/// The `n − 1` edges. `sq_core` is the squared core distance of each row.
///
/// # Errors
/// What `progress` says.
pub fn spanning_tree(
    points: &Points,
    neighbours: &Neighbours,
    sq_core: &[f32],
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<Edge>> {
    let n = points.n();
    let mut sets = Sets::new(n);
    let mut tree = Vec::with_capacity(n.saturating_sub(1));
    let mut rows = Rows::new(points, neighbours, sq_core);
    while tree.len() + 1 < n {
        let component: Vec<u32> = (0..n as u32).map(|i| sets.find(i)).collect();
        let shortest = rows.shortest(&component, pool, || progress(tree.len(), n - 1))?;
        for edge in shortest.into_iter().flatten() {
            if sets.join(edge.a, edge.b) {
                tree.push(edge);
            }
        }
    }
    progress(n.saturating_sub(1), n.saturating_sub(1))?;
    Ok(tree)
}

/// What is known of the edges of each row.
struct Rows<'a> {
    points: &'a Points,
    bounds: Bounds,
    neighbours: &'a Neighbours,
    sq_core: &'a [f32],
    /// `[n]`: no edge out of the component is shorter, but for those to the row's nearest neighbours.
    at_least: Vec<f32>,
    /// `[n]`: the shortest edge out, as of the last comparison with all rows.
    known: Vec<Option<Edge>>,
}

impl<'a> Rows<'a> {
    fn new(points: &'a Points, neighbours: &'a Neighbours, sq_core: &'a [f32]) -> Self {
        let farthest = |i: usize| neighbours.row(i).1.last().copied().unwrap_or(0.0);
        let at_least = (0..points.n()).map(|i| farthest(i).max(sq_core[i])).collect();
        let known = vec![None; points.n()];
        Self { points, bounds: Bounds::new(points), neighbours, sq_core, at_least, known }
    }

    /// The shortest edge out of each component, by its row in `component`.
    fn shortest(
        &mut self,
        component: &[u32],
        pool: &ThreadPool,
        mut go_on: impl FnMut() -> Result<()>,
    ) -> Result<Vec<Option<Edge>>> {
        let n = component.len();
        let mut shortest: Vec<Option<Edge>> = vec![None; n];
        for i in 0..n {
            for edge in self.near_edges(i, component).chain(self.known_edge(i, component)) {
                offer(&mut shortest[component[edge.a as usize] as usize], edge);
                offer(&mut shortest[component[edge.b as usize] as usize], edge);
            }
        }
        // Components beside each other, so that tiles inside one need not be computed.
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by_key(|&i| component[i as usize]);
        let mut open: Vec<u32> = order.iter().copied().filter(|&i| self.is_open(i, component, &shortest)).collect();
        if open.is_empty() {
            return Ok(shortest);
        }
        let ordered = self.points.select(order.iter().map(|&i| i as usize));
        let of_ordered = Bounds::new(&ordered);
        while !open.is_empty() {
            go_on()?;
            let batch: Vec<u32> = open.drain(..open.len().min(BATCH)).collect();
            let all = Ordered { points: &ordered, bounds: &of_ordered, order: &order };
            let found = pool.install(|| {
                let tasks: Vec<&[u32]> = batch.chunks(SIDE).collect();
                let compare = |tile: &mut Tile, rows: &&[u32]| self.compare(rows, &all, component, tile);
                tasks.par_iter().map_init(Tile::default, compare).collect::<Vec<_>>()
            });
            for (&i, edge) in batch.iter().zip(found.into_iter().flatten()) {
                self.known[i as usize] = edge;
                if let Some(edge) = edge {
                    self.at_least[i as usize] = self.at_least[i as usize].max(edge.sq_weight);
                    offer(&mut shortest[component[edge.a as usize] as usize], edge);
                    offer(&mut shortest[component[edge.b as usize] as usize], edge);
                }
            }
            open.retain(|&i| self.is_open(i, component, &shortest));
        }
        Ok(shortest)
    }

    /// Whether a row could have a shorter edge out of its component than is known.
    fn is_open(&self, i: u32, component: &[u32], shortest: &[Option<Edge>]) -> bool {
        let known = self.known_edge(i as usize, component).is_some();
        let limit = shortest[component[i as usize] as usize].map_or(f32::INFINITY, |edge| edge.sq_weight);
        !known && self.at_least[i as usize] < limit
    }

    /// The edge of the last comparison, if it still leaves the component.
    fn known_edge(&self, i: usize, component: &[u32]) -> Option<Edge> {
        self.known[i].filter(|edge| component[edge.a as usize] != component[edge.b as usize])
    }

    fn near_edges(&self, i: usize, component: &[u32]) -> impl Iterator<Item = Edge> {
        let (indices, sq_distances) = self.neighbours.row(i);
        let out = indices.iter().zip(sq_distances).map(|(&j, &distance)| (j as usize, distance));
        let out = out.filter(move |&(j, _)| component[j] != component[i]);
        out.map(move |(j, distance)| self.edge(i, j, distance))
    }

    fn edge(&self, i: usize, j: usize, sq_distance: f32) -> Edge {
        Edge::new(sq_distance.max(self.sq_core[i]).max(self.sq_core[j]), i, j)
    }

    /// The shortest edge out of each of these rows, among all rows.
    fn compare(&self, rows: &[u32], all: &Ordered, component: &[u32], tile: &mut Tile) -> Vec<Option<Edge>> {
        let queries = self.points.select(rows.iter().map(|&i| i as usize));
        let mut found = Vec::new();
        let near = |&i: &u32| {
            let mut shortest = None;
            self.near_edges(i as usize, component).for_each(|edge| offer(&mut shortest, edge));
            shortest
        };
        let mut shortest: Vec<Option<Edge>> = rows.iter().map(near).collect();
        let same = |range: &Range<usize>, i: u32| {
            let of = |at: usize| component[all.order[at] as usize];
            of(range.start) == of(range.end - 1) && of(range.start) == component[i as usize]
        };
        for columns in blocks(0..all.points.n()) {
            if rows.iter().all(|&i| same(&columns, i)) {
                continue;
            }
            tile.fill((&queries, 0..rows.len()), (all.points, columns.clone()));
            let bounds = all.bounds.rows(columns.clone());
            for (row, (&i, shortest)) in rows.iter().zip(&mut shortest).enumerate() {
                let i = i as usize;
                let limit = shortest.map_or(f32::INFINITY, |edge| edge.sq_weight);
                let bound = self.bounds.rows(i..i + 1)[0];
                tile.below(row, (bound, bounds), (limit, &NOTHING[..columns.len()]), &mut found);
                for &(column, low) in &found {
                    let j = all.order[columns.start + column] as usize;
                    let limit = shortest.map_or(f32::INFINITY, |edge| edge.sq_weight);
                    if component[j] != component[i] && low.max(self.sq_core[j]) <= limit {
                        offer(shortest, self.edge(i, j, sq_distance(self.points.row(i), self.points.row(j))));
                    }
                }
            }
        }
        shortest
    }
}

/// All rows, in another order.
struct Ordered<'a> {
    points: &'a Points,
    bounds: &'a Bounds,
    order: &'a [u32],
}

fn offer(shortest: &mut Option<Edge>, edge: Edge) {
    if shortest.is_none_or(|best| edge < best) {
        *shortest = Some(edge);
    }
}
