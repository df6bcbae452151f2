//! Pools that average, and pools of whole maps.

use super::super::flow::only;
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use super::convolution::{Kernel, Window, repeated, transposed};
use crate::proto::NodeProto;

/// The window of a pool.
pub(super) fn window(tape: &Tape, node: &NodeProto) -> Result<Window, String> {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let kernel = node.attr_ints("kernel_shape").unwrap_or_default();
    let kernel: Vec<usize> = kernel.iter().map(|&length| usize::try_from(length).unwrap_or(1).max(1)).collect();
    Window::of(node, &kernel, &input.lengths()[2..], &output.lengths()[2..])
}

pub(super) fn average_pool(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let window = window(tape, node)?;
    let (n, channels) = (window.kernel.len(), input.length(1));
    let size: usize = window.kernel.iter().product();
    let g = tape.expand(g, &output)?;
    let tiles = (0..n).all(|i| {
        let (stride, places) = (window.strides[i], output.length(i + 2));
        window.kernel[i] == stride && window.before[i] == 0 && places * stride == input.length(i + 2)
    });
    if tiles && n == 2 {
        let shared = tape.scaled(&g, 1.0 / size as f32)?;
        return Ok(only(repeated(tape, &shared, &window.strides)?));
    }
    let shared = match counts(node, &window, &input, &output) {
        None => tape.scaled(&g, 1.0 / size as f32)?,
        Some(counts) => {
            let shape = [&[1, 1], &output.lengths()[2..]].concat();
            let shares = tape.floats(&shape, counts.iter().map(|&count| 1.0 / count as f32).collect());
            tape.mul(&g, &shares)?
        }
    };
    let ones = tape.floats(&[&[channels, 1], &window.kernel[..]].concat(), vec![1.0; channels * size]);
    let kernel = Kernel { weight: ones, groups: channels, window, factor: None };
    Ok(only(transposed(tape, &shared, &kernel, &input)?))
}

/// How many values each window averages; `None` if all average the whole window.
fn counts(node: &NodeProto, window: &Window, input: &Shape, output: &Shape) -> Option<Vec<usize>> {
    let includes_pads = node.attr_int("count_include_pad").unwrap_or(0) != 0;
    let along = |i: usize| -> Vec<usize> {
        let length = input.length(i + 2);
        let (first, end) = match includes_pads {
            true => (0, length + window.before[i] + window.after[i]),
            false => (window.before[i], window.before[i] + length),
        };
        let inside = |place: usize| {
            let places = (0..window.kernel[i]).map(|k| place * window.strides[i] + k * window.dilations[i]);
            places.filter(|at| (first..end).contains(at)).count().max(1)
        };
        (0..output.length(i + 2)).map(inside).collect()
    };
    let mut all = vec![1];
    for i in 0..window.kernel.len() {
        let counts = along(i);
        all = all.iter().flat_map(|&outer| counts.iter().map(move |&inner| outer * inner)).collect();
    }
    let whole: usize = window.kernel.iter().product();
    all.iter().any(|&count| count != whole).then_some(all)
}

/// The axes of places.
fn spatial(tape: &Tape, node: &NodeProto) -> Result<(Shape, Vec<usize>), String> {
    let shape = tape.shape(&node.input[0])?;
    let axes = (2..shape.rank()).collect();
    Ok((shape, axes))
}

pub(super) fn global_average_pool(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (shape, axes) = spatial(tape, node)?;
    let size: usize = axes.iter().map(|&axis| shape.length(axis)).product();
    // Left to be broadcast.
    Ok(only(tape.scaled(g, 1.0 / size as f32)?))
}

pub(super) fn global_max_pool(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (_, axes) = spatial(tape, node)?;
    super::reduction::at_extreme(tape, node, g, "ArgMax", &axes)
}
