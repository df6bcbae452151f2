//! A program as a projector.

use crate::params::{ProcessParams, ProjectorParams};
use crate::{answer, broken, child, table};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use ascan_core::{Context, Error, Plugin, Projection, Projector, Result, Tensor, TensorView};
use std::collections::HashMap;
use std::sync::Arc;

/// Projections by a program, which gets the columns `fit` (bool) and `embedding` (fixed-size list of float32) and answers
/// with a column `projection` (fixed-size list of float32) for each row. The projection depends on the rows with `fit`
/// alone.
pub struct ProcessProjector {
    params: ProcessParams,
}

impl Plugin for ProcessProjector {
    const NAME: &'static str = "process";
    const SUMMARY: &'static str = "a program in any language: vectors in and projections out as Arrow streams";
    type Params = ProjectorParams;

    fn new(params: ProjectorParams) -> Result<Self> {
        Ok(Self { params: ProcessParams::from(&params) })
    }
}

struct ProcessProjection {
    params: ProcessParams,
    fitted: RecordBatch,
    /// `[n, n_dims]` of the rows that were fitted to.
    projected: Tensor,
}

impl Projector for ProcessProjector {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        let fitted = batch(embeddings, true, table::told(&self.params, context))?;
        let projected = ask(&self.params, vec![fitted.clone()], context)?;
        Ok(Box::new(ProcessProjection { params: self.params.clone(), fitted, projected }))
    }
}

impl Projection for ProcessProjection {
    fn n_dims(&self) -> usize {
        self.projected.view().row_len()
    }

    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor> {
        if embeddings.n_rows() == 0 {
            return Ok(Tensor::zeros([0, self.n_dims()]));
        }
        let rows = batch(embeddings, false, self.fitted.schema().metadata().clone().into())?;
        // The usual case: the rows that were fitted to. The first column is `fit`.
        if rows.columns()[1..] == self.fitted.columns()[1..] {
            return Ok(self.projected.clone());
        }
        if rows.schema().field(1) != self.fitted.schema().field(1) {
            return Err(Error::shape("embeddings", "as many dimensions as at the fit", embeddings.shape()));
        }
        let all = ask(&self.params, vec![self.fitted.clone(), rows], context)?;
        let n_dims = all.view().row_len();
        if n_dims != self.n_dims() {
            let message = format!("answered with {n_dims} dimensions, and with {} at the fit", self.n_dims());
            let hint = "they must depend on nothing but the rows with `fit`, the seed and the params";
            return Err(broken(&self.params, (message, hint)));
        }
        Tensor::new([embeddings.n_rows(), n_dims], all.data()[self.fitted.num_rows() * n_dims..].to_vec())
    }
}

fn batch(embeddings: TensorView, fit: bool, metadata: HashMap<String, String>) -> Result<RecordBatch> {
    let [_, _] = embeddings.dims("embeddings", "[n, d]")?;
    if !embeddings.is_finite() {
        return Err(Error::NotFinite { what: "embeddings".into() });
    }
    let fit = Arc::new(BooleanArray::from(vec![fit; embeddings.n_rows()])) as ArrayRef;
    table::of_columns(vec![("fit", fit), ("embedding", table::lists("embeddings", embeddings)?)], metadata)
}

fn ask(params: &ProcessParams, batches: Vec<RecordBatch>, context: &Context) -> Result<Tensor> {
    let n = batches.iter().map(RecordBatch::num_rows).sum();
    let output = child::run(params, batches, context)?;
    answer::lists(&output, "projection", n).map_err(|wrong| broken(params, wrong))
}
