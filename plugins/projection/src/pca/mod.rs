//! Principal component analysis.

mod algorithm;
mod randomised;
#[cfg(test)]
mod tests;

use algorithm::Components;
use ascan_core::{
    Context, Error, Params, Plugin, Problems, Projection, Projector, Result, Strengths, Tensor, TensorView,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

/// How the components are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// `randomised` where it is clearly cheaper, which is for embeddings of thousands of dimensions; else `exact`.
    Auto,
    /// Eigenvectors of all second moments.
    Exact,
    /// A random subspace, turned towards the largest variances: approximate, in much less time and memory.
    Randomised,
}

/// Parameters of [`Pca`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PcaParams {
    /// Dimensions to keep. The default is ours: enough for k-means, few enough to be quick.
    pub n_dims: usize,
    /// Whether each dimension is scaled to variance 1.
    pub whiten: bool,
    /// How the components are found.
    pub solver: Solver,
}

impl Default for PcaParams {
    fn default() -> Self {
        Self { n_dims: 64, whiten: false, solver: Solver::Auto }
    }
}

impl Params for PcaParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("n_dims", "dimensions to keep; fewer if the embeddings have no more"),
        ("whiten", "whether each dimension is scaled to variance 1"),
        ("solver", "\"exact\", \"randomised\" (approximate, for thousands of dimensions) or \"auto\""),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_dims", self.n_dims, 1, 100_000);
    }
}

/// Principal component analysis: the directions of largest variance.
///
/// Exact, by the eigenvectors of the covariance (of the Gram matrix, where there are fewer images than dimensions), or
/// randomised: 10 directions more than asked for, four turns towards the largest variances. In f64, streaming over
/// blocks of images: besides the embeddings and their projection only the moments, or a few vectors, are in memory.
/// Each component points to where its largest loading is positive, so that a component has one form.
///
/// # Source
/// Pearson 1901; randomised: Halko, Martinsson and Tropp 2011, arXiv 0909.4061, algorithm 4.4 on the second moments;
/// the sign rule and `whiten` as in scikit-learn.
pub struct Pca {
    params: PcaParams,
}

impl Plugin for Pca {
    const NAME: &'static str = "pca";
    const SUMMARY: &'static str = "principal component analysis, exact or randomised";
    /// Two directions need no second moments of all.
    const STRENGTHS: Strengths = Strengths { map_params: Some(r#"{"solver": "randomised"}"#), ..Strengths::none() };
    type Params = PcaParams;

    fn new(params: PcaParams) -> Result<Self> {
        Ok(Self { params })
    }
}

impl Projector for Pca {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        check(embeddings)?;
        if embeddings.n_rows() == 0 {
            return Err(Error::shape("embeddings", "at least one image", embeddings.shape()));
        }
        let pool = pool(context)?;
        let progress = |done, of| context.progress("pca", done, of);
        let n_dims = self.params.n_dims;
        let randomised = match self.params.solver {
            Solver::Exact => false,
            Solver::Randomised => true,
            Solver::Auto => randomised::is_cheaper(embeddings.n_rows(), embeddings.row_len(), n_dims),
        };
        let mut components = if randomised {
            randomised::fit(embeddings, n_dims, context.seed, &pool, progress)?
        } else {
            algorithm::fit(embeddings, n_dims, &pool, progress)?
        };
        if components.n_dims() < self.params.n_dims {
            context.warn(&format!(
                "pca: {} dimensions instead of {}: {} images of {} dimensions vary in no more",
                components.n_dims(),
                self.params.n_dims,
                embeddings.n_rows(),
                embeddings.row_len(),
            ));
        }
        if self.params.whiten {
            components.whiten();
        }
        Ok(Box::new(components))
    }
}

impl Projection for Components {
    fn n_dims(&self) -> usize {
        Self::n_dims(self)
    }

    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor> {
        let [_, d] = check(embeddings)?;
        if d != self.d() {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d()), embeddings.shape()));
        }
        Ok(self.apply(embeddings, &pool(context)?))
    }
}

fn check(embeddings: TensorView) -> Result<[usize; 2]> {
    let [n, d] = embeddings.dims("embeddings", "[n, d]")?;
    if d == 0 {
        return Err(Error::shape("embeddings", "at least one dimension", embeddings.shape()));
    }
    if !embeddings.is_finite() {
        return Err(Error::NotFinite { what: "embeddings".into() });
    }
    Ok([n, d])
}

fn pool(context: &Context) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(context.n_threads.max(1))
        .build()
        .map_err(|error| Error::plugin(Pca::NAME, format!("cannot start its threads: {error}"), "use fewer threads"))
}
