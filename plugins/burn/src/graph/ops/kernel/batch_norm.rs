//! Batch normalisation by the statistics of the batch, with its gradients, as one operation of burn's autodiff.
//!
//! Written in burn's operations it goes over the feature map a dozen times and needs the whole batch on one thread.
//! Here each thread has a shard of the batch, goes over it twice in each direction, and exchanges sums with the others
//! at a barrier.

use super::{primitive, tensor, tracked, values};
use crate::barrier::Barrier;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

/// Values that are summed in single precision before they go into a double.
const BLOCK: usize = 1 << 12;
const LANES: usize = 16;

/// Mean and variance (biased) of each channel over the batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Number of values per channel.
    pub count: f64,
    /// `[c]`
    pub mean: Vec<f32>,
    /// `[c]`
    pub variance: Vec<f32>,
}

/// A shard's part of a batch normalisation.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// At which the shards of the batch exchange their sums.
    pub barrier: Barrier,
    /// Added to the variance.
    pub epsilon: f32,
}

impl BatchNorm {
    /// `(x − mean) / √(variance + epsilon) · scale + bias` on burn's CPU backend, and the moments of the batch.
    ///
    /// # Shapes
    /// `x`: `[n, c, positions]`, the shard; `scale`, `bias`: `[c]`
    ///
    /// # Source
    /// Ioffe & Szegedy 2015, arXiv 1502.03167; moments of shards are joined as in Chan, Golub & LeVeque 1983.
    pub fn apply(self, x: Tensor<3>, scale: Tensor<1>, bias: Tensor<1>) -> (Tensor<3>, Moments) {
        if !(x.is_autodiff() || scale.is_autodiff() || bias.is_autodiff()) {
            let (output, moments, _) = self.forward(&primitive(x), &primitive(scale), &primitive(bias));
            return (Tensor::from_primitive::<Flex>(output), moments);
        }
        let (x, x_node) = tracked(x).into_parts();
        let (scale, scale_node) = tracked(scale).into_parts();
        let (bias, bias_node) = tracked(bias).into_parts();
        let [x, scale, bias] = [x, scale, bias].map(|tensor| tensor.to_contiguous());
        let (output, moments, inverse) = self.forward(&x, &scale, &bias);
        let count = moments.count;
        let prepared = Normalise.prepare::<NoCheckpointing>([x_node, scale_node, bias_node]).compute_bound().stateful();
        let output = match prepared {
            OpsKind::Tracked(prepared) => {
                let saved = Saved { x, scale, mean: moments.mean.clone(), inverse, count, barrier: self.barrier };
                prepared.finish(saved, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        (Tensor::from_primitive::<Autodiff<Flex>>(output), moments)
    }

    /// Output, moments, and `1 / √(variance + epsilon)`.
    fn forward(&self, x: &FlexTensor, scale: &FlexTensor, bias: &FlexTensor) -> (FlexTensor, Moments, Vec<f32>) {
        let shape = x.layout().shape().dims::<3>();
        let (x, scale, bias) = (values(x), values(scale), values(bias));
        let moments = Moments::of(x, shape, &self.barrier);
        let inverse: Vec<f32> =
            moments.variance.iter().map(|variance| (variance + self.epsilon).sqrt().recip()).collect();
        let mut output = Vec::with_capacity(x.len());
        for (channel, plane) in planes(x, shape) {
            let factor = scale[channel] * inverse[channel];
            let offset = bias[channel] - moments.mean[channel] * factor;
            output.extend(plane.iter().map(|value| value * factor + offset));
        }
        (tensor(output, shape), moments, inverse)
    }
}

impl Moments {
    fn of(x: &[f32], shape: [usize; 3], barrier: &Barrier) -> Self {
        let [n, c, positions] = shape;
        let count = (n * positions) as f64;
        let mut sums = vec![0.0; c];
        for (channel, plane) in planes(x, shape) {
            sums[channel] += sum(plane, plane, |value, _| value);
        }
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let mut squares = vec![0.0; c];
        for (channel, plane) in planes(x, shape) {
            let mean = means[channel] as f32;
            squares[channel] += sum(plane, plane, |value, _| (value - mean) * (value - mean));
        }
        let parts = barrier.all_gather([vec![count], means, squares].concat());
        let count: f64 = parts.iter().map(|part| part[0]).sum();
        let mean_of = |channel: usize| parts.iter().map(|part| part[0] * part[1 + channel]).sum::<f64>() / count;
        let mean: Vec<f64> = (0..c).map(mean_of).collect();
        let variance_of = |channel: usize| {
            let part_of =
                |part: &Vec<f64>| part[1 + c + channel] + part[0] * (part[1 + channel] - mean[channel]).powi(2);
            (parts.iter().map(part_of).sum::<f64>() / count) as f32
        };
        let variance = (0..c).map(variance_of).collect();
        Self { count, mean: mean.iter().map(|&mean| mean as f32).collect(), variance }
    }
}

#[derive(Debug)]
struct Normalise;

#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    scale: FlexTensor,
    mean: Vec<f32>,
    inverse: Vec<f32>,
    /// Number of values per channel in the batch.
    count: f64,
    barrier: Barrier,
}

impl Backward<Flex, 3> for Normalise {
    type State = Saved;

    /// With `x̂` the standardised input and `g` the gradient: `Σ g·x̂` for the scale and `Σ g` for the bias, of this
    /// shard; `scale / √(variance + epsilon) · (g − mean(g) − x̂ · mean(g·x̂))` for `x`, with means over the batch.
    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, scale_node, bias_node] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { x, scale, mean, inverse, count, barrier } = ops.state;
        let shape = x.layout().shape().dims::<3>();
        let (x, gradient, scale) = (values(&x), values(&gradient), values(&scale));
        let c = shape[1];
        let (mut along, mut total) = (vec![0.0; c], vec![0.0; c]);
        for ((channel, x), (_, gradient)) in planes(x, shape).zip(planes(gradient, shape)) {
            total[channel] += sum(gradient, gradient, |value, _| value);
            let centre = mean[channel];
            along[channel] += sum(gradient, x, |gradient, x| gradient * (x - centre)) * f64::from(inverse[channel]);
        }
        let single = |values: &[f64]| tensor(values.iter().map(|&value| value as f32).collect(), [c]);
        if let Some(node) = scale_node {
            grads.register::<Flex>(node.id, single(&along));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, single(&total));
        }
        let Some(node) = x_node else { return };
        let parts = barrier.all_gather([along, total].concat());
        let means: Vec<f32> =
            (0..2 * c).map(|i| (parts.iter().map(|part| part[i]).sum::<f64>() / count) as f32).collect();
        let mut result = Vec::with_capacity(x.len());
        for ((channel, x), (_, gradient)) in planes(x, shape).zip(planes(gradient, shape)) {
            let factor = scale[channel] * inverse[channel];
            let slope = -factor * inverse[channel] * means[channel];
            let offset = -factor * means[c + channel] - slope * mean[channel];
            result.extend(gradient.iter().zip(x).map(|(gradient, x)| factor * gradient + slope * x + offset));
        }
        grads.register::<Flex>(node.id, tensor(result, shape));
    }
}

