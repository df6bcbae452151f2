//! The Gaussians of a mixture.

use super::{Covariance, Responsibilities, Settings, Sums};
use crate::points::{CHUNK, Points};
use crate::wide;
use ascan_core::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Number of dimensions per product with a triangular matrix, so that most of its zero half is never computed.
const STRIPE: usize = 32;

/// `reg_covar` is at least this share of the mean variance, which is what rounding leaves of a covariance of zero.
const ROUNDING: f64 = 1e-12;

/// Smallest variance, even if all rows are equal.
const SMALLEST: f64 = 1e-30;

/// The Gaussians of all components.
pub struct Gaussians {
    covariance: Covariance,
    k: usize,
    d: usize,
    /// `[d]`, what was subtracted from the rows before the fit.
    offset: Vec<f32>,
    /// `[k, d]`, less the offset.
    centred_means: Vec<f64>,
    /// `[k, d, d]` (the lower triangle), `[k, d]` or `[k]`.
    covariances: Vec<f64>,
    /// `[k]`: the part of the log-density that does not depend on the row.
    constants: Vec<f64>,
    /// `[k, n_features]`, the log-density's factors of the features; if full, `[k, d, d]`: the upper triangular P
    /// with PPᵀ = Σ⁻¹.
    factors: Vec<f64>,
    /// `[k, d]`, μᵀP; if full.
    means_by_factors: Vec<f64>,
}

/// Buffers of [`Gaussians::log_densities`].
pub(super) struct Scratch {
    /// `[CHUNK, n_features]`, of the last chunk.
    pub(super) features: Vec<f64>,
    /// `[STRIPE, CHUNK]`.
    whitened: Vec<f64>,
}

impl Gaussians {
    pub(super) fn estimate(
        points: &Points,
        responsibilities: &Responsibilities,
        sums: &Sums,
        settings: &Settings,
        pool: &ThreadPool,
    ) -> Result<Self> {
        let (masses, d, covariance) = (&sums.masses, points.d(), settings.covariance);
        let k = masses.len();
        let width = covariance.n_features(d);
        let mut moments = sums.features.clone();
        for (moments, mass) in moments.chunks_exact_mut(width.max(1)).zip(masses) {
            moments.iter_mut().for_each(|value| *value /= mass);
        }
        let centred_means: Vec<f64> = moments.chunks_exact(width.max(1)).flat_map(|m| &m[..d]).copied().collect();
        let reg = settings.reg_covar.max(ROUNDING * points.variance()).max(SMALLEST);
        let covariances = match covariance {
            Covariance::Full => full_covariances(points, responsibilities, masses, &centred_means, reg, pool),
            Covariance::Diagonal => {
                let variances = moments.chunks_exact(width.max(1)).flat_map(|m| m[..d].iter().zip(&m[d..]));
                variances.map(|(mean, square)| (square - mean * mean).max(0.0) + reg).collect()
            }
            Covariance::Spherical => {
                let spread = |m: &[f64]| (m[d] - m[..d].iter().map(|mean| mean * mean).sum::<f64>()).max(0.0);
                moments.chunks_exact(width).map(|m| spread(m) / d.max(1) as f64 + reg).collect()
            }
        };
        let offset = points.mean().to_vec();
        let (constants, factors, means_by_factors) = (Vec::new(), Vec::new(), Vec::new());
        let mut new =
            Self { covariance, k, d, offset, centred_means, covariances, constants, factors, means_by_factors };
        if covariance == Covariance::Full {
            new.factorise(pool)?
        } else {
            new.expand()
        }
        Ok(new)
    }

    /// The form of the covariances.
    pub fn covariance(&self) -> Covariance {
        self.covariance
    }

    /// `[k, d]`.
    pub fn means(&self) -> Vec<f64> {
        let offset = self.offset.iter().cycle();
        self.centred_means.iter().zip(offset).map(|(mean, &offset)| mean + f64::from(offset)).collect()
    }

    /// `[k, d, d]` (the lower triangle alone), `[k, d]` or `[k]`, the regularisation included.
    pub fn covariances(&self) -> &[f64] {
        &self.covariances
    }

    /// `[d]`: what was subtracted from the rows before the fit, and has to be subtracted from other rows.
    pub fn offset(&self) -> &[f32] {
        &self.offset
    }

    fn mean(&self, component: usize) -> &[f64] {
        &self.centred_means[component * self.d..][..self.d]
    }

