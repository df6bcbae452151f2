//! A network small enough to differentiate by hand: convolution → ReLU → global average pool → head.

mod relevance;
mod trainer;

use crate::backend::{Cotangent, check_forward, check_forward_from, check_gradients};
use crate::testing::toy_data::ToyRng;
use crate::{
    Capabilities, Error, Forward, Gradients, LayerInfo, LinearHead, ModelBackend, ModelInfo, OutputKind, RelevanceRule,
    Result, Tensor, TensorView, Trainer, TrainerOptions,
};
use std::collections::BTreeMap;
use trainer::ToyTrainer;

const C: usize = 3;
const H: usize = 8;
const W: usize = 6;
/// Channels of the feature map.
const K: usize = 4;
/// Feature map: the convolution has a 3 × 3 kernel, stride 2, padding 1.
const HF: usize = 4;
const WF: usize = 3;
/// Hidden units of the non-linear head.
const M: usize = 5;
const N_CLASSES: usize = 3;

/// What follows the pooled features of a [`ToyBackend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToyHead {
    /// A linear layer, declared as [`ModelInfo::linear_head`].
    Linear,
    /// The same linear layer, not declared: explanations have to go through gradients.
    UndeclaredLinear,
    /// Linear → tanh → linear.
    Hidden,
}

/// Weights of the toy network, in f64 so that its gradients are exact to f32.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToyNet {
    /// `[K, C, 3, 3]`.
    pub conv: Vec<f64>,
    /// `[M, K]`, with a non-linear head.
    pub hidden: Option<Vec<f64>>,
    /// `[N_CLASSES, K]`, or `[N_CLASSES, M]` after a hidden layer.
    pub head: Vec<f64>,
    /// `[N_CLASSES]`.
    pub bias: Vec<f64>,
}

/// Everything computed for one image.
pub(super) struct Trace {
    pub image: Vec<f64>,
    pub conv: Vec<f64>,
    pub features: Vec<f64>,
    pub pooled: Vec<f64>,
    /// Input of the last layer: tanh units, or the pooled features.
    pub last: Vec<f64>,
    pub logits: Vec<f64>,
}

/// Gradients for one image.
pub(super) struct TraceGradients {
    image: Vec<f64>,
    conv: Vec<f64>,
    features: Vec<f64>,
    /// Shaped like the network's weights.
    pub weights: ToyNet,
}

impl ToyNet {
    fn new(head: ToyHead, seed: u64) -> Self {
        let mut rng = ToyRng::new(seed);
        let mut weights = |n: usize, scale: f64| (0..n).map(|_| f64::from(rng.normal()) * scale).collect::<Vec<f64>>();
        let hidden = head == ToyHead::Hidden;
        Self {
            conv: weights(K * C * 9, 0.4),
            hidden: hidden.then(|| weights(M * K, 1.0)),
            head: weights(N_CLASSES * if hidden { M } else { K }, 1.0),
            bias: weights(N_CLASSES, 0.1),
        }
    }

    fn zeros_like(&self) -> Self {
        Self {
            conv: vec![0.0; self.conv.len()],
            hidden: self.hidden.as_ref().map(|hidden| vec![0.0; hidden.len()]),
            head: vec![0.0; self.head.len()],
            bias: vec![0.0; self.bias.len()],
        }
    }

    /// The weights by name, in a fixed order, with their shapes.
    pub fn named(&self) -> Vec<(&'static str, Vec<usize>, &Vec<f64>)> {
        let n_last = if self.hidden.is_some() { M } else { K };
        let mut named = vec![("conv.weight", vec![K, C, 3, 3], &self.conv)];
        named.extend(self.hidden.as_ref().map(|hidden| ("hidden.weight", vec![M, K], hidden)));
        named.push(("head.weight", vec![N_CLASSES, n_last], &self.head));
        named.push(("head.bias", vec![N_CLASSES], &self.bias));
        named
    }

    pub fn named_mut(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        let mut named = vec![("conv.weight", &mut self.conv)];
        named.extend(self.hidden.as_mut().map(|hidden| ("hidden.weight", hidden)));
        named.push(("head.weight", &mut self.head));
        named.push(("head.bias", &mut self.bias));
        named
    }

    pub fn forward(&self, image: &[f32]) -> Trace {
        let image: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
        let mut conv = vec![0.0; K * HF * WF];
        for_each_tap(|out, weight, pixel| conv[out] += self.conv[weight] * image[pixel]);
        // A NaN must stay one: `max` would hide it.
        let features: Vec<f64> = conv.iter().map(|&v| if v < 0.0 { 0.0 } else { v }).collect();
        let (pooled, last, logits) = self.head(&features);
        Trace { image, conv, features, pooled, last, logits }
    }

