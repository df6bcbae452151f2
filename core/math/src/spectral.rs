//! The first eigenvectors of a graph's normalised Laplacian, without a dense matrix.

use crate::graph::Graph;
use ascan_core::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Degree of the polynomial between two rotations.
const DEGREE: usize = 12;

/// Number of rows that a thread multiplies at a time.
const BLOCK: usize = 512;

/// Number of vectors that are multiplied side by side.
const LANES: usize = 4;

/// What to compute, and when to stop.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Number of eigenvectors, the constant one included.
    pub n_vectors: usize,
    /// Largest length of `Lv − λv`.
    pub tolerance: f64,
    /// Maximum number of rotations.
    pub max_iterations: usize,
    /// Seed of the start vectors.
    pub seed: u64,
}

/// Eigenvalues and eigenvectors of `L = I − D^-½ W D^-½`.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// Eigenvalues in rising order, in [0, 2]; as many zeros as the graph has components.
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
/// Whatever error `progress` returns, `NotFinite` for weights that are no numbers.
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
    let matrix = Matrix::new(graph, pool);

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    let mut basis = Basis::zeros(n, width);
    for row in basis.rows_mut() {
        row[..width].fill_with(|| rng.random::<f64>() - 0.5);
    }
    // One eigenvector is known.
    for (row, inverse_sqrt) in basis.rows_mut().zip(&matrix.inverse_sqrt) {
        row[0] = 1.0 / inverse_sqrt;
    }
    let (mut values, mut converged) = (Vec::new(), false);
    for iteration in 0..settings.max_iterations {
        progress(iteration, settings.max_iterations)?;
        let orthonormal = basis.as_mat().qr().compute_thin_Q();
        basis = Basis::zeros(n, width);
        basis.as_mat_mut().copy_from(&orthonormal);
        let mut image = Basis::zeros(n, width);
        matrix.apply(&basis, &mut image, Terms { product: 1.0, own: 0.0, before: 0.0 });
        let mut projected = Mat::<f64>::zeros(width, width);
        matmul(projected.as_mut(), Accum::Replace, orthonormal.transpose(), image.as_mat(), 1.0, Par::Seq);
        let eigen = projected
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Error::NotFinite { what: "eigenvalues of the graph of neighbours".into() })?;
        // faer sorts eigenvalues upwards; the largest of the matrix are the smallest of the Laplacian.
        let rotation = eigen.U().reverse_cols();
        values = (0..width).map(|i| eigen.S()[width - 1 - i]).collect::<Vec<f64>>();
        basis = basis.times(rotation);
        image = image.times(rotation);
        let residual = |column: usize| -> f64 {
            let rows = image.rows().zip(basis.rows());
            rows.map(|(image, row)| (image[column] - values[column] * row[column]).powi(2)).sum::<f64>().sqrt()
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
    let vectors = basis.as_mat().subcols(0, wanted).to_owned();
    Ok(Spectrum { values, vectors, inverse_sqrt_degrees: matrix.inverse_sqrt, converged })
}

/// A Chebyshev polynomial of the matrix: at most 1 on [−1, `cut`], large beyond.
fn filter(matrix: &Matrix, basis: Basis, cut: f64) -> Basis {
    let (half, centre) = ((cut + 1.0) / 2.0, (cut - 1.0) / 2.0);
    let mut previous = basis;
    let mut current = Basis::zeros(previous.n(), previous.width);
    matrix.apply(&previous, &mut current, Terms { product: 1.0 / half, own: -centre / half, before: 0.0 });
    for _ in 1..DEGREE {
        let next = Terms { product: 2.0 / half, own: -2.0 * centre / half, before: -1.0 };
        matrix.apply(&current, &mut previous, next);
        std::mem::swap(&mut previous, &mut current);
    }
    current
}

