//! Slicer plugin: k-means over the embeddings.
//!
//! Lloyd's algorithm from greedy k-means++ seeds, the best of several restarts, with empty clusters
//! moved to the points that are served worst. The number of slices is meant to be too large
//! ("over-clustering"): a few pure slices are worth more here than a faithful partition.

mod params;
#[cfg(test)]
mod tests;

pub use ascan_math::points::Normalise;
pub use params::KMeansParams;

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_math::kmeans::{self, Centres, Settings};
use ascan_math::points::Points;
use ascan_math::pool;

/// k-means slices: each image belongs to the slice with the nearest centre.
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

struct KMeansModel {
    normalise: Normalise,
    centres: Centres,
}

impl Slicer for KMeans {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let params = &self.params;
        if table.n() == 0 {
            return Err(Error::shape("embeddings", "at least one image", 0));
        }
        let pool = pool(Self::NAME, context)?;
        let points = Points::to_fit(table.embeddings, &all_rows(table), params.normalise)?;
        let settings = Settings {
            k: params.n_slices,
            n_init: params.n_init,
            max_iterations: params.max_iterations,
            tolerance: params.tolerance,
            seed: context.seed,
        };
        let fit = kmeans::fit(&points, &settings, &pool, |done, of| context.progress("k-means", done, of))?;
        if fit.centres.k() < params.n_slices {
            context.warn(&format!(
                "k-means: {} slices instead of {}: the {} images have no more distinct embeddings",
                fit.centres.k(),
                params.n_slices,
                points.n(),
            ));
        }
        if !fit.converged {
            context.warn(&format!(
                "k-means: the centres still moved after {} iterations; raise `max_iterations` or `tolerance`",
                params.max_iterations,
            ));
        }
        Ok(Box::new(KMeansModel { normalise: params.normalise, centres: fit.centres }))
    }
}

impl SliceModel for KMeansModel {
    fn n_slices(&self) -> usize {
        self.centres.k()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let fitted = self.centres.mean().len();
        if d != fitted {
            return Err(Error::shape("embeddings", format!("[n, {fitted}], as at the fit"), [n, d]));
        }
        let pool = pool(KMeans::NAME, context)?;
        let points = Points::to_assign(table.embeddings, &all_rows(table), self.normalise, self.centres.mean())?;
        let nearest = kmeans::nearest(&points, &self.centres, &pool);
        Ok(slicer::one_hot(nearest.into_iter().map(Some), self.n_slices()))
    }
}

fn all_rows(table: &SliceTable) -> Vec<usize> {
    (0..table.n()).collect()
}

ascan_core::export_library!(ascan_kmeans: slicer KMeans);
