//! The first eigenvectors of a graph's normalised Laplacian, without ever making a dense matrix of it.

use crate::graph::Graph;
use ascan_core::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Degree of the polynomial between two rotations.
const DEGREE: usize = 12;

/// Rows that a thread multiplies at a time.
const BLOCK: usize = 512;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Eigenvectors wanted, the constant one included.
    pub n_vectors: usize,
    /// Largest length of `Lv − λv`.
    pub tolerance: f64,
    /// Limit of rotations.
    pub max_iterations: usize,
    /// Where the start comes from.
    pub seed: u64,
}

/// Eigenvalues and eigenvectors of `L = I − D^-½ W D^-½`.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// Rising, in [0, 2]; as many zeros as the graph has components.
    pub values: Vec<f64>,
    /// `[n, values]`, columns of length 1.
    pub vectors: Mat<f64>,
    /// `[n]`, `D^-½`.
    pub inverse_sqrt_degrees: Vec<f64>,
    /// Whether the tolerance was reached.
    pub converged: bool,
}

/// The eigenvectors of the smallest eigenvalues; all of them where there are fewer than asked for.
///
/// Subspace iteration, with a Chebyshev polynomial that damps the unwanted end of the spectrum. A whole subspace is
/// turned, so that equal eigenvalues (a graph of several components) are found as often as they occur.
///
/// # Errors
/// What `progress` says, `NotFinite` for weights that are no numbers.
///
/// # Source
/// Zhou & Saad 2007 (Chebyshev-filtered subspace iteration).
pub fn spectrum(
    graph: &Graph,
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Spectrum> {
    let n = graph.n();
    let wanted = settings.n_vectors.min(n);
    let width = (wanted + wanted / 2 + 4).min(n);
    let degrees: Vec<f64> = (0..n).map(|i| graph.row(i).1.iter().map(|&w| f64::from(w)).sum()).collect();
    // A vertex without edges is a component of its own.
    let inverse_sqrt = degrees.iter().map(|&degree: &f64| if degree > 0.0 { 1.0 / degree.sqrt() } else { 1.0 });
    let matrix = Matrix { graph, degrees: &degrees, inverse_sqrt: inverse_sqrt.collect(), pool };

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    let mut basis = Mat::from_fn(n, width, |_, _| rng.random::<f64>() - 0.5);
    // One eigenvector is known.
    (0..n).for_each(|i| {
        if width > 0 {
            basis[(i, 0)] = degrees[i].max(f64::MIN_POSITIVE).sqrt()
        }
    });
    let (mut values, mut converged) = (Vec::new(), false);
    for iteration in 0..settings.max_iterations {
        progress(iteration, settings.max_iterations)?;
        let orthonormal = basis.qr().compute_thin_Q();
        let image = matrix.apply(&orthonormal);
        let mut projected = Mat::<f64>::zeros(width, width);
        matmul(projected.as_mut(), Accum::Replace, orthonormal.transpose(), &image, 1.0, Par::Seq);
        let eigen = projected
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Error::NotFinite { what: "eigenvalues of the graph of neighbours".into() })?;
        // faer sorts eigenvalues upwards; the largest of the matrix are the smallest of the Laplacian.
        let rotation = eigen.U().reverse_cols();
        values = (0..width).map(|i| eigen.S()[width - 1 - i]).collect::<Vec<f64>>();
        basis = times(orthonormal.as_ref(), rotation);
        let image = times(image.as_ref(), rotation);
        let residual = |column: usize| -> f64 {
            let differences = (0..n).map(|i| image[(i, column)] - values[column] * basis[(i, column)]);
            differences.map(|v| v * v).sum::<f64>().sqrt()
        };
        converged = width == n || (0..wanted).all(|column| residual(column) <= settings.tolerance);
        if converged {
            break;
        }
        if iteration + 1 < settings.max_iterations {
            basis = filter(&matrix, basis, values[width - 1].clamp(-0.9, 0.999_999));
        }
    }
    progress(settings.max_iterations, settings.max_iterations)?;
    values.truncate(wanted);
    let values = values.into_iter().map(|value| (1.0 - value).max(0.0)).collect();
    let vectors = Mat::from_fn(n, wanted, |i, j| basis[(i, j)]);
    let inverse_sqrt_degrees = matrix.inverse_sqrt;
    Ok(Spectrum { values, vectors, inverse_sqrt_degrees, converged })
}

/// A Chebyshev polynomial of the matrix: at most 1 on [−1, `cut`], large beyond.
fn filter(matrix: &Matrix, basis: Mat<f64>, cut: f64) -> Mat<f64> {
    let (half, centre) = ((cut + 1.0) / 2.0, (cut - 1.0) / 2.0);
    let scaled = |x: &Mat<f64>| (matrix.apply(x) - x * faer::Scale(centre)) * faer::Scale(1.0 / half);
    let mut previous = basis;
    let mut current = scaled(&previous);
    for _ in 1..DEGREE {
        let next = scaled(&current) * faer::Scale(2.0) - &previous;
        previous = std::mem::replace(&mut current, next);
    }
    current
}

