//! Mixtures by expectation–maximisation: Gaussian, and Gaussian together with categorical columns.
//!
//! All sums are in f64 and over fixed blocks in a fixed order, so that a fit has the same bits at any number of
//! threads. Both steps are matrix products over chunks of rows.

mod categorical;
mod covariance;
mod gaussian;
mod responsibilities;
mod sums;
#[cfg(test)]
mod tests;

use categorical::ColumnChunk;
pub use categorical::{Categorical, Column, Values};
pub use covariance::Covariance;
pub use gaussian::Gaussians;
use gaussian::Scratch;
pub use responsibilities::Responsibilities;
use sums::Sums;

use crate::points::{CHUNK, Points};
use crate::{kmeans, lanes, wide};
use ascan_core::{Error, Result};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// What is modelled: the rows, and the columns that belong to them.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The rows.
    pub points: &'a Points,
    /// Columns beside them, each independent of the rest within a component; none for a Gaussian mixture.
    pub columns: &'a [Column<'a>],
}

/// How to fit.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The form of each component's covariance.
    pub covariance: Covariance,
    /// Added to the diagonal of each covariance, so that none collapses.
    pub reg_covar: f64,
    /// Maximum number of iterations.
    pub max_iterations: usize,
    /// The fit ends when the mean log-likelihood per row changes by less.
    pub tolerance: f64,
}

/// The result of [`fit`].
pub struct Fit {
    /// The mixture after the last iteration.
    pub mixture: Mixture,
    /// Mean log-likelihood per row before each iteration's M-step.
    pub log_likelihoods: Vec<f64>,
    /// Whether the log-likelihood had stopped rising.
    pub converged: bool,
}

impl Fit {
    /// The log-likelihood that the fit reached, to compare fits by: the last entry of [`Self::log_likelihoods`].
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihoods.last().copied().unwrap_or(f64::NEG_INFINITY)
    }
}

/// A fitted mixture.
pub struct Mixture {
    /// `[k]`, their sum is 1.
    pub weights: Vec<f64>,
    /// The components' distributions of the rows.
    pub gaussians: Gaussians,
    /// The components' distributions of each column.
    pub categoricals: Vec<Categorical>,
}

