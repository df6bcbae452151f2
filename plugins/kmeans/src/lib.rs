//! Slicer plugins: k-means over the embeddings, on all of them at once or batch by batch.
//!
//! Lloyd's algorithm from greedy k-means++ seeds, the best of several restarts, with empty clusters
//! moved to the points that are served worst. The number of slices is meant to be too large
//! ("over-clustering"): a few pure slices are worth more here than a faithful partition.

mod minibatch;
mod model;
mod params;
#[cfg(test)]
mod tests;

pub use ascan_math::points::Normalise;
pub use minibatch::MiniBatchKMeans;
pub use params::{GroupBy, KMeansParams, MiniBatchKMeansParams};

use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};
use ascan_math::kmeans::{self, Settings};
use ascan_math::points::Points;
use ascan_math::pool;
use model::{CentresModel, Part, seed_of_class, warn_if_fewer};

/// k-means slices: each image belongs to the slice with the nearest centre.
///
/// Copies the embeddings once, centred, while it fits; [`MiniBatchKMeans`] never does.
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
        table.check()?;
        let [_, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let KMeansParams { n_slices, n_init, max_iterations, tolerance, normalise, group_by } = self.params;
        let classes = group_by.classes(table)?;
        let pool = pool(Self::NAME, context)?;
        let mut parts = Vec::with_capacity(classes.len());
        for (i, &class) in classes.iter().enumerate() {
            let points = Points::to_fit(table.embeddings, &group_by.rows(table, class), normalise)?;
            let seed = seed_of_class(context, i);
            let settings = Settings { k: n_slices, n_init, max_iterations, tolerance, seed };
            let fit = kmeans::fit(&points, &settings, &pool, |done, of| {
                context.progress("k-means", i * of + done, classes.len() * of)
            })?;
            let part = Part { class, centres: fit.centres };
            warn_if_fewer("k-means", &part, n_slices, points.n(), context);
            if !fit.converged {
                context.warn(&format!(
                    "k-means: the centres{} still moved after {max_iterations} iterations; raise `max_iterations` or `tolerance`",
                    part.whose(),
                ));
            }
            parts.push(part);
        }
        Ok(Box::new(CentresModel { plugin: Self::NAME, d, normalise, group_by, parts }))
    }
}

ascan_core::export_library!(ascan_kmeans: slicer KMeans, slicer MiniBatchKMeans);
