//! Label spreading: a few labels spread to the rows that are similar to labelled ones.
//!
//! `F ← α S F + (1 − α) Y` until it converges, where `Y` holds the known labels and `S = D^-½ K D^-½` the similarity of
//! each pair of rows; `K` has a zero diagonal. The kernel `K` is Gaussian over all pairs, or 1 for the nearest
//! neighbours alone.

mod bandwidth;
mod rbf;
#[cfg(test)]
mod tests;

use bandwidth::gamma;

use crate::knn::{Neighbours, Search};
use crate::points::Points;
use ascan_core::Result;
use rayon::ThreadPool;
use rayon::prelude::*;
use rbf::Rbf;
use serde::{Deserialize, Serialize};

/// Which rows count as similar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// `rbf` up to 50,000 rows, `knn` beyond.
    #[default]
    Auto,
    /// `exp(−γ‖x − y‖²)` for every pair, computed anew in each step: `n²` time, `n` memory.
    Rbf,
    /// 1 from each row to its nearest neighbours, 0 elsewhere; `D` counts the rows of which a row is a neighbour.
    Knn,
}

/// Up to this many rows, `auto` looks at every pair.
const MAX_RBF_ROWS: usize = 50_000;

/// How labels spread.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Weight of its neighbours in a row's new value, in [0, 1); its own label has the rest.
    pub alpha: f64,
    /// Which rows count as similar.
    pub kernel: Kernel,
    /// `γ` of the Gaussian; `None`: such that a row covers about `n_neighbors` others.
    pub gamma: Option<f64>,
    /// Number of neighbours per row, the row itself not counted.
    pub n_neighbors: usize,
    /// Maximum number of steps.
    pub max_iter: usize,
    /// Spreading ends when no share of any row changes by more.
    pub tol: f64,
    /// Seed of random choices, which only the search for neighbours among very many rows makes.
    pub seed: u64,
}

/// The result of [`Similarity::spread`].
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// `[n, n_labels]` shares that sum to 1 in each row; all 0 in a row that no label reaches.
    pub shares: Vec<f64>,
    /// Steps taken.
    pub n_iter: usize,
    /// Whether the tolerance was reached.
    pub converged: bool,
}

/// The similarity `S` of all pairs of rows, as an operator to multiply with.
pub struct Similarity<'a> {
    kernel: Operator<'a>,
    n: usize,
    /// `γ` of the Gaussian, if that is the kernel.
    gamma: Option<f64>,
}

enum Operator<'a> {
    Rbf(Rbf<'a>),
    Knn(Knn<'a>),
}

impl<'a> Similarity<'a> {
    /// The similarity of these rows. `progress(done, of)` is called between the steps.
    ///
    /// # Errors
    /// Whatever error `progress` returns.
    pub fn new(
        points: &'a Points,
        settings: &Settings,
        pool: &'a ThreadPool,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let n = points.n();
        if settings.kernel == Kernel::Knn || (settings.kernel == Kernel::Auto && n > MAX_RBF_ROWS) {
            let neighbours = Search::new(settings.seed).graph(points, settings.n_neighbors, pool, progress)?;
            return Ok(Self { kernel: Operator::Knn(Knn::new(neighbours, pool)), n, gamma: None });
        }
        let gamma = settings.gamma.unwrap_or_else(|| gamma(points, settings.n_neighbors, pool));
        let rbf = Rbf::new(points, gamma, pool, &mut progress)?;
        Ok(Self { kernel: Operator::Rbf(rbf), n, gamma: Some(gamma) })
    }

    /// The kernel that is used, never `auto`, and the width of a Gaussian one.
    pub fn kernel(&self) -> (Kernel, Option<f64>) {
        match self.kernel {
            Operator::Rbf(_) => (Kernel::Rbf, self.gamma),
            Operator::Knn(_) => (Kernel::Knn, None),
        }
    }

    /// Spreads `labels`, each below `n_labels` or unknown. `progress(done, of)` is called between the steps.
    ///
    /// # Shapes
    /// `labels`: `[n]`.
    ///
    /// # Errors
    /// Whatever error `progress` returns.
    ///
    /// # Source
    /// Zhou et al. 2004, "Learning with Local and Global Consistency"; numbers as scikit-learn's `LabelSpreading`,
    /// whose neighbours count the row itself.
    pub fn spread(
        &self,
        labels: &[Option<usize>],
        n_labels: usize,
        settings: &Settings,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Spread> {
        let known = |label: usize| labels.iter().map(move |&known| f64::from(u8::from(known == Some(label)))).collect();
        let own: Vec<Vec<f64>> = (0..n_labels).map(known).collect();
        let (mut columns, mut shares) = (own.clone(), row_shares(&own, self.n));
        let (mut n_iter, mut converged) = (0, false);
        while n_iter < settings.max_iter && !converged {
            columns = self.times(&columns, &mut progress)?;
            for (column, own) in columns.iter_mut().zip(&own) {
                column.iter_mut().zip(own).for_each(|(f, y)| *f = settings.alpha * *f + (1.0 - settings.alpha) * y);
            }
            // Shares are compared, not values: far from every label the values are tiny.
            let now = row_shares(&columns, self.n);
            converged = now.iter().zip(&shares).all(|(now, before)| (now - before).abs() <= settings.tol);
            shares = now;
            n_iter += 1;
        }
        Ok(Spread { shares, n_iter, converged })
    }

    /// Multiplies with each column `[n]`.
    fn times(
        &self,
        columns: &[Vec<f64>],
        progress: &mut impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        match &self.kernel {
            Operator::Rbf(rbf) => rbf.times(columns, progress),
            Operator::Knn(knn) => {
                progress(0, 1)?;
                Ok(columns.iter().map(|column| knn.times(column)).collect())
            }
        }
    }
}

/// The directed graph of neighbours.
struct Knn<'a> {
    neighbours: Neighbours,
    /// `[n]`, `D^-½`.
    inverse_sqrt: Vec<f64>,
    pool: &'a ThreadPool,
}

impl<'a> Knn<'a> {
    fn new(neighbours: Neighbours, pool: &'a ThreadPool) -> Self {
        let mut degrees = vec![0.0f64; neighbours.n];
        neighbours.indices.iter().for_each(|&j| degrees[j as usize] += 1.0);
        Self { neighbours, inverse_sqrt: degrees.into_iter().map(inverse_sqrt).collect(), pool }
    }

    /// `column`: `[n]`.
    fn times(&self, column: &[f64]) -> Vec<f64> {
        let row = |i: usize| {
            let sum: f64 =
                self.neighbours.row(i).0.iter().map(|&j| j as usize).map(|j| self.inverse_sqrt[j] * column[j]).sum();
            sum * self.inverse_sqrt[i]
        };
        self.pool.install(|| (0..self.neighbours.n).into_par_iter().map(row).collect())
    }
}

/// `d^-½`, or 1 for a row without neighbours.
fn inverse_sqrt(degree: f64) -> f64 {
    if degree > 0.0 { 1.0 / degree.sqrt() } else { 1.0 }
}

/// `[n, n_labels]`: each row divided by its sum, a row of zeros left as it is.
fn row_shares(columns: &[Vec<f64>], n: usize) -> Vec<f64> {
    let share = |i: usize| {
        let sum: f64 = columns.iter().map(|column| column[i]).sum();
        columns.iter().map(move |column| if sum > 0.0 { column[i] / sum } else { 0.0 })
    };
    (0..n).flat_map(share).collect()
}
