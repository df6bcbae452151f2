//! Responsibilities: the share of each component in each row.

use crate::points::CHUNK;
use ascan_core::Tensor;
use rayon::prelude::*;

/// Added to the mass of a component, so that an empty one causes no division by zero (ten times the precision of f64,
/// as in scikit-learn).
pub(super) const NO_MASS: f64 = 10.0 * f64::EPSILON;

/// The share of each of `k` components in each of `n` rows.
pub struct Responsibilities {
    n: usize,
    k: usize,
    /// `[n_chunks, k, CHUNK]`: a component's shares of a chunk lie side by side; zero beyond `n`.
    data: Vec<f64>,
}

impl Responsibilities {
    /// Responsibilities that are all zero.
    pub fn zeros(n: usize, k: usize) -> Self {
        Self { n, k, data: vec![0.0; n.div_ceil(CHUNK) * CHUNK * k] }
    }

    /// Responsibilities from `share(row, component)`, row by row.
    pub fn from_fn(n: usize, k: usize, mut share: impl FnMut(usize, usize) -> f64) -> Self {
        let mut new = Self::zeros(n, k);
        for row in 0..n {
            for component in 0..k {
                let at = new.at(row, component);
                new.data[at] = share(row, component);
            }
        }
        new
    }

    /// Responsibilities of rows that each belong to one component alone.
    pub fn one_hot(assignment: &[usize], k: usize) -> Self {
        let mut new = Self::zeros(assignment.len(), k);
        for (row, &component) in assignment.iter().enumerate() {
            let at = new.at(row, component);
            new.data[at] = 1.0;
        }
        new
    }

    fn at(&self, row: usize, component: usize) -> usize {
        (row / CHUNK * self.k + component) * CHUNK + row % CHUNK
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of components.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The share of a component in a row.
    pub fn get(&self, row: usize, component: usize) -> f64 {
        self.data[self.at(row, component)]
    }

    /// The component with the largest share in a row, the first on a tie.
    pub fn largest(&self, row: usize) -> usize {
        let shares = (0..self.k).map(|component| (component, self.get(row, component)));
        shares.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(0, |best| best.0)
    }

    /// `[k, CHUNK]`, zero beyond the last row.
    pub(super) fn chunk(&self, chunk: usize) -> &[f64] {
        &self.data[chunk * CHUNK * self.k..][..CHUNK * self.k]
    }

    /// The shares of one component, chunk by chunk.
    pub(super) fn component(&self, component: usize) -> impl Iterator<Item = &[f64]> {
        self.data.chunks_exact(CHUNK).skip(component).step_by(self.k)
    }

    /// The shares of all components, `n_chunks` chunks at a time.
    pub(super) fn blocks_mut(&mut self, n_chunks: usize) -> rayon::slice::ChunksMut<'_, f64> {
        self.data.par_chunks_mut((n_chunks * CHUNK * self.k).max(1))
    }

    /// `[n, components]`: the shares of some components, in their order.
    pub fn membership(&self, components: &[usize]) -> Tensor {
        let mut membership = Tensor::zeros([self.n, components.len()]);
        for (row, out) in membership.data_mut().chunks_exact_mut(components.len().max(1)).enumerate() {
            for (value, &component) in out.iter_mut().zip(components) {
                *value = self.get(row, component) as f32;
            }
        }
        membership
    }
}
