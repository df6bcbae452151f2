//! The largest value of each window: back to where it stood, the first of equals.

use super::super::flow::only;
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use super::convolution::Window;
use super::pooling::window;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// Longest side of a window that is compared place by place. The node's own indices cost a plain loop over all windows, several
/// times what the comparisons do.
const MAX_COMPARED: usize = 7;

pub(super) fn max_pool(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let output = tape.shape(&node.output[0])?;
    let g = tape.expand(g, &output)?;
    let window = window(tape, node)?;
    if output.rank() == 4 && window.kernel.iter().all(|&length| length <= MAX_COMPARED) {
        return compared(tape, node, &window, &g);
    }
    if node.attr_int("storage_order").unwrap_or(0) != 0 {
        return Err("`storage_order` counts indices column by column".to_owned());
    }
    // They count through all images of the call.
    let indices = tape.output(node, 1, "indices", output, DataType::Int64);
    Ok(only(tape.add_at(&node.input[0], &indices, &g)?))
}

/// The largest value of a window is the largest of its rows' largest ones: back to the row, then to the place in it.
fn compared(tape: &mut Tape, node: &NodeProto, window: &Window, g: &str) -> Written {
    let (x, y) = (tape.read(&node.input[0])?, tape.read(&node.output[0])?);
    let (input, output) = (tape.shape(&x)?, tape.shape(&y)?);
    let columns = Along::of(window, &input, &output, 1);
    let of_rows = NodeProto::new("MaxPool", &[&x], "")
        .with_ints("kernel_shape", &[1, window.kernel[1] as i64])
        .with_ints("strides", &[1, window.strides[1] as i64])
        .with_ints("dilations", &[1, window.dilations[1] as i64])
        .with_ints("pads", &[0, window.before[1] as i64, 0, columns.missing() as i64]);
    let of_rows = tape.emit(of_rows, input.with(3, output.length(3)));
    let g = Along::of(window, &input, &output, 0).back(tape, &of_rows, &y, g)?;
    Ok(only(columns.back(tape, &x, &of_rows, &g)?))
}

/// A window along one axis.
struct Along {
    axis: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    /// Number of values, and of windows.
    length: usize,
    n: usize,
}

impl Along {
    /// Along spatial axis `i`.
    fn of(window: &Window, input: &Shape, output: &Shape, i: usize) -> Self {
        Self {
            axis: i + 2,
            kernel: window.kernel[i],
            stride: window.strides[i],
            dilation: window.dilations[i],
            before: window.before[i],
            length: input.length(i + 2),
            n: output.length(i + 2),
        }
    }

    /// The end of the last window, counted from the beginning of the padding.
    fn end(&self) -> usize {
        (self.n - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
    }

    /// Padding behind the values that the last window needs.
    fn missing(&self) -> usize {
        self.end().saturating_sub(self.before + self.length)
    }

    /// The gradient of `values`, of whose windows `largest` are the largest and `g` the gradients.
    ///
    /// Values a stride apart are one part: place `i` of all windows is then a piece of one part.
    fn back(&self, tape: &mut Tape, values: &str, largest: &str, g: &str) -> Result<String, String> {
        let length = self.end().max(self.before + self.length).div_ceil(self.stride);
        let parts = self.parts(tape, values, length)?;
        let mut sums: Vec<Option<String>> = vec![None; self.stride];
        let mut rest = g.to_owned();
        for i in 0..self.kernel {
            let (part, start) = (i * self.dilation % self.stride, i * self.dilation / self.stride);
            let here = tape.slice(&parts[part], self.axis, start, self.n)?;
            let is_it = tape.compare("Equal", &here, largest)?;
            let cast = NodeProto::new("Cast", &[&is_it], "").with_int("to", DataType::Float as i64);
            let shape = tape.shape(&is_it)?;
            let is_it = tape.emit(cast, shape);
            let taken = tape.mul(&rest, &is_it)?;
            if i + 1 < self.kernel {
                rest = tape.sub(&rest, &taken)?;
            }
            let (mut before, mut after) = ([0; 4], [0; 4]);
            (before[self.axis], after[self.axis]) = (start, length - self.n - start);
            let placed = tape.pad(&taken, &before, &after)?;
            sums[part] = Some(match sums[part].take() {
                Some(sum) => tape.add(&sum, &placed)?,
                None => placed,
            });
        }
        let mut all = Vec::with_capacity(self.stride);
        for (part, sum) in parts.iter().zip(sums) {
            all.push(sum.map_or_else(|| tape.zeros(part), Ok)?);
        }
        let whole = self.joined(tape, &all)?;
        if (self.before, self.length) == (0, tape.shape(&whole)?.length(self.axis)) {
            return Ok(whole);
        }
        tape.slice(&whole, self.axis, self.before, self.length)
    }

    /// The padded values, every `stride`th from each of the first on, `length` of them each.
    fn parts(&self, tape: &mut Tape, values: &str, length: usize) -> Result<Vec<String>, String> {
        let shape = tape.shape(values)?;
        let (mut pads, all) = ([0; 8], length * self.stride);
        (pads[self.axis], pads[4 + self.axis]) = (self.before as i64, (all - self.before - self.length) as i64);
        let mut padded = values.to_owned();
        if pads.iter().any(|&pad| pad != 0) {
            let (pads, lowest) = (tape.ints(&pads), tape.scalar(f32::MIN));
            padded = tape.op("Pad", &[values, &pads, &lowest], shape.with(self.axis, all));
        }
        if self.stride == 1 {
            return Ok(vec![padded]);
        }
        let every = |tape: &mut Tape, first: usize| {
            let [start, end, axis, step] = [first, all, self.axis, self.stride].map(|value| tape.ints(&[value as i64]));
            tape.op("Slice", &[&padded, &start, &end, &axis, &step], shape.with(self.axis, length))
        };
        Ok((0..self.stride).map(|first| every(tape, first)).collect())
    }

    /// The parts as one again.
    fn joined(&self, tape: &mut Tape, parts: &[String]) -> Result<String, String> {
        let [first] = parts else {
            let shape = tape.shape(&parts[0])?;
            // Behind the axis, one part after the other.
            let one = shape.map(|lengths| [&lengths[..=self.axis], &[1], &lengths[self.axis + 1..]].concat());
            let apart = parts.iter().map(|part| tape.reshape(part, &one)).collect::<Result<Vec<_>, _>>()?;
            let side = tape.concat(&apart, self.axis + 1, &one.with(self.axis + 1, parts.len()));
            return tape.reshape(&side, &shape.with(self.axis, shape.length(self.axis) * parts.len()));
        };
        Ok(first.clone())
    }
}
