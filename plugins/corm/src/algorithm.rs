//! Noise in a region, drawn anew for each image and step.

use crate::params::Mode;
use ascan_core::Tensor;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Mean of noise that takes the place of a picture: the middle of its range.
const GREY: f32 = 0.5;

/// Noise of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    pub mode: Mode,
    pub sigma: f32,
    pub seed: u64,
    pub n_threads: usize,
}

impl Noise {
    /// `clamp(x + m ⊙ ε, 0, 1)` or `clamp((1 − m) ⊙ x + m ⊙ (½ + ε), 0, 1)`, `ε ~ N(0, σ²)` for each value.
    ///
    /// An image has a generator of its own: the result does not depend on the number of threads.
    ///
    /// # Shapes
    /// `images`: `[n, c, h, w]`; `region`: `[n, h, w]`; returns `[n, c, h, w]`
    pub fn apply(self, mut images: Tensor, region: &Tensor) -> Tensor {
        let len = images.view().row_len();
        let n = images.n_rows();
        if n * len == 0 {
            return images;
        }
        let per_thread = n.div_ceil(self.n_threads.max(1));
        std::thread::scope(|scope| {
            for (part, rows) in images.data_mut().chunks_mut(per_thread * len).enumerate() {
                scope.spawn(move || {
                    for (i, image) in rows.chunks_exact_mut(len).enumerate() {
                        let row = part * per_thread + i;
                        self.disturb(image, region.row(row), row as u64);
                    }
                });
            }
        });
        images
    }

    fn disturb(self, image: &mut [f32], region: &[f32], row: u64) {
        let mut normal = Normal::new(self.seed ^ row.wrapping_mul(0xD134_2543_DE82_EF95));
        for plane in image.chunks_exact_mut(region.len()) {
            for (value, &m) in plane.iter_mut().zip(region) {
                let noise = self.sigma * normal.next();
                let disturbed = match self.mode {
                    Mode::Add => *value + m * noise,
                    Mode::Replace => (1.0 - m) * *value + m * (GREY + noise),
                };
                *value = disturbed.clamp(0.0, 1.0);
            }
        }
    }
}

/// Standard normal numbers, two at a time (Box & Muller 1958).
struct Normal {
    rng: Xoshiro256PlusPlus,
    spare: Option<f32>,
}

impl Normal {
    fn new(seed: u64) -> Self {
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), spare: None }
    }

    fn next(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (a, b): (f32, f32) = (self.rng.random(), self.rng.random());
        let radius = (-2.0 * (1.0 - a).ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * b).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}
