//! Principal components from a random subspace.
//!
//! Subspace iteration on the second moments `AᵀA` of the centred rows `A`, which are never formed: a pass over the rows takes
//! `Y = Aᵀ(AQ)` block by block, an orthonormal basis of `Y` is the next `Q`, and at the end the eigenvectors of
//! `(AQ)ᵀ(AQ)` turn it to the components. Sums are taken over blocks in their order, each by one thread.

use super::algorithm::{BLOCK, Components, centred, column_means};
use ascan_core::{Error, Result, TensorView};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Directions beyond those that were asked for; what is proven of the method needs some, 10 is usual.
const N_EXTRA: usize = 10;
/// Turns towards the largest variances: passes over the rows before the last.
const N_TURNS: usize = 4;
/// Rows of a product `AQ`, and columns of `A` in a product `Aᵀ(AQ)`, that one call computes.
const STRIPE: usize = 128;

/// Moments up to this side are solved exactly in seconds, which is soon enough.
const MIN_SIDE: usize = 2_000;

/// Whether this takes clearly fewer operations than the exact solution, and these would be many.
pub fn is_cheaper(n: usize, d: usize, n_dims: usize) -> bool {
    if n.min(d) < MIN_SIDE {
        return false;
    }
    let (n, d, l) = (n as f64, d as f64, (n_dims + N_EXTRA) as f64);
    let smaller = n.min(d);
    // Half of a product, and about ten cubes for the eigenvectors; two products a pass.
    let exact = n * d * smaller + 10.0 * smaller.powi(3);
    let randomised = 4.0 * n * d * l * (N_TURNS + 1) as f64;
    2.0 * randomised < exact
}

/// As [`super::algorithm::fit`], approximately.
pub fn fit(
    embeddings: TensorView,
    n_dims: usize,
    seed: u64,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Components> {
    let (n, d) = (embeddings.n_rows(), embeddings.row_len());
    let mean = column_means(embeddings);
    let l = (n_dims + N_EXTRA).min(d).min(n);
    let n_blocks = n.div_ceil(BLOCK);
    let n_steps = n_blocks * (N_TURNS + 1) + 1;
    let mut done = 0;
    let mut blocks = |add: &mut dyn FnMut(&[f64])| -> Result<()> {
        for block in 0..n_blocks {
            progress(done, n_steps)?;
            done += 1;
            add(&centred(embeddings, block * BLOCK..((block + 1) * BLOCK).min(n), &mean));
        }
        Ok(())
    };

    // Column-major `[d, l]`, as are all bases here.
    let mut basis = orthonormal(gaussian(d, l, seed).as_ref());
    for _ in 0..N_TURNS {
        // Row-major `[d, l]`.
        let mut turned = vec![0.0; d * l];
        blocks(&mut |rows| {
            let product = times(rows, basis.as_ref(), pool);
            add_transposed(rows, &product, l, &mut turned, pool);
        })?;
        basis = orthonormal(MatRef::from_row_major_slice(&turned, d, l));
    }
    let mut moments = Mat::<f64>::zeros(l, l);
    blocks(&mut |rows| {
        let product = times(rows, basis.as_ref(), pool);
        let product = MatRef::from_row_major_slice(&product, product.len() / l, l);
        matmul(moments.as_mut(), Accum::Add, product.transpose(), product, 1.0, Par::Seq);
    })?;
    let eigen = moments
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| Error::NotFinite { what: "eigenvalues of the embeddings' covariance".into() })?;
    // faer sorts eigenvalues upwards.
    let floor = eigen.S()[l - 1].max(0.0) * f64::EPSILON * n.max(d) as f64;
    let keep = n_dims.min((0..l).filter(|&i| eigen.S()[i] > floor).count());
    let mut loadings = vec![0.0; keep * d];
    let directions = eigen.U().subcols(l - keep, keep).reverse_cols();
    let target = MatMut::from_column_major_slice_mut(&mut loadings, d, keep);
    matmul(target, Accum::Replace, basis.as_ref(), directions, 1.0, Par::Seq);
    let squares: Vec<f64> = (0..keep).map(|i| eigen.S()[l - 1 - i]).collect();
    progress(n_steps, n_steps)?;
    Ok(Components::new(mean, loadings, &squares, n))
}

/// `[m, d]` row-major times `[d, l]`: row-major `[m, l]`.
fn times(rows: &[f64], basis: MatRef<f64>, pool: &ThreadPool) -> Vec<f64> {
    let (d, l) = (basis.nrows(), basis.ncols());
    let mut product = vec![0.0; rows.len() / d * l];
    pool.install(|| {
        product.par_chunks_mut(STRIPE * l).zip(rows.par_chunks(STRIPE * d)).for_each(|(out, rows)| {
            let m = rows.len() / d;
            let out = MatMut::from_row_major_slice_mut(out, m, l);
            matmul(out, Accum::Replace, MatRef::from_row_major_slice(rows, m, d), basis, 1.0, Par::Seq);
        });
    });
    product
}

/// Adds `rowsᵀ · product` (`[m, d]` and `[m, l]`) to row-major `[d, l]`.
fn add_transposed(rows: &[f64], product: &[f64], l: usize, sum: &mut [f64], pool: &ThreadPool) {
    let m = product.len() / l;
    let x = MatRef::from_row_major_slice(rows, m, rows.len() / m);
    let product = MatRef::from_row_major_slice(product, m, l);
    pool.install(|| {
        sum.par_chunks_mut(STRIPE * l).enumerate().for_each(|(stripe, out)| {
            let height = out.len() / l;
            let out = MatMut::from_row_major_slice_mut(out, height, l);
            matmul(out, Accum::Add, x.subcols(stripe * STRIPE, height).transpose(), product, 1.0, Par::Seq);
        });
    });
}

/// An orthonormal basis of the columns.
fn orthonormal(columns: MatRef<f64>) -> Mat<f64> {
    columns.qr().compute_thin_Q()
}

/// Standard normal numbers, by Box and Muller 1958.
pub(crate) fn gaussian(n_rows: usize, n_columns: usize, seed: u64) -> Mat<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    Mat::from_fn(n_rows, n_columns, |_, _| {
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    })
}
