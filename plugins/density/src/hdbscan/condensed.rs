//! The condensed tree: which clusters appear, split and lose images as the density rises.
//!
//! Density is `lambda`, one over the distance.

use super::spanning_tree::{Edge, Sets};

/// Distances below this (equal images) count as this, so that densities stay numbers.
const LEAST_DISTANCE: f64 = 1e-30;

/// A cluster of the tree. The first is the root: all images.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster it splits from; the root has none. Parents come before their children.
    pub parent: Option<usize>,
    /// Density at which it appears.
    pub birth: f64,
    /// Largest density at which something leaves it: an image, or all of it when it splits.
    pub death: f64,
    /// Excess of mass: how long its images stay, summed over them.
    pub stability: f64,
    /// The clusters it splits into: none or two.
    pub children: Vec<usize>,
}

/// The condensed tree.
#[derive(Debug)]
pub struct CondensedTree {
    /// Parents before children.
    pub clusters: Vec<Cluster>,
    /// `[n]`: the cluster that each image leaves on its own, and the density at which it does.
    pub leaves: Vec<(usize, f64)>,
}

/// A join of two nodes: images are `0..n`, joins `n..`.
struct Join {
    children: [usize; 2],
    lambda: f64,
    size: usize,
}

impl CondensedTree {
    /// From the edges of a spanning tree over `n ≥ 1` images.
    pub fn new(mut edges: Vec<Edge>, n: usize, min_cluster_size: usize) -> Self {
        edges.sort_unstable_by(|a, b| a.sq_weight.total_cmp(&b.sq_weight).then((a.a, a.b).cmp(&(b.a, b.b))));
        let joins = join(&edges, n);
        let size = |node: usize| if node < n { 1 } else { joins[node - n].size };
        let mut tree = Self { clusters: vec![cluster(None, 0.0)], leaves: vec![(0, 0.0); n] };
        if joins.is_empty() {
            return tree;
        }
        // Joins from the last (all images) down, each with the cluster it is in.
        let mut open = vec![(n + joins.len() - 1, 0)];
        while let Some((node, cluster)) = open.pop() {
            let Join { children, lambda, .. } = joins[node - n];
            let large = children.map(|child| size(child) >= min_cluster_size);
            for (child, is_large) in children.into_iter().zip(large) {
                if !is_large {
                    tree.leave(child, n, &joins, cluster, lambda);
                } else if large == [true, true] {
                    let new = tree.split(cluster, lambda, size(child));
                    open.push((child, new));
                } else {
                    open.push((child, cluster));
                }
            }
        }
        tree
    }

    /// All images under `node` leave `cluster`.
    fn leave(&mut self, node: usize, n: usize, joins: &[Join], cluster: usize, lambda: f64) {
        let mut nodes = vec![node];
        while let Some(node) = nodes.pop() {
            if node < n {
                self.leaves[node] = (cluster, lambda);
                self.lose(cluster, lambda, 1);
            } else {
                nodes.extend(joins[node - n].children);
            }
        }
    }

    /// A part of `cluster` becomes a cluster of its own.
    fn split(&mut self, parent: usize, lambda: f64, size: usize) -> usize {
        let new = self.clusters.len();
        self.lose(parent, lambda, size);
        self.clusters[parent].children.push(new);
        self.clusters.push(cluster(Some(parent), lambda));
        new
    }

    fn lose(&mut self, cluster: usize, lambda: f64, size: usize) {
        let cluster = &mut self.clusters[cluster];
        cluster.stability += (lambda - cluster.birth) * size as f64;
        cluster.death = cluster.death.max(lambda);
    }
}

/// One over the square root.
pub fn lambda(sq_distance: f32) -> f64 {
    1.0 / f64::from(sq_distance).sqrt().max(LEAST_DISTANCE)
}

fn cluster(parent: Option<usize>, birth: f64) -> Cluster {
    Cluster { parent, birth, death: birth, stability: 0.0, children: Vec::new() }
}

/// Single linkage: sorted edges join what they connect.
fn join(edges: &[Edge], n: usize) -> Vec<Join> {
    let mut sets = Sets::new(n);
    let mut node_of_set: Vec<usize> = (0..n).collect();
    let mut joins: Vec<Join> = Vec::with_capacity(edges.len());
    for edge in edges {
        let children = [edge.a, edge.b].map(|end| node_of_set[sets.find(end) as usize]);
        let size = children.map(|node| if node < n { 1 } else { joins[node - n].size }).iter().sum();
        sets.join(edge.a, edge.b);
        node_of_set[sets.find(edge.b) as usize] = n + joins.len();
        joins.push(Join { children, lambda: lambda(edge.sq_weight), size });
    }
    joins
}
