//! Baselines: the images at which paths start.

use crate::params::Baseline;
use ascan_core::{Error, Result, Tensor, TensorView};

/// The baseline of each image, `[n, c, h, w]`: `values` are for a given colour, `sigma` in pixels for a blur.
pub fn baselines(kind: Baseline, values: &[f32], sigma: f32, images: TensorView) -> Result<Tensor> {
    let [n, c, h, w] = images.dims("images", "[n, c, h, w]")?;
    let mut baselines = Tensor::zeros([n, c, h, w]);
    let area = (h * w).max(1);
    let channels = baselines.data_mut().chunks_exact_mut(area).zip(images.data().chunks_exact(area));
    match kind {
        Baseline::Zero => {}
        Baseline::Mean => channels.for_each(|(baseline, channel)| {
            let mean = channel.iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64;
            baseline.fill(mean as f32);
        }),
        Baseline::Blur => {
            let kernel = gaussian(f64::from(sigma));
            channels.for_each(|(baseline, channel)| blur_channel(channel, w, &kernel, baseline));
        }
        Baseline::Given => {
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

/// Images blurred with this standard deviation in pixels.
pub fn blurred(sigma: f64, images: TensorView) -> Result<Tensor> {
    let [_, _, h, w] = images.dims("images", "[n, c, h, w]")?;
    let mut blurred = images.to_tensor();
    if sigma > 0.0 {
        let kernel = gaussian(sigma);
        let area = (h * w).max(1);
        let channels = blurred.data_mut().chunks_exact_mut(area).zip(images.data().chunks_exact(area));
        channels.for_each(|(blurred, channel)| blur_channel(channel, w, &kernel, blurred));
    }
    Ok(blurred)
}

/// Weights of offsets −r to r, r = 3σ, with a sum of 1.
fn gaussian(sigma: f64) -> Vec<f64> {
    let radius = (3.0 * sigma).ceil() as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Blurs along rows, then along columns; pixels beyond the edge repeat the edge.
fn blur_channel(channel: &[f32], w: usize, kernel: &[f64], blurred: &mut [f32]) {
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

    fn of(kind: Baseline, images: &Tensor) -> Result<Tensor> {
        baselines(kind, &[7.0, -1.0], 1.0, images.view())
    }

    #[test]
    fn each_baseline_is_what_its_name_says() {
        let images = Tensor::new([1, 2, 1, 2], vec![1.0, 3.0, 5.0, 5.0]).unwrap();
        let of = |kind| of(kind, &images).unwrap().into_data();
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
        let blurred = of(Baseline::Blur, &image).unwrap();
        let kernel = gaussian(1.0);
        assert_eq!(kernel.len(), 7);
        assert!((f64::from(blurred.data()[12]) - kernel[3] * kernel[3]).abs() < 1e-7);
        assert!((f64::from(blurred.data()[6]) - kernel[2] * kernel[2]).abs() < 1e-7);
    }

    #[test]
    fn a_colour_needs_a_value_a_channel() {
        let error = of(Baseline::Given, &Tensor::zeros([1, 3, 2, 2])).unwrap_err();
        assert_eq!(error.key(), Some("baseline_values"));
    }
}
