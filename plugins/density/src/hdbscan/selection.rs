//! Which clusters of the condensed tree become slices, and who is in them.

use super::condensed::CondensedTree;
use super::params::{HdbscanParams, Selection};

/// The slices of a tree.
pub struct Slices {
    /// The cluster of each slice, in the order of the tree.
    pub clusters: Vec<usize>,
    /// `[clusters]`: the slice that each cluster of the tree is in or is.
    slice_of_cluster: Vec<Option<usize>>,
    /// The density from which an image belongs to the root, if that is the only slice.
    root_from: f64,
}

impl Slices {
    /// By the rule of the parameters.
    pub fn select(tree: &CondensedTree, params: &HdbscanParams) -> Self {
        let n = tree.clusters.len();
        let mut is_slice = match params.selection {
            Selection::Eom => by_excess_of_mass(tree, params.allow_single_cluster),
            Selection::Leaf => (0..n).map(|c| tree.clusters[c].children.is_empty()).collect(),
        };
        if n > 1 && params.epsilon > 0.0 {
            is_slice = merge_closer_than(params.epsilon, tree, &is_slice, params.allow_single_cluster);
        }
        is_slice[0] &= params.allow_single_cluster;
        let clusters: Vec<usize> = (0..n).filter(|&cluster| is_slice[cluster]).collect();
        let mut slice_of_cluster: Vec<Option<usize>> = vec![None; n];
        for cluster in 0..n {
            let own = clusters.binary_search(&cluster).ok();
            let above = tree.clusters[cluster].parent.and_then(|parent| slice_of_cluster[parent]);
            slice_of_cluster[cluster] = above.or(own);
        }
        // The root holds even what is far from everything: only its densest images, or those within `epsilon`.
        let root_from = if params.epsilon > 0.0 { 1.0 / params.epsilon } else { tree.clusters[0].death };
        Self { clusters, slice_of_cluster, root_from }
    }

    /// The slice of something that is in `cluster` up to the density `lambda`, and how strongly it is, in (0, 1].
    pub fn find(&self, tree: &CondensedTree, cluster: usize, lambda: f64) -> Option<(usize, f32)> {
        let slice = self.slice_of_cluster[cluster]?;
        let top = self.clusters[slice];
        if top == 0 && lambda < self.root_from {
            return None;
        }
        let death = tree.clusters[top].death;
        let strength = if death > 0.0 { (lambda / death).min(1.0) } else { 1.0 };
        Some((slice, (strength as f32).max(f32::MIN_POSITIVE)))
    }
}

/// Clusters that hold more than their parts do together, from the leaves up.
fn by_excess_of_mass(tree: &CondensedTree, allow_single_cluster: bool) -> Vec<bool> {
    let n = tree.clusters.len();
    let mut best: Vec<f64> = tree.clusters.iter().map(|cluster| cluster.stability).collect();
    let mut is_slice = vec![true; n];
    is_slice[0] = allow_single_cluster;
    for cluster in (usize::from(!allow_single_cluster)..n).rev() {
        let parts: f64 = tree.clusters[cluster].children.iter().map(|&child| best[child]).sum();
        if parts > best[cluster] {
            is_slice[cluster] = false;
            best[cluster] = parts;
        }
    }
    // A slice has no slices below it. Parents come first.
    let mut covered = vec![false; n];
    for cluster in 0..n {
        let above = tree.clusters[cluster].parent.is_some_and(|parent| covered[parent]);
        is_slice[cluster] &= !above;
        covered[cluster] = above || is_slice[cluster];
    }
    is_slice
}

/// Replaces each slice that splits off below the distance `epsilon` by the part of the tree that splits off above it.
fn merge_closer_than(epsilon: f64, tree: &CondensedTree, is_slice: &[bool], allow_root: bool) -> Vec<bool> {
    let distance = |cluster: usize| 1.0 / tree.clusters[cluster].birth;
    let mut merged = vec![false; is_slice.len()];
    for slice in (0..is_slice.len()).filter(|&cluster| is_slice[cluster]) {
        let mut top = slice;
        // Distances only grow on the way up, so that no top is below another. The root's is infinite.
        while distance(top) < epsilon || (top != slice && distance(top) <= epsilon) {
            match tree.clusters[top].parent.filter(|&parent| parent != 0 || allow_root) {
                Some(parent) => top = parent,
                None => break,
            }
        }
        merged[top] = true;
    }
    merged
}
