//! Two-dimensional convolution on the CPU, with its gradients, as one operation of burn's autodiff.
//!
//! burn's own CPU convolution re-orders the whole input and the weights at every call. Here patches are copied
//! in blocks that stay in the cache and multiplied with the weights as they lie in memory; the input's
//! gradient is the transposed product, added back; a weight's gradient is computed only if it is trained.

use super::{primitive, tensor, tracked, values};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::cell::RefCell;
use std::ops::Range;

/// Most values of the patches that are copied at once: they stay in the second-level cache.
const MAX_PATCHES: usize = 1 << 18;

/// Where a kernel meets its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Step between windows, `[h, w]`.
    pub stride: [usize; 2],
    /// Step between the taps of a window.
    pub dilation: [usize; 2],
    /// Zeros before and after, for each axis.
    pub pads: [(usize, usize); 2],
    /// Groups of channels that are convolved apart.
    pub groups: usize,
}

impl Geometry {
    /// Number of windows along an axis; 0 if the kernel does not fit.
    pub fn windows(&self, axis: usize, len: usize, kernel: usize) -> usize {
        let padded = len + self.pads[axis].0 + self.pads[axis].1;
        let extent = self.dilation[axis] * (kernel - 1) + 1;
        if padded < extent { 0 } else { (padded - extent) / self.stride[axis] + 1 }
    }
}

/// Convolution of `x [n, c, h, w]` with `weight [o, c / groups, kh, kw]` and `bias [o]`, all on burn's CPU backend.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, geometry: Geometry) -> Tensor<4> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[0]], &weight.device().without_autodiff()));
    if !(x.is_autodiff() || weight.is_autodiff() || bias.is_autodiff()) {
        let [x, weight] = [x, weight].map(primitive);
        let output = Shapes::new(&x, &weight, geometry).forward(&x, &weight, &primitive(bias));
        return Tensor::from_primitive::<Flex>(output);
    }
    let (x, x_node) = tracked(x).into_parts();
    let (weight, weight_node) = tracked(weight).into_parts();
    let (bias, bias_node) = tracked(bias).into_parts();
    let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
    let shapes = Shapes::new(&x, &weight, geometry);
    let output = shapes.forward(&x, &weight, &bias);
    let output = match Conv2d.prepare::<NoCheckpointing>([x_node, weight_node, bias_node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(Saved { x, weight, shapes }, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Conv2d;

#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    shapes: Shapes,
}

impl Backward<Flex, 3> for Conv2d {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { x, weight, shapes } = ops.state;
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, shapes.weight_gradient(&x, &gradient));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, shapes.bias_gradient(&gradient));
        }
        if let Some(node) = x_node {
            drop(x);
            grads.register::<Flex>(node.id, shapes.input_gradient(&weight, &gradient));
        }
    }
}

/// All lengths of one convolution.
#[derive(Debug, Clone, Copy)]
struct Shapes {
    n: usize,
    c: usize,
    input: [usize; 2],
    o: usize,
    kernel: [usize; 2],
    output: [usize; 2],
    geometry: Geometry,
}

