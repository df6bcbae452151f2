//! The image a little moved, turned and scaled at each step: what survives this is no pattern of single pixels.

use rand::{Rng, RngExt};

/// Most shift, as a share of a side.
const SHIFT: f64 = 1.0 / 16.0;
/// Most turn, in radians.
const TURN: f64 = 0.12;
/// Most change of scale.
const SCALE: f64 = 0.1;

/// Four pixels of the image, and their weights, for each pixel of the moved one.
pub(super) struct Warp {
    taps: Vec<[(u32, f32); 4]>,
}

impl Warp {
    /// A random movement of an image of this size.
    pub fn random([h, w]: [usize; 2], rng: &mut impl Rng) -> Self {
        let mut within = |most: f64| rng.random_range(-most..=most);
        let (dy, dx) = (within(SHIFT) * h as f64, within(SHIFT) * w as f64);
        let (turn, scale) = (within(TURN), 1.0 + within(SCALE));
        Self::of([h, w], [dy, dx], turn, scale)
    }

    /// Turned and scaled around the middle, then shifted; beyond the edge lies the edge.
    fn of([h, w]: [usize; 2], [dy, dx]: [f64; 2], turn: f64, scale: f64) -> Self {
        let (sin, cos) = (turn.sin() * scale, turn.cos() * scale);
        let (middle_y, middle_x) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
        let taps = (0..h * w).map(|at| {
            let (y, x) = ((at / w) as f64 - middle_y, (at % w) as f64 - middle_x);
            let axis = |value: f64, n: usize| {
                let value = value.clamp(0.0, (n - 1) as f64);
                let first = (value as usize).min(n - 1);
                (first, (first + 1).min(n - 1), (value - first as f64) as f32)
            };
            let (top, bottom, down) = axis(cos * y - sin * x + middle_y + dy, h);
            let (left, right, across) = axis(sin * y + cos * x + middle_x + dx, w);
            let tap = |y: usize, x: usize, weight: f32| ((y * w + x) as u32, weight);
            [
                tap(top, left, (1.0 - down) * (1.0 - across)),
                tap(top, right, (1.0 - down) * across),
                tap(bottom, left, down * (1.0 - across)),
                tap(bottom, right, down * across),
            ]
        });
        Self { taps: taps.collect() }
    }

    /// The moved image; `[c, h, w]` both.
    pub fn apply(&self, image: &[f32]) -> Vec<f32> {
        let planes = image.chunks_exact(self.taps.len());
        let moved = |plane: &[f32]| -> Vec<f32> {
            self.taps.iter().map(|taps| taps.iter().map(|&(at, weight)| weight * plane[at as usize]).sum()).collect()
        };
        planes.flat_map(moved).collect()
    }

    /// The slope at the image of a function with this slope at the moved one.
    pub fn pull_back(&self, slope: &[f32]) -> Vec<f32> {
        let mut pulled = vec![0.0f32; slope.len()];
        for (pulled, slope) in pulled.chunks_exact_mut(self.taps.len()).zip(slope.chunks_exact(self.taps.len())) {
            for (taps, slope) in self.taps.iter().zip(slope) {
                taps.iter().for_each(|&(at, weight)| pulled[at as usize] += weight * slope);
            }
        }
        pulled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn no_movement_changes_nothing_and_a_shift_shifts() {
        let image: Vec<f32> = (0..24).map(|v| v as f32).collect();
        assert_eq!(Warp::of([4, 6], [0.0, 0.0], 0.0, 1.0).apply(&image), image);
        let shifted = Warp::of([4, 6], [0.0, 1.0], 0.0, 1.0).apply(&image);
        assert_eq!(shifted[..6], [1.0, 2.0, 3.0, 4.0, 5.0, 5.0], "beyond the edge lies the edge");
    }

    /// `⟨W a, b⟩ = ⟨a, Wᵀ b⟩`.
    #[test]
    fn the_slope_goes_the_way_back() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let warp = Warp::random([5, 7], &mut rng);
        let values = |phase: f32| -> Vec<f32> { (0..70).map(|i| (i as f32 * phase).sin()).collect() };
        let (a, b) = (values(0.3), values(0.9));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        assert!((dot(&warp.apply(&a), &b) - dot(&a, &warp.pull_back(&b))).abs() < 1e-4);
    }
}
