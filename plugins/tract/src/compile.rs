//! tract itself: a file compiled for inputs of known shapes, its errors, its numbers.

use ascan_core::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use tract_onnx::prelude::{
    Framework, InferenceFact, InferenceModelExt, IntoRunnable, TValue, TractError, TypedRunnableModel,
};

/// A file that is ready to run.
pub(crate) type Plan = Arc<TypedRunnableModel>;

/// Compiles a file for inputs of these types and shapes.
///
/// # Errors
/// `UnsupportedOperator` for operators that tract lacks; `File` for anything else that it refuses.
pub(crate) fn compile(bytes: &[u8], path: &Path, facts: Vec<InferenceFact>) -> Result<Plan> {
    let fail = |error: &TractError| {
        let message = format!("tract cannot run this model: {}", root(error));
        Error::file(path, message, "use `backend = \"burn\"` or `\"ort\"`")
    };
    // The exporters' recorded shapes are of another batch size than the one compiled here.
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut graph = onnx.model_for_read(&mut &*bytes).map_err(|error| fail(&error))?;
    for node in graph.nodes() {
        let operator = node.op.name();
        if let Some(operator) = operator.strip_prefix("Unimplemented(") {
            return Err(Error::UnsupportedOperator {
                operator: operator.trim_end_matches(')').to_owned(),
                node: node.name.clone(),
                model: path.display().to_string(),
                why: "tract does not have it".into(),
            });
        }
    }
    for (input, fact) in facts.into_iter().enumerate() {
        graph.set_input_fact(input, fact).map_err(|error| fail(&error))?;
    }
    graph.into_optimized().and_then(IntoRunnable::into_runnable).map_err(|error| fail(&error))
}

/// The innermost cause, which names the node and the operator.
pub(crate) fn root(error: &TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The numbers of an output.
///
/// # Errors
/// `Plugin` if they are not float32.
pub(crate) fn values(output: &TValue) -> Result<Vec<f32>> {
    let plain = output.try_as_plain_ram().and_then(|plain| Ok(plain.as_slice::<f32>()?.to_vec()));
    plain.map_err(|error| Error::plugin("tract", format!("an output is not f32: {error}"), ""))
}
