//! The plugin `minibatch_kmeans`.

use crate::MiniBatchKMeansParams;
use crate::model::{CentresModel, Part, seed_of_class, warn_if_fewer};
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
        table.check()?;
        let [_, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let MiniBatchKMeansParams { n_slices, normalise, group_by, .. } = self.params;
        let classes = group_by.classes(table)?;
        let pool = pool(Self::NAME, context)?;
        let mut parts = Vec::with_capacity(classes.len());
        for (i, &class) in classes.iter().enumerate() {
            let rows = group_by.rows(table, class);
            let settings = Settings {
                k: n_slices,
                batch_size: self.params.batch_size,
                max_epochs: self.params.max_epochs,
                max_no_improvement: self.params.max_no_improvement,
                reassignment_ratio: self.params.reassignment_ratio,
                n_init: self.params.n_init,
                normalise,
                seed: seed_of_class(context, i),
            };
            let fit = minibatch::fit(table.embeddings, &rows, &settings, &pool, |done, of| {
                context.progress("mini-batch k-means", i * of + done, classes.len() * of)
            })?;
            let part = Part { class, centres: fit.centres };
            warn_if_fewer("mini-batch k-means", &part, n_slices, rows.len(), context);
            if !fit.converged {
                context.warn(&format!(
                    "mini-batch k-means: the inertia{} still fell after {} batches; raise `max_epochs`",
                    part.whose(),
                    fit.n_batches,
                ));
            }
            parts.push(part);
        }
        Ok(Box::new(CentresModel { plugin: Self::NAME, d, normalise, group_by, parts }))
    }
}
