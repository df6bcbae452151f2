//! `If`s whose condition follows from shapes and constants, replaced by the branch that is taken.

use crate::inline::rename;
use crate::proto::{GraphProto, NodeProto, TensorProto};
use std::collections::HashSet;

/// Whether a node is a choice of two branches.
pub(crate) fn is_choice(node: &NodeProto) -> bool {
    node.op_type == "If" && crate::node::is_standard(&node.domain)
}

/// Puts the branch that is taken in place of each `If` of known condition; says whether there was one. Names inside a branch
/// become `node/name`; `extra` receives its constants.
pub(crate) fn take(
    nodes: &mut Vec<NodeProto>,
    extra: &mut Vec<TensorProto>,
    condition: impl Fn(&str) -> Option<bool>,
) -> bool {
    let mut found = false;
    let taken = |node: &NodeProto| -> Option<GraphProto> {
        let which = if condition(node.input(0)?)? { "then_branch" } else { "else_branch" };
        let graph = node.attr_graph(which).filter(|_| is_choice(node))?;
        (graph.sparse_initializer.is_empty() && graph.output.len() == node.output.len()).then(|| graph.clone())
    };
    let all = std::mem::take(nodes);
    for node in all {
        match taken(&node) {
            Some(graph) => {
                found = true;
                nodes.extend(written_out(&node, graph, extra));
            }
            None => nodes.push(node),
        }
    }
    found
}

/// The nodes of a branch, with the outputs of the `If`.
fn written_out(choice: &NodeProto, branch: GraphProto, extra: &mut Vec<TensorProto>) -> Vec<NodeProto> {
    let prefix = choice.display_name();
    let given: HashSet<String> = branch.node.iter().flat_map(|node| node.output.iter().cloned()).collect();
    let own: HashSet<&str> = branch.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let name = |name: &str| match given.contains(name) || own.contains(name) {
        true => format!("{prefix}/{name}"),
        false => name.to_owned(),
    };
    let mut nodes = branch.node;
    for node in &mut nodes {
        node.name = format!("{prefix}/{}", node.display_name());
        rename(node, &name);
    }
    // A branch may hand out a tensor from outside, a constant, or one tensor twice.
    let outputs = branch.output.iter().zip(&choice.output).filter(|(_, output)| !output.is_empty());
    nodes.extend(outputs.map(|(inner, output)| NodeProto::new("Identity", &[&name(&inner.name)], output)));
    extra.extend(branch.initializer.iter().map(|tensor| TensorProto { name: name(&tensor.name), ..tensor.clone() }));
    nodes
}
