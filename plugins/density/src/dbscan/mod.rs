//! DBSCAN over the embeddings: dense places, joined at one distance.

mod algorithm;
mod params;
#[cfg(test)]
mod tests;

pub use params::DbscanParams;

use crate::cores::{CoresModel, core_distances, points};
use crate::knee::knee;
use algorithm::dbscan;
use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};
use ascan_math::pool;

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

impl Slicer for Dbscan {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let DbscanParams { eps, min_samples, normalise } = self.params;
        let points = points(table, normalise)?;
        let pool = pool(Self::NAME, context)?;
        let sq_eps = match eps {
            0.0 => knee(core_distances(&points, min_samples, &pool, context)?),
            eps => (eps * eps) as f32,
        };
        let clusters = dbscan(&points, sq_eps, min_samples, &pool, |done, of| context.progress("dbscan", done, of))?;
        let model = CoresModel::new(Self::NAME, normalise, points, sq_eps, clusters);
        model.warn(eps == 0.0, context);
        Ok(Box::new(model))
    }
}
