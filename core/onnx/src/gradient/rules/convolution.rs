//! Convolutions: backwards, a convolution with the kernel turned round, or a transposed one.

use super::super::flow::{Flow, only};
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use super::elementwise::fixed;
use crate::proto::NodeProto;

/// A window that slides over a map, along each spatial axis.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    /// Padding before the map.
    pub before: Vec<usize>,
    /// Padding after the map.
    pub after: Vec<usize>,
}

impl Window {
    /// That of a node with this kernel, between maps of these spatial lengths.
    ///
    /// # Errors
    /// If an attribute has another number of values, or negative ones.
    pub fn of(node: &NodeProto, kernel: &[usize], input: &[usize], output: &[usize]) -> Result<Self, String> {
        let n = kernel.len();
        let list = |name: &str, default: usize, len: usize| match node.attr_ints(name) {
            None | Some([]) => Ok(vec![default; len]),
            Some(values) if values.len() == len => {
                let plain = |&value: &i64| usize::try_from(value).map_err(|_| format!("`{name}` holds {value}"));
                values.iter().map(plain).collect()
            }
            Some(values) => Err(format!("`{name}` is {values:?}, expected {len} numbers")),
        };
        let (strides, dilations) = (list("strides", 1, n)?, list("dilations", 1, n)?);
        let mut pads = list("pads", 0, 2 * n)?;
        let auto = node.attr_string("auto_pad").unwrap_or("NOTSET");
        if auto == "VALID" {
            pads = vec![0; 2 * n];
        } else if auto.starts_with("SAME") {
            for i in 0..n {
                let reach = (output[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1;
                let total = reach.saturating_sub(input[i]);
                pads[i] = if auto == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
                pads[n + i] = total - pads[i];
            }
        }
        let after = pads.split_off(n);
        Ok(Self { kernel: kernel.to_vec(), strides, dilations, before: pads, after })
    }

    /// Distance from the first to the last place under the window.
    pub fn reach(&self, i: usize) -> usize {
        (self.kernel[i] - 1) * self.dilations[i]
    }

    /// The paddings of a convolution of stride 1 over `length[i]` values that gives `wanted[i]`, and begins where this window
    /// does; `None` if one would be negative.
    fn backwards(&self, length: &[usize], wanted: &[usize]) -> Option<Vec<i64>> {
        let n = self.kernel.len();
        let before: Vec<usize> = (0..n).map(|i| self.reach(i).checked_sub(self.before[i])).collect::<Option<_>>()?;
        let after = (0..n).map(|i| (wanted[i] + self.reach(i)).checked_sub(length[i] + before[i]));
        let after: Vec<usize> = after.collect::<Option<_>>()?;
        Some(before.iter().chain(&after).map(|&n| n as i64).collect())
    }

    /// The paddings of a transposed convolution from `length[i]` values to `wanted[i]`, and what it adds at the end.
    fn transposed(&self, length: &[usize], wanted: &[usize]) -> (Vec<i64>, Vec<i64>) {
        let full = |i: usize| ((length[i] - 1) * self.strides[i] + self.reach(i) + 1) as i64;
        let rest = |i: usize| full(i) - self.before[i] as i64 - wanted[i] as i64;
        let n = self.kernel.len();
        let before = self.before.iter().map(|&pad| pad as i64);
        let pads = before.chain((0..n).map(|i| rest(i).max(0))).collect();
        (pads, (0..n).map(|i| (-rest(i)).max(0)).collect())
    }
}

fn ints(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&value| value as i64).collect()
}

/// What the way back through a convolution needs besides the gradient.
pub(super) struct Kernel {
    /// Name of the weights, float32 `[c_out, c_in / groups, …]`.
    pub weight: String,
    pub groups: usize,
    pub window: Window,
    /// A factor for each input channel, that of a layer before.
    pub factor: Option<String>,
}

pub(super) fn conv(tape: &mut Tape, node: &NodeProto, flow: &Flow) -> Written {
    let weight = &node.input[1];
    if tape.of_image(weight) {
        return Err("its weights depend on the image".to_owned());
    }
    let weight = tape.read(weight)?;
    let factor = tape.absorbed.get(&node.output[0]).cloned();
    Ok(only(back(tape, node, &weight, factor, flow)?))
}

/// The gradient at the input of a convolution with these weights.
pub(super) fn back(
    tape: &mut Tape,
    node: &NodeProto,
    weight: &str,
    factor: Option<String>,
    flow: &Flow,
) -> Result<String, String> {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let lengths = fixed(&tape.shape(weight)?)?;
    let groups = usize::try_from(node.attr_int("group").unwrap_or(1)).unwrap_or(1).max(1);
    let window = Window::of(node, &lengths[2..], &input.lengths()[2..], &output.lengths()[2..])?;
    // A gradient left to be broadcast is not one of a map.
    let flow = if tape.shape(&flow.tensor)? == output {
        flow.clone()
    } else {
        let plain = tape.plain(flow)?;
        Flow::of(tape.expand(&plain, &output)?)
    };
    let kernel = Kernel { weight: weighted(tape, weight, &flow)?, groups, window, factor };
    transposed(tape, &flow.tensor, &kernel, &input)
}

/// The weights with sign and factor of a gradient taken in.
fn weighted(tape: &mut Tape, weight: &str, flow: &Flow) -> Result<String, String> {
    let rank = tape.shape(weight)?.rank();
    let mut weight = weight.to_owned();
    if let Some(factor) = &flow.factor {
        // `[c_out]` along the first axis.
        let column = tape.per_channel(factor, rank + 1)?;
        weight = tape.mul(&weight, &column)?;
    }
    if flow.negative { tape.unary("Neg", &weight) } else { Ok(weight) }
}

/// The map of which a convolution with this kernel made the one that `g` is the gradient of.
pub(super) fn transposed(tape: &mut Tape, g: &str, kernel: &Kernel, input: &Shape) -> Result<String, String> {
    let lengths = fixed(&tape.shape(&kernel.weight)?)?;
    let (window, groups) = (&kernel.window, kernel.groups);
    let (places, wanted) = (tape.shape(g)?.lengths()[2..].to_vec(), input.lengths()[2..].to_vec());
    let is_dense = window.strides.iter().all(|&stride| stride == 1);
    let is_depthwise = groups > 1 && lengths[1] == 1 && lengths[0] == groups && lengths.len() == 4;
    let spread: Vec<usize> = places.iter().zip(&window.strides).map(|(length, stride)| length * stride).collect();
    let (g, pads) = if is_dense {
        (g.to_owned(), window.backwards(&places, &wanted))
    } else if is_depthwise && window.backwards(&spread, &wanted).is_some() {
        (spread_out(tape, g, &window.strides)?, window.backwards(&spread, &wanted))
    } else {
        (g.to_owned(), None)
    };
    if let Some(pads) = pads {
        let mut flipped = turned(tape, &kernel.weight, groups)?;
        if let Some(factor) = &kernel.factor {
            let column = tape.per_channel(factor, lengths.len() + 1)?;
            flipped = tape.mul(&flipped, &column)?;
        }
        let node = NodeProto::new("Conv", &[&g, &flipped], "")
            .with_int("group", groups as i64)
            .with_ints("kernel_shape", &ints(&window.kernel))
            .with_ints("dilations", &ints(&window.dilations))
            .with_ints("pads", &pads);
        return Ok(tape.emit(node, input.clone()));
    }
    let (pads, more) = window.transposed(&places, &wanted);
    let node = NodeProto::new("ConvTranspose", &[&g, &kernel.weight], "")
        .with_int("group", groups as i64)
        .with_ints("kernel_shape", &ints(&window.kernel))
        .with_ints("strides", &ints(&window.strides))
        .with_ints("dilations", &ints(&window.dilations))
        .with_ints("pads", &pads)
        .with_ints("output_padding", &more);
    let made = tape.emit(node, input.clone());
    match &kernel.factor {
        None => Ok(made),
        Some(factor) => {
            let column = tape.per_channel(factor, lengths.len())?;
            tape.mul(&made, &column)
        }
    }
}

/// Kernels for the way back: turned round along every spatial axis, with inputs and outputs exchanged within each group.
fn turned(tape: &mut Tape, weight: &str, groups: usize) -> Result<String, String> {
    let lengths = fixed(&tape.shape(weight)?)?;
    let rank = lengths.len();
    let (c_out, per_group) = (lengths[0], lengths[1]);
    let swapped = if groups == 1 {
        tape.transpose(weight, &[&[1, 0][..], &(2..rank).collect::<Vec<_>>()].concat())?
    } else if per_group == 1 && c_out == groups {
        weight.to_owned()
    } else {
        let apart = [&[groups, c_out / groups, per_group], &lengths[2..]].concat();
        let apart = tape.reshape(weight, &Shape::fixed(&apart))?;
        let swapped = tape.transpose(&apart, &[&[0, 2, 1][..], &(3..=rank).collect::<Vec<_>>()].concat())?;
        let joined = [&[groups * per_group, c_out / groups], &lengths[2..]].concat();
        tape.reshape(&swapped, &Shape::fixed(&joined))?
    };
    let axes: Vec<i64> = (2..rank).filter(|&axis| lengths[axis] > 1).map(|axis| axis as i64).collect();
    if axes.is_empty() {
        return Ok(swapped);
    }
    // From the last place to before the first.
    let [last, end, listed, steps] =
        [vec![-1; axes.len()], vec![i64::MIN + 1; axes.len()], axes.clone(), vec![-1; axes.len()]]
            .map(|values| tape.ints(&values));
    let shape = tape.shape(&swapped)?;
    Ok(tape.op("Slice", &[&swapped, &last, &end, &listed, &steps], shape))
}

/// A map with zeros between its rows and columns: repeated, and masked.
fn spread_out(tape: &mut Tape, g: &str, strides: &[usize]) -> Result<String, String> {
    let larger = repeated(tape, g, strides)?;
    let shape = tape.shape(&larger)?;
    let (h, w) = (shape.length(2), shape.length(3));
    let is_place = |at: usize| (at / w).is_multiple_of(strides[0]) && (at % w).is_multiple_of(strides[1]);
    let mask = (0..h * w).map(|at| f32::from(u8::from(is_place(at)))).collect();
    let mask = tape.floats(&[1, 1, h, w], mask);
    tape.mul(&larger, &mask)
}

/// A map with each place repeated `times[i]` times along spatial axis `i`.
pub(in super::super) fn repeated(tape: &mut Tape, x: &str, times: &[usize]) -> Result<String, String> {
    let shape = tape.shape(x)?.map(|lengths| {
        let larger = lengths[2..].iter().zip(times).map(|(length, times)| length * times);
        lengths[..2].iter().copied().chain(larger).collect()
    });
    let scales: Vec<f32> = [1.0, 1.0].into_iter().chain(times.iter().map(|&times| times as f32)).collect();
    let scales = tape.floats(&[scales.len()], scales);
    let node = NodeProto::new("Resize", &[x, "", &scales], "")
        .with_string("mode", "nearest")
        .with_string("coordinate_transformation_mode", "asymmetric")
        .with_string("nearest_mode", "floor");
    Ok(tape.emit(node, shape))
}

/// Backwards, a transposed convolution is a convolution with the same weights.
pub(super) fn conv_transpose(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    if tape.of_image(&node.input[1]) {
        return Err("its weights depend on the image".to_owned());
    }
    let weight = tape.read(&node.input[1])?;
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let lengths = fixed(&tape.shape(&weight)?)?;
    let g = tape.expand(g, &output)?;
    let mut window = Window::of(node, &lengths[2..], &input.lengths()[2..], &output.lengths()[2..])?;
    if node.attr_string("auto_pad").unwrap_or("NOTSET").starts_with("SAME") || node.attr_ints("output_shape").is_some()
    {
        return Err("`auto_pad` and `output_shape` are not followed back".to_owned());
    }
    // What the node adds at the end is no part of any window.
    window.after = (0..window.kernel.len())
        .map(|i| {
            let covered = (input.length(i + 2) - 1) * window.strides[i] + window.reach(i) + 1;
            covered.saturating_sub(window.before[i] + output.length(i + 2))
        })
        .collect();
    let pads: Vec<i64> = window.before.iter().chain(&window.after).map(|&pad| pad as i64).collect();
    let node = NodeProto::new("Conv", &[&g, &weight], "")
        .with_int("group", node.attr_int("group").unwrap_or(1))
        .with_ints("kernel_shape", &ints(&window.kernel))
        .with_ints("strides", &ints(&window.strides))
        .with_ints("dilations", &ints(&window.dilations))
        .with_ints("pads", &pads);
    Ok(only(tape.emit(node, input)))
}
