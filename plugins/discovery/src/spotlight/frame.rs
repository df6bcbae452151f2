//! The space in which a spotlight is sought: embeddings, centred and scaled.

use super::params::Normalise;
use ascan_core::{Error, Result, TensorView};

/// From an embedding to the place where kernels are evaluated.
pub struct Frame {
    normalise: Normalise,
    /// `[d]`
    mean: Vec<f32>,
    scale: f32,
    /// Log-precision of the kernel from which each search starts; its centre is the origin.
    pub start: f64,
}

impl Frame {
    /// The frame of a table.
    ///
    /// # Errors
    /// `NotFinite` for values that are too large to square.
    pub fn new(embeddings: TensorView, normalise: Normalise) -> Result<Self> {
        let (n, d) = (embeddings.n_rows(), embeddings.row_len());
        // Published: log(1e-4), in a space that is left as it is.
        let mut frame = Self { normalise, mean: vec![0.0; d], scale: 1.0, start: 1e-4f64.ln() };
        if normalise == Normalise::None {
            return Ok(frame);
        }
        let (mut sums, mut squares, mut row) = (vec![0.0f64; d], 0.0f64, vec![0.0; d]);
        for i in 0..n {
            frame.place(embeddings.row(i), &mut row);
            for (sum, &value) in sums.iter_mut().zip(&row) {
                *sum += f64::from(value);
                squares += f64::from(value).powi(2);
            }
        }
        let mean: Vec<f64> = sums.into_iter().map(|sum| sum / n as f64).collect();
        let variance = (squares / n as f64 - mean.iter().map(|m| m * m).sum::<f64>()) / d.max(1) as f64;
        frame.mean = mean.into_iter().map(|m| m as f32).collect();
        // Equal embeddings have no scale; what rounding leaves of their variance is none.
        let spread = variance.max(0.0) > 1e-10 * squares / (n * d.max(1)) as f64;
        frame.scale = if spread { (1.0 / variance.sqrt()) as f32 } else { 1.0 };
        if !squares.is_finite() || !frame.scale.is_finite() {
            return Err(Error::NotFinite { what: "embeddings, squared (the values are too large)".into() });
        }
        // A distance of a standard deviation in every dimension weighs e^−½.
        frame.start = (1.0 / d.max(1) as f64).ln();
        Ok(frame)
    }

    /// Number of dimensions.
    pub fn d(&self) -> usize {
        self.mean.len()
    }

    /// Writes the place of an embedding `[d]`.
    pub fn place(&self, embedding: &[f32], place: &mut [f32]) {
        let length = match self.normalise {
            Normalise::L2 => embedding.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt(),
            Normalise::None | Normalise::Scale => 1.0,
        };
        let factor = if length > 0.0 { (1.0 / length) as f32 } else { 1.0 };
        for ((place, value), mean) in place.iter_mut().zip(embedding).zip(&self.mean) {
            *place = (value * factor - mean) * self.scale;
        }
    }
}