/// The planes of `[n, c, positions]`, each with its channel.
fn planes(x: &[f32], [_, c, positions]: [usize; 3]) -> impl Iterator<Item = (usize, &[f32])> {
    x.chunks_exact(positions.max(1)).enumerate().map(move |(i, plane)| (i % c, plane))
}

/// `Σ of(a, b)`, in lanes that the compiler can keep in registers.
fn sum(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f64 {
    let block = |(a, b): (&[f32], &[f32])| {
        let mut lanes = [0.0f32; LANES];
        let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| of(a, b)).sum();
        for (a, b) in a.zip(b) {
            for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += of(a, b);
            }
        }
        f64::from(lanes.iter().sum::<f32>() + rest)
    };
    a.chunks(BLOCK).zip(b.chunks(BLOCK)).map(block).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    const EPSILON: f32 = 1e-3;

    fn wave<const D: usize>(shape: [usize; D], phase: f32) -> Tensor<D> {
        let data: Vec<f32> =
            (0..shape.iter().product()).map(|i| (i as f32 * 0.7 + phase).sin() * 2.0 + phase).collect();
        Tensor::from_data(TensorData::new(data, shape), &Device::flex())
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.without_autodiff().into_data().try_into_vec().unwrap()
    }

    /// Output, and gradients of a weighted sum of it with respect to input, scale and bias.
    fn all(
        x: Tensor<3>,
        weights: Tensor<3>,
        layer: impl Fn(Tensor<3>, Tensor<1>, Tensor<1>) -> Tensor<3>,
    ) -> [Vec<f32>; 4] {
        let c = x.dims()[1];
        let x = x.autodiff().require_grad();
        let [scale, bias] = [1.0, 2.0].map(|phase| wave([c], phase).autodiff().require_grad());
        let output = layer(x.clone(), scale.clone(), bias.clone());
        let gradients = output.clone().mul(weights).sum().backward();
        let [scale, bias] = [scale, bias].map(|leaf| numbers(leaf.grad(&gradients).unwrap()));
        [numbers(output), numbers(x.grad(&gradients).unwrap()), scale, bias]
    }

    #[test]
    fn shards_give_what_the_whole_batch_gives() {
        let shape = [7, 3, 37];
        let (x, weights) = (wave(shape, 0.3), wave(shape, 5.0));
        let whole = all(x.clone(), weights.clone(), |x, scale, bias| {
            let mean = x.clone().mean_dims(&[0, 2]);
            let centred = x.sub(mean);
            let variance = centred.clone().mul(centred.clone()).mean_dims(&[0, 2]);
            let standard = centred.div(variance.add_scalar(EPSILON).sqrt());
            standard.mul(scale.reshape([1, 3, 1])).add(bias.reshape([1, 3, 1]))
        });
        for cuts in [vec![0, 7], vec![0, 4, 7], vec![0, 1, 3, 6, 7]] {
            let barriers = Barrier::for_shards(cuts.len() - 1);
            let shards: Vec<[Vec<f32>; 4]> = std::thread::scope(|scope| {
                let work = |(barrier, cut): (Barrier, &[usize])| {
                    let (x, weights) = (x.clone(), weights.clone());
                    let (start, n) = (cut[0], cut[1] - cut[0]);
                    scope.spawn(move || {
                        let _guard = barrier.break_on_drop();
                        all(x.narrow(0, start, n), weights.narrow(0, start, n), |x, scale, bias| {
                            BatchNorm { barrier: barrier.clone(), epsilon: EPSILON }.apply(x, scale, bias).0
                        })
                    })
                };
                let threads: Vec<_> = barriers.into_iter().zip(cuts.windows(2)).map(work).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (what, whole) in whole.iter().enumerate() {
                // Outputs and gradients of images follow each other; those of weights are summed.
                let joined: Vec<f32> = match what {
                    0 | 1 => shards.iter().flat_map(|shard| shard[what].clone()).collect(),
                    _ => (0..3).map(|c| shards.iter().map(|shard| shard[what][c]).sum()).collect(),
                };
                assert_eq!(joined.len(), whole.len());
                let worst = joined.iter().zip(whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let largest = whole.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
                assert!(worst < 1e-6 * largest.max(10.0), "{what}: {worst} apart in {} shards", cuts.len() - 1);
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_batch() {
        let x = Tensor::<3>::from_data(TensorData::new(vec![1.0f32, 2.0, 3.0, 6.0], [2, 1, 2]), &Device::flex());
        let [scale, bias] =
            [1.0, 0.0].map(|value| Tensor::from_data(TensorData::new(vec![value], [1]), &Device::flex()));
        let layer = BatchNorm { barrier: Barrier::for_shards(1).remove(0), epsilon: 0.0 };
        let (output, moments) = layer.apply(x, scale, bias);
        assert_eq!(moments, Moments { count: 4.0, mean: vec![3.0], variance: vec![3.5] });
        let expected = [-2.0, -1.0, 0.0, 3.0].map(|value: f32| value / 3.5f32.sqrt());
        assert!(numbers(output).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
