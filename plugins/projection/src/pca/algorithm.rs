//! The mathematics: mean, second moments in fixed stripes, eigenvectors, projection; exactly.
//!
//! Each stripe of a matrix product is one call of one thread over the same rows in the same order, so the
//! result has the same bits at any number of threads.

use ascan_core::{Error, Result, Tensor, TensorView};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Rows that are widened to f64 at a time.
pub(crate) const BLOCK: usize = 1024;

/// Columns of the moments that one call computes.
const STRIPE: usize = 128;

/// Rows of one product of the projection; the last is padded, so that a row never depends on the others.
const CHUNK: usize = 256;

/// Principal components.
pub struct Components {
    d: usize,
    /// `[d]`.
    mean: Vec<f64>,
    /// `[n_dims, d]`, unit rows times `scales`.
    loadings: Vec<f64>,
    /// `[n_dims]`, variance along each component (over n − 1), falling.
    variances: Vec<f64>,
}

/// The `n_dims` first components, fewer if the embeddings have a lower rank, at least one.
/// `progress(steps done, steps)` is asked between the steps.
pub fn fit(
    embeddings: TensorView,
    n_dims: usize,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Components> {
    let (n, d) = (embeddings.n_rows(), embeddings.row_len());
    let mean = column_means(embeddings);
    let n_blocks = n.div_ceil(BLOCK);
    let wide = n < d;
    let mut moments = if wide { vec![0.0; n * n] } else { vec![0.0; d * d] };
    if wide {
        progress(0, n_blocks + 2)?;
        let transposed = transpose(&centred(embeddings, 0..n, &mean), n, d);
        add_moments(&transposed, n, &mut moments, pool);
    } else {
        for block in 0..n_blocks {
            progress(block, n_blocks + 2)?;
            let rows = block * BLOCK..((block + 1) * BLOCK).min(n);
            add_moments(&centred(embeddings, rows, &mean), d, &mut moments, pool);
        }
    }
    progress(n_blocks, n_blocks + 2)?;
    let size = if wide { n } else { d };
    // Row-major lower triangle of a symmetric matrix.
    let eigen = MatRef::from_row_major_slice(&moments, size, size)
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::NotFinite { what: "eigenvalues of the embeddings' covariance".into() })?;
    progress(n_blocks + 1, n_blocks + 2)?;
    // faer sorts eigenvalues upwards.
    let largest = eigen.S()[size - 1].max(0.0);
    let floor = largest * f64::EPSILON * n.max(d) as f64;
    let rank = (0..size).filter(|&i| eigen.S()[i] > floor).count();
    let keep = n_dims.min(rank);
    let mut vectors = vec![0.0; size * keep];
    for (i, row) in vectors.chunks_exact_mut(keep.max(1)).enumerate() {
        for (component, value) in row.iter_mut().enumerate() {
            *value = eigen.U()[(i, size - 1 - component)];
        }
    }
    // [keep, d]
    let loadings = if wide {
        let rows = centred(embeddings, 0..n, &mean);
        let mut product = Mat::<f64>::zeros(keep, d);
        let u = MatRef::from_row_major_slice(&vectors, n, keep);
        let x = MatRef::from_row_major_slice(&rows, n, d);
        matmul(product.as_mut(), Accum::Replace, u.transpose(), x, 1.0, Par::Seq);
        (0..keep).flat_map(|i| (0..d).map(move |j| (i, j))).map(|at| product[at]).collect()
    } else {
        transpose(&vectors, d, keep)
    };
    let squares: Vec<f64> = (0..keep).map(|i| eigen.S()[size - 1 - i]).collect();
    progress(n_blocks + 2, n_blocks + 2)?;
    Ok(Components::new(mean, loadings, &squares, n))
}

impl Components {
    /// Components from directions `[keep, d]` of any length, and the sum of squares along each.
    pub(crate) fn new(mean: Vec<f64>, mut loadings: Vec<f64>, squares: &[f64], n: usize) -> Self {
        let d = mean.len();
        loadings.chunks_exact_mut(d).for_each(normalise);
        let denominator = n.saturating_sub(1).max(1) as f64;
        let mut variances: Vec<f64> = squares.iter().map(|square| square / denominator).collect();
        if variances.is_empty() {
            // All embeddings are equal: one dimension in which nothing varies, rather than none.
            loadings = vec![0.0; d];
            loadings[0] = 1.0;
            variances = vec![0.0];
        }
        Self { d, mean, loadings, variances }
    }

