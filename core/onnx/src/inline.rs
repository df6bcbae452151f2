//! Calls of functions that a model defines itself, replaced by the functions' nodes.

use crate::node::is_standard;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto};
use ascan_core::{Error, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// Maximum depth of functions that call functions, so that a function that calls itself is an error.
const MAX_DEPTH: usize = 32;
/// Maximum number of nodes: a few lines of protobuf can stand for any number of them.
const MAX_NODES: usize = 200_000;

type Functions<'m> = HashMap<(&'m str, &'m str, &'m str), &'m FunctionProto>;

/// Nodes of the graph with all calls replaced. Names inside a function become `call/name`.
pub(crate) fn nodes<'m>(
    path: &Path,
    graph: &'m GraphProto,
    functions: &'m [FunctionProto],
) -> Result<Cow<'m, [NodeProto]>> {
    if functions.is_empty() {
        return Ok(Cow::Borrowed(&graph.node));
    }
    let functions: Functions =
        functions.iter().map(|f| ((domain(&f.domain), f.name.as_str(), f.overload.as_str()), f)).collect();
    let mut out = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        expand(path, node.clone(), &functions, 0, &mut out)?;
    }
    Ok(Cow::Owned(out))
}

fn domain(domain: &str) -> &str {
    if is_standard(domain) { "" } else { domain }
}

fn expand(path: &Path, call: NodeProto, functions: &Functions, depth: usize, out: &mut Vec<NodeProto>) -> Result<()> {
    let Some(function) = functions.get(&(domain(&call.domain), call.op_type.as_str(), call.overload.as_str())) else {
        if out.len() >= MAX_NODES {
            return Err(too_large(path, &call));
        }
        out.push(call);
        return Ok(());
    };
    if depth == MAX_DEPTH {
        return Err(too_large(path, &call));
    }
    let mut names: HashMap<&str, String> = HashMap::new();
    for (i, input) in function.input.iter().enumerate() {
        names.insert(input, call.input.get(i).cloned().unwrap_or_default());
    }
    for (output, actual) in function.output.iter().zip(&call.output) {
        if !actual.is_empty() {
            names.insert(output, actual.clone());
        }
    }
    let prefix = call.display_name().to_owned();
    for node in &function.node {
        let mut node = node.clone();
        node.name = format!("{prefix}/{}", node.display_name());
        fill_attributes(&mut node, &call, function);
        rename(&mut node, &|name| match names.get(name) {
            Some(actual) => actual.clone(),
            None => format!("{prefix}/{name}"),
        });
        expand(path, node, functions, depth + 1, out)?;
    }
    Ok(())
}

fn too_large(path: &Path, call: &NodeProto) -> Error {
    Error::file(
        path,
        format!(
            "function `{}` of node `{}` calls itself or stands for too many nodes",
            call.op_type,
            call.display_name()
        ),
        "export the model without local functions, or inline them with `onnx.inliner.inline_local_functions`",
    )
}

/// Replaces attributes that refer to one of the caller's by its value, or by the default. Without either they are
/// removed.
fn fill_attributes(node: &mut NodeProto, call: &NodeProto, function: &FunctionProto) {
    let given = |name: &str| {
        let mut own = call.attribute.iter().chain(&function.attribute_proto);
        own.find(|attribute| attribute.name == name).cloned()
    };
    let attributes = std::mem::take(&mut node.attribute);
    node.attribute = attributes
        .into_iter()
        .filter_map(|mut attribute| {
            if !attribute.ref_attr_name.is_empty() {
                let value = given(&attribute.ref_attr_name)?;
                return Some(AttributeProto { name: attribute.name, ..value });
            }
            for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                for inner in &mut graph.node {
                    fill_attributes(inner, call, function);
                }
            }
            Some(attribute)
        })
        .collect();
}

/// Renames every value that a node reads or gives, those inside its graphs included.
pub(crate) fn rename(node: &mut NodeProto, new: &dyn Fn(&str) -> String) {
    for name in node.input.iter_mut().chain(&mut node.output).filter(|name| !name.is_empty()) {
        *name = new(name);
    }
    for attribute in &mut node.attribute {
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
                value.name = new(&value.name);
            }
            for tensor in &mut graph.initializer {
                tensor.name = new(&tensor.name);
            }
            for inner in &mut graph.node {
                rename(inner, new);
            }
        }
    }
}

/// Every value that a node reads, those inside its graphs included.
pub(crate) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    for graph in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
        names.extend(graph.node.iter().flat_map(reads));
        names.extend(graph.output.iter().map(|output| output.name.as_str()));
    }
    names
}
