//! Operators that arrange the same values in another way.

use super::super::flow::{Flow, Part, only};
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;

/// Values that stay as they are, but perhaps for their type.
pub(super) fn same(_: &mut Tape, _: &NodeProto, flow: &Flow) -> Written {
    Ok(vec![(0, Part::Whole(flow.clone()))])
}

pub(super) fn reshape(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let own = tape.shape(g)?;
    // Between a map of one place and a vector a gradient may stay as small as it is.
    let g = if own == output { g.to_owned() } else { tape.expand(g, &output)? };
    Ok(only(tape.reshape(&g, &input)?))
}

pub(super) fn transpose(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let rank = tape.shape(&node.input[0])?.rank();
    let perm: Vec<usize> = match node.attr_ints("perm") {
        Some(perm) => perm.iter().map(|&axis| usize::try_from(axis).unwrap_or(0)).collect(),
        None => (0..rank).rev().collect(),
    };
    let back: Vec<usize> = (0..rank).map(|axis| perm.iter().position(|&from| from == axis).unwrap_or(axis)).collect();
    Ok(only(tape.transpose(g, &back)?))
}

pub(super) fn expand(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let g = tape.expand(g, &output)?;
    Ok(only(tape.sum_to(&g, &input)?))
}

pub(super) fn tile(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let g = tape.expand(g, &output)?;
    // Each axis as repeats × length, and the repeats summed.
    let apart = input.zip(&output, |own, all| own.iter().zip(all).flat_map(|(&n, &all)| [all / n.max(1), n]).collect());
    let repeats: Vec<usize> = (0..input.rank()).map(|axis| 2 * axis).collect();
    let apart = tape.reshape(&g, &apart)?;
    let sums = tape.sum(&apart, &repeats)?;
    Ok(only(tape.reshape(&sums, &input)?))
}

pub(super) fn depth_to_space(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let g = tape.expand(g, &output)?;
    let block = node.attr_int("blocksize").unwrap_or(1);
    if node.attr_string("mode").unwrap_or("DCR") == "DCR" {
        return Ok(only(tape.emit(NodeProto::new("SpaceToDepth", &[&g], "").with_int("blocksize", block), input)));
    }
    // [n, c, h, b, w, b] to [n, c, b, b, h, w].
    let size = usize::try_from(block).unwrap_or(1).max(1);
    let apart = input.map(|own| vec![own[0], own[1] / size / size, own[2], size, own[3], size]);
    let apart = tape.reshape(&g, &apart)?;
    let moved = tape.transpose(&apart, &[0, 1, 3, 5, 2, 4])?;
    Ok(only(tape.reshape(&moved, &input)?))
}

pub(super) fn space_to_depth(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let g = tape.expand(g, &output)?;
    let block = node.attr_int("blocksize").unwrap_or(1);
    Ok(only(tape.emit(NodeProto::new("DepthToSpace", &[&g], "").with_int("blocksize", block), input)))
}