    /// Number of free parameters: of the means, the covariances and the weights.
    pub fn n_parameters(&self) -> usize {
        self.k * (self.d + self.covariance.n_parameters(self.d)) + self.k - 1
    }

    /// `ln N(x; μ, Σ)` as a sum over features: −½·Σ_j (x_j − μ_j)²/σ_j², multiplied out.
    fn expand(&mut self) {
        let d = self.d;
        let n_variances = self.covariances.len() / self.k.max(1);
        for component in 0..self.k {
            let variances = &self.covariances[component * n_variances..][..n_variances];
            let variance = |j: usize| variances[j.min(n_variances - 1)];
            let mean = self.mean(component);
            let precision_of_mean: Vec<f64> = mean.iter().enumerate().map(|(j, mean)| mean / variance(j)).collect();
            let distance_of_origin: f64 = precision_of_mean.iter().zip(mean).map(|(a, b)| a * b).sum();
            let log_determinant: f64 = (0..d).map(|j| variance(j).ln()).sum();
            self.constants.push(-0.5 * (log_normaliser(d) + log_determinant + distance_of_origin));
            self.factors.extend(precision_of_mean);
            self.factors.extend(variances.iter().map(|variance| -0.5 / variance));
        }
    }

    /// `ln N(x; μ, Σ)` by the Cholesky factor: −½·‖(x − μ)ᵀP‖².
    fn factorise(&mut self, pool: &ThreadPool) -> Result<()> {
        let d = self.d;
        let one = |component: usize| -> Result<(Vec<f64>, Vec<f64>, f64)> {
            let covariance = &self.covariances[component * d * d..][..d * d];
            let cholesky = MatRef::from_row_major_slice(covariance, d, d).llt(Side::Lower).map_err(|_| {
                Error::param(
                    "reg_covar",
                    "a covariance collapsed to no volume",
                    "raise `reg_covar`, or ask for fewer slices",
                )
            })?;
            let mut inverse = Mat::<f64>::identity(d, d);
            solve_lower_triangular_in_place(cholesky.L(), inverse.as_mut(), Par::Seq);
            // P = L⁻ᵀ, row-major: its row i is column i of L⁻¹.
            let factor: Vec<f64> = (0..d).flat_map(|i| (0..d).map(move |j| (j, i))).map(|at| inverse[at]).collect();
            let mut by_mean = vec![0.0; d];
            for (row, mean) in factor.chunks_exact(d.max(1)).zip(self.mean(component)) {
                by_mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += mean * value);
            }
            let log_determinant: f64 = (0..d).map(|j| 2.0 * cholesky.L()[(j, j)].ln()).sum();
            Ok((factor, by_mean, -0.5 * (log_normaliser(d) + log_determinant)))
        };
        let all = pool.install(|| (0..self.k).into_par_iter().map(one).collect::<Result<Vec<_>>>())?;
        for (factor, by_mean, constant) in all {
            self.factors.extend(factor);
            self.means_by_factors.extend(by_mean);
            self.constants.push(constant);
        }
        Ok(())
    }

    pub(super) fn scratch(&self) -> Scratch {
        let features = vec![0.0; CHUNK * self.covariance.n_features(self.d)];
        Scratch { features, whitened: vec![0.0; CHUNK * STRIPE] }
    }

    /// `ln w + ln N(x; μ, Σ)` of the rows of a chunk, w being each component's weight: `[k, CHUNK]`, of no meaning
    /// beyond the last row.
    pub(super) fn log_densities(
        &self,
        points: &Points,
        chunk: usize,
        weights: &[f64],
        scratch: &mut Scratch,
        out: &mut [f64],
    ) {
        let (d, width) = (self.d, self.covariance.n_features(self.d));
        self.covariance.features(points.chunk(chunk).0, d, &mut scratch.features);
        let features = MatRef::from_row_major_slice(&scratch.features, CHUNK, width);
        if self.covariance != Covariance::Full {
            for (out, (constant, weight)) in out.chunks_exact_mut(CHUNK).zip(self.constants.iter().zip(weights)) {
                out.fill(constant + weight.ln());
            }
            let factors = MatRef::from_row_major_slice(&self.factors, self.k, width);
            let products = MatMut::from_column_major_slice_mut(out, CHUNK, self.k);
            matmul(products, Accum::Add, features, factors.transpose(), 1.0, Par::Seq);
            return;
        }
        for (component, out) in out.chunks_exact_mut(CHUNK).enumerate() {
            let factor = MatRef::from_row_major_slice(&self.factors[component * d * d..][..d * d], d, d);
            let by_mean = &self.means_by_factors[component * d..][..d];
            out.fill(0.0);
            for start in (0..d).step_by(STRIPE) {
                let n_columns = STRIPE.min(d - start);
                // Column j of P is zero below row j.
                let n_rows = start + n_columns;
                let whitened = &mut scratch.whitened[..n_columns * CHUNK];
                matmul(
                    MatMut::from_column_major_slice_mut(whitened, CHUNK, n_columns),
                    Accum::Replace,
                    features.subcols(0, n_rows),
                    factor.submatrix(0, start, n_rows, n_columns),
                    1.0,
                    Par::Seq,
                );
                wide(
                    #[inline(always)]
                    || {
                        for (column, mean) in whitened.chunks_exact(CHUNK).zip(&by_mean[start..]) {
                            out.iter_mut().zip(column).for_each(|(sum, value)| *sum += (value - mean) * (value - mean));
                        }
                    },
                );
            }
            let constant = self.constants[component] + weights[component].ln();
            out.iter_mut().for_each(|value| *value = constant - 0.5 * *value);
        }
    }
}