/// Expectation–maximisation from given responsibilities. `progress(iterations done, limit)` is called before each.
///
/// The parameters returned are those after the last M-step, as in scikit-learn.
///
/// # Errors
/// Whatever error `progress` returns; `Param` for `reg_covar` if a covariance collapses.
///
/// # Source
/// Dempster, Laird & Rubin 1977.
pub fn fit(
    data: Data,
    start: Responsibilities,
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Fit> {
    let mut responsibilities = start;
    let covariance = settings.covariance;
    let sums = Sums::of(data, covariance, &responsibilities, pool);
    let mut mixture = Mixture::estimate(data, &responsibilities, &sums, settings, pool)?;
    let mut log_likelihoods: Vec<f64> = Vec::new();
    let mut converged = false;
    while !converged && log_likelihoods.len() < settings.max_iterations {
        progress(log_likelihoods.len(), settings.max_iterations)?;
        let none = || Sums::new(mixture.k(), covariance.n_features(data.points.d()), data.columns);
        let (reached, sums) = mixture.expect(data, &mut responsibilities, pool, none, Sums::add);
        let sums = Sums::total(none(), sums);
        mixture = Mixture::estimate(data, &responsibilities, &sums, settings, pool)?;
        converged = log_likelihoods.last().is_some_and(|before| (reached - before).abs() < settings.tolerance);
        log_likelihoods.push(reached);
    }
    Ok(Fit { mixture, log_likelihoods, converged })
}

/// Responsibilities to start from: each row belongs to the nearest of `k` centres of k-means (of one restart, as in
/// scikit-learn). Fewer components than `k` where there are fewer distinct rows.
///
/// # Errors
/// Whatever error `progress` returns.
fn kmeans_start(
    points: &Points,
    k: usize,
    seed: u64,
    pool: &ThreadPool,
    mut progress: impl FnMut() -> Result<()>,
) -> Result<Responsibilities> {
    let settings = kmeans::Settings { k, n_init: 1, max_iterations: 300, tolerance: 1e-4, seed };
    let found = kmeans::fit(points, &settings, pool, |_, _| progress())?;
    let assignment = kmeans::nearest(points, &found.centres, pool);
    Ok(Responsibilities::one_hot(&assignment, found.centres.k()))
}

/// The best of `n_init` fits, each started by k-means from another seed.
/// `progress(steps done, steps)` is called before each iteration.
///
/// # Errors
/// As [`fit`].
pub fn fit_from_kmeans(
    data: Data,
    k: usize,
    n_init: usize,
    seed: u64,
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Fit> {
    let mut best: Option<Fit> = None;
    for restart in 0..n_init {
        let seed = seed.wrapping_add((restart as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut go_on = |done, of| progress(restart * of + done, n_init * of);
        let start = kmeans_start(data.points, k, seed, pool, || go_on(0, settings.max_iterations))?;
        let fit = fit(data, start, settings, pool, go_on)?;
        if best.as_ref().is_none_or(|best| fit.log_likelihood() > best.log_likelihood()) {
            best = Some(fit);
        }
    }
    best.ok_or_else(|| Error::param("n_init", "must be at least 1, got 0", ""))
}

impl Mixture {
    /// The M-step: the mixture under which the data is most likely, given the responsibilities.
    fn estimate(
        data: Data,
        responsibilities: &Responsibilities,
        sums: &Sums,
        settings: &Settings,
        pool: &ThreadPool,
    ) -> Result<Self> {
        let gaussians = Gaussians::estimate(data.points, responsibilities, sums, settings, pool)?;
        let columns = data.columns.iter().zip(&sums.classes);
        let categoricals = columns.map(|(column, classes)| Categorical::estimate(column, classes, &sums.masses));
        let weights = sums.masses.iter().map(|mass| mass / data.points.n().max(1) as f64).collect();
        Ok(Self { weights, gaussians, categoricals: categoricals.collect() })
    }

    /// Number of components.
    pub fn k(&self) -> usize {
        self.weights.len()
    }

    /// Bayesian information criterion of a Gaussian mixture that gives `n` rows this mean log-likelihood; lower is
    /// better.
    ///
    /// # Source
    /// Schwarz 1978.
    pub fn bic(&self, n: usize, log_likelihood: f64) -> f64 {
        let n = n as f64;
        self.gaussians.n_parameters() as f64 * n.ln() - 2.0 * n * log_likelihood
    }

    /// The share of each component in each row, and the mean log-likelihood per row.
    pub fn responsibilities(&self, data: Data, pool: &ThreadPool) -> (Responsibilities, f64) {
        let mut responsibilities = Responsibilities::zeros(data.points.n(), self.k());
        let (log_likelihood, _) = self.expect(data, &mut responsibilities, pool, || (), |_, _, _, _| {});
        (responsibilities, log_likelihood)
    }

    /// The E-step: writes the responsibilities and returns the mean log-likelihood per row, with what `add` has
    /// accumulated over each block of rows. `add` is called chunk by chunk with the shares of all components, the
    /// features and the columns.
    fn expect<T: Send>(
        &self,
        data: Data,
        responsibilities: &mut Responsibilities,
        pool: &ThreadPool,
        none: impl Fn() -> T + Sync,
        add: impl Fn(&mut T, &[f64], &[f64], &[ColumnChunk]) + Sync,
    ) -> (f64, Vec<T>) {
        let blocks = data.points.blocks();
        let of_block = |scratch: &mut Scratch, (chunks, out): (&Range<usize>, &mut [f64])| {
            let (mut log_likelihood, mut made) = (0.0, none());
            for (chunk, out) in chunks.clone().zip(out.chunks_exact_mut(CHUNK * self.k())) {
                let (_, rows) = data.points.chunk(chunk);
                self.gaussians.log_densities(data.points, chunk, &self.weights, scratch, out);
                let n_rows = rows.len();
                let columns = ColumnChunk::all(data.columns, rows);
                for (categorical, column) in self.categoricals.iter().zip(&columns) {
                    categorical.add_log_densities(column, out);
                }
                log_likelihood += normalise(out, n_rows);
                add(&mut made, out, &scratch.features, &columns);
            }
            (log_likelihood, made)
        };
        let parts: (Vec<f64>, Vec<T>) = pool.install(|| {
            let out = responsibilities.blocks_mut(blocks.first().map_or(1, Range::len));
            blocks.par_iter().zip(out).map_init(|| self.gaussians.scratch(), of_block).unzip()
        });
        (parts.0.into_iter().sum::<f64>() / data.points.n().max(1) as f64, parts.1)
    }
}

/// Turns joint log-densities `[k, CHUNK]` into shares, zero beyond `n_rows`; gives the sum of the rows'
/// log-likelihoods.
fn normalise(joint: &mut [f64], n_rows: usize) -> f64 {
    let mut largest = [f64::NEG_INFINITY; CHUNK];
    let mut sums = [0.0; CHUNK];
    let mut factors = [0.0; CHUNK];
    wide(
        #[inline(always)]
        || {
            for component in joint.chunks_exact(CHUNK) {
                for (largest, &value) in largest.iter_mut().zip(component) {
                    *largest = if value > *largest { value } else { *largest };
                }
            }
            for component in joint.chunks_exact_mut(CHUNK) {
                for ((value, largest), sum) in component.iter_mut().zip(&largest).zip(&mut sums) {
                    *value = lanes::exp(*value - largest);
                    *sum += *value;
                }
            }
            factors[..n_rows].iter_mut().zip(&sums).for_each(|(factor, sum)| *factor = 1.0 / sum);
            for component in joint.chunks_exact_mut(CHUNK) {
                component.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
            }
        },
    );
    largest[..n_rows].iter().zip(&sums).map(|(largest, sum)| largest + sum.ln()).sum()
}
