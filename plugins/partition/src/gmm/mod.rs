//! A Gaussian mixture over the embeddings.
//!
//! Softer than k-means: slices have sizes and shapes of their own, and an image on the border of two
//! belongs to both.

mod params;
#[cfg(test)]
mod tests;

pub use params::GmmParams;

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor};
use ascan_math::mixture::{self, Data, Mixture};
use ascan_math::points::{Normalise, Points};
use ascan_math::pool;

/// Gaussian mixture: an image's membership of a slice is the posterior probability of its component.
///
/// Expectation–maximisation from k-means, the best of several restarts. Settings and stopping rule are those of
/// scikit-learn's `GaussianMixture`.
///
/// # Source
/// Dempster, Laird & Rubin 1977.
pub struct Gmm {
    params: GmmParams,
}

impl Plugin for Gmm {
    const NAME: &'static str = "gmm";
    const SUMMARY: &'static str = "Gaussian mixture by expectation–maximisation: soft slices of any size and shape";
    type Params = GmmParams;

    fn new(params: GmmParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct GmmModel {
    normalise: Normalise,
    d: usize,
    mixture: Mixture,
}

impl Slicer for Gmm {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if n == 0 || d == 0 {
            return Err(Error::shape("embeddings", "at least one image and one dimension", [n, d]));
        }
        let pool = pool(Self::NAME, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(table.embeddings, &rows, self.params.normalise)?;
        let data = Data { points: &points, columns: &[] };
        let GmmParams { n_slices, n_init, max_iterations, .. } = self.params;
        let fit = mixture::fit_from_kmeans(
            data,
            n_slices,
            n_init,
            context.seed,
            &self.params.settings(),
            &pool,
            |done, of| context.progress("gmm", done, of),
        )?;
        if fit.mixture.k() < n_slices {
            context.warn(&format!(
                "gmm: {} slices instead of {n_slices}: there are no more distinct images among the {n}",
                fit.mixture.k(),
            ));
        }
        if !fit.converged {
            context.warn(&format!(
                "gmm: the likelihood still rose after {max_iterations} iterations; raise `max_iterations` or `tolerance`",
            ));
        }
        Ok(Box::new(GmmModel { normalise: self.params.normalise, d, mixture: fit.mixture }))
    }
}

impl SliceModel for GmmModel {
    fn n_slices(&self) -> usize {
        self.mixture.k()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let pool = pool(Gmm::NAME, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_assign(table.embeddings, &rows, self.normalise, self.mixture.gaussians.offset())?;
        let (responsibilities, _) = self.mixture.responsibilities(Data { points: &points, columns: &[] }, &pool);
        Ok(responsibilities.membership(&(0..self.mixture.k()).collect::<Vec<_>>()))
    }
}
