//! From `[n, c, h, w]` to maps, and what every method does first and last.

use ascan_core::{Attribution, Error, ModelInfo, Requirements, Result, Tensor, TensorView};

/// What a method at the pixels needs.
pub fn requirements(info: &ModelInfo, method: String) -> Requirements {
    let [_, h, w] = info.input_shape;
    Requirements { gradients: true, map_size: [h, w], method, ..Requirements::default() }
}

/// Sums over channels in f64 of `term(index)`, with indices into `[n, c, h, w]`.
pub fn sum_channels(shape: TensorView, term: impl Fn(usize) -> f64) -> Result<Tensor> {
    fold_channels(shape, |sum, value| sum + value, term)
}

/// Maxima over channels of `term(index) ≥ 0`.
pub fn max_channels(shape: TensorView, term: impl Fn(usize) -> f64) -> Result<Tensor> {
    // A NaN must stay one: `max` would hide it.
    fold_channels(shape, |max, value| if value > max || value.is_nan() { value } else { max }, term)
}

fn fold_channels(shape: TensorView, fold: impl Fn(f64, f64) -> f64, term: impl Fn(usize) -> f64) -> Result<Tensor> {
    let [n, c, h, w] = shape.dims("images", "[n, c, h, w]")?;
    let area = h * w;
    let value = |place: usize| {
        let first = place / area * c * area + place % area;
        (0..c).fold(0.0, |folded, k| fold(folded, term(first + k * area))) as f32
    };
    Tensor::new([n, h, w], (0..n * area).map(value).collect())
}

/// The result, unless a value is NaN or infinite.
pub fn finish(name: &str, maps: Tensor, convergence_delta: Option<Vec<f32>>) -> Result<Attribution> {
    match maps.view().is_finite() {
        true => Ok(Attribution { maps, convergence_delta }),
        false => Err(Error::NotFinite { what: format!("a map of {name}") }),
    }
}

/// `Σ map − expected` for each image.
pub fn deltas(maps: &Tensor, expected: impl Fn(usize) -> f64) -> Vec<f32> {
    let sum = |i: usize| maps.row(i).iter().map(|&v| f64::from(v)).sum::<f64>();
    (0..maps.n_rows()).map(|i| (sum(i) - expected(i)) as f32).collect()
}
