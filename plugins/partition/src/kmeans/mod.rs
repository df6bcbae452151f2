//! k-means over the embeddings.
//!
//! Lloyd's algorithm from greedy k-means++ seeds, the best of several restarts, with empty clusters
//! moved to the points that are served worst. The number of slices is meant to be too large
//! ("over-clustering"): a few pure slices are worth more here than a faithful partition.

mod params;
#[cfg(test)]
mod tests;

pub use params::KMeansParams;

use crate::centres::{CentresModel, rows_to_fit, warn_if_fewer};
use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};
use ascan_math::kmeans::{self, Settings};
use ascan_math::points::Points;
use ascan_math::pool;

/// k-means slices: each image belongs to the slice with the nearest centre.
///
/// Copies the embeddings twice, centred, while it fits: row by row, and as products take them; [`MiniBatchKMeans`](crate::MiniBatchKMeans) never
/// does.
///
/// # Source
/// Lloyd 1982; Arthur & Vassilvitskii 2007 (k-means++), with the best of `2 + ln k` candidates a seed.
pub struct KMeans {
    params: KMeansParams,
}

impl Plugin for KMeans {
    const NAME: &'static str = "kmeans";
    const SUMMARY: &'static str = "k-means: Lloyd's algorithm from k-means++ seeds, best of several restarts";
    type Params = KMeansParams;

    fn new(params: KMeansParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Slicer for KMeans {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let rows = rows_to_fit(table)?;
        let KMeansParams { n_slices, n_init, max_iterations, tolerance, normalise } = self.params;
        let pool = pool(Self::NAME, context)?;
        let mut points = pool.install(|| Points::to_fit(table.embeddings, &rows, normalise))?;
        pool.install(|| points.keep_columns());
        let settings = Settings { k: n_slices, n_init, max_iterations, tolerance, seed: context.seed };
        let fit = kmeans::fit(&points, &settings, &pool, |done, of| context.progress("k-means", done, of))?;
        warn_if_fewer("k-means", &fit.centres, n_slices, rows.len(), context);
        if !fit.converged {
            context.warn(&format!(
                "k-means: the centres still moved after {max_iterations} iterations; raise `max_iterations` or `tolerance`",
            ));
        }
        Ok(Box::new(CentresModel { plugin: Self::NAME, normalise, centres: fit.centres }))
    }
}