    /// Pooled features, input of the last layer, logits.
    fn head(&self, features: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let pooled: Vec<f64> = features.chunks(HF * WF).map(|map| map.iter().sum::<f64>() / (HF * WF) as f64).collect();
        let last = match &self.hidden {
            Some(hidden) => product(hidden, &pooled).into_iter().map(f64::tanh).collect(),
            None => pooled.clone(),
        };
        let logits = product(&self.head, &last).iter().zip(&self.bias).map(|(a, b)| a + b).collect();
        (pooled, last, logits)
    }

    /// Gradients of `Σ d_logits · logits`.
    pub fn backward(&self, trace: &Trace, d_logits: &[f64]) -> TraceGradients {
        let mut weights = self.zeros_like();
        weights.bias = d_logits.to_vec();
        weights.head = outer(d_logits, &trace.last);
        let d_last = transposed_product(&self.head, d_logits, trace.last.len());
        let d_pooled = match &self.hidden {
            Some(hidden) => {
                let d_sums: Vec<f64> = d_last.iter().zip(&trace.last).map(|(d, t)| d * (1.0 - t * t)).collect();
                weights.hidden = Some(outer(&d_sums, &trace.pooled));
                transposed_product(hidden, &d_sums, K)
            }
            None => d_last,
        };
        let features: Vec<f64> = (0..K * HF * WF).map(|i| d_pooled[i / (HF * WF)] / (HF * WF) as f64).collect();
        let conv: Vec<f64> = features.iter().zip(&trace.conv).map(|(d, &v)| if v > 0.0 { *d } else { 0.0 }).collect();
        let mut image = vec![0.0; C * H * W];
        for_each_tap(|out, weight, pixel| {
            image[pixel] += self.conv[weight] * conv[out];
            weights.conv[weight] += trace.image[pixel] * conv[out];
        });
        TraceGradients { image, conv, features, weights }
    }
}

/// Calls back with the index of (output, weight, input) of every product of the convolution.
pub(super) fn for_each_tap(mut tap: impl FnMut(usize, usize, usize)) {
    for k in 0..K {
        for (i, j) in (0..HF).flat_map(|i| (0..WF).map(move |j| (i, j))) {
            for c in 0..C {
                for (u, v) in (0..3).flat_map(|u| (0..3).map(move |v| (u, v))) {
                    let (y, x) = (2 * i + u, 2 * j + v);
                    // One pixel of padding on every side.
                    if (1..=H).contains(&y) && (1..=W).contains(&x) {
                        tap((k * HF + i) * WF + j, ((k * C + c) * 3 + u) * 3 + v, (c * H + y - 1) * W + x - 1);
                    }
                }
            }
        }
    }
}

