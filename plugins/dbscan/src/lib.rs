//! Slicer plugins: DBSCAN and OPTICS over the embeddings.
//!
//! Slices are what is joined by steps of at most `eps` from one dense place to the next; the rest is noise. Both find
//! the number of slices, and need a distance instead.
//!
//! Both are written here and not taken from linfa-clustering (0.8.1): its OPTICS gives the first image of a dense place
//! its own core distance as reachability, where it should have none, so that a cut cannot tell where a slice begins;
//! its DBSCAN does not say which images are cores, which images of another table need. What either takes beside these:
//! `cargo bench -p ascan-benches --bench linfa`.

mod dbscan;
mod knee;
mod optics;
mod params;
#[cfg(test)]
mod tests;

pub use params::{DbscanParams, OpticsParams};

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_math::knn::Search;
use ascan_math::lookup::Lookup;
use ascan_math::points::{Normalise, Points};
use ascan_math::{knn, pool};
use rayon::ThreadPool;

/// DBSCAN slices: images with `min_samples` others within `eps`, joined where they are within `eps` of each other,
/// and what is within `eps` of one of them.
///
/// An image of another table joins the slice of the nearest such core, if it is within `eps`.
///
/// # Source
/// Ester, Kriegel, Sander & Xu 1996.
pub struct Dbscan {
    params: DbscanParams,
}

impl Plugin for Dbscan {
    const NAME: &'static str = "dbscan";
    const SUMMARY: &'static str = "DBSCAN: dense places joined at a distance, which may be found; the rest is noise";
    type Params = DbscanParams;

    fn new(params: DbscanParams) -> Result<Self> {
        Ok(Self { params })
    }
}

/// OPTICS slices: the valleys of the reachability distance, cut at `eps`.
///
/// The same as DBSCAN but for images at the rim of a slice. What it costs is time: the order is found image by image.
/// An image of another table joins the slice of the nearest core, if it is within `eps`.
///
/// # Source
/// Ankerst, Breunig, Kriegel & Sander 1999; the cut as in scikit-learn's `cluster_optics_dbscan`.
pub struct Optics {
    params: OpticsParams,
}

impl Plugin for Optics {
    const NAME: &'static str = "optics";
    const SUMMARY: &'static str = "OPTICS: valleys of the reachability distance, cut at a distance, which may be found";
    type Params = OpticsParams;

    fn new(params: OpticsParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Slicer for Dbscan {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let DbscanParams { eps, min_samples, normalise } = self.params;
        let points = points(table, normalise)?;
        let pool = pool(Self::NAME, context)?;
        let sq_eps = match eps {
            0.0 => knee::knee(core_distances(&points, min_samples, &pool, context)?),
            eps => (eps * eps) as f32,
        };
        let clusters =
            dbscan::dbscan(&points, sq_eps, min_samples, &pool, |done, of| context.progress("dbscan", done, of))?;
        let model = Model::new(Self::NAME, normalise, points, sq_eps, clusters);
        model.warn(eps == 0.0, context);
        Ok(Box::new(model))
    }
}

impl Slicer for Optics {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let OpticsParams { eps, max_eps, min_samples, normalise } = self.params;
        let points = points(table, normalise)?;
        let pool = pool(Self::NAME, context)?;
        let sq_core = core_distances(&points, min_samples, &pool, context)?;
        let sq_eps = if eps == 0.0 { knee::knee(sq_core.clone()) } else { (eps * eps) as f32 };
        let sq_max_eps = if max_eps == 0.0 { f32::MAX } else { ((max_eps * max_eps) as f32).max(sq_eps) };
        let order = optics::order(&points, &sq_core, sq_max_eps, |done, of| context.progress("optics", done, of))?;
        let (slices, n_slices) = order.cut(&sq_core, sq_eps);
        let is_core = sq_core.iter().map(|&sq_core| sq_core <= sq_eps).collect();
        let clusters = dbscan::Clusters { slices, is_core, n_slices };
        let model = Model::new(Self::NAME, normalise, points, sq_eps, clusters);
        model.warn(eps == 0.0, context);
        Ok(Box::new(model))
    }
}

