//! The search: Adam on the coefficients, the slope from the model pulled back through movement, image and waves.

use super::canvas::{Canvas, total_variation};
use super::warp::Warp;
use ascan_core::{Error, ModelBackend, Result, Tensor, TensorView};
use ascan_images::unit::Normalise;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// Power of the cosine beside the scalar product.
const POWER: f64 = 2.0;
/// Weight of the total variation, in units of the objective's logarithm.
const SMOOTHNESS: f64 = 4.0;
const RATE: f32 = 0.08;
/// Adam's decays (Kingma & Ba 2015, arXiv 1412.6980).
const DECAYS: [f32; 2] = [0.9, 0.999];

/// What an image is made for.
pub(super) struct Goal<'a> {
    pub layer: &'a str,
    /// `[c_l]`, of length 1.
    pub direction: &'a [f64],
    pub n_steps: usize,
    pub seed: u64,
}

/// Makes an image, `[c, h, w]` in [0, 1]; and the cosine between its mean feature and the goal.
///
/// # Errors
/// What the backend reports, and what `progress` says.
pub(super) fn ascend(
    backend: &dyn ModelBackend,
    goal: &Goal,
    canvas: &Canvas,
    normalise: &Normalise,
    progress: &dyn Fn(usize) -> Result<()>,
) -> Result<(Vec<f32>, f64)> {
    let size = backend.info().input_shape;
    let [c, h, w] = size;
    let shape = [1, c, h, w];
    let ranges = ranges(normalise, c);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(goal.seed);
    let mut coefficients = canvas.begin(&mut rng);
    let mut adam = Adam::new(coefficients.len());
    for step in 0..goal.n_steps {
        progress(step)?;
        let image = canvas.image(&coefficients);
        let warp = Warp::random([h, w], &mut rng);
        let mut input = warp.apply(&image);
        normalise.apply(&mut input, size);
        let mut cotangent = |map: TensorView| slope_of_map(map, goal.direction);
        let pulled = backend.pullback(TensorView::new(&shape, &input)?, goal.layer, &mut cotangent)?;
        let mut slope = pulled.into_data();
        slope
            .chunks_exact_mut(h * w)
            .zip(&ranges)
            .for_each(|(plane, range)| plane.iter_mut().for_each(|v| *v *= range));
        let mut slope = warp.pull_back(&slope);
        let (_, rough) = total_variation(&image, size);
        slope.iter_mut().zip(rough).for_each(|(slope, rough)| *slope -= SMOOTHNESS as f32 * rough);
        adam.climb(&mut coefficients, &canvas.pull_back(&image, &slope));
    }
    let image = canvas.image(&coefficients);
    let mut input = image.clone();
    normalise.apply(&mut input, size);
    let forward = backend.forward(TensorView::new(&shape, &input)?, &[goal.layer])?;
    let map = forward.feature_map(goal.layer).ok_or_else(|| Error::shape("feature map", goal.layer, "none"))?;
    let feature = mean_of(map.view())?;
    Ok((image, dot(&feature, goal.direction) / dot(&feature, &feature).sqrt().max(f64::MIN_POSITIVE)))
}

/// How much the model's input rises in each channel from black to white.
fn ranges(normalise: &Normalise, c: usize) -> Vec<f32> {
    let (mut black, mut white) = (vec![0.0; c], vec![1.0; c]);
    normalise.apply(&mut black, [c, 1, 1]);
    normalise.apply(&mut white, [c, 1, 1]);
    white.iter().zip(black).map(|(white, black)| white - black).collect()
}

/// Mean over the places of one image's feature map, `[c_l]`.
fn mean_of(map: TensorView) -> Result<Vec<f64>> {
    let [_, c, h, w] = map.dims("feature map", "[1, c, h, w]")?;
    let area = (h * w) as f64;
    let channel = |k: usize| map.row(0)[k * h * w..(k + 1) * h * w].iter().map(|&v| f64::from(v)).sum::<f64>() / area;
    Ok((0..c).map(channel).collect())
}

/// `∂ log(dot · cosine^POWER) / ∂A`: the logarithm, so that its size does not depend on that of the features.
fn slope_of_map(map: TensorView, direction: &[f64]) -> Result<Tensor> {
    let feature = mean_of(map)?;
    if feature.len() != direction.len() {
        return Err(Error::shape("feature map", format!("{} channels", direction.len()), feature.len()));
    }
    let area = map.data().len() / feature.len();
    let slope = slope_of_feature(&feature, direction);
    let values = slope.iter().flat_map(|slope| std::iter::repeat_n((slope / area as f64) as f32, area)).collect();
    Tensor::new(map.shape(), values)
}

/// With `d = f · t` and `|t| = 1`: `log(d · (d/|f|)^p) = (1 + p) log d − p log |f|`.
fn slope_of_feature(feature: &[f64], direction: &[f64]) -> Vec<f64> {
    let squared = dot(feature, feature).max(1e-12);
    // Where the feature points away there is no logarithm: then towards the goal, whatever the angle.
    let along = dot(feature, direction).max(1e-2 * squared.sqrt());
    feature.iter().zip(direction).map(|(f, t)| (1.0 + POWER) / along * t - POWER / squared * f).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Mean and spread of the slopes of each coefficient.
struct Adam {
    means: Vec<f32>,
    squares: Vec<f32>,
    n_steps: i32,
}

impl Adam {
    fn new(n: usize) -> Self {
        Self { means: vec![0.0; n], squares: vec![0.0; n], n_steps: 0 }
    }

    fn climb(&mut self, values: &mut [f32], slope: &[f32]) {
        self.n_steps += 1;
        let [slow, slower] = DECAYS;
        let [of_mean, of_square] = DECAYS.map(|decay| 1.0 - decay.powi(self.n_steps));
        let state = self.means.iter_mut().zip(&mut self.squares);
        for ((value, (mean, square)), &slope) in values.iter_mut().zip(state).zip(slope) {
            *mean += (1.0 - slow) * (slope - *mean);
            *square += (1.0 - slower) * (slope * slope - *square);
            *value += RATE * (*mean / of_mean) / ((*square / of_square).sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_of_the_objective_are_its_differences() {
        let (feature, direction) = ([0.5, 2.0, 1.0], [0.6, 0.8, 0.0]);
        let value = |f: &[f64]| {
            let along = dot(f, &direction);
            (along * (along / dot(f, f).sqrt()).powf(POWER)).ln()
        };
        let slope = slope_of_feature(&feature, &direction);
        for k in 0..3 {
            let moved = |by: f64| {
                let mut f = feature;
                f[k] += by;
                value(&f)
            };
            assert!((slope[k] - (moved(1e-5) - moved(-1e-5)) / 2e-5).abs() < 1e-6, "{k}");
        }
        let away = slope_of_feature(&[-1.0, 0.0, 0.0], &[1.0, 0.0, 0.0]);
        assert!(away[0] > 100.0 && away.iter().all(|v| v.is_finite()), "{away:?}");
    }

    #[test]
    fn adam_climbs_a_parabola() {
        let (mut values, mut adam) = (vec![3.0f32, -2.0], Adam::new(2));
        for _ in 0..300 {
            let slope: Vec<f32> = values.iter().map(|v| -2.0 * v).collect();
            adam.climb(&mut values, &slope);
        }
        assert!(values.iter().all(|v| v.abs() < 0.05), "{values:?}");
    }
}
