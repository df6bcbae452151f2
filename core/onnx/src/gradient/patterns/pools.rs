//! Activations in front of a max-pool.

use super::Links;
use crate::gradient::tape::Tape;
use crate::proto::NodeProto;
use std::collections::HashSet;

/// Puts a `Relu` that only a max-pool reads behind the pool, which is the same: its mask is then that of the smaller map.
pub(super) fn rewrite(tape: &mut Tape, nodes: &mut Vec<NodeProto>, kept: &HashSet<String>) {
    let links = Links::of(nodes);
    let found: Vec<NodeProto> = nodes
        .iter()
        .filter(|node| node.op_type == "MaxPool" && node.output.len() == 1)
        .filter(|pool| links.reader(nodes, &pool.input[0]).is_some() && !kept.contains(&pool.input[0]))
        .filter_map(|pool| links.producer(nodes, &pool.input[0], "Relu").cloned())
        .collect();
    for relu in found {
        let activated = &relu.output[0];
        nodes.retain(|node| node.output.first() != Some(activated));
        let Some(at) = nodes.iter().position(|node| node.input.first() == Some(activated)) else { continue };
        let output = nodes[at].output[0].clone();
        let largest = tape.fresh(&format!("{output}/largest"));
        tape.learn(&largest, &output);
        nodes[at].input[0].clone_from(&relu.input[0]);
        nodes[at].output[0].clone_from(&largest);
        nodes.insert(at + 1, NodeProto { input: vec![largest], output: vec![output], ..relu });
    }
}