thread_local! {
    /// Patches of the block at work; kept, since large allocations are slow.
    static PATCHES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Shapes {
    fn new(x: &FlexTensor, weight: &FlexTensor, geometry: Geometry) -> Self {
        let [n, c, h, w] = x.layout().shape().dims();
        let [o, _, kh, kw] = weight.layout().shape().dims();
        let output = [geometry.windows(0, h, kh), geometry.windows(1, w, kw)];
        Self { n, c, input: [h, w], o, kernel: [kh, kw], output, geometry }
    }

    /// Channels of a group: of the input, of the output.
    fn group(&self) -> (usize, usize) {
        (self.c / self.geometry.groups, self.o / self.geometry.groups)
    }

    /// Values of a group's patch.
    fn patch(&self) -> usize {
        self.group().0 * self.kernel[0] * self.kernel[1]
    }

    /// Whether each channel is convolved alone.
    fn is_depthwise(&self) -> bool {
        self.group() == (1, 1)
    }

    /// Whether the patches are the input itself.
    fn is_pointwise(&self) -> bool {
        let Geometry { stride, pads, .. } = self.geometry;
        self.kernel == [1, 1] && stride == [1, 1] && pads == [(0, 0), (0, 0)]
    }

    /// Ranges of output rows whose patches are copied together.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let [h, w] = self.output;
        let rows = if self.is_pointwise() { h } else { (MAX_PATCHES / (self.patch() * w).max(1)).max(1) };
        (0..h).step_by(rows.max(1)).map(move |start| start..(start + rows).min(h))
    }

    /// Output indices along an axis whose tap `k` meets the input, and the input index of the first.
    fn reach(&self, axis: usize, k: usize) -> (Range<usize>, usize) {
        let Geometry { stride, dilation, pads, .. } = self.geometry;
        let (offset, pad) = (k * dilation[axis], pads[axis].0);
        let start = pad.saturating_sub(offset).div_ceil(stride[axis]);
        let end = (self.input[axis] + pad).saturating_sub(offset).div_ceil(stride[axis]).min(self.output[axis]);
        let start = start.min(end);
        (start..end, (start * stride[axis] + offset).saturating_sub(pad))
    }

    /// Calls `visit(tap, output row, output columns, input row, first input column)` for every tap of the kernel and
    /// every row of the block that it meets.
    fn taps(&self, rows: &Range<usize>, mut visit: impl FnMut(usize, usize, Range<usize>, usize, usize)) {
        for ky in 0..self.kernel[0] {
            let (reached, first) = self.reach(0, ky);
            for kx in 0..self.kernel[1] {
                let (columns, x) = self.reach(1, kx);
                if columns.is_empty() {
                    continue;
                }
                for row in rows.start.max(reached.start)..rows.end.min(reached.end) {
                    let y = first + (row - reached.start) * self.geometry.stride[0];
                    visit(ky * self.kernel[1] + kx, row, columns.clone(), y, x);
                }
            }
        }
    }

    /// Copies the patches of a block: `patches [c·kh·kw, rows·w]` from `x [c, h, w]`.
    fn gather(&self, x: &[f32], rows: &Range<usize>, patches: &mut [f32]) {
        let [h, w] = self.input;
        let (width, taps, step) = (self.output[1], self.kernel[0] * self.kernel[1], self.geometry.stride[1]);
        let columns_in_block = rows.len() * width;
        patches.fill(0.0);
        for (channel, x) in x.chunks_exact(h * w).enumerate() {
            self.taps(rows, |tap, row, columns, y, first| {
                let at = (channel * taps + tap) * columns_in_block + (row - rows.start) * width;
                let target = &mut patches[at + columns.start..at + columns.end];
                let source = &x[y * w + first..(y + 1) * w];
                if step == 1 {
                    target.copy_from_slice(&source[..target.len()]);
                } else {
                    for (target, &source) in target.iter_mut().zip(source.iter().step_by(step)) {
                        *target = source;
                    }
                }
            });
        }
    }

    /// Adds the patches of a block back to where they came from: the transpose of [`Self::gather`].
    fn scatter(&self, patches: &[f32], rows: &Range<usize>, x: &mut [f32]) {
        let [h, w] = self.input;
        let (width, taps, step) = (self.output[1], self.kernel[0] * self.kernel[1], self.geometry.stride[1]);
        let columns_in_block = rows.len() * width;
        for (channel, x) in x.chunks_exact_mut(h * w).enumerate() {
            self.taps(rows, |tap, row, columns, y, first| {
                let at = (channel * taps + tap) * columns_in_block + (row - rows.start) * width;
                let source = &patches[at + columns.start..at + columns.end];
                add_scaled(&mut x[y * w + first..(y + 1) * w], step, source, 1, 1.0);
            });
        }
    }

    fn with_patches<R>(&self, rows: &Range<usize>, work: impl FnOnce(&mut [f32]) -> R) -> R {
        PATCHES.with_borrow_mut(|buffer| {
            let len = self.patch() * rows.len() * self.output[1];
            if buffer.len() < len {
                buffer.resize(len, 0.0);
            }
            work(&mut buffer[..len])
        })
    }

    fn forward(&self, x: &FlexTensor, weight: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
        let (x, weight, bias) = (values(x), values(weight), values(bias));
        let ([h, w], [oh, ow]) = (self.input, self.output);
        let ((c, o), patch, positions) = (self.group(), self.patch(), oh * ow);
        let mut output = vec![0.0; self.n * self.o * positions];
        for (channel, values) in output.chunks_exact_mut(positions.max(1)).enumerate() {
            values.fill(bias[channel % self.o]);
        }
        for group in 0..self.n * self.geometry.groups {
            let g = group % self.geometry.groups;
            let x = &x[group * c * h * w..(group + 1) * c * h * w];
            let output = &mut output[group * o * positions..(group + 1) * o * positions];
            let weight = &weight[g * o * patch..(g + 1) * o * patch];
            if self.is_depthwise() {
                self.taps(&(0..oh), |tap, row, columns, y, first| {
                    let target = &mut output[row * ow + columns.start..row * ow + columns.end];
                    add_scaled(target, 1, &x[y * w + first..(y + 1) * w], self.geometry.stride[1], weight[tap]);
                });
                continue;
            }
            let weight = MatRef::from_row_major_slice(weight, o, patch);
            for rows in self.blocks() {
                let block = MatMut::from_row_major_slice_mut(&mut *output, o, positions)
                    .subcols_mut(rows.start * ow, rows.len() * ow);
                if self.is_pointwise() {
                    let x = MatRef::from_row_major_slice(x, patch, positions);
                    matmul(block, Accum::Add, weight, x, 1.0, Par::Seq);
                    continue;
                }
                self.with_patches(&rows, |patches| {
                    self.gather(x, &rows, patches);
                    let patches = MatRef::from_row_major_slice(patches, patch, rows.len() * ow);
                    matmul(block, Accum::Add, weight, patches, 1.0, Par::Seq);
                });
            }
        }
        tensor(output, [self.n, self.o, oh, ow])
    }

    fn input_gradient(&self, weight: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let (weight, gradient) = (values(weight), values(gradient));
        let ([h, w], [oh, ow]) = (self.input, self.output);
        let ((c, o), patch, positions) = (self.group(), self.patch(), oh * ow);
        let mut result = vec![0.0; self.n * self.c * h * w];
        for group in 0..self.n * self.geometry.groups {
            let g = group % self.geometry.groups;
            let result = &mut result[group * c * h * w..(group + 1) * c * h * w];
            let gradient = &gradient[group * o * positions..(group + 1) * o * positions];
            let weight = &weight[g * o * patch..(g + 1) * o * patch];
            if self.is_depthwise() {
                self.taps(&(0..oh), |tap, row, columns, y, first| {
                    let source = &gradient[row * ow + columns.start..row * ow + columns.end];
                    let target = &mut result[y * w + first..(y + 1) * w];
                    add_scaled(target, self.geometry.stride[1], source, 1, weight[tap]);
                });
                continue;
            }
            let weight = MatRef::from_row_major_slice(weight, o, patch).transpose();
            let gradient = MatRef::from_row_major_slice(gradient, o, positions);
            for rows in self.blocks() {
                let gradient = gradient.subcols(rows.start * ow, rows.len() * ow);
                if self.is_pointwise() {
                    let result = MatMut::from_row_major_slice_mut(&mut *result, patch, positions);
                    matmul(result, Accum::Replace, weight, gradient, 1.0, Par::Seq);
                    continue;
                }
                self.with_patches(&rows, |patches| {
                    let product = MatMut::from_row_major_slice_mut(&mut *patches, patch, rows.len() * ow);
                    matmul(product, Accum::Replace, weight, gradient, 1.0, Par::Seq);
                    self.scatter(patches, &rows, result);
                });
            }
        }
        tensor(result, [self.n, self.c, h, w])
    }

    fn weight_gradient(&self, x: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        let (x, gradient) = (values(x), values(gradient));
        let ([h, w], [oh, ow]) = (self.input, self.output);
        let ((c, o), patch, positions) = (self.group(), self.patch(), oh * ow);
        let mut result = vec![0.0; self.o * patch];
        for group in 0..self.n * self.geometry.groups {
            let g = group % self.geometry.groups;
            let x = &x[group * c * h * w..(group + 1) * c * h * w];
            let gradient = &gradient[group * o * positions..(group + 1) * o * positions];
            let result = &mut result[g * o * patch..(g + 1) * o * patch];
            if self.is_depthwise() {
                self.taps(&(0..oh), |tap, row, columns, y, first| {
                    let gradient = &gradient[row * ow + columns.start..row * ow + columns.end];
                    let x = x[y * w + first..(y + 1) * w].iter().step_by(self.geometry.stride[1]);
                    result[tap] += gradient.iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
                });
                continue;
            }
            let gradient = MatRef::from_row_major_slice(gradient, o, positions);
            for rows in self.blocks() {
                let gradient = gradient.subcols(rows.start * ow, rows.len() * ow);
                let result = MatMut::from_row_major_slice_mut(&mut *result, o, patch);
                if self.is_pointwise() {
                    let x = MatRef::from_row_major_slice(x, patch, positions);
                    matmul(result, Accum::Add, gradient, x.transpose(), 1.0, Par::Seq);
                    continue;
                }
                self.with_patches(&rows, |patches| {
                    self.gather(x, &rows, patches);
                    let patches = MatRef::from_row_major_slice(patches, patch, rows.len() * ow);
                    matmul(result, Accum::Add, gradient, patches.transpose(), 1.0, Par::Seq);
                });
            }
        }
        tensor(result, [self.o, c, self.kernel[0], self.kernel[1]])
    }

    fn bias_gradient(&self, gradient: &FlexTensor) -> FlexTensor {
        let mut result = vec![0.0; self.o];
        for (channel, values) in values(gradient).chunks_exact((self.output[0] * self.output[1]).max(1)).enumerate() {
            result[channel % self.o] += values.iter().sum::<f32>();
        }
        tensor(result, [self.o])
    }
}

