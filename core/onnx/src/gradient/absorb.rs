//! Factors of channels that a later layer takes into its weights, and joins that begin with an earlier one.

use super::rules::batch_norm_factor;
use super::tape::Tape;
use crate::inline::reads;
use crate::proto::NodeProto;
use std::collections::{HashMap, HashSet};

/// Finds what can be absorbed. Tensors in `kept` are asked for, and have to have their own gradient.
///
/// # Errors
/// If a shape is not known.
pub(super) fn absorb(tape: &mut Tape, nodes: &[NodeProto], kept: &HashSet<String>) -> Result<(), String> {
    let mut readers: HashMap<&str, Vec<&NodeProto>> = HashMap::new();
    for node in nodes {
        for name in reads(node) {
            readers.entry(name).or_default().push(node);
        }
    }
    let only_reader = |tensor: &str| match readers.get(tensor).map(Vec::as_slice) {
        Some(&[only]) if !kept.contains(tensor) => Some(only),
        _ => None,
    };
    for node in nodes {
        if !node.input.first().is_some_and(|name| tape.wants(name)) {
            continue;
        }
        let output = &node.output[0];
        match node.op_type.as_str() {
            // A factor commutes with the mask of an activation that lies between.
            "BatchNormalization" if node.input.iter().skip(1).all(|name| !tape.of_image(name)) => {
                let mut last = output;
                while let Some(next) = only_reader(last)
                    && matches!(next.op_type.as_str(), "Relu" | "Clip" | "LeakyRelu")
                    && next.input[0] == *last
                {
                    last = &next.output[0];
                }
                let reader = only_reader(last).filter(|next| next.op_type == "Conv" && next.input[0] == *last);
                if let Some(conv) = reader.filter(|conv| !tape.of_image(&conv.input[1])) {
                    let factor = batch_norm_factor(tape, node)?;
                    tape.absorbed.insert(conv.output[0].clone(), factor);
                    tape.relieved.insert(output.clone());
                }
            }
            "LayerNormalization" if !tape.of_image(&node.input[1]) && tape.shape(&node.input[1])?.rank() == 1 => {
                let reader = only_reader(output).filter(|next| next.op_type == "MatMul" && next.input[0] == *output);
                if let Some(product) = reader.filter(|next| !tape.of_image(&next.input[1])) {
                    let gain = tape.read(&node.input[1])?;
                    tape.absorbed.insert(product.output[0].clone(), gain);
                    tape.relieved.insert(output.clone());
                }
            }
            _ => {}
        }
    }
    nest(tape, nodes, kept);
    Ok(())
}

/// Each join that begins with all of an earlier one hands its gradient to that one as a whole.
fn nest(tape: &mut Tape, nodes: &[NodeProto], kept: &HashSet<String>) {
    let mut last: Option<&NodeProto> = None;
    for node in nodes.iter().filter(|node| node.op_type == "Concat") {
        if let Some(inner) = last
            && node.input.len() > inner.input.len()
            && node.input.starts_with(&inner.input)
            && node.attr_int("axis") == inner.attr_int("axis")
            && tape.wants(&inner.output[0])
            && !kept.contains(&inner.output[0])
        {
            tape.nested.insert(node.output[0].clone(), (inner.output[0].clone(), inner.input.len()));
        }
        last = Some(node);
    }
}
