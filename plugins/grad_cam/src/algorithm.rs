//! The mathematics: weights of channels, weighted sums.

use ascan_core::{Error, Result, Tensor, TensorView};

/// `Σ_k weight[class, k] / (h·w) · A_k` for a head that is linear in the spatial mean.
///
/// # Shapes
/// `feature_map` `[n, c, h, w]`, `weight` `[n_classes, c]`, returns `[n, h, w]`.
pub fn closed_form(feature_map: TensorView, weight: &Tensor, target_classes: &[usize]) -> Result<Tensor> {
    let [n, c, h, w] = feature_map.dims("feature map", "[n, c, h, w]")?;
    if n != target_classes.len() {
        return Err(Error::shape("feature map", format!("{} images", target_classes.len()), n));
    }
    if weight.view().row_len() != c || target_classes.iter().any(|&class| class >= weight.n_rows()) {
        return Err(Error::shape("weights of the linear head", format!("[n_classes, {c}]"), weight.shape()));
    }
    let area = (h * w) as f64;
    Ok(weighted_sums(feature_map, [n, h, w], |i, k| f64::from(weight.row(target_classes[i])[k]) / area))
}

/// `Σ_k mean_ij(∂logit/∂A_kij) · A_k`.
///
/// # Shapes
/// Both `[n, c, h, w]`, returns `[n, h, w]`.
pub fn from_gradients(feature_map: TensorView, gradients: TensorView) -> Result<Tensor> {
    let [n, c, h, w] = feature_map.dims("feature map", "[n, c, h, w]")?;
    if gradients.shape() != feature_map.shape() {
        return Err(Error::shape("gradients", format!("{:?}, as the feature map", [n, c, h, w]), gradients.shape()));
    }
    let area = h * w;
    Ok(weighted_sums(feature_map, [n, h, w], |i, k| {
        let gradient = &gradients.row(i)[k * area..(k + 1) * area];
        gradient.iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64
    }))
}

/// Sums in f64: a signed sum over a thousand channels loses digits in f32.
fn weighted_sums(feature_map: TensorView, shape: [usize; 3], weight: impl Fn(usize, usize) -> f64) -> Tensor {
    let [n, h, w] = shape;
    let mut maps = Tensor::zeros(shape);
    let mut sums = vec![0.0f64; h * w];
    for i in 0..n {
        sums.fill(0.0);
        for (k, channel) in feature_map.row(i).chunks_exact((h * w).max(1)).enumerate() {
            let weight = weight(i, k);
            sums.iter_mut().zip(channel).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        let map = &mut maps.data_mut()[i * h * w..(i + 1) * h * w];
        map.iter_mut().zip(&sums).for_each(|(value, &sum)| *value = sum as f32);
    }
    maps
}
