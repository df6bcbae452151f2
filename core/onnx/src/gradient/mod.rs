//! Gradients of a classifier, written as ONNX: the forward pass, and behind it the backward pass in plain ONNX operators.
//!
//! Reverse-mode differentiation, one rule an operator ([`rules`]). Only what lies between the tensors asked for and the logits
//! is differentiated; weights have no gradient. Any engine of ONNX runs the result, and what decides speed is chosen for
//! onnxruntime's CPU provider, which keeps feature maps in blocks of channels as long as it knows every operator between.

mod absorb;
mod file;
mod flow;
mod fold;
mod lookup;
mod patterns;
mod rules;
mod shape;
mod steps;
mod tape;
mod walk;

use crate::branch::is_choice;
use crate::classifier::Classifier;
use crate::flat::{self, Flat};
use crate::model::Model;
use crate::operator::Operator;
use crate::prepare::prepare;
use crate::proto::ModelProto;
use crate::upgrade::upgrade;
use ascan_core::Result;

/// Whether gradients come back through an operator; not counting step functions, through which nothing comes.
pub fn differentiates(operator: Operator) -> bool {
    !matches!(rules::of(operator), None | Some(rules::Rule::Steps))
}

/// Whether every operator on the way from the images to the logits has a rule. It is a look at operators alone, and quick;
/// [`gradient`] may still refuse a node whose attributes its rule does not know.
///
/// # Errors
/// As [`gradient`].
pub fn differentiable(model: &Model, classifier: &Classifier) -> Result<()> {
    let (input, logits) = (&classifier.input, &classifier.logits);
    let (nodes, _) = flat::nodes(model)?;
    if nodes.iter().any(is_choice) {
        // Which branch is taken shows in the shapes.
        let [_, h, w] = classifier.input_shape;
        return lookup::lookup(model, &Flat::of(model, Some([h, w]))?.nodes, input, logits);
    }
    lookup::lookup(model, &nodes, input, logits)
}

/// What is differentiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed<'r> {
    /// One logit an image: the file takes `target_class`, int64 `[n]`; −1 is the class that it predicts.
    TargetClass,
    /// A function of a layer, an attention or the logits, given by its own gradient: the file takes `cotangent`, float32, of
    /// the shape of that tensor.
    Cotangent(&'r str),
}

/// Writes a model that gives gradients.
///
/// - inputs: the images, float32 `[n, c, h, w]`, then `target_class` or `cotangent` (see [`Seed`]);
/// - outputs, all float32: the logits (with a cotangent, the tensor that it belongs to), `layers` and the layers of
///   `with_respect_to`, each once and in this order, then `gradient/NAME` for each of `with_respect_to` in their order. Layers are in the model's own layout
///   ([`Layer::layout`](crate::Layer::layout)), as are their gradients;
/// - the version of ONNX's operators is the model's, but at least 13, or 16 where values are added up by index, 17 where a layer
///   normalisation was written out in nodes.
///
/// # Units
/// Logits (with a cotangent, those of its function) per unit of the input or of the activation.
///
/// # Errors
/// `UnsupportedOperator`, with the node, for an operator without a rule; `UnknownName` for a tensor that is neither the input
/// nor a layer or attention; `Unsupported` where the end does not depend on the tensor.
pub fn gradient(
    model: &Model,
    classifier: &Classifier,
    layers: &[&str],
    with_respect_to: &[&str],
    seed: Seed,
) -> Result<ModelProto> {
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
    let mut given = layers.iter().map(|layer| classifier.tensor(layer)).collect::<Result<Vec<_>>>()?;
    for source in sources.iter().filter(|&name| *name != classifier.input) {
        if !given.contains(&source.as_str()) {
            given.push(source);
        }
    }
    let layers = given.iter().copied().chain([end.as_str()]).filter(|&name| name != classifier.logits);
    let prepared = prepare(model, classifier, &layers.collect::<Vec<_>>(), None)?;
    let prepared = upgrade(Model::from_proto(prepared, &model.path))?;
    walk::walk(&prepared, &given, &sources, &end, seed == Seed::TargetClass)
}
