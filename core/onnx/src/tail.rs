//! What stands between the logits of a model and an output: a softmax, a sigmoid, a table of names.

use crate::proto::NodeProto;
use crate::view::View;

/// What gives an output from the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `Softmax` or `LogSoftmax`.
    Softmax,
    Sigmoid,
    /// Neither: the output is the logits.
    Nothing,
}

/// The end of a model, up to one of its outputs.
#[derive(Debug, Clone)]
pub(crate) struct Tail<'f> {
    /// The tensor with the logits.
    pub logits: &'f str,
    /// The tensor with the numbers of the output: the output itself, or what its `ZipMap` takes.
    pub scores: &'f str,
    /// Logits per image.
    pub n: usize,
    pub end: End,
    /// Names of the classes that a `ZipMap` holds; empty without one.
    pub names: Vec<String>,
}

impl<'f> Tail<'f> {
    /// The end of the model before this output; `None` if it is no vector of numbers that depend on the image.
    pub fn of(view: &View<'f>, output: &'f str) -> Option<Self> {
        let zip_map = view.producer(output).map(|(_, node)| node).filter(|node| is_zip_map(node));
        let scores = zip_map.map_or(Some(output), |node| node.input(0))?;
        let fact = view.facts.get(scores)?;
        let n = view.scores_len(scores).filter(|_| fact.is_float() && fact.image)?;
        let (logits, end) = before(view, scores, n).unwrap_or((scores, End::Nothing));
        let names = zip_map.map(names).filter(|names| names.len() == n).unwrap_or_default();
        Some(Self { logits, scores, n, end, names })
    }
}

/// The input of the softmax or sigmoid that gives these scores, if one does.
fn before<'f>(view: &View<'f>, scores: &'f str, n: usize) -> Option<(&'f str, End)> {
    let mut tensor = scores;
    loop {
        let (_, node) = view.producer(tensor)?;
        let input = node.input(0).filter(|input| view.scores_len(input) == Some(n))?;
        match node.op_type.as_str() {
            "Softmax" | "LogSoftmax" if n > 1 => return Some((input, End::Softmax)),
            "Sigmoid" => return Some((input, End::Sigmoid)),
            "Identity" | "Cast" | "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "QuantizeLinear"
            | "DequantizeLinear" => tensor = input,
            _ => return None,
        }
    }
}

/// `ZipMap` of `ai.onnx.ml`: numbers as a dictionary from class to number.
pub(crate) fn is_zip_map(node: &NodeProto) -> bool {
    node.op_type == "ZipMap" && node.domain == "ai.onnx.ml"
}

fn names(zip_map: &NodeProto) -> Vec<String> {
    match zip_map.attr_strings("classlabels_strings") {
        Some(names) => names,
        None => zip_map.attr_ints("classlabels_int64s").unwrap_or_default().iter().map(i64::to_string).collect(),
    }
}
