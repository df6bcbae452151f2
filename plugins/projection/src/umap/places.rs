//! Where images are during a layout, and what moves them.

use super::curve::Curve;
use std::sync::atomic::{AtomicU32, Ordering};

/// What does not change during a layout.
#[derive(Debug, Clone, Copy)]
pub struct Forces {
    pub curve: Curve,
    pub repulsion: f32,
    pub learning_rate: f32,
    pub n_negatives: usize,
    pub n_epochs: usize,
    pub seed: u64,
}

/// Places of images in the layout. Threads read them while others move.
pub struct Places {
    n_dims: usize,
    /// `[n, n_dims]`, the bits of f32.
    data: Vec<AtomicU32>,
}

impl Places {
    /// `n` places at 0.
    pub fn new(n: usize, n_dims: usize) -> Self {
        Self { n_dims, data: (0..n * n_dims).map(|_| AtomicU32::new(0)).collect() }
    }

    pub fn n(&self) -> usize {
        self.data.len() / self.n_dims
    }

    /// Places of the same images where image `i` is called `order[i]`.
    pub fn named(&self, order: &[u32]) -> Self {
        let named = Self::new(self.n(), self.n_dims);
        let mut place = vec![0.0; self.n_dims];
        for (i, &image) in order.iter().enumerate() {
            self.read(i, &mut place);
            named.write(image as usize, &place);
        }
        named
    }

    pub fn n_dims(&self) -> usize {
        self.n_dims
    }

    /// `[n_dims]`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[AtomicU32] {
        &self.data[i * self.n_dims..][..self.n_dims]
    }

    /// Writes where an image is to `place`.
    pub fn read(&self, i: usize, place: &mut [f32]) {
        place.iter_mut().zip(self.row(i)).for_each(|(value, at)| *value = load(at));
    }

    /// Moves an image to `place`.
    pub fn write(&self, i: usize, place: &[f32]) {
        place.iter().zip(self.row(i)).for_each(|(value, at)| at.store(value.to_bits(), Ordering::Relaxed));
    }
}

/// A coordinate. The threads keep their order at a barrier.
#[inline(always)]
pub fn load(at: &AtomicU32) -> f32 {
    f32::from_bits(at.load(Ordering::Relaxed))
}
