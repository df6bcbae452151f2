//! OPTICS over the embeddings: valleys of the reachability distance, cut at one distance.

mod algorithm;
mod params;
#[cfg(test)]
mod tests;

pub use params::OpticsParams;

use crate::cores::{Clusters, CoresModel, core_distances, points};
use crate::knee::knee;
use algorithm::order;
use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};
use ascan_math::pool;

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

impl Slicer for Optics {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let OpticsParams { eps, max_eps, min_samples, normalise } = self.params;
        let points = points(table, normalise)?;
        let pool = pool(Self::NAME, context)?;
        let sq_core = core_distances(&points, min_samples, &pool, context)?;
        let sq_eps = if eps == 0.0 { knee(sq_core.clone()) } else { (eps * eps) as f32 };
        let sq_max_eps = if max_eps == 0.0 { f32::MAX } else { ((max_eps * max_eps) as f32).max(sq_eps) };
        let order = order(&points, &sq_core, sq_max_eps, |done, of| context.progress("optics", done, of))?;
        let (slices, n_slices) = order.cut(&sq_core, sq_eps);
        let is_core = sq_core.iter().map(|&sq_core| sq_core <= sq_eps).collect();
        let clusters = Clusters { slices, is_core, n_slices };
        let model = CoresModel::new(Self::NAME, normalise, points, sq_eps, clusters);
        model.warn(eps == 0.0, context);
        Ok(Box::new(model))
    }
}
