//! Who is responsible for which row.

use crate::lanes;
use crate::points::CHUNK;
use ascan_core::Tensor;
use rayon::ThreadPool;
use rayon::prelude::*;

/// The share of each of `k` components in each of `n` rows.
pub struct Responsibilities {
    n: usize,
    k: usize,
    /// `[n_chunks, k, CHUNK]`: a component's shares of a chunk lie side by side; zero beyond `n`.
    data: Vec<f64>,
}

impl Responsibilities {
    /// All zero.
    pub fn zeros(n: usize, k: usize) -> Self {
        Self { n, k, data: vec![0.0; n.div_ceil(CHUNK) * CHUNK * k] }
    }

    /// `share(row, component)`, row by row.
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

    /// Each row belongs to one component.
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

    /// The shares of one component, a chunk at a time.
    pub(super) fn component(&self, component: usize) -> impl Iterator<Item = &[f64]> {
        self.data.chunks_exact(CHUNK).skip(component).step_by(self.k)
    }

    pub(super) fn chunks_mut(&mut self) -> rayon::slice::ChunksMut<'_, f64> {
        self.data.par_chunks_mut((CHUNK * self.k).max(1))
    }

    /// `[k]`: the sum over all rows, and a little more, so that an empty component divides nothing by zero
    /// (ten times the precision of f64, as in scikit-learn).
    pub(super) fn masses(&self, pool: &ThreadPool) -> Vec<f64> {
        pool.install(|| {
            (0..self.k).into_par_iter().map(|component| self.mass_where(component, |_| true)).collect::<Vec<f64>>()
        })
    }

    /// As [`Self::masses`], of one component over some of the rows.
    pub(super) fn mass_where(&self, component: usize, counts: impl Fn(usize) -> bool) -> f64 {
        let chunks = self.component(component).enumerate();
        let sum = |(chunk, shares): (usize, &[f64])| -> f64 {
            let counted = |(i, &share): (usize, &f64)| if counts(chunk * CHUNK + i) { share } else { 0.0 };
            lanes::sum(shares.iter().enumerate().map(counted))
        };
        10.0 * f64::EPSILON + chunks.map(sum).sum::<f64>()
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
