//! Slicer, projector and attributor plugin: a program in any language.
//!
//! ```toml
//! [slicing]
//! plugin = "process"
//! params = { command = ["python3", "my_slicer.py"], params = { n_slices = 20 } }
//! ```
//!
//! The program is started, gets one table on stdin, writes one table to stdout, and ends with exit code 0. Both are
//! Arrow IPC streams. It keeps no state: a model is nothing but the rows it was fitted on, and these are sent again.
//! `examples/farthest_point.py` is a whole slicer in 20 lines.
//!
//! # What it gets
//! One row per image:
//!
//! | column | type | what |
//! |---|---|---|
//! | `fit` | bool | whether to fit to this row; every row is to be answered for |
//! | `embedding` | fixed-size list of float32 | the vector to slice |
//! | `label` | int32 | ground truth, −1 where unknown |
//! | `predicted_class` | int32 | argmax of the logits |
//! | `probs` | fixed-size list of float32 | softmax of the logits |
//! | `loss` | float32 | cross-entropy, NaN where the label is unknown |
//! | `map` | fixed-size list of float32 | attribution map, row by row; only with `maps = true` |
//!
//! The metadata of the schema holds, as text: `seed`, `n_threads`, `params` (JSON, the `params` of the configuration), and with
//! `maps = true` also `map_height` and `map_width`.
//!
//! # What it answers
//! A row for each row received, in the same order, with one of these columns:
//!
//! | column | type | what |
//! |---|---|---|
//! | `assignment` | int32 | the slice, counted from 0; −1 (or null) for an image in no slice |
//! | `membership` | fixed-size list of float32 | share in each slice, in [0, 1] |
//!
//! Slices must depend on nothing but the rows with `fit`, the seed and the params, and an image's own slice on nothing else but its
//! row. Messages go to stderr: they are shown if the program fails, and otherwise with the other messages of the run.
//!
//! [`ProcessProjector`] and [`ProcessAttributor`] run programs in the same way, with other tables.

mod answer;
mod attributor;
mod child;
mod params;
mod projector;
mod table;
#[cfg(test)]
mod tests;

pub use attributor::ProcessAttributor;
pub use params::{AttributorParams, ProcessParams, ProjectorParams};
pub use projector::ProcessProjector;

use answer::{Answer, Wrong};
use arrow::array::RecordBatch;
use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor};

/// Slices of a program that is called for each table.
pub struct Process {
    params: ProcessParams,
}

impl Plugin for Process {
    const NAME: &'static str = "process";
    const SUMMARY: &'static str = "a program in any language: table in and slices out as Arrow streams";
    type Params = ProcessParams;

    fn new(params: ProcessParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct ProcessModel {
    params: ProcessParams,
    /// The rows that were fitted to, with the seed in their metadata.
    fitted: RecordBatch,
    /// `[n, d]` of the embeddings, `[n, n_classes]` of the probs.
    shapes: [Vec<usize>; 2],
    /// Of the rows that were fitted to.
    membership: Tensor,
}

impl Slicer for Process {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let fitted = table::batch(table, true, self.params.maps, table::told(&self.params, context))?;
        let answer = ask(&self.params, vec![fitted.clone()], context)?;
        let n_slices = answer.n_slices();
        let membership = answer.into_membership(0, n_slices).map_err(|wrong| broken(&self.params, wrong))?;
        let shapes = [table.embeddings.shape().to_vec(), table.probs.shape().to_vec()];
        Ok(Box::new(ProcessModel { params: self.params.clone(), fitted, shapes, membership }))
    }
}

impl SliceModel for ProcessModel {
    fn n_slices(&self) -> usize {
        self.membership.view().row_len()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        for (what, tensor, shape) in
            [("embeddings", table.embeddings, &self.shapes[0]), ("probs", table.probs, &self.shapes[1])]
        {
            if tensor.shape()[1..] != shape[1..] {
                return Err(Error::shape(what, format!("[n, {}], as at the fit", shape[1]), tensor.shape()));
            }
        }
        if table.n() == 0 {
            return Ok(Tensor::zeros([0, self.n_slices()]));
        }
        let metadata = self.fitted.schema().metadata().clone().into();
        let rows = table::batch(table, false, self.params.maps, metadata)?;
        // The usual case, the table that was fitted to, is answered already; the first column is `fit`.
        if rows.columns()[1..] == self.fitted.columns()[1..] {
            return Ok(self.membership.clone());
        }
        let answer = ask(&self.params, vec![self.fitted.clone(), rows], context)?;
        answer.into_membership(self.fitted.num_rows(), self.n_slices()).map_err(|wrong| broken(&self.params, wrong))
    }
}

fn ask(params: &ProcessParams, batches: Vec<RecordBatch>, context: &Context) -> Result<Answer> {
    let n = batches.iter().map(RecordBatch::num_rows).sum();
    let output = child::run(params, batches, context)?;
    Answer::read(&output, n).map_err(|wrong| broken(params, wrong))
}

fn broken(params: &ProcessParams, (message, hint): Wrong) -> Error {
    child::failed(params, &message, hint)
}

ascan_core::export_library!(ascan_process: slicer Process, projector ProcessProjector, attributor ProcessAttributor);
