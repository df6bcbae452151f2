//! k-means over the embeddings, fitted batch by batch.

use crate::centres::{CentresModel, rows_to_fit, warn_if_fewer};
use ascan_core::{Context, Params, Plugin, Problems, Result, SliceModel, SliceTable, Slicer};
use ascan_math::minibatch::{self, Settings};
use ascan_math::points::Normalise;
use ascan_math::pool;
use serde::{Deserialize, Serialize};

/// Parameters of [`MiniBatchKMeans`]. Where nothing else is said, defaults are scikit-learn's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MiniBatchKMeansParams {
    /// Number of slices. The default is ours, as for k-means.
    pub n_slices: usize,
    /// Images of a batch.
    pub batch_size: usize,
    /// Limit of images drawn, as a multiple of the images there are.
    pub max_epochs: usize,
    /// Batches without a better smoothed inertia after which the fit ends.
    pub max_no_improvement: usize,
    /// Centres that have seen less than this share of what the busiest has are moved to random images.
    pub reassignment_ratio: f64,
    /// Seedings; the tightest is used. The default is ours (scikit-learn: 1): a seeding costs a few batches.
    pub n_init: usize,
    /// What is done to each embedding first.
    pub normalise: Normalise,
}

impl Default for MiniBatchKMeansParams {
    fn default() -> Self {
        Self {
            n_slices: 40,
            batch_size: 1024,
            max_epochs: 100,
            max_no_improvement: 10,
            reassignment_ratio: 0.01,
            n_init: 3,
            normalise: Normalise::None,
        }
    }
}

impl Params for MiniBatchKMeansParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_slices", "number of slices"),
        ("normalise", "\"none\" or \"l2\": whether embeddings are scaled to length 1 first"),
        ("batch_size", "images per batch"),
        ("max_epochs", "limit of images drawn, as a multiple of all images"),
        ("max_no_improvement", "batches without a better smoothed inertia after which the fit ends"),
        ("reassignment_ratio", "centres that have seen less than this share of the busiest are moved to random images"),
        ("n_init", "seedings; the tightest is used"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100_000);
        problems.range("batch_size", self.batch_size, 1, 10_000_000);
        problems.range("max_epochs", self.max_epochs, 1, 1_000_000);
        problems.range("max_no_improvement", self.max_no_improvement, 1, 1_000_000);
        problems.range("reassignment_ratio", self.reassignment_ratio, 0.0, 1.0);
        problems.range("n_init", self.n_init, 1, 1_000);
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::inertia;
    use ascan_core::slicer;
    use ascan_core::testing::{check_slicer, toy_slice_table};

    fn minibatch(params: MiniBatchKMeansParams) -> MiniBatchKMeans {
        MiniBatchKMeans::new(params).unwrap()
    }

    #[test]
    fn conforms() {
        for batch_size in [16, 1024] {
            let params =
                MiniBatchKMeansParams { batch_size, n_slices: 7, normalise: Normalise::L2, ..Default::default() };
            check_slicer("minibatch_kmeans", &minibatch(params));
        }
        check_slicer("minibatch_kmeans", &minibatch(MiniBatchKMeansParams::default()));
    }

    /// scikit-learn 1.9.1: mean inertia over 20 seeds of `MiniBatchKMeans(k, batch_size=1024, n_init=3)` on the same table.
    #[test]
    fn as_tight_as_scikit_learn() {
        let table = toy_slice_table(20_000, 10, 7);
        for (n_slices, theirs) in [(5, 199_107.1), (40, 152_233.8)] {
            let ours = (0..5u64).map(|seed| {
                let context = Context { seed, ..Context::default() };
                let params = MiniBatchKMeansParams { n_slices, ..Default::default() };
                let model = minibatch(params).fit(&table.view(), &context).unwrap();
                inertia(&table, &slicer::assignment(&model.membership(&table.view(), &context).unwrap()))
            });
            let mean = ours.sum::<f64>() / 5.0;
            assert!(mean < 1.01 * theirs, "k = {n_slices}: {mean}, scikit-learn {theirs}");
        }
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let mut problems = Problems::default();
        MiniBatchKMeansParams { batch_size: 0, max_epochs: 0, reassignment_ratio: f64::NAN, ..Default::default() }
            .check(&mut problems);
        let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
        assert_eq!(keys, ["batch_size", "max_epochs", "reassignment_ratio"]);
    }
}
