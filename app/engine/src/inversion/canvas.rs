//! The image that is made: cosine waves in colours that do not go together, so that a step along a slope changes large
//! shapes as easily as edges, and brightness as easily as colour.
//!
//! `pixel = σ(M · (C_hᵀ (S ⊙ Z) C_w))` in [0, 1]: `Z [c, h, w]` the coefficients that are searched for, `C` the orthonormal
//! cosine transforms of the two axes, `S` the falling spectrum of natural images (1/frequency), `M` a square root of the
//! covariance of the colours of the images that were scanned.

use ascan_core::Tensor;
use rand::{Rng, RngExt};

/// What does not change while an image is made.
pub(super) struct Canvas {
    size: [usize; 3],
    /// `[h, h]` and `[w, w]`: rows are waves.
    waves: [Vec<f32>; 2],
    /// `[h, w]`
    spectrum: Vec<f32>,
    /// `[c, c]`, lower triangular.
    colours: Vec<f32>,
}

impl Canvas {
    /// For images `[c, h, w]` whose channels have this covariance `[c, c]`.
    pub fn new(size: [usize; 3], covariance: &[f64]) -> Self {
        let [c, h, w] = size;
        let frequency = |y: usize, x: usize| (y as f64 / (2.0 * h as f64)).hypot(x as f64 / (2.0 * w as f64));
        let lowest = 1.0 / h.max(w) as f64;
        let mut spectrum: Vec<f64> = (0..h * w).map(|at| 1.0 / frequency(at / w, at % w).max(lowest)).collect();
        // Coefficients of variance 1 make pixels of variance 1.
        let power = spectrum.iter().map(|s| s * s).sum::<f64>() / (h * w) as f64;
        spectrum.iter_mut().for_each(|s| *s /= power.sqrt());
        Self {
            size,
            waves: [waves(h), waves(w)],
            spectrum: spectrum.into_iter().map(|s| s as f32).collect(),
            colours: root(covariance, c),
        }
    }

    /// Coefficients of a faint noise to begin with, `[c, h, w]`.
    pub fn begin(&self, rng: &mut impl Rng) -> Vec<f32> {
        let n: usize = self.size.iter().product();
        (0..n).map(|_| rng.random_range(-0.3..0.3f32)).collect()
    }

    /// The image of these coefficients, `[c, h, w]` in [0, 1].
    pub fn image(&self, coefficients: &[f32]) -> Vec<f32> {
        let [c, h, w] = self.size;
        let area = h * w;
        let mut planes = Vec::with_capacity(c * area);
        for plane in coefficients.chunks_exact(area) {
            let scaled: Vec<f32> = plane.iter().zip(&self.spectrum).map(|(z, s)| z * s).collect();
            let columns = product(&transposed(&self.waves[0], h, h), &scaled, h, h, w);
            planes.extend(product(&columns, &self.waves[1], h, w, w));
        }
        let mut image = vec![0.0f32; c * area];
        for (to, from) in self.pairs() {
            let weight = self.colours[to * c + from];
            let (sums, plane) = (&mut image[to * area..(to + 1) * area], &planes[from * area..(from + 1) * area]);
            sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += weight * value);
        }
        image.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
        image
    }

    /// The slope at the coefficients of a function with this slope at the pixels of `image`.
    pub fn pull_back(&self, image: &[f32], slope: &[f32]) -> Vec<f32> {
        let [c, h, w] = self.size;
        let area = h * w;
        let through: Vec<f32> = image.iter().zip(slope).map(|(v, g)| g * v * (1.0 - v)).collect();
        let mut planes = vec![0.0f32; c * area];
        for (to, from) in self.pairs() {
            let weight = self.colours[to * c + from];
            let (sums, plane) = (&mut planes[from * area..(from + 1) * area], &through[to * area..(to + 1) * area]);
            sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += weight * value);
        }
        let mut coefficients = Vec::with_capacity(c * area);
        for plane in planes.chunks_exact(area) {
            let rows = product(&self.waves[0], plane, h, h, w);
            let both = product(&rows, &transposed(&self.waves[1], w, w), h, w, w);
            coefficients.extend(both.iter().zip(&self.spectrum).map(|(z, s)| z * s));
        }
        coefficients
    }

    /// Entries of the lower triangle.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.size[0]).flat_map(|to| (0..=to).map(move |from| (to, from)))
    }
}

/// Mean absolute difference of neighbours, and its slope; smooth where neighbours are equal.
///
/// # Shapes
/// `image` and the slope: `[c, h, w]`
pub(super) fn total_variation(image: &[f32], [c, h, w]: [usize; 3]) -> (f64, Vec<f32>) {
    const SOFT: f32 = 0.01;
    let (mut sum, mut slope) = (0.0, vec![0.0f32; image.len()]);
    let scale = 1.0 / image.len() as f32;
    let mut between = |a: usize, b: usize| {
        let gap = image[b] - image[a];
        let length = gap.hypot(SOFT);
        sum += f64::from(length - SOFT);
        slope[b] += scale * gap / length;
        slope[a] -= scale * gap / length;
    };
    for k in 0..c {
        for at in k * h * w..(k + 1) * h * w {
            let (y, x) = (at / w % h, at % w);
            if x + 1 < w {
                between(at, at + 1);
            }
            if y + 1 < h {
                between(at, at + w);
            }
        }
    }
    (sum * f64::from(scale), slope)
}

