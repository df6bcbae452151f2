//! The plugin `minibatch_kmeans`.

use crate::MiniBatchKMeansParams;
use crate::model::{CentresModel, rows_to_fit, warn_if_fewer};
use ascan_core::{Context, Plugin, Result, SliceModel, SliceTable, Slicer};
use ascan_math::minibatch::{self, Settings};
use ascan_math::pool;

/// k-means slices from small random batches: for tables of millions of images, of which no copy is made.
///
/// A little less tight than [`crate::KMeans`], in a time that hardly depends on the number of images.
///
/// # Source
/// Sculley 2010; seeding, reassignment of weak centres and early stopping as in scikit-learn's `MiniBatchKMeans`.
pub struct MiniBatchKMeans {
    params: MiniBatchKMeansParams,
}

impl Plugin for MiniBatchKMeans {
    const NAME: &'static str = "minibatch_kmeans";
    const SUMMARY: &'static str = "k-means from small random batches: for millions of images, without a copy of them";
    type Params = MiniBatchKMeansParams;

    fn new(params: MiniBatchKMeansParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Slicer for MiniBatchKMeans {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let rows = rows_to_fit(table)?;
        let MiniBatchKMeansParams { n_slices, normalise, .. } = self.params;
        let pool = pool(Self::NAME, context)?;
        let settings = Settings {
            k: n_slices,
            batch_size: self.params.batch_size,
            max_epochs: self.params.max_epochs,
            max_no_improvement: self.params.max_no_improvement,
            reassignment_ratio: self.params.reassignment_ratio,
            n_init: self.params.n_init,
            normalise,
            seed: context.seed,
        };
        let fit = minibatch::fit(table.embeddings, &rows, &settings, &pool, |done, of| {
            context.progress("mini-batch k-means", done, of)
        })?;
        warn_if_fewer("mini-batch k-means", &fit.centres, n_slices, rows.len(), context);
        if !fit.converged {
            context.warn(&format!(
                "mini-batch k-means: the inertia still fell after {} batches; raise `max_epochs`",
                fit.n_batches,
            ));
        }
        Ok(Box::new(CentresModel { plugin: Self::NAME, normalise, centres: fit.centres }))
    }
}
