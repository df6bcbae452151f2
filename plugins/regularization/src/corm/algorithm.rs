//! What a region shows instead of the picture, drawn anew for each image and step.

use super::params::Mode;
use ascan_core::{Tensor, TensorView};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Mean of noise that takes the place of a picture: the middle of its range.
const GREY: f32 = 0.5;

/// The disturbance of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disturbance {
    pub mode: Mode,
    pub sigma: f32,
    pub seed: u64,
    pub n_threads: usize,
}

impl Disturbance {
    /// `clamp(x + m ⊙ ε, 0, 1)`, `clamp((1 − m) ⊙ x + m ⊙ (½ + ε), 0, 1)` with `ε ~ N(0, σ²)` for each value, or
    /// `(1 − m) ⊙ x + m ⊙ y` with `y` another image of the batch.
    ///
    /// An image has a generator of its own: the result does not depend on the number of threads.
    ///
    /// # Shapes
    /// `images`: `[n, c, h, w]`; `region`: `[n, h, w]`; returns `[n, c, h, w]`
    pub fn apply(self, images: TensorView, region: &Tensor) -> Tensor {
        let mut disturbed = images.to_tensor();
        let (len, n) = (images.row_len(), images.n_rows());
        if n * len == 0 {
            return disturbed;
        }
        let others = others(n, self.seed);
        let per_thread = n.div_ceil(self.n_threads.max(1));
        std::thread::scope(|scope| {
            for (part, rows) in disturbed.data_mut().chunks_mut(per_thread * len).enumerate() {
                let others = &others;
                scope.spawn(move || {
                    for (i, image) in rows.chunks_exact_mut(len).enumerate() {
                        let row = part * per_thread + i;
                        let region = region.row(row);
                        match self.mode {
                            Mode::Add => self.noise(image, region, row, |x, m, noise| x + m * noise),
                            Mode::Replace => {
                                self.noise(image, region, row, |x, m, noise| (1.0 - m) * x + m * (GREY + noise));
                            }
                            Mode::Mix => mix(image, images.row(others[row]), region),
                        }
                    }
                });
            }
        });
        disturbed
    }

    /// Makes `clamp(of(x, m, ε), 0, 1)` of each value, in place.
    fn noise(self, image: &mut [f32], region: &[f32], row: usize, of: impl Fn(f32, f32, f32) -> f32) {
        let mut normal = Normal::new(self.seed ^ (row as u64).wrapping_mul(0xD134_2543_DE82_EF95));
        for plane in image.chunks_exact_mut(region.len()) {
            for (value, &m) in plane.iter_mut().zip(region) {
                *value = of(*value, m, self.sigma * normal.next()).clamp(0.0, 1.0);
            }
        }
    }
}

/// Another image for each of `n`: the next on a round through all of them in a random order.
fn others(n: usize, seed: u64) -> Vec<usize> {
    let mut round: Vec<usize> = (0..n).collect();
    round.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut others = vec![0; n];
    for (at, &image) in round.iter().enumerate() {
        others[image] = round[(at + 1) % n];
    }
    others
}

/// `(1 − m) ⊙ x + m ⊙ y`, in place of `x`.
fn mix(x: &mut [f32], y: &[f32], region: &[f32]) {
    for (x, y) in x.chunks_exact_mut(region.len()).zip(y.chunks_exact(region.len())) {
        for ((x, &y), &m) in x.iter_mut().zip(y).zip(region) {
            *x += m * (y - *x);
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