/// d·ln 2π
fn log_normaliser(d: usize) -> f64 {
    d as f64 * std::f64::consts::TAU.ln()
}

/// Σ = Σ_i r_i x_i x_iᵀ / mass − μμᵀ + reg·I of each component: `[k, d, d]`, the lower triangle and a little more.
fn full_covariances(
    points: &Points,
    responsibilities: &Responsibilities,
    masses: &[f64],
    means: &[f64],
    reg: f64,
    pool: &ThreadPool,
) -> Vec<f64> {
    let (k, d) = (masses.len(), points.d());
    let mut covariances = vec![0.0; k * d * d];
    pool.install(|| {
        covariances.par_chunks_mut((d * d).max(1)).enumerate().for_each(|(component, covariance)| {
            let (mass, mean) = (masses[component], &means[component * d..][..d]);
            covariance.par_chunks_mut(d * STRIPE).enumerate().for_each(|(stripe, out)| {
                let start = stripe * STRIPE;
                let (height, width) = (out.len() / d, start + out.len() / d);
                let stripe_rows = start..start + height;
                add_second_moments(points, responsibilities, component, mass, stripe_rows.clone(), out);
                for (i, row) in stripe_rows.zip(out.chunks_exact_mut(d)) {
                    for (j, value) in row[..width].iter_mut().enumerate() {
                        *value = *value / mass - mean[i] * mean[j];
                    }
                    row[i] = row[i].max(0.0) + reg;
                }
            });
        });
    });
    covariances
}

/// Adds rows `stripe` of `Σ_i r_i x_i x_iᵀ`, up to the last of them in each: `[stripe, d]`.
///
/// Rows whose share of the component is below the precision of its mass are left out: in many dimensions that is
/// nearly all of them.
fn add_second_moments(
    points: &Points,
    responsibilities: &Responsibilities,
    component: usize,
    mass: f64,
    stripe: std::ops::Range<usize>,
    out: &mut [f64],
) {
    let (d, width) = (points.d(), stripe.end);
    let negligible = f64::EPSILON * mass / points.n().max(1) as f64;
    let mut scaled = vec![0.0; CHUNK * width];
    let mut n_scaled = 0;
    let mut add = |scaled: &mut [f64], n_scaled: &mut usize| {
        scaled[*n_scaled * width..].fill(0.0);
        *n_scaled = 0;
        let rows = MatRef::from_row_major_slice(scaled, CHUNK, width);
        matmul(
            MatMut::from_row_major_slice_mut(out, stripe.len(), d).subcols_mut(0, width),
            Accum::Add,
            rows.subcols(stripe.start, stripe.len()).transpose(),
            rows,
            1.0,
            Par::Seq,
        );
    };
    for (chunk, shares) in responsibilities.component(component).enumerate() {
        for (i, &share) in shares.iter().enumerate().filter(|&(_, &share)| share > negligible) {
            let root = share.sqrt();
            let row = points.row(chunk * CHUNK + i);
            for (scaled, &x) in scaled[n_scaled * width..][..width].iter_mut().zip(row) {
                *scaled = root * f64::from(x);
            }
            n_scaled += 1;
            if n_scaled == CHUNK {
                add(&mut scaled, &mut n_scaled);
            }
        }
    }
    if n_scaled > 0 {
        add(&mut scaled, &mut n_scaled);
    }
}
