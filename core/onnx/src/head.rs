//! Finds where the trunk of a classifier ends and its head begins.

use crate::axes::{Axis, Layout};
use crate::view::{View, transposed};
use ascan_core::{LinearHead, Tensor};
use std::collections::HashSet;

/// For more classes no identity matrix is written out; their gradients take a backward pass.
const MAX_IDENTITY: usize = 4096;

/// Linear maps behind a pool, found on the way back from the logits.
struct Linear<'f> {
    /// `[k, c]`; `None` for the identity.
    weight: Option<(usize, usize, Vec<f32>)>,
    /// What is pooled: the input of the linear map.
    input: &'f str,
}

/// The head, if it is a global average pool and at most one linear map, and nothing else that a gradient would see.
pub(crate) fn linear_head<'f>(view: &View<'f>, logits: &'f str) -> Option<LinearHead> {
    let linear = linear(view, logits)?;
    let pooled = past_views(view, linear.input);
    let n_channels = view.vector_len(pooled)?;
    let map = pooled_map(view, pooled)?;
    let (_, [c, ..]) = view.feature_map(map)?;
    let (rows, columns, values) = match linear.weight {
        Some(weight) => weight,
        None if c > MAX_IDENTITY => return None,
        None => (c, c, (0..c * c).map(|i| if i / c == i % c { 1.0 } else { 0.0 }).collect()),
    };
    if columns != c || n_channels != c || view.scores_len(logits) != Some(rows) {
        return None;
    }
    Some(LinearHead { layer: map.to_owned(), weight: Tensor::new([rows, columns], values).ok()? })
}

/// The head of logits that are each one logit of this head times a factor.
pub(crate) fn of_rows(head: &LinearHead, rows: &[(usize, f32)]) -> LinearHead {
    let values = rows.iter().flat_map(|&(row, factor)| head.weight.row(row).iter().map(move |w| factor * w)).collect();
    let shape = [rows.len(), head.weight.view().row_len()];
    LinearHead { layer: head.layer.clone(), weight: Tensor::new(shape, values).unwrap_or_default() }
}

/// Steps back over nodes that keep all numbers in their order.
fn past_views<'f>(view: &View<'f>, mut tensor: &'f str) -> &'f str {
    while let Some((_, node)) = view.producer(tensor) {
        let keeps_order = match node.op_type.as_str() {
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" | "Dropout" => true,
            "Cast" => node.input(0).and_then(|input| view.facts.get(input)).is_some_and(|fact| fact.is_float()),
            // Moving axes of length 1 moves no number.
            "Transpose" => {
                node.input(0).is_some_and(|input| view.vector_len(input).is_some() && view.vector_len(tensor).is_some())
            }
            // PyTorch's dynamo exporter writes some reshapes as taking elements 0, 1, 2, … of a vector.
            "Gather" => {
                let indices = node.input(1).and_then(|indices| view.facts.get(indices)?.value.as_ref());
                let in_order = indices.is_some_and(|list| list.iter().enumerate().all(|(i, &index)| index == i as f64));
                let source = node.input(0).and_then(|source| view.shape(source));
                in_order && matches!((source, indices), (Some(&[n]), Some(list)) if n == list.len())
            }
            _ => false,
        };
        match node.input(0) {
            Some(input) if keeps_order && view.of_image(input) => tensor = input,
            _ => break,
        }
    }
    tensor
}

/// The linear map that gives the logits, biases left out: they have no part in a gradient.
fn linear<'f>(view: &View<'f>, logits: &'f str) -> Option<Linear<'f>> {
    let mut tensor = past_views(view, logits);
    while let Some((_, node)) = view.producer(tensor)
        && matches!(node.op_type.as_str(), "Add" | "Sub")
    {
        let (a, b) = (node.input(0)?, node.input(1)?);
        tensor = match (view.of_image(a), view.of_image(b)) {
            (true, false) => a,
            (false, true) if node.op_type == "Add" => b,
            _ => return None,
        };
        tensor = past_views(view, tensor);
    }
    let (_, node) = view.producer(tensor)?;
    let flag = |name: &str| node.attr_int(name).unwrap_or(0) != 0;
    let input = node.input(0)?;
    let matrix = || {
        let (shape, values) = view.numbers(node.input(1)?)?;
        let &[rows, columns] = shape.as_slice() else { return None };
        Some((rows, columns, values))
    };
    let flip = |(rows, columns, values): (usize, usize, Vec<f32>)| (columns, rows, transposed(&values, columns));
    let weight = match node.op_type.as_str() {
        "Gemm" => {
            if flag("transA") || node.input(2).is_some_and(|bias| view.of_image(bias)) {
                return None;
            }
            let (rows, columns, mut values) = if flag("transB") { matrix()? } else { flip(matrix()?) };
            let alpha = node.attr_float("alpha").unwrap_or(1.0);
            values.iter_mut().for_each(|value| *value *= alpha);
            (rows, columns, values)
        }
        "MatMul" if view.of_image(input) => flip(matrix()?),
        "Conv" if view.vector_len(input).is_some() && view.vector_len(tensor).is_some() => {
            let (shape, values) = view.numbers(node.input(1)?)?;
            let plain = node.attr_int("group").unwrap_or(1) == 1
                && node.attr_ints("pads").unwrap_or_default().iter().all(|&pad| pad == 0);
            match shape.as_slice() {
                &[rows, columns, 1, 1] if plain => (rows, columns, values),
                _ => return None,
            }
        }
        // No linear map, or one with something behind it: then what comes next is no pool.
        _ => return Some(Linear { weight: None, input: tensor }),
    };
    Some(Linear { weight: Some(weight), input })
}