/// `target += scale · source`, each walked with its own step, as far as both reach.
fn add_scaled(target: &mut [f32], target_step: usize, source: &[f32], source_step: usize, scale: f32) {
    if (target_step, source_step) == (1, 1) {
        for (target, &source) in target.iter_mut().zip(source) {
            *target += scale * source;
        }
    } else {
        for (target, &source) in target.iter_mut().step_by(target_step).zip(source.iter().step_by(source_step)) {
            *target += scale * source;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, TensorData, module};

    fn wave<const D: usize>(shape: [usize; D], phase: f32) -> Tensor<D> {
        let data: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        Tensor::from_data(TensorData::new(data, shape), &Device::flex())
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.without_autodiff().into_data().try_into_vec().unwrap()
    }

    /// Output, and gradients of a weighted sum of it with respect to input, weight and bias.
    fn all(
        convolve: impl Fn([Tensor<4>; 2], Tensor<1>) -> Tensor<4>,
        x: [usize; 4],
        weight: [usize; 4],
    ) -> [Vec<f32>; 4] {
        let leaves = [wave(x, 0.0), wave(weight, 1.0)].map(|tensor| tensor.autodiff().require_grad());
        let bias = wave([weight[0]], 2.0).autodiff().require_grad();
        let output = convolve(leaves.clone(), bias.clone());
        let gradients = output.clone().mul(wave(output.dims(), 3.0)).sum().backward();
        let [x, weight] = leaves.map(|leaf| values(leaf.grad(&gradients).unwrap()));
        [values(output), x, weight, values(bias.grad(&gradients).unwrap())]
    }

    #[test]
    fn agrees_with_burn_in_every_geometry() {
        let base = Geometry { stride: [1, 1], dilation: [1, 1], pads: [(0, 0); 2], groups: 1 };
        let cases = [
            ([2, 3, 7, 6], [4, 3, 3, 3], Geometry { pads: [(1, 1); 2], ..base }),
            ([2, 3, 7, 6], [4, 3, 3, 3], Geometry { stride: [2, 2], pads: [(0, 1), (1, 0)], ..base }),
            ([1, 2, 9, 8], [3, 2, 2, 3], Geometry { dilation: [2, 3], pads: [(2, 2), (3, 1)], ..base }),
            ([2, 4, 5, 5], [6, 2, 3, 3], Geometry { groups: 2, pads: [(1, 1); 2], ..base }),
            ([2, 4, 6, 5], [4, 1, 3, 3], Geometry { groups: 4, pads: [(1, 1); 2], ..base }),
            ([2, 4, 6, 7], [4, 1, 3, 5], Geometry { groups: 4, stride: [2, 3], pads: [(0, 1), (2, 2)], ..base }),
            ([2, 5, 4, 3], [7, 5, 1, 1], base),
            ([2, 5, 4, 3], [7, 5, 1, 1], Geometry { stride: [2, 2], ..base }),
            // Several blocks of patches.
            ([1, 64, 40, 30], [2, 64, 3, 3], Geometry { pads: [(1, 1); 2], ..base }),
        ];
        for (x, weight, geometry) in cases {
            let Geometry { stride, dilation, pads, groups } = geometry;
            let options = ConvOptions::new_with_padding(stride, pads, dilation, groups);
            let ours = all(|[x, weight], bias| conv2d(x, weight, Some(bias), geometry), x, weight);
            let theirs = all(|[x, weight], bias| module::conv2d(x, weight, Some(bias), options.clone()), x, weight);
            for (what, (ours, theirs)) in ["output", "input", "weight", "bias"].iter().zip(ours.iter().zip(&theirs)) {
                assert_eq!(ours.len(), theirs.len(), "{what} of {geometry:?}");
                let largest = theirs.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst < 1e-5 * largest.max(1.0), "{what} of {geometry:?}: {worst} apart of {largest}");
            }
        }
    }

    #[test]
    fn a_weight_that_is_not_trained_costs_and_gives_no_gradient() {
        let x = wave([1, 2, 4, 4], 0.0).autodiff().require_grad();
        let weight = wave([3, 2, 3, 3], 1.0);
        let geometry = Geometry { stride: [1, 1], dilation: [1, 1], pads: [(1, 1); 2], groups: 1 };
        let output = conv2d(x.clone(), weight.clone(), None, geometry);
        assert!(output.is_tracked());
        let gradients = output.sum().backward();
        assert!(x.grad(&gradients).is_some());
        assert!(weight.grad(&gradients).is_none());
    }
}