/// Some vectors side by side, row after row, so that an edge of the graph reads one place.
struct Basis {
    width: usize,
    /// `width` rounded up to [`LANES`].
    stride: usize,
    /// `[n, stride]`, zero beyond `width`.
    data: Vec<f64>,
}

impl Basis {
    fn zeros(n: usize, width: usize) -> Self {
        // At least one lane, so that no vectors are still `n` rows.
        let stride = width.next_multiple_of(LANES).max(LANES);
        Self { width, stride, data: vec![0.0; n * stride] }
    }

    fn n(&self) -> usize {
        self.data.len() / self.stride
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks_exact(self.stride)
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.data.chunks_exact_mut(self.stride)
    }

    /// `[n, width]`.
    fn as_mat(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice_with_stride(&self.data, self.n(), self.width, self.stride)
    }

    fn as_mat_mut(&mut self) -> MatMut<'_, f64> {
        let n = self.n();
        // Not `from_row_major_slice_with_stride_mut`: faer 0.24 takes its stride for that of the columns.
        MatMut::from_column_major_slice_with_stride_mut(&mut self.data, self.width, n, self.stride).transpose_mut()
    }

    fn times(&self, square: MatRef<f64>) -> Self {
        let mut product = Self::zeros(self.n(), self.width);
        matmul(product.as_mat_mut(), Accum::Replace, self.as_mat(), square, 1.0, Par::Seq);
        product
    }
}

/// `D^-½ W D^-½`.
struct Matrix<'a> {
    graph: &'a Graph,
    inverse_sqrt: Vec<f64>,
    pool: &'a ThreadPool,
}

/// Factors of a matrix's product with some vectors, of the vectors themselves, and of what stood there before.
#[derive(Clone, Copy)]
struct Terms {
    product: f64,
    own: f64,
    before: f64,
}

impl<'a> Matrix<'a> {
    fn new(graph: &'a Graph, pool: &'a ThreadPool) -> Self {
        let degree = |i: usize| graph.row(i).1.iter().map(|&w| f64::from(w)).sum::<f64>();
        // A vertex without edges is a component of its own, as if it had an edge to itself.
        let inverse_sqrt = |degree: f64| if degree > 0.0 { 1.0 / degree.sqrt() } else { 1.0 };
        let inverse_sqrt = (0..graph.n()).map(|i| inverse_sqrt(degree(i))).collect();
        Self { graph, inverse_sqrt, pool }
    }

    /// Writes the sum of the terms to `out`.
    fn apply(&self, x: &Basis, out: &mut Basis, terms: Terms) {
        let stride = x.stride;
        let blocks = out.data.par_chunks_mut(BLOCK * stride).enumerate();
        self.pool.install(|| {
            blocks.for_each(|(block, out)| {
                crate::wide(
                    #[inline(always)]
                    || {
                        let mut edges = Vec::new();
                        for (i, out) in (block * BLOCK..).zip(out.chunks_exact_mut(stride)) {
                            let (ends, weights) = self.graph.row(i);
                            let weight = |j: usize, weight: f32| f64::from(weight) * self.inverse_sqrt[j];
                            edges.clear();
                            edges.extend(ends.iter().zip(weights).map(|(&j, &w)| (j as usize, weight(j as usize, w))));
                            if weights.iter().all(|&weight| weight == 0.0) {
                                edges.push((i, 1.0));
                            }
                            let product = terms.product * self.inverse_sqrt[i];
                            for (lane, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                                let at = |j: usize| &x.data[j * stride + lane * LANES..][..LANES];
                                let mut sums = [0.0; LANES];
                                for &(j, weight) in &edges {
                                    sums.iter_mut().zip(at(j)).for_each(|(sum, x)| *sum += weight * x);
                                }
                                for ((out, sum), x) in out.iter_mut().zip(sums).zip(at(i)) {
                                    *out = product * sum + terms.own * x + terms.before * *out;
                                }
                            }
                        }
                    },
                );
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knn;
    use crate::points::testing::points;
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