    pub fn n_dims(&self) -> usize {
        self.variances.len()
    }

    pub fn d(&self) -> usize {
        self.d
    }

    /// Scales each component to variance 1.
    pub fn whiten(&mut self) {
        for (row, &variance) in self.loadings.chunks_exact_mut(self.d).zip(&self.variances) {
            if variance > 0.0 {
                row.iter_mut().for_each(|value| *value /= variance.sqrt());
            }
        }
    }

    /// `[n, d]` to `[n, n_dims]`.
    pub fn apply(&self, embeddings: TensorView, pool: &ThreadPool) -> Tensor {
        let (n, d, k) = (embeddings.n_rows(), self.d, self.n_dims());
        let mut projected = Tensor::zeros([n, k]);
        pool.install(|| {
            projected.data_mut().par_chunks_mut(CHUNK * k).enumerate().for_each(|(chunk, out)| {
                let start = chunk * CHUNK;
                let mut rows = centred(embeddings, start..start + out.len() / k, &self.mean);
                rows.resize(CHUNK * d, 0.0);
                let mut product = vec![0.0; CHUNK * k];
                matmul(
                    MatMut::from_row_major_slice_mut(&mut product, CHUNK, k),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&rows, CHUNK, d),
                    MatRef::from_row_major_slice(&self.loadings, k, d).transpose(),
                    1.0,
                    Par::Seq,
                );
                for (out, value) in out.iter_mut().zip(product) {
                    *out = value as f32;
                }
            });
        });
        projected
    }
}

/// Adds `rowsᵀ·rows` (`[m, d]` to `[d, d]`), lower triangle and a little more, stripe by stripe.
fn add_moments(rows: &[f64], d: usize, moments: &mut [f64], pool: &ThreadPool) {
    let m = rows.len() / d;
    let x = MatRef::from_row_major_slice(rows, m, d);
    pool.install(|| {
        moments.par_chunks_mut(STRIPE * d).enumerate().for_each(|(stripe, out)| {
            let (start, height) = (stripe * STRIPE, out.len() / d);
            // Row i of the lower triangle ends at column i.
            let width = start + height;
            matmul(
                MatMut::from_row_major_slice_mut(out, height, d).subcols_mut(0, width),
                Accum::Add,
                x.subcols(start, height).transpose(),
                x.subcols(0, width),
                1.0,
                Par::Seq,
            );
        });
    });
}

pub(crate) fn column_means(embeddings: TensorView) -> Vec<f64> {
    let (n, d) = (embeddings.n_rows(), embeddings.row_len());
    let mut means = vec![0.0; d];
    for row in embeddings.data().chunks_exact(d) {
        for (mean, &value) in means.iter_mut().zip(row) {
            *mean += f64::from(value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= n as f64);
    means
}

pub(crate) fn centred(embeddings: TensorView, rows: std::ops::Range<usize>, mean: &[f64]) -> Vec<f64> {
    let values = embeddings.rows(rows).chunks_exact(mean.len());
    values.flat_map(|row| row.iter().zip(mean).map(|(&value, mean)| f64::from(value) - mean)).collect()
}

fn transpose(values: &[f64], n_rows: usize, n_columns: usize) -> Vec<f64> {
    (0..n_columns).flat_map(|j| (0..n_rows).map(move |i| values[i * n_columns + j])).collect()
}

/// Length 1, the largest loading (the first on a tie) positive.
fn normalise(component: &mut [f64]) {
    let length = component.iter().map(|v| v * v).sum::<f64>().sqrt();
    let largest = component.iter().fold(0.0f64, |best, &v| if v.abs() > best.abs() { v } else { best });
    let factor = if largest < 0.0 { -1.0 } else { 1.0 } / length;
    component.iter_mut().for_each(|v| *v *= factor);
}
