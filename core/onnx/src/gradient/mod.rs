//! Gradients of a classifier, written as ONNX: the forward pass, and behind it the backward pass in plain ONNX operators.
//!
//! Reverse-mode differentiation, one rule an operator ([`rules`]). Only what lies between the tensors asked for and the logits
//! is differentiated; weights have no gradient. Any engine of ONNX runs the result, and what decides speed is chosen for
//! onnxruntime's CPU provider, which keeps feature maps in blocks of channels as long as it knows every operator between.

mod absorb;
mod file;
mod flow;
mod fold;
mod patterns;
mod rules;
mod shape;
mod steps;
mod tape;
mod walk;

use crate::classifier::Classifier;
use crate::model::Model;
use crate::operator::Operator;
use crate::prepare::prepare;
use crate::proto::ModelProto;
use ascan_core::{Error, Result};

/// Version of ONNX's operators from which on gradients can be written.
const OLDEST_OPSET: i64 = 13;

/// Whether gradients come back through an operator; not counting step functions, through which nothing comes.
pub fn differentiates(operator: Operator) -> bool {
    !matches!(rules::of(operator), None | Some(rules::Rule::Steps))
}

/// What is differentiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed<'r> {
    /// One logit an image: the file takes `target_class`, int64 `[n]`.
    TargetClass,
    /// A function of a layer, an attention or the logits, given by its own gradient: the file takes `cotangent`, float32, of
    /// the shape of that tensor.
    Cotangent(&'r str),
}

/// Writes a model that gives gradients.
///
/// - inputs: the images, float32 `[n, c, h, w]`, then `target_class` or `cotangent` (see [`Seed`]);
/// - outputs, all float32: the logits (with a cotangent, the tensor that it belongs to), the layers of `with_respect_to` in
///   their order, then `gradient/NAME` for each of `with_respect_to` in the same order. Layers are in the model's own layout
///   ([`Layer::layout`](crate::Layer::layout)), as are their gradients;
/// - the version of ONNX's operators is the model's, or 16 where there is a max-pool, 17 where a layer normalisation was
///   written out in nodes.
///
/// # Units
/// Logits (with a cotangent, those of its function) per unit of the input or of the activation.
///
/// # Errors
/// `UnsupportedOperator`, with the node, for an operator without a rule; `UnknownName` for a tensor that is neither the input
/// nor a layer or attention; `Unsupported` where the end does not depend on the tensor, or for operators older than version 13.
pub fn gradient(model: &Model, classifier: &Classifier, with_respect_to: &[&str], seed: Seed) -> Result<ModelProto> {
    if model.opset() < OLDEST_OPSET {
        return Err(Error::unsupported(
            format!("{} uses version {} of ONNX's operators: gradients need 13", model.path.display(), model.opset()),
            "convert it with `onnx.version_converter.convert_version(model, 13)`, or use `backend = \"burn\"`",
        ));
    }
    let name = |name: &str| match name {
        input if input == classifier.input => Ok(classifier.input.clone()),
        layer => classifier.tensor(layer).map(str::to_owned),
    };
    let sources = with_respect_to.iter().map(|source| name(source)).collect::<Result<Vec<_>>>()?;
    let end = match seed {
        Seed::TargetClass => classifier.logits.clone(),
        Seed::Cotangent(tensor) if tensor == classifier.logits => classifier.logits.clone(),
        Seed::Cotangent(layer) => classifier.tensor(layer)?.to_owned(),
    };
    let layers = sources.iter().chain([&end]).filter(|&name| *name != classifier.input && *name != classifier.logits);
    let layers: Vec<&str> = layers.map(String::as_str).collect();
    let prepared = Model::from_proto(prepare(model, classifier, &layers, None)?, &model.path);
    walk::walk(&prepared, &sources, &end, seed == Seed::TargetClass)
}
