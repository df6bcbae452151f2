//! Filling in removed pixels so that their absence leaves no trace: noisy linear imputation.
//!
//! Each removed pixel is the weighted mean of its eight neighbours (1/6 for those beside, 1/12 for those across), known
//! or removed alike: a system of linear equations, symmetric and positive definite. A pyramid of means is where
//! conjugate gradients start from, so that holes as large as half the image close in a few steps.
//!
//! # Source
//! Rong et al. 2022, *A Consistent and Efficient Evaluation Strategy for Attribution Methods* (ROAD), arXiv 2202.00449.

/// Neighbours and their weights.
const NEIGHBOURS: [(isize, isize, f32); 8] = [
    (-1, -1, 1.0 / 12.0),
    (-1, 0, 1.0 / 6.0),
    (-1, 1, 1.0 / 12.0),
    (0, -1, 1.0 / 6.0),
    (0, 1, 1.0 / 6.0),
    (1, -1, 1.0 / 12.0),
    (1, 0, 1.0 / 6.0),
    (1, 1, 1.0 / 12.0),
];
/// Conjugate gradients stop when the residual is this share of the first one.
const TOLERANCE: f32 = 1e-3;
const MAX_STEPS: usize = 300;

/// The equations of one set of removed pixels, for all channels of an image.
pub(super) struct Imputer {
    size: [usize; 2],
    /// Places of the removed pixels.
    removed: Vec<usize>,
    /// The number of a removed pixel among them, `usize::MAX` for known ones.
    number: Vec<usize>,
    /// Sum of the weights of the neighbours that are inside the image.
    diagonal: Vec<f32>,
}

impl Imputer {
    /// # Shapes
    /// `is_removed`: `[h, w]`
    pub fn new(is_removed: &[bool], size: [usize; 2]) -> Self {
        let mut number = vec![usize::MAX; is_removed.len()];
        let removed: Vec<usize> = (0..is_removed.len()).filter(|&place| is_removed[place]).collect();
        removed.iter().enumerate().for_each(|(i, &place)| number[place] = i);
        let mut imputer = Self { size, removed, number, diagonal: Vec::new() };
        imputer.diagonal = imputer.removed.iter().map(|&at| imputer.neighbours(at).map(|(_, w)| w).sum()).collect();
        imputer
    }

    fn neighbours(&self, place: usize) -> impl Iterator<Item = (usize, f32)> + use<> {
        let [h, w] = self.size;
        let (y, x) = ((place / w) as isize, (place % w) as isize);
        NEIGHBOURS.into_iter().filter_map(move |(dy, dx, weight)| {
            let (y, x) = (y + dy, x + dx);
            let is_inside = y >= 0 && x >= 0 && y < h as isize && x < w as isize;
            is_inside.then(|| (y as usize * w + x as usize, weight))
        })
    }

    /// `diagonal · x − Σ weight · x[neighbour]` over the removed neighbours.
    fn apply(&self, x: &[f32], out: &mut [f32]) {
        for (i, out) in out.iter_mut().enumerate() {
            let mut sum = self.diagonal[i] * x[i];
            for (place, weight) in self.neighbours(self.removed[i]) {
                if let Some(value) = x.get(self.number[place]) {
                    sum -= weight * value;
                }
            }
            *out = sum;
        }
    }

    /// Replaces the removed pixels of a channel by what their neighbours suggest.
    ///
    /// # Shapes
    /// `plane`: `[h, w]`
    pub fn fill(&self, plane: &mut [f32]) {
        if self.removed.is_empty() {
            return;
        }
        let mut x = self.first_guess(plane);
        let mut right: Vec<f32> = Vec::with_capacity(x.len());
        for &place in &self.removed {
            let known = self.neighbours(place).filter(|(at, _)| self.number[*at] == usize::MAX);
            right.push(known.map(|(at, weight)| weight * plane[at]).sum());
        }
        let mut applied = vec![0.0; x.len()];
        self.apply(&x, &mut applied);
        let mut residual: Vec<f32> = right.iter().zip(&applied).map(|(right, applied)| right - applied).collect();
        let mut direction: Vec<f32> = residual.iter().zip(&self.diagonal).map(|(r, d)| r / d).collect();
        let weighted =
            |residual: &[f32]| -> f64 { residual.iter().zip(&self.diagonal).map(|(r, d)| f64::from(r * r / d)).sum() };
        let mut rho = weighted(&residual);
        // Against the right side: a good first guess is no reason to demand more.
        let goal = weighted(&right).max(rho) * f64::from(TOLERANCE * TOLERANCE);
        for _ in 0..MAX_STEPS {
            if rho <= goal {
                break;
            }
            self.apply(&direction, &mut applied);
            let curvature: f64 = direction.iter().zip(&applied).map(|(d, a)| f64::from(d * a)).sum();
            let step = (rho / curvature) as f32;
            x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
            residual.iter_mut().zip(&applied).for_each(|(r, a)| *r -= step * a);
            let next = weighted(&residual);
            let turn = (next / rho) as f32;
            rho = next;
            let parts = direction.iter_mut().zip(&residual).zip(&self.diagonal);
            parts.for_each(|((direction, residual), diagonal)| *direction = residual / diagonal + turn * *direction);
        }
        self.removed.iter().zip(x).for_each(|(&place, value)| plane[place] = value);
    }

    /// Means of the known pixels over ever larger squares: the smallest that holds one is the guess.
    fn first_guess(&self, plane: &[f32]) -> Vec<f32> {
        let [mut h, mut w] = self.size;
        let known = |i: usize| f32::from(u8::from(self.number[i] == usize::MAX));
        let mut level: Vec<(f32, f32)> = (0..plane.len()).map(|i| (plane[i] * known(i), known(i))).collect();
        let mut guess = vec![f32::NAN; self.removed.len()];
        let mut shift = 0;
        while guess.iter().any(|value| value.is_nan()) && (h > 1 || w > 1) {
            let (half_h, half_w) = (h.div_ceil(2), w.div_ceil(2));
            let mut coarse = vec![(0.0, 0.0); half_h * half_w];
            for (i, (sum, n)) in level.iter().enumerate() {
                let cell = &mut coarse[(i / w / 2) * half_w + (i % w) / 2];
                cell.0 += sum;
                cell.1 += n;
            }
            (level, h, w, shift) = (coarse, half_h, half_w, shift + 1);
            for (guess, &place) in guess.iter_mut().zip(&self.removed) {
                let (sum, n) = level[((place / self.size[1]) >> shift) * w + ((place % self.size[1]) >> shift)];
                if guess.is_nan() && n > 0.0 {
                    *guess = sum / n;
                }
            }
        }
        // Nothing is known: nothing is said.
        guess.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        guess
    }
}
