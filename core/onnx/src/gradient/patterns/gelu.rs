//! GELU by the error function, in the forms that exporters write.

use super::{Links, is_float32, is_number, other, replace};
use crate::gradient::rules::Pattern;
use crate::gradient::tape::Tape;
use crate::proto::NodeProto;
use std::collections::{HashMap, HashSet};

/// `x·Φ(x)` in one node or in five, with `Φ(x)` as a tensor that the way back reads.
pub(super) fn rewrite(
    tape: &mut Tape,
    nodes: &mut Vec<NodeProto>,
    kept: &HashSet<String>,
    found: &mut HashMap<String, Pattern>,
) {
    let links = Links::of(nodes);
    let mut matches: Vec<(String, String, Vec<String>)> = Vec::new();
    for node in nodes.iter() {
        let matched = match node.op_type.as_str() {
            "Erf" => around(tape, nodes, &links, node),
            "Gelu" if node.attr_string("approximate").unwrap_or("none") == "none" => {
                Some((node.input[0].clone(), node.output[0].clone(), vec![]))
            }
            _ => None,
        };
        let fits = |(_, y, inner): &(String, String, Vec<String>)| {
            is_float32(tape, y) && !inner.iter().any(|name| kept.contains(name))
        };
        matches.extend(matched.filter(fits));
    }
    for (x, y, inner) in matches {
        let names = ["scaled", "erf", "half", "distribution"].map(|step| tape.fresh(&format!("{y}/{step}")));
        names.iter().for_each(|name| tape.learn(name, &y));
        let [scaled, erf, half, distribution] = &names;
        let (root, one_half) = (tape.scalar(std::f32::consts::FRAC_1_SQRT_2), tape.scalar(0.5));
        let new = vec![
            NodeProto::new("Mul", &[&x, &root], scaled),
            NodeProto::new("Erf", &[scaled], erf),
            NodeProto::new("Mul", &[erf, &one_half], half),
            NodeProto::new("Add", &[half, &one_half], distribution),
            NodeProto::new("Mul", &[&x, distribution], &y),
        ];
        replace(nodes, &inner, &y, new);
        found.insert(y, Pattern::Gelu);
    }
}

/// Input, output and inner tensors of `x·(1 + erf(x/√2))/2` around an `Erf`, whatever is multiplied first.
fn around(tape: &Tape, nodes: &[NodeProto], links: &Links, erf: &NodeProto) -> Option<(String, String, Vec<String>)> {
    let root = std::f64::consts::SQRT_2;
    let inner = &erf.input[0];
    links.reader(nodes, inner)?;
    let x = match (links.producer(nodes, inner, "Div"), links.producer(nodes, inner, "Mul")) {
        (Some(node), _) if is_number(tape, &node.input[1], root) => &node.input[0],
        (_, Some(node)) => {
            let factor = node.input.iter().find(|name| is_number(tape, name, 1.0 / root))?;
            other(node, factor)?
        }
        _ => return None,
    };
    let sum = links.reader(nodes, &erf.output[0]).filter(|node| node.op_type == "Add")?;
    if !is_number(tape, other(sum, &erf.output[0])?, 1.0) {
        return None;
    }
    let first = links.reader(nodes, &sum.output[0]).filter(|node| node.op_type == "Mul")?;
    let factor = other(first, &sum.output[0])?;
    let mut gone = vec![inner.clone(), erf.output[0].clone(), sum.output[0].clone()];
    // (x/2)·(1 + erf)
    let halved = links.producer(nodes, factor, "Mul").filter(|_| links.reader(nodes, factor).is_some());
    if let Some(half) = halved.and_then(|node| other(node, x))
        && is_number(tape, half, 0.5)
    {
        gone.push(factor.to_owned());
        return Some((x.to_owned(), first.output[0].clone(), gone));
    }
    // x·(1 + erf), then half of it; or the other way round.
    let last = links.reader(nodes, &first.output[0]).filter(|node| node.op_type == "Mul")?;
    let rest = other(last, &first.output[0])?;
    let fits = (factor == x && is_number(tape, rest, 0.5)) || (is_number(tape, factor, 0.5) && rest == x);
    gone.push(first.output[0].clone());
    fits.then(|| (x.to_owned(), last.output[0].clone(), gone))
}
