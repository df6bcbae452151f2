//! Why the shape of a tensor is not known: the first node on the way to it whose shape nothing tells.

use crate::view::View;
use std::collections::HashSet;

/// `: node … (GridSample) gives a shape that is not known`; empty if no single node is the reason.
pub(crate) fn reason(view: &View, tensor: &str) -> String {
    let (mut seen, mut open, mut first) = (HashSet::from([tensor]), vec![tensor], None);
    while let Some(tensor) = open.pop() {
        let Some((i, node)) = view.producer(tensor) else { continue };
        let unknown: Vec<&str> = node
            .input
            .iter()
            .map(String::as_str)
            .filter(|input| view.facts.get(input).is_some_and(|fact| fact.shape.is_none()))
            .collect();
        if unknown.is_empty() {
            first = first.max(Some((std::cmp::Reverse(i), node.display_name(), node.operator())));
        }
        open.extend(unknown.into_iter().filter(|input| seen.insert(input)));
    }
    first.map_or_else(String::new, |(_, node, operator)| {
        format!(": what node `{node}` ({operator}) gives is not understood, and the file does not say its shape")
    })
}