/// The feature map whose spatial mean this tensor is.
fn pooled_map<'f>(view: &View<'f>, pooled: &'f str) -> Option<&'f str> {
    let (_, node) = view.producer(pooled)?;
    match node.op_type.as_str() {
        "GlobalAveragePool" => node.input(0),
        "AveragePool" => {
            let input = node.input(0)?;
            let &[_, _, h, w] = view.shape(input)? else { return None };
            let whole = node.attr_ints("kernel_shape") == Some(&[h as i64, w as i64]);
            let padded = node.attr_ints("pads").unwrap_or_default().iter().any(|&pad| pad != 0);
            let one = view.shape(pooled)?.ends_with(&[1, 1]);
            (whole && !padded && one).then_some(input)
        }
        "ReduceMean" => {
            let mut reduced = Vec::new();
            let mut tensor = pooled;
            // `x.mean(3).mean(2)` is two nodes.
            while let Some((_, node)) = view.producer(tensor)
                && node.op_type == "ReduceMean"
            {
                let input = node.input(0)?;
                reduced.extend(reduced_axes(view, node.input(1), node.attr_ints("axes"), input)?);
                tensor = input;
                let layout = Layout::of(&view.facts.get(input)?.axes);
                let all = match layout {
                    Some(Layout::Tokens { prefix: 0, h, w }) => {
                        view.shape(input)?[1] == h * w && matches!(reduced.as_slice(), [Axis::Tokens { .. }])
                    }
                    Some(Layout::Nchw | Layout::Nhwc) => {
                        reduced.len() == 2 && reduced.contains(&Axis::Height) && reduced.contains(&Axis::Width)
                    }
                    _ => false,
                };
                if all {
                    return Some(tensor);
                }
            }
            None
        }
        _ => None,
    }
}

fn reduced_axes(view: &View, given: Option<&str>, attribute: Option<&[i64]>, input: &str) -> Option<Vec<Axis>> {
    let axes = &view.facts.get(input)?.axes;
    let listed: Vec<i64> = match given {
        Some(name) => view.facts.get(name)?.value.as_ref()?.iter().map(|&axis| axis as i64).collect(),
        None => attribute?.to_vec(),
    };
    let from_end = |axis: i64| if axis < 0 { axis + axes.len() as i64 } else { axis };
    listed.iter().map(|&axis| axes.get(usize::try_from(from_end(axis)).ok()?).copied()).collect()
}

/// The layer to explain when none is named: the last feature map with spatial extent on the way to the logits.
///
/// Where the head reads class tokens only, that map has no gradient at its places. Then it is the last one that all of
/// the last attention's inputs come from: the normalised input of the last block, as is usual for Grad-CAM on ViT.
pub(crate) fn default_layer<'f>(view: &View<'f>, logits: &'f str) -> Option<&'f str> {
    let mut seen = HashSet::from([logits]);
    let mut open = vec![logits];
    let mut frontier: Vec<(usize, &str)> = Vec::new();
    let mut behind: Vec<usize> = Vec::new();
    while let Some(tensor) = open.pop() {
        let Some((i, node)) = view.producer(tensor) else { continue };
        if view.feature_map(tensor).is_some() {
            frontier.push((i, tensor));
            continue;
        }
        behind.push(i);
        open.extend(view.image_inputs(node).filter(|name| seen.insert(name)));
    }
    let &(_, last) = frontier.iter().max()?;
    // Branches whose maps are joined only when they are single places: the map that all of them come from.
    let last = match frontier.as_slice() {
        [_] => last,
        several => {
            let maps: Vec<&str> = several.iter().map(|&(_, map)| map).collect();
            last_common(view, &maps, |name| view.feature_map(name).is_some()).unwrap_or(last)
        }
    };
    let last = past_identities(view, last);
    match view.feature_map(last)? {
        (Layout::Tokens { prefix, .. }, [c, ..]) if prefix > 0 && reads_prefix_only(view, last, prefix, &behind) => {
            Some(before_attention(view, last, c).unwrap_or(last))
        }
        _ => Some(last),
    }
}

