//! Steps that several methods share.

use ascan_core::{Attribution, Error, Result, Tensor};

/// Clips maps at zero if the method does, and refuses NaN and infinity.
pub fn finish(name: &str, mut maps: Tensor, relu: bool) -> Result<Attribution> {
    if !maps.view().is_finite() {
        return Err(Error::NotFinite { what: format!("a map of {name}") });
    }
    if relu {
        maps.data_mut().iter_mut().for_each(|value| *value = value.max(0.0));
    }
    Ok(Attribution { maps, convergence_delta: None })
}

/// `Σ_k weights[i][k] · A_k` of feature maps `[n, c, h, w]`.
pub fn weighted_sum(feature_map: &Tensor, weights: &[Vec<f64>]) -> Result<Tensor> {
    let [n, _, h, w] = feature_map.view().dims("feature map", "[n, c, h, w]")?;
    let mut maps = Tensor::zeros([n, h, w]);
    for (i, weights) in weights.iter().enumerate() {
        let mut sums = vec![0.0f64; h * w];
        for (channel, weight) in feature_map.row(i).chunks_exact((h * w).max(1)).zip(weights) {
            sums.iter_mut().zip(channel).for_each(|(sum, &a)| *sum += weight * f64::from(a));
        }
        let map = &mut maps.data_mut()[i * h * w..(i + 1) * h * w];
        map.iter_mut().zip(&sums).for_each(|(value, &sum)| *value = sum as f32);
    }
    Ok(maps)
}
