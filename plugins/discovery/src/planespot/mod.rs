//! PlaneSpot: a Gaussian mixture over a plane and the model's confidence.
//!
//! Two dimensions and one number per image are enough to find many blind spots, and few enough that the number of slices
//! can be chosen by a criterion instead of by hand.

mod algorithm;
mod params;
#[cfg(test)]
mod tests;

pub use params::{Confidence, PlaneSpotParams};

use algorithm::Frame;
use ascan_core::{
    Context, Error, Plugin, Projection, Projector, Result, SliceModel, SliceTable, Slicer, Tensor, TensorView,
};
use ascan_math::mixture::{self, Covariance, Data, Fit, Mixture, Settings};
use ascan_math::points::{Normalise, Points};
use ascan_math::pool;
use ascan_projection::{Pca, PcaParams};

/// PlaneSpot: a Gaussian mixture with full covariances over the embeddings in a plane, scaled to side 1, and the model's
/// confidence, weighted; the number of components by the Bayesian information criterion.
///
/// Slices are ordered by n·e²: the number of their errors times the share of errors. Embeddings of two dimensions
/// (from `umap`, say) are the plane; of others it is the first two principal components (published: scvis).
///
/// # Source
/// Plumb, Johnson, Cabrera & Talwalkar 2022, arXiv 2207.04104.
pub struct PlaneSpot {
    params: PlaneSpotParams,
}

impl Plugin for PlaneSpot {
    const NAME: &'static str = "planespot";
    const SUMMARY: &'static str =
        "PlaneSpot: a Gaussian mixture over a plane and the confidence; as many slices as the data bear";
    type Params = PlaneSpotParams;

    fn new(params: PlaneSpotParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct PlaneSpotModel {
    params: PlaneSpotParams,
    d: usize,
    /// `None` for embeddings that are a plane already.
    projection: Option<Box<dyn Projection>>,
    frame: Frame,
    mixture: Mixture,
    /// The components in the order of the slices.
    order: Vec<usize>,
}

impl Slicer for PlaneSpot {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let [n, d] = check(table)?;
        if n == 0 || d == 0 {
            return Err(Error::shape("embeddings", "at least one image and one dimension", [n, d]));
        }
        let projection = match d {
            1 | 2 => None,
            _ => Some(Pca::new(PcaParams { n_dims: 2, ..PcaParams::default() })?.fit(table.embeddings, context)?),
        };
        let plane = plane(projection.as_deref(), table.embeddings, context)?;
        let plane = plane.as_ref().map_or(table.embeddings, Tensor::view);
        let frame = Frame::of(plane);
        let confidences = algorithm::confidences(table, self.params.confidence);
        let space = frame.space(plane, &confidences, self.params.confidence_weight);
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(space.view(), &rows, Normalise::None)?;
        let pool = pool(Self::NAME, context)?;
        let data = Data { points: &points, columns: &[] };
        let fit = self.best(data, &pool, context)?;
        if !fit.converged {
            context.warn(&format!(
                "planespot: the likelihood still rose after {} iterations; raise `max_iterations` or `tolerance`",
                self.params.max_iterations,
            ));
        }
        let (responsibilities, _) = fit.mixture.responsibilities(data, &pool);
        let assignment: Vec<usize> = (0..n).map(|row| responsibilities.largest(row)).collect();
        let order = algorithm::by_importance(&assignment, fit.mixture.k(), table);
        let params = self.params.clone();
        Ok(Box::new(PlaneSpotModel { params, d, projection, frame, mixture: fit.mixture, order }))
    }
}

impl PlaneSpot {
    /// The fit with the lowest Bayesian information criterion, the one of fewest components on a tie.
    fn best(&self, data: Data, pool: &rayon::ThreadPool, context: &Context) -> Result<Fit> {
        let PlaneSpotParams { min_components, max_components, n_init, max_iterations, tolerance, reg_covar, .. } =
            self.params;
        let settings = Settings { covariance: Covariance::Full, reg_covar, max_iterations, tolerance };
        let n_numbers = max_components - min_components + 1;
        let mut best: Option<(Fit, f64)> = None;
        for (i, k) in (min_components..=max_components).enumerate() {
            let progress = |done, of| context.progress("planespot", i * of + done, n_numbers * of);
            let fit = mixture::fit_from_kmeans(data, k, n_init, context.seed, &settings, pool, progress)?;
            let (_, log_likelihood) = fit.mixture.responsibilities(data, pool);
            let bic = fit.mixture.bic(data.points.n(), log_likelihood);
            let exhausted = fit.mixture.k() < k;
            if best.as_ref().is_none_or(|&(_, least)| bic < least) {
                best = Some((fit, bic));
            }
            if exhausted {
                context.warn(&format!("planespot: there are no more than {} distinct images to make slices of", k - 1));
                break;
            }
        }
        best.map(|(fit, _)| fit).ok_or_else(|| Error::param("max_components", "is less than `min_components`", ""))
    }
}

impl SliceModel for PlaneSpotModel {
    fn n_slices(&self) -> usize {
        self.order.len()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        let [n, d] = check(table)?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let plane = plane(self.projection.as_deref(), table.embeddings, context)?;
        let plane = plane.as_ref().map_or(table.embeddings, Tensor::view);
        let confidences = algorithm::confidences(table, self.params.confidence);
        let space = self.frame.space(plane, &confidences, self.params.confidence_weight);
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_assign(space.view(), &rows, Normalise::None, self.mixture.gaussians.offset())?;
        let pool = pool(PlaneSpot::NAME, context)?;
        let (responsibilities, _) = self.mixture.responsibilities(Data { points: &points, columns: &[] }, &pool);
        Ok(responsibilities.membership(&self.order))
    }
}

/// `[n, d]`
fn check(table: &SliceTable) -> Result<[usize; 2]> {
    table.check()?;
    if !table.probs.is_finite() {
        return Err(Error::NotFinite { what: "probs".into() });
    }
    table.embeddings.dims("embeddings", "[n, d]")
}

fn plane(projection: Option<&dyn Projection>, embeddings: TensorView, context: &Context) -> Result<Option<Tensor>> {
    projection.map(|projection| projection.project(embeddings, context)).transpose()
}
