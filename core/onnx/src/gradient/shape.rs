//! The shape of a tensor at two batch sizes: which lengths follow the batch shows in the difference.

use crate::proto::tensor_shape_proto::{Dimension, dimension::Value as Dim};

/// Lengths of the axes of a tensor, for two sizes of the batch (the same one twice where the graph takes only one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    at: [Vec<usize>; 2],
}

impl Shape {
    /// The lengths at the smaller and at the larger batch, of the same rank.
    pub fn new(small: Vec<usize>, large: Vec<usize>) -> Self {
        Self { at: [small, large] }
    }

    /// Lengths that do not follow the batch.
    pub fn fixed(lengths: &[usize]) -> Self {
        Self { at: [lengths.to_vec(), lengths.to_vec()] }
    }

    pub fn rank(&self) -> usize {
        self.at[0].len()
    }

    /// Length of an axis at the smaller batch.
    pub fn length(&self, axis: usize) -> usize {
        self.at[0][axis]
    }

    /// Length of an axis at the smaller and at the larger batch.
    pub fn both(&self, axis: usize) -> [usize; 2] {
        [self.at[0][axis], self.at[1][axis]]
    }

    /// The lengths at the smaller batch.
    pub fn lengths(&self) -> &[usize] {
        &self.at[0]
    }

    /// Whether the length of an axis follows the batch.
    pub fn follows_batch(&self, axis: usize) -> bool {
        self.at[0][axis] != self.at[1][axis]
    }

    /// Whether the axis is repeated by broadcasting: its length is 1 at any batch size.
    pub fn is_one(&self, axis: usize) -> bool {
        self.at.iter().all(|lengths| lengths[axis] == 1)
    }

    /// The shape after a change of lengths.
    pub fn map(&self, change: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        Self { at: [change(&self.at[0]), change(&self.at[1])] }
    }

    /// The shape that a change makes of two.
    pub fn zip(&self, other: &Self, change: impl Fn(&[usize], &[usize]) -> Vec<usize>) -> Self {
        Self { at: [change(&self.at[0], &other.at[0]), change(&self.at[1], &other.at[1])] }
    }

    /// The shape with another, fixed, length of one axis.
    pub fn with(&self, axis: usize, length: usize) -> Self {
        self.map(|lengths| {
            let mut lengths = lengths.to_vec();
            lengths[axis] = length;
            lengths
        })
    }

    /// The shape with length 1 at these axes.
    pub fn with_ones(&self, axes: &[usize]) -> Self {
        self.map(|lengths| (0..lengths.len()).map(|i| if axes.contains(&i) { 1 } else { lengths[i] }).collect())
    }

    /// The shape with its axes in another order.
    pub fn permuted(&self, perm: &[usize]) -> Self {
        self.map(|lengths| perm.iter().map(|&axis| lengths[axis]).collect())
    }

    /// The shape of an element-by-element operation on two tensors that fit together.
    pub fn broadcast(&self, other: &Self) -> Self {
        self.zip(other, |a, b| {
            let rank = a.len().max(b.len());
            let at =
                |lengths: &[usize], i: usize| (i + lengths.len()).checked_sub(rank).map_or(1, |axis| lengths[axis]);
            (0..rank).map(|i| if at(a, i) == 1 { at(b, i) } else { at(a, i) }).collect()
        })
    }

    /// The shape as a target of `Reshape`: the length that follows the batch is left open.
    ///
    /// # Errors
    /// If several lengths follow the batch.
    pub fn target(&self) -> Result<Vec<i64>, String> {
        let open: Vec<usize> = (0..self.rank()).filter(|&axis| self.follows_batch(axis)).collect();
        match open.len() {
            0 | 1 => Ok((0..self.rank()).map(|i| if open.contains(&i) { -1 } else { self.length(i) as i64 }).collect()),
            _ => Err(format!("several lengths of shape {:?} follow the number of images", self.at[0])),
        }
    }

    /// The shape as a file declares it; `batches` are the two batch sizes.
    pub fn declared(&self, batches: [usize; 2]) -> Vec<Dimension> {
        let dimension = |axis: usize| {
            let [small, large] = [self.at[0][axis], self.at[1][axis]];
            let value = match large.saturating_sub(small) {
                0 => Some(Dim::DimValue(small as i64)),
                1 if small == batches[0] => Some(Dim::DimParam("n".to_owned())),
                step => Some(Dim::DimParam(format!("{step}n_{small}"))),
            };
            Dimension { value, ..Default::default() }
        };
        (0..self.rank()).map(dimension).collect()
    }
}