fn product(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks(vector.len()).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

pub(super) fn transposed_product(matrix: &[f64], vector: &[f64], n_columns: usize) -> Vec<f64> {
    (0..n_columns).map(|j| vector.iter().enumerate().map(|(i, v)| matrix[i * n_columns + j] * v).sum()).collect()
}

fn outer(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
}

/// A tiny convolutional classifier in plain Rust, with exact gradients and a trainer.
///
/// Images are `[3, 8, 6]`; layers are `conv` (before the ReLU) and `features` (after), both
/// `[4, 4, 3]`; there are three classes.
#[derive(Debug, Clone)]
pub struct ToyBackend {
    info: ModelInfo,
    net: ToyNet,
}

impl ToyBackend {
    /// A network with seeded weights.
    pub fn new(head: ToyHead, seed: u64) -> Self {
        let net = ToyNet::new(head, seed);
        let layer =
            |name: &str, operator: &str| LayerInfo { name: name.into(), operator: operator.into(), shape: [K, HF, WF] };
        let info = ModelInfo {
            engine: "toy".into(),
            input: "image".into(),
            input_shape: [C, H, W],
            logits: "logits".into(),
            output: OutputKind::Logits,
            n_classes: N_CLASSES,
            layers: vec![layer("conv", "Conv"), layer("features", "Relu")],
            attentions: Vec::new(),
            biases: BTreeMap::new(),
            default_layer: Some("features".into()),
            linear_head: (head == ToyHead::Linear)
                .then(|| LinearHead { layer: "features".into(), weight: tensor(vec![N_CLASSES, K], &net.head) }),
            capabilities: Capabilities { gradients: true, training: true, relevance: true },
            no_gradients: None,
            preferred_batch: 4,
        };
        Self { info, net }
    }
}

impl ModelBackend for ToyBackend {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let n = check_forward(&self.info, images, layers)?;
        let traces: Vec<Trace> = (0..n).map(|i| self.net.forward(images.row(i))).collect();
        let mut feature_maps = Vec::new();
        for &layer in layers {
            let name = self.info.layer(layer)?.name.clone();
            let values: Vec<f64> = traces.iter().flat_map(|trace| trace.layer(&name)).copied().collect();
            feature_maps.push((name, tensor(vec![n, K, HF, WF], &values)));
        }
        Ok(Forward { logits: logits(&traces), feature_maps })
    }

    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        let n = check_gradients(&self.info, images, target_classes, with_respect_to)?;
        let traces: Vec<Trace> = (0..n).map(|i| self.net.forward(images.row(i))).collect();
        let all: Vec<TraceGradients> = traces
            .iter()
            .zip(target_classes)
            .map(|(trace, &class)| {
                let one_hot: Vec<f64> = (0..N_CLASSES).map(|c| f64::from(u8::from(c == class))).collect();
                self.net.backward(trace, &one_hot)
            })
            .collect();
        let (mut gradients, mut values) = (Vec::new(), Vec::new());
        for &name in with_respect_to {
            if name == self.info.input {
                let gradient: Vec<f64> = all.iter().flat_map(|g| &g.image).copied().collect();
                gradients.push(tensor(vec![n, C, H, W], &gradient));
                values.push(images.to_tensor());
            } else {
                let layer = self.info.layer(name)?.name.clone();
                let gradient: Vec<f64> =
                    all.iter().flat_map(|g| if layer == "conv" { &g.conv } else { &g.features }).copied().collect();
                gradients.push(tensor(vec![n, K, HF, WF], &gradient));
                let value: Vec<f64> = traces.iter().flat_map(|trace| trace.layer(&layer)).copied().collect();
                values.push(tensor(vec![n, K, HF, WF], &value));
            }
        }
        Ok(Gradients { logits: logits(&traces), gradients, values })
    }

    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        let forward = self.forward(images, &[layer])?;
        let map = &forward.feature_maps[0].1;
        let gradient = cotangent(map.view())?;
        if gradient.shape() != map.shape() {
            return Err(Error::shape("cotangent", format!("{:?}", map.shape()), gradient.shape()));
        }
        let before_relu = self.info.layer(layer)?.name == "conv";
        let mut pulled = Vec::new();
        for i in 0..images.n_rows() {
            let mut image = vec![0.0; C * H * W];
            let trace = self.net.forward(images.row(i));
            for_each_tap(|out, weight, pixel| {
                if before_relu || trace.conv[out] > 0.0 {
                    image[pixel] += self.net.conv[weight] * f64::from(gradient.row(i)[out]);
                }
            });
            pulled.extend(image);
        }
        Ok(tensor(images.shape().to_vec(), &pulled))
    }

    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        check_forward_from(&self.info, images, layer, feature_maps, image_of)?;
        let before_relu = self.info.layer(layer)?.name == "conv";
        let mut logits = Vec::new();
        for i in 0..feature_maps.n_rows() {
            let value = |&v: &f32| if before_relu && v < 0.0 { 0.0 } else { f64::from(v) };
            let features: Vec<f64> = feature_maps.row(i).iter().map(value).collect();
            logits.extend(self.net.head(&features).2);
        }
        Ok(tensor(vec![feature_maps.n_rows(), N_CLASSES], &logits))
    }

    fn relevance(&self, images: TensorView, target_classes: &[usize], rule: &RelevanceRule) -> Result<Tensor> {
        let n = check_gradients(&self.info, images, target_classes, &[])?;
        if let RelevanceRule::DeepLift { baselines } = rule {
            check_forward(&self.info, *baselines, &[])?;
            if baselines.shape() != images.shape() {
                return Err(Error::shape("baselines", format!("{:?}", images.shape()), baselines.shape()));
            }
        }
        let relevance = |i: usize| relevance::relevance(&self.net, images.row(i), i, target_classes[i], rule);
        let values: Vec<f64> = (0..n).flat_map(relevance).collect();
        Ok(tensor(images.shape().to_vec(), &values))
    }

    fn trainer(&self, options: &TrainerOptions) -> Result<Box<dyn Trainer>> {
        Ok(Box::new(ToyTrainer::new(self.net.clone(), options)?))
    }
}

impl Trace {
    fn layer(&self, name: &str) -> &Vec<f64> {
        if name == "conv" { &self.conv } else { &self.features }
    }
}

pub(super) fn logits(traces: &[Trace]) -> Tensor {
    let values: Vec<f64> = traces.iter().flat_map(|trace| &trace.logits).copied().collect();
    tensor(vec![traces.len(), N_CLASSES], &values)
}

pub(super) fn tensor(shape: Vec<usize>, values: &[f64]) -> Tensor {
    let values = values.iter().map(|&v| v as f32).collect();
    Tensor::new(shape, values).expect("as many values as the shape says")
}

/// Checks images and labels of a training step.
pub(super) fn check_step(images: TensorView, labels: &[usize], weights: &[f32]) -> Result<usize> {
    let [n, rest @ ..] = images.dims::<4>("images", "[n, c, h, w]")?;
    if rest != [C, H, W] || labels.len() != n || weights.len() != n {
        return Err(Error::shape("training step", format!("{n} images [{C}, {H}, {W}], labels and weights"), rest));
    }
    match labels.iter().find(|&&label| label >= N_CLASSES) {
        Some(label) => Err(Error::param("label", format!("class {label} does not exist"), "use 0 to 2")),
        None => Ok(n),
    }
}