/// Steps back over nodes that change nothing, such as VGG's 1 × 1 average pool.
fn past_identities<'f>(view: &View<'f>, mut tensor: &'f str) -> &'f str {
    while let Some((_, node)) = view.producer(tensor) {
        let ones = |name: &str, default: bool| {
            node.attr_ints(name).map_or(default, |values| values.iter().all(|&value| value == 1))
        };
        let same = match node.op_type.as_str() {
            "Identity" | "Dropout" => true,
            "AveragePool" => {
                ones("kernel_shape", false)
                    && ones("strides", true)
                    && node.attr_ints("pads").unwrap_or_default().iter().all(|&pad| pad == 0)
            }
            _ => false,
        };
        match node.input(0) {
            // The input itself is no layer.
            Some(input) if same && view.feature_map(input).is_some() && view.producer(input).is_some() => {
                tensor = input
            }
            _ => break,
        }
    }
    tensor
}

/// Whether the nodes of the head take nothing but the first `prefix` tokens of this map.
fn reads_prefix_only(view: &View, map: &str, prefix: usize, head: &[usize]) -> bool {
    let readers =
        head.iter().map(|&i| &view.flat.nodes[i]).filter(|node| view.image_inputs(node).any(|name| name == map));
    let mut any = false;
    for node in readers {
        any = true;
        let Some(given) = node.input(0).and_then(|name| view.shape(name)) else { return false };
        let small = match node.op_type.as_str() {
            "Gather" => {
                let axis = node.attr_int("axis").unwrap_or(0);
                let indices = node.input(1).and_then(|name| view.facts.get(name)?.value.as_ref());
                let n = given.get(1).map_or(0.0, |&n| n as f64);
                let first = |&i: &f64| (if i < 0.0 { i + n } else { i }) < prefix as f64;
                (axis == 1 || axis == 1 - given.len() as i64) && indices.is_some_and(|list| list.iter().all(first))
            }
            "Slice" => {
                let list = |i: usize, name: &str| match node.input(i) {
                    Some(input) => {
                        Some(view.facts.get(input)?.value.as_ref()?.iter().map(|&v| v as i64).collect::<Vec<_>>())
                    }
                    None => node.attr_ints(name).map(<[i64]>::to_vec),
                };
                let axes = list(3, "axes").unwrap_or_else(|| (0..given.len() as i64).collect());
                let ends = list(2, "ends").unwrap_or_default();
                axes.iter().zip(ends).any(|(&axis, end)| axis == 1 && (0..=prefix as i64).contains(&end))
            }
            _ => false,
        };
        if !small {
            return false;
        }
    }
    any
}

/// The last token map of `n_channels` channels that query, key and value of the last attention all come from.
fn before_attention<'f>(view: &View<'f>, last: &'f str, n_channels: usize) -> Option<&'f str> {
    let upstream = view.ancestors(last);
    let mixers = view.flat.nodes.iter().rev().filter(|node| {
        let mixes = matches!(node.op_type.as_str(), "MatMul" | "Einsum" | "Attention" | "MultiHeadAttention");
        mixes && node.output.iter().any(|name| upstream.contains(name.as_str()))
    });
    let operands = |node| view.image_inputs(node).collect::<Vec<_>>();
    let inputs = mixers.map(operands).find(|inputs| inputs.len() > 1)?;
    last_common(
        view,
        &inputs,
        |name| matches!(view.feature_map(name), Some((Layout::Tokens { .. }, [c, ..])) if c == n_channels),
    )
}

/// The last tensor of a kind, in graph order, that all of these come from.
fn last_common<'f>(view: &View<'f>, tensors: &[&'f str], wanted: impl Fn(&str) -> bool) -> Option<&'f str> {
    let (first, rest) = tensors.split_first()?;
    let mut common = view.ancestors(first);
    for tensor in rest {
        let others = view.ancestors(tensor);
        common.retain(|name| others.contains(name));
    }
    let places = common.into_iter().filter(|name| wanted(name)).filter_map(|name| Some((view.producer(name)?.0, name)));
    places.max().map(|(_, name)| name)
}