/// Covariance of the channels over images in [0, 1], each `[c, h, w]`: `[c, c]`.
pub(super) fn covariance(images: &[Tensor], c: usize) -> Vec<f64> {
    let mut sums = vec![0.0f64; c];
    let mut products = vec![0.0f64; c * c];
    let mut n = 0.0;
    for image in images {
        let area = image.data().len() / c;
        for at in 0..area {
            let pixel = |k: usize| f64::from(image.data()[k * area + at]);
            for i in 0..c {
                sums[i] += pixel(i);
                (0..=i).for_each(|j| products[i * c + j] += pixel(i) * pixel(j));
            }
        }
        n += area as f64;
    }
    let entry = |i: usize, j: usize| products[i.max(j) * c + i.min(j)] / n - sums[i] / n * sums[j] / n;
    (0..c * c).map(|at| entry(at / c, at % c)).collect()
}

/// Cholesky's root of a covariance, scaled so that the longest row is 1; the identity where there is no covariance.
fn root(covariance: &[f64], c: usize) -> Vec<f32> {
    let mut root = vec![0.0f64; c * c];
    let ridge = 1e-3 * (0..c).map(|i| covariance[i * c + i]).sum::<f64>() / c as f64;
    for i in 0..c {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| root[i * c + k] * root[j * c + k]).sum();
            let rest = covariance[i * c + j] - known;
            root[i * c + j] = if i == j { (rest + ridge).max(0.0).sqrt() } else { rest / root[j * c + j] };
        }
    }
    let longest = root.chunks_exact(c).map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    if !(longest > 0.0 && root.iter().all(|v| v.is_finite())) {
        return (0..c * c).map(|at| f32::from(u8::from(at / c == at % c))).collect();
    }
    root.into_iter().map(|v| (v / longest) as f32).collect()
}

/// The orthonormal cosine transform (DCT-II): row k is wave k, `[n, n]`.
fn waves(n: usize) -> Vec<f32> {
    let wave = |at: usize| {
        let (k, i) = (at / n, at % n);
        let length = if k == 0 { 1.0 / n as f64 } else { 2.0 / n as f64 };
        length.sqrt() * (std::f64::consts::PI * (i as f64 + 0.5) * k as f64 / n as f64).cos()
    };
    (0..n * n).map(|at| wave(at) as f32).collect()
}

fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|at| matrix[at % rows * columns + at / rows]).collect()
}

/// `a [n, k] · b [k, m]`; small beside a pass of the model.
fn product(a: &[f32], b: &[f32], n: usize, k: usize, m: usize) -> Vec<f32> {
    let mut out = vec![0.0f32; n * m];
    for (row, sums) in a.chunks_exact(k).zip(out.chunks_exact_mut(m)) {
        for (weight, values) in row.iter().zip(b.chunks_exact(m)) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    const SIZE: [usize; 3] = [3, 6, 4];

    fn canvas() -> Canvas {
        Canvas::new(SIZE, &[0.09, 0.07, 0.05, 0.07, 0.08, 0.06, 0.05, 0.06, 0.07])
    }

    #[test]
    fn waves_are_orthonormal() {
        let waves = waves(5);
        let gram = product(&waves, &transposed(&waves, 5, 5), 5, 5, 5);
        for (at, value) in gram.iter().enumerate() {
            assert!((value - f32::from(u8::from(at / 5 == at % 5))).abs() < 1e-6, "{at}: {value}");
        }
    }

    #[test]
    fn the_root_of_a_covariance_is_its_root() {
        let covariance = [0.09, 0.07, 0.05, 0.07, 0.08, 0.06, 0.05, 0.06, 0.07];
        let root: Vec<f32> = root(&covariance, 3);
        let square = product(&root, &transposed(&root, 3, 3), 3, 3, 3);
        let scale = square[0] / 0.09;
        for (got, expected) in square.iter().zip(covariance) {
            assert!((f64::from(got / scale) - expected).abs() < 1e-3, "{got} {expected}");
        }
        assert_eq!(super::root(&[0.0], 1), [1.0], "images of one colour");
    }

    #[test]
    fn channels_that_vary_together_have_a_covariance() {
        // Channel 1 is half of channel 0.
        let image = Tensor::new([2, 1, 2], vec![0.0, 1.0, 0.0, 0.5]).unwrap();
        assert_eq!(covariance(&[image], 2), [0.25, 0.125, 0.125, 0.0625]);
    }

    /// Slopes against differences, through waves, spectrum, colours and the squash.
    #[test]
    fn slopes_are_those_of_the_image() {
        let canvas = canvas();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let start = canvas.begin(&mut rng);
        let weights: Vec<f32> = (0..start.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        let value = |z: &[f32]| {
            let image = canvas.image(z);
            let linear: f64 = image.iter().zip(&weights).map(|(v, w)| f64::from(v * w)).sum();
            linear + total_variation(&image, SIZE).0
        };
        let image = canvas.image(&start);
        let slope: Vec<f32> =
            total_variation(&image, SIZE).1.iter().zip(&weights).map(|(slope, weight)| slope + weight).collect();
        let slope = canvas.pull_back(&image, &slope);
        for at in [0, 1, 7, 25, 40, 71] {
            let moved = |by: f32| {
                let mut z = start.clone();
                z[at] += by;
                value(&z)
            };
            let expected = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!(
                (f64::from(slope[at]) - expected).abs() < 2e-3 * (1.0 + expected.abs()),
                "{at}: {} {expected}",
                slope[at]
            );
        }
        assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}
