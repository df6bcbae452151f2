//! Where the path starts.

use crate::params::{Baseline, IntegratedGradientsParams};
use ascan_core::{Error, Result, Tensor, TensorView};

/// The baseline of each image, `[n, c, h, w]`.
pub fn baselines(params: &IntegratedGradientsParams, images: TensorView) -> Result<Tensor> {
    let [n, c, h, w] = images.dims("images", "[n, c, h, w]")?;
    let mut baselines = Tensor::zeros([n, c, h, w]);
    let area = (h * w).max(1);
    let channels = baselines.data_mut().chunks_exact_mut(area).zip(images.data().chunks_exact(area));
    match params.baseline {
        Baseline::Zero => {}
        Baseline::Mean => channels.for_each(|(baseline, channel)| {
            let mean = channel.iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64;
            baseline.fill(mean as f32);
        }),
        Baseline::Blur => {
            let kernel = gaussian(f64::from(params.blur_sigma_px));
            channels.for_each(|(baseline, channel)| blur(channel, w, &kernel, baseline));
        }
        Baseline::Given => {
            let values = &params.baseline_values;
            if values.len() != c {
                return Err(Error::param(
                    "baseline_values",
                    format!("has {} values, and the model takes images of {c} channels", values.len()),
                    format!("give {c} values, in normalised units"),
                ));
            }
            channels.enumerate().for_each(|(i, (baseline, _))| baseline.fill(values[i % c]));
        }
    }
    Ok(baselines)
}

/// Weights of offsets −r to r, r = 3σ, with a sum of 1.
fn gaussian(sigma: f64) -> Vec<f64> {
    let radius = (3.0 * sigma).ceil() as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Blurs along rows, then along columns; pixels beyond the edge repeat the edge.
fn blur(channel: &[f32], w: usize, kernel: &[f64], blurred: &mut [f32]) {
    let h = channel.len() / w;
    let radius = kernel.len() / 2;
    let clamp = |at: usize, offset: usize, len: usize| (at + offset).saturating_sub(radius).min(len - 1);
    let mut rows = vec![0.0f64; channel.len()];
    for (i, value) in rows.iter_mut().enumerate() {
        let (y, x) = (i / w, i % w);
        *value = kernel.iter().enumerate().map(|(o, k)| k * f64::from(channel[y * w + clamp(x, o, w)])).sum();
    }
    for (i, value) in blurred.iter_mut().enumerate() {
        let (y, x) = (i / w, i % w);
        *value = kernel.iter().enumerate().map(|(o, k)| k * rows[clamp(y, o, h) * w + x]).sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(baseline: Baseline) -> IntegratedGradientsParams {
        IntegratedGradientsParams {
            baseline,
            baseline_values: vec![7.0, -1.0],
            blur_sigma_px: 1.0,
            ..Default::default()
        }
    }

    #[test]
    fn each_baseline_is_what_its_name_says() {
        let images = Tensor::new([1, 2, 1, 2], vec![1.0, 3.0, 5.0, 5.0]).unwrap();
        let of = |baseline| baselines(&params(baseline), images.view()).unwrap().into_data();
        assert_eq!(of(Baseline::Zero), [0.0; 4]);
        assert_eq!(of(Baseline::Mean), [2.0, 2.0, 5.0, 5.0]);
        assert_eq!(of(Baseline::Given), [7.0, 7.0, -1.0, -1.0]);
        let blurred = of(Baseline::Blur);
        assert!(1.0 < blurred[0] && blurred[0] < blurred[1] && blurred[1] < 3.0, "{blurred:?}");
        assert!((blurred[2] - 5.0).abs() < 1e-6 && (blurred[3] - 5.0).abs() < 1e-6);
    }

    /// Normalised weights of offsets −3 to 3, outer product.
    #[test]
    fn the_blur_of_a_point_is_the_gaussian() {
        let mut image = Tensor::zeros([1, 1, 5, 5]);
        image.data_mut()[12] = 1.0;
        let blurred = baselines(&params(Baseline::Blur), image.view()).unwrap();
        let kernel = gaussian(1.0);
        assert_eq!(kernel.len(), 7);
        assert!((f64::from(blurred.data()[12]) - kernel[3] * kernel[3]).abs() < 1e-7);
        assert!((f64::from(blurred.data()[6]) - kernel[2] * kernel[2]).abs() < 1e-7);
    }

    #[test]
    fn a_colour_needs_a_value_a_channel() {
        let error = baselines(&params(Baseline::Given), Tensor::zeros([1, 3, 2, 2]).view()).unwrap_err();
        assert_eq!(error.key(), Some("baseline_values"));
    }
}