fn points(table: &SliceTable, normalise: Normalise) -> Result<Points> {
    table.check()?;
    if table.n() == 0 {
        return Err(Error::shape("embeddings", "at least one image", table.embeddings.shape()));
    }
    Points::to_fit(table.embeddings, &(0..table.n()).collect::<Vec<_>>(), normalise)
}

/// Squared distance within which each image has `min_samples` images, itself included; infinite if there are fewer.
fn core_distances(points: &Points, min_samples: usize, pool: &ThreadPool, context: &Context) -> Result<Vec<f32>> {
    let k = min_samples.saturating_sub(1);
    let neighbours = knn::graph(points, k, pool, |done, of| context.progress("nearest neighbours", done, of))?;
    let of_row = |i: usize| match k {
        0 => 0.0,
        k => neighbours.row(i).1.get(k - 1).copied().unwrap_or(f32::INFINITY),
    };
    Ok((0..points.n()).map(of_row).collect())
}

struct Model {
    plugin: &'static str,
    normalise: Normalise,
    points: Points,
    lookup: Lookup,
    sq_eps: f32,
    /// `[n]`.
    slices: Vec<Option<usize>>,
    n_slices: usize,
    cores: Points,
    /// `[cores]`.
    slices_of_cores: Vec<Option<usize>>,
}

impl Model {
    fn new(
        plugin: &'static str,
        normalise: Normalise,
        points: Points,
        sq_eps: f32,
        clusters: dbscan::Clusters,
    ) -> Self {
        let rows: Vec<usize> = (0..points.n()).filter(|&i| clusters.is_core[i]).collect();
        let (lookup, cores) = (Lookup::new(&points), points.select(rows.iter().copied()));
        let slices_of_cores = rows.into_iter().map(|row| clusters.slices[row]).collect();
        let dbscan::Clusters { slices, n_slices, .. } = clusters;
        Self { plugin, normalise, points, lookup, sq_eps, slices, n_slices, cores, slices_of_cores }
    }

    fn warn(&self, found_eps: bool, context: &Context) {
        let (plugin, n, eps) = (self.plugin, self.slices.len(), self.sq_eps.sqrt());
        let n_noise = self.slices.iter().filter(|slice| slice.is_none()).count();
        if self.n_slices == 0 {
            context.warn(&format!(
                "{plugin}: no slice: no image has enough others within {eps}; raise `eps` or lower `min_samples`"
            ));
        } else if n_noise * 2 > n {
            context.warn(&format!("{plugin}: {n_noise} of {n} images are noise; raise `eps` or lower `min_samples`"));
        } else if found_eps && self.n_slices == 1 {
            context.warn(&format!("{plugin}: one slice at the distance found, {eps}; set `eps` to less"));
        }
    }
}

impl SliceModel for Model {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.points.d() {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.points.d()), [n, d]));
        }
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_assign(table.embeddings, &rows, self.normalise, self.points.mean())?;
        let known: Vec<Option<usize>> = rows.iter().map(|&i| self.lookup.find(&self.points, points.row(i))).collect();
        let new: Vec<usize> = rows.into_iter().filter(|&i| known[i].is_none()).collect();
        let mut slices: Vec<Option<usize>> = known.into_iter().map(|known| self.slices[known?]).collect();
        let pool = pool(self.plugin, context)?;
        let queries = points.select(new.iter().copied());
        let nearest = Search::new(context.seed)
            .nearest(&self.cores, &queries, 1, &pool, |done, of| context.progress("nearest neighbours", done, of))?;
        for (at, row) in new.into_iter().enumerate() {
            let (indices, sq_distances) = nearest.row(at);
            let core = indices.iter().zip(sq_distances).find(|&(_, &sq_distance)| sq_distance <= self.sq_eps);
            slices[row] = core.and_then(|(&core, _)| self.slices_of_cores[core as usize]);
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices))
    }
}

ascan_core::export_library!(ascan_dbscan: slicer Dbscan, slicer Optics);