fn times(a: MatRef<f64>, b: MatRef<f64>) -> Mat<f64> {
    let mut product = Mat::<f64>::zeros(a.nrows(), b.ncols());
    matmul(product.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    product
}

/// `D^-½ W D^-½`.
struct Matrix<'a> {
    graph: &'a Graph,
    degrees: &'a [f64],
    inverse_sqrt: Vec<f64>,
    pool: &'a ThreadPool,
}

impl Matrix<'_> {
    fn apply(&self, x: &Mat<f64>) -> Mat<f64> {
        let (n, width) = (x.nrows(), x.ncols());
        // Row after row, so that an edge reads one place.
        let rows: Vec<f64> = (0..n).flat_map(|i| (0..width).map(move |j| (i, j))).map(|at| x[at]).collect();
        let mut out = vec![0.0; n * width];
        self.pool.install(|| {
            out.par_chunks_mut(BLOCK * width.max(1)).enumerate().for_each(|(block, out)| {
                crate::wide(
                    #[inline(always)]
                    || {
                        for (at, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
                            let i = block * BLOCK + at;
                            if self.degrees[i] <= 0.0 {
                                out.copy_from_slice(&rows[i * width..(i + 1) * width]);
                            }
                            let (ends, weights) = self.graph.row(i);
                            for (&j, &weight) in ends.iter().zip(weights) {
                                let j = j as usize;
                                let scaled = f64::from(weight) * self.inverse_sqrt[i] * self.inverse_sqrt[j];
                                for (out, x) in out.iter_mut().zip(&rows[j * width..(j + 1) * width]) {
                                    *out += scaled * x;
                                }
                            }
                        }
                    },
                );
            });
        });
        Mat::from_fn(n, width, |i, j| out[i * width + j])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knn::{self, tests::points};
    use crate::pool;
    use ascan_core::Context;
    use ascan_core::testing::toy_slice_table;

    fn graph(n: usize, k: usize) -> Graph {
        let points = points(toy_slice_table(n, 6, 4).embeddings.view());
        let pool = pool("spectral", &Context::default()).unwrap();
        let neighbours = knn::graph(&points, k, &pool, |_, _| Ok(())).unwrap();
        let weights = neighbours.sq_distances.iter().map(|d| (-d / 20.0).exp()).collect::<Vec<f32>>();
        Graph::symmetric(&neighbours, &weights, |a, b| a + b - a * b)
    }

    fn find(graph: &Graph, n_vectors: usize, n_threads: usize) -> Spectrum {
        let pool = pool("spectral", &Context { n_threads, ..Context::default() }).unwrap();
        let settings = Settings { n_vectors, tolerance: 1e-8, max_iterations: 300, seed: 1 };
        spectrum(graph, &settings, &pool, |_, _| Ok(())).unwrap()
    }

    #[test]
    fn a_graph_is_symmetric() {
        let graph = graph(200, 7);
        for i in 0..200 {
            for (&j, &weight) in graph.row(i).0.iter().zip(graph.row(i).1) {
                let (ends, weights) = graph.row(j as usize);
                let back = ends.binary_search(&(i as u32)).unwrap();
                assert!((weights[back] - weight).abs() < 1e-6);
                assert_ne!(i as u32, j);
            }
        }
    }

    /// Dense eigenvalues; a graph of two components (k small) has two zeros or more.
    #[test]
    fn the_same_eigenvalues_as_of_the_dense_matrix() {
        for (n, k) in [(300, 60), (300, 4), (9, 3)] {
            let graph = graph(n, k);
            let degree = |i: usize| graph.row(i).1.iter().map(|&w| f64::from(w)).sum::<f64>();
            let laplacian = Mat::from_fn(n, n, |i, j| {
                let (ends, weights) = graph.row(i);
                let weight = ends.binary_search(&(j as u32)).map_or(0.0, |at| f64::from(weights[at]));
                f64::from(u8::from(i == j)) - weight / (degree(i) * degree(j)).sqrt()
            });
            let expected = laplacian.self_adjoint_eigenvalues(Side::Lower).unwrap();
            let found = find(&graph, 8, 2);
            assert!(found.converged);
            for (ours, theirs) in found.values.iter().zip(&expected) {
                assert!((ours - theirs).abs() < 1e-6, "n = {n}, k = {k}: {:?}, {:?}", found.values, &expected[..8]);
            }
        }
    }

    #[test]
    fn the_same_bits_at_any_number_of_threads() {
        let graph = graph(1_500, 10);
        let one = find(&graph, 5, 1);
        assert_eq!(find(&graph, 5, 3).vectors, one.vectors);
    }
}
