//! What the methods look at: the feature map of one layer, and the gradient of the target logit with respect to it.

use crate::maps::finish;
use ascan_core::{
    Attribution, AttributionBatch, Context, Error, ModelBackend, ModelInfo, Requirements, Result, Tensor,
};
use std::borrow::Cow;

/// The gradient of one channel, `[h·w]`.
#[derive(Clone, Copy)]
pub enum Slope<'a> {
    /// The same at every place: a linear head behind a pool.
    Constant(f64),
    /// One value per place.
    Map(&'a [f32]),
}

impl Slope<'_> {
    /// The value at a place.
    pub fn at(self, place: usize) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Map(values) => f64::from(values[place]),
        }
    }

    /// The mean over the places.
    pub fn mean(self, area: usize) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Map(values) => values.iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64,
        }
    }
}

enum Gradients<'a> {
    /// The method does not use them.
    Unused,
    /// `weight[class, k] / (h·w)`.
    Linear {
        weight: &'a Tensor,
        target_classes: &'a [usize],
    },
    Full(Cow<'a, Tensor>),
}

/// The feature map `[n, c, h, w]` of a layer and its gradients.
pub struct Evidence<'a> {
    map: &'a Tensor,
    gradients: Gradients<'a>,
    /// `[n, c, h, w]`.
    pub shape: [usize; 4],
}

impl<'a> Evidence<'a> {
    /// The evidence of a batch at a layer, from the closed form if the head is linear there.
    pub fn of(
        backend: &'a dyn ModelBackend,
        batch: &AttributionBatch<'a>,
        layer: &str,
        needs_gradient: bool,
    ) -> Result<Self> {
        let map = batch.feature_map(layer)?;
        let shape = map.view().dims::<4>("feature map", "[n, c, h, w]")?;
        let [n, c, ..] = shape;
        if n != batch.images.n_rows() {
            return Err(Error::shape("feature map", format!("{} images", batch.images.n_rows()), map.shape()));
        }
        let gradients = match backend.info().linear_head_of(layer) {
            _ if !needs_gradient => Gradients::Unused,
            Some(head) if head.weight.view().row_len() != c => {
                return Err(Error::shape("linear head", format!("[n_classes, {c}]"), head.weight.shape()));
            }
            Some(head) => Gradients::Linear { weight: &head.weight, target_classes: batch.target_classes },
            None => Gradients::Full(batch.gradient(backend, layer)?),
        };
        if let Gradients::Full(gradient) = &gradients
            && gradient.shape() != map.shape()
        {
            let expected = format!("{:?}, as the feature map", map.shape());
            return Err(Error::shape("gradients", expected, gradient.shape()));
        }
        Ok(Self { map, gradients, shape })
    }

    /// Activations and gradient of channel `k` of image `i`.
    pub fn channel(&self, i: usize, k: usize) -> (&[f32], Slope<'_>) {
        let [_, _, h, w] = self.shape;
        let area = h * w;
        let places = k * area..(k + 1) * area;
        let slope = match &self.gradients {
            Gradients::Linear { weight, target_classes } => {
                Slope::Constant(f64::from(weight.row(target_classes[i])[k]) / area as f64)
            }
            Gradients::Unused => Slope::Constant(0.0),
            Gradients::Full(gradient) => Slope::Map(&gradient.row(i)[places.clone()]),
        };
        (&self.map.row(i)[places], slope)
    }

    /// Maps `Σ_k A_k · weight(A_k, g_k)`.
    pub fn weighted(&self, weight: impl Fn(&[f32], Slope) -> f64) -> Tensor {
        self.sum(|activations, slope, sums| {
            let weight = weight(activations, slope);
            sums.iter_mut().zip(activations).for_each(|(sum, &a)| *sum += weight * f64::from(a));
        })
    }

    /// Maps `Σ_k term(A_kij, g_kij)`.
    pub fn pointwise(&self, term: impl Fn(f64, f64) -> f64) -> Tensor {
        self.sum(|activations, slope, sums| {
            let places = sums.iter_mut().zip(activations).enumerate();
            places.for_each(|(place, (sum, &a))| *sum += term(f64::from(a), slope.at(place)));
        })
    }

    /// Sums over channels in f64: a signed sum over a thousand of them loses digits in f32.
    fn sum(&self, add: impl Fn(&[f32], Slope, &mut [f64])) -> Tensor {
        let [n, c, h, w] = self.shape;
        let mut maps = Tensor::zeros([n, h, w]);
        let mut sums = vec![0.0; h * w];
        for i in 0..n {
            sums.fill(0.0);
            for k in 0..c {
                let (activations, slope) = self.channel(i, k);
                add(activations, slope, &mut sums);
            }
            let map = &mut maps.data_mut()[i * h * w..(i + 1) * h * w];
            map.iter_mut().zip(&sums).for_each(|(value, &sum)| *value = sum as f32);
        }
        maps
    }
}

/// What a method at a layer requires: the feature map of the layer, and its gradient unless the head is linear there.
pub fn requirements(info: &ModelInfo, layer: &str, what: &str, needs_gradient: bool) -> Result<Requirements> {
    let layer = info.layer(layer)?;
    let [_, h, w] = layer.shape;
    let closed_form = info.linear_head_of(&layer.name).is_some();
    let how = match (needs_gradient, closed_form) {
        (false, _) => "",
        (true, true) => ", closed form",
        (true, false) => ", through gradients",
    };
    let gradients_of = if needs_gradient && !closed_form { vec![layer.name.clone()] } else { Vec::new() };
    Ok(Requirements {
        layers: vec![layer.name.clone()],
        gradients: !gradients_of.is_empty(),
        gradients_of,
        map_size: [h, w],
        method: format!("{what} at `{}`{how}", layer.name),
        ..Requirements::default()
    })
}

/// Checks the batch, makes the maps at the layer, clips and checks them.
pub fn explain(
    name: &str,
    layer: &str,
    needs_gradient: bool,
    relu: bool,
    (backend, batch, context): (&dyn ModelBackend, &AttributionBatch, &Context),
    maps: impl FnOnce(&Evidence) -> Tensor,
) -> Result<Attribution> {
    let info = backend.info();
    let n = batch.check(info)?;
    let layer = &info.layer(layer)?.name;
    context.progress(name, 0, n)?;
    finish(name, maps(&Evidence::of(backend, batch, layer, needs_gradient)?), relu)
}
