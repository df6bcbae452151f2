//! Domino: a mixture over embeddings, labels and predictions.
//!
//! A slice is a region of the embedding *and* a kind of error: components are homogeneous in both, since the
//! mixture explains the label and the prediction along with the embedding.

mod algorithm;
mod params;
#[cfg(test)]
mod tests;

pub use params::DominoParams;

use ascan_core::{
    Context, Error, Plugin, Projection, Projector, Result, SliceModel, SliceTable, Slicer, Tensor, TensorView,
};
use ascan_math::mixture::{self, Covariance, Data, Mixture, Settings};
use ascan_math::points::{Normalise, Points};
use ascan_math::pool;
use ascan_projection::{Pca, PcaParams};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Domino: the components of N(z; μ, diag Σ) · Cat(y)^γ · Cat(ŷ)^γ̂ in which predictions and labels differ most.
///
/// z is the embedding after PCA, y the label, ŷ the predicted probabilities, of which the likelihood is Σ_c ŷ_c·p_c.
/// Each component starts from a cell of the confusion matrix. An image's membership is the posterior probability of
/// the component; an image that belongs rather to a component that is no slice is noise (published: it goes to
/// the slice it fits best, however badly).
///
/// Membership takes labels and predictions into account, as published; an image without a label is placed by
/// its embedding and prediction.
///
/// # Source
/// Eyuboglu et al. 2022 (ICLR), arXiv 2203.14960; the published implementation, domino 0.1.5.
pub struct Domino {
    params: DominoParams,
}

impl Plugin for Domino {
    const NAME: &'static str = "domino";
    const SUMMARY: &'static str =
        "Domino: a mixture over embeddings, labels and predictions; slices are its worst components";
    type Params = DominoParams;

    fn new(params: DominoParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct DominoModel {
    params: DominoParams,
    d: usize,
    n_classes: usize,
    projection: Option<Box<dyn Projection>>,
    mixture: Mixture,
    /// The components that are slices.
    slices: Vec<usize>,
}

impl Slicer for Domino {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        let [n, d, n_classes] = check(table)?;
        if n == 0 || d == 0 || n_classes == 0 {
            return Err(Error::shape("table", "at least one image, one dimension and one class", [n, d, n_classes]));
        }
        if !table.labels.iter().any(|&label| (0..n_classes as i32).contains(&label)) {
            return Err(Error::unsupported(
                "Domino needs labels, and no image has one of a class that the model knows",
                "give the data a label column, or use another slicer, for example \"gmm\"",
            ));
        }
        let DominoParams { n_pca_components, confusion_noise, max_iterations, .. } = self.params;
        let projection = match n_pca_components {
            0 => None,
            wanted => {
                let params = PcaParams { n_dims: wanted.min(d), ..PcaParams::default() };
                Some(Pca::new(params)?.fit(table.embeddings, context)?)
            }
        };
        let projected = project(projection.as_deref(), table.embeddings, context)?;
        let pool = pool(Self::NAME, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(projected.as_ref().map_or(table.embeddings, Tensor::view), &rows, Normalise::None)?;
        let n_components = self.params.n_components.min(n);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(context.seed);
        let noise = || rng.random::<f64>() * confusion_noise;
        let start = algorithm::start(table.labels, table.probs, n_components, noise);
        let columns = algorithm::columns(table, n_classes, self.params.weights());
        let data = Data { points: &points, columns: &columns };
        let fit =
            mixture::fit(data, start, &self.params.settings(), &pool, |done, of| context.progress("domino", done, of))?;
        if !fit.converged {
            context.warn(&format!(
                "domino: the likelihood still moved after {max_iterations} iterations; raise `max_iterations` or `tolerance`",
            ));
        }
        let slices = algorithm::worst(&fit.mixture, self.params.n_slices);
        if slices.len() < self.params.n_slices {
            context.warn(&format!(
                "domino: {} slices instead of {}: there are only {n} images",
                slices.len(),
                self.params.n_slices,
            ));
        }
        let params = self.params.clone();
        Ok(Box::new(DominoModel { params, d, n_classes, projection, mixture: fit.mixture, slices }))
    }
}

impl SliceModel for DominoModel {
    fn n_slices(&self) -> usize {
        self.slices.len()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        let [n, d, n_classes] = check(table)?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        if n_classes != self.n_classes {
            return Err(Error::shape("probs", format!("[n, {}], as at the fit", self.n_classes), [n, n_classes]));
        }
        let projected = project(self.projection.as_deref(), table.embeddings, context)?;
        let pool = pool(Domino::NAME, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let view = projected.as_ref().map_or(table.embeddings, Tensor::view);
        let points = Points::to_assign(view, &rows, Normalise::None, self.mixture.gaussians.offset())?;
        let columns = algorithm::columns(table, n_classes, self.params.weights());
        let (responsibilities, _) = self.mixture.responsibilities(Data { points: &points, columns: &columns }, &pool);
        let mut membership = responsibilities.membership(&self.slices);
        for (row, shares) in membership.data_mut().chunks_exact_mut(self.slices.len()).enumerate() {
            if !self.slices.contains(&responsibilities.largest(row)) {
                shares.fill(0.0);
            }
        }
        Ok(membership)
    }
}

impl DominoParams {
    fn weights(&self) -> [f64; 2] {
        [self.label_weight, self.prediction_weight]
    }

    fn settings(&self) -> Settings {
        Settings {
            covariance: Covariance::Diagonal,
            reg_covar: self.reg_covar,
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
        }
    }
}

/// `[n, d, n_classes]`
fn check(table: &SliceTable) -> Result<[usize; 3]> {
    table.check()?;
    if !table.probs.is_finite() {
        return Err(Error::NotFinite { what: "probs".into() });
    }
    let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
    Ok([n, d, table.probs.row_len()])
}

fn project(projection: Option<&dyn Projection>, embeddings: TensorView, context: &Context) -> Result<Option<Tensor>> {
    projection.map(|projection| projection.project(embeddings, context)).transpose()
}
