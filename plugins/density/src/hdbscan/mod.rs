//! HDBSCAN over the embeddings.
//!
//! Slices are the places that are denser than what surrounds them, at whatever density; images between them are
//! noise. The number of slices is found, not given.

mod condensed;
mod params;
mod selection;
mod spanning_tree;
#[cfg(test)]
mod tests;

pub use params::{HdbscanParams, Selection};

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor};
use ascan_math::knn::{Neighbours, Search};
use ascan_math::lookup::Lookup;
use ascan_math::points::Points;
use ascan_math::pool;
use condensed::CondensedTree;
use selection::Slices;

/// Neighbours of each image that are kept even if fewer are asked for: they save comparisons later.
const LEAST_NEIGHBOURS: usize = 16;

/// HDBSCAN slices: the clusters that last longest as the density rises.
///
/// The membership of an image is how deep it is in its slice: 1 for the densest, less towards the rim. What is left
/// to 1 is noise. An image of another table joins the slice of the image to which its mutual reachability distance
/// is least, if it would have been in the slice at that density.
///
/// The core distance is that to the `min_samples`-th other image, as in the hdbscan package (scikit-learn counts the
/// image itself). The spanning tree is exact; core distances are exact to 50,000 images, and found with a recall of
/// 95 % or more beyond.
///
/// Mutual reachability has many equal distances; where they decide (mostly with small clusters or `leaf`), other
/// implementations may give other slices, as the hdbscan package does with another order of the rows.
///
/// # Source
/// Campello, Moulavi & Sander 2013; Malzer & Baum 2020 (`epsilon`); strengths and new images as in
/// McInnes, Healy & Astels 2017 (the hdbscan package). Its `approximate_predict` takes core distances to one neighbour
/// less than its fit, and calls noise what lies deeper than a slice; here both count as at the fit.
pub struct Hdbscan {
    params: HdbscanParams,
}

impl Plugin for Hdbscan {
    const NAME: &'static str = "hdbscan";
    const SUMMARY: &'static str = "HDBSCAN: dense places at any density, their number found; the rest is noise";
    type Params = HdbscanParams;

    fn new(params: HdbscanParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct Model {
    params: HdbscanParams,
    /// Neighbours that make a place dense, no more than there were other images.
    n_neighbours: usize,
    points: Points,
    lookup: Lookup,
    /// `[n]`.
    sq_core: Vec<f32>,
    tree: CondensedTree,
    slices: Slices,
}

impl Slicer for Hdbscan {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let n = table.n();
        if n == 0 {
            return Err(Error::shape("embeddings", "at least one image", table.embeddings.shape()));
        }
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(table.embeddings, &rows, self.params.normalise)?;
        let pool = pool(Self::NAME, context)?;
        let k = self.params.n_neighbours().max(LEAST_NEIGHBOURS);
        let progress = |stage: &'static str| move |done, of| context.progress(stage, done, of);
        let neighbours = Search::new(context.seed).graph(&points, k, &pool, progress("nearest neighbours"))?;
        let n_neighbours = self.params.n_neighbours().min(neighbours.k);
        let sq_core: Vec<f32> = (0..n).map(|i| core_distance(&neighbours, i, n_neighbours)).collect();
        let edges = spanning_tree::spanning_tree(&points, &neighbours, &sq_core, &pool, progress("spanning tree"))?;
        let tree = CondensedTree::new(edges, n, self.params.min_cluster_size);
        let slices = Slices::select(&tree, &self.params);
        let lookup = Lookup::new(&points);
        let model = Model { params: self.params.clone(), n_neighbours, points, lookup, sq_core, tree, slices };
        self.warn(&model, &neighbours, context);
        Ok(Box::new(model))
    }
}

impl Hdbscan {
    fn warn(&self, model: &Model, neighbours: &Neighbours, context: &Context) {
        let n = model.points.n();
        let n_in = (0..n).filter(|&i| model.of_fitted(i).is_some()).count();
        if model.slices.clusters.is_empty() {
            context.warn(
                "hdbscan: no slice: no part of the embeddings is denser than what surrounds it; lower \
                 `min_cluster_size`, or set `allow_single_cluster`",
            );
        } else if n_in * 2 < n {
            context.warn(&format!(
                "hdbscan: {} of {n} images are noise; lower `min_samples`, or reduce the embeddings first \
                 (a projector, for example \"umap\")",
                n - n_in,
            ));
        }
        if neighbours.recall < 1.0 {
            context.warn(&format!(
                "hdbscan: of so many images, {:.1} % of the neighbours were found (measured on a sample)",
                100.0 * neighbours.recall,
            ));
        }
    }
}

impl Model {
    /// The slice of an image of the fit, and how strongly it is in it.
    fn of_fitted(&self, row: usize) -> Option<(usize, f32)> {
        let (cluster, lambda) = self.tree.leaves[row];
        self.slices.find(&self.tree, cluster, lambda)
    }

    /// The slice of an image with these neighbours, nearest first.
    fn of_new(&self, indices: &[u32], sq_distances: &[f32]) -> Option<(usize, f32)> {
        let sq_core = sq_distances[self.n_neighbours.clamp(1, sq_distances.len()) - 1];
        let reach = indices
            .iter()
            .zip(sq_distances)
            .map(|(&i, &sq_distance)| (sq_distance.max(sq_core).max(self.sq_core[i as usize]), i));
        let (sq_distance, nearest) = reach.reduce(|best, next| if next.0 < best.0 { next } else { best })?;
        let lambda = condensed::lambda(sq_distance);
        let mut cluster = self.tree.leaves[nearest as usize].0;
        while let Some(parent) =
            self.tree.clusters[cluster].parent.filter(|_| self.tree.clusters[cluster].birth >= lambda)
        {
            cluster = parent;
        }
        self.slices.find(&self.tree, cluster, lambda)
    }
}

impl SliceModel for Model {
    fn n_slices(&self) -> usize {
        self.slices.clusters.len()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.points.d() {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.points.d()), [n, d]));
        }
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_assign(table.embeddings, &rows, self.params.normalise, self.points.mean())?;
        let known: Vec<Option<usize>> = rows.iter().map(|&i| self.lookup.find(&self.points, points.row(i))).collect();
        let new: Vec<usize> = rows.into_iter().filter(|&i| known[i].is_none()).collect();
        let pool = pool(Hdbscan::NAME, context)?;
        let neighbours = Search::new(context.seed).nearest(
            &self.points,
            &points.select(new.iter().copied()),
            2 * self.n_neighbours.max(1),
            &pool,
            |done, of| context.progress("nearest neighbours", done, of),
        )?;
        let mut membership = Tensor::zeros([n, self.n_slices()]);
        let mut put = |row: usize, slice: Option<(usize, f32)>| {
            if let Some((slice, strength)) = slice {
                membership.data_mut()[row * self.slices.clusters.len() + slice] = strength;
            }
        };
        for (row, known) in known.into_iter().enumerate() {
            put(row, known.and_then(|known| self.of_fitted(known)));
        }
        for (at, row) in new.into_iter().enumerate() {
            let (indices, sq_distances) = neighbours.row(at);
            put(row, self.of_new(indices, sq_distances));
        }
        Ok(membership)
    }
}

/// Squared distance to the `k`-th other image; 0 if there is none.
fn core_distance(neighbours: &Neighbours, row: usize, k: usize) -> f32 {
    if k == 0 { 0.0 } else { neighbours.row(row).1[k - 1] }
}
