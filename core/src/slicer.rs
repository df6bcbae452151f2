//! [`Slicer`] and [`SliceModel`]: finding groups of images, and saying which image is in which.

use crate::{Context, Error, Result, Tensor, TensorView};

/// What a slicer sees. Annotated groups and masks are not here, and never will be:
/// they only score the result.
#[derive(Debug, Clone, Copy)]
pub struct SliceTable<'a> {
    /// `[n, d]`, the vectors to slice.
    pub embeddings: TensorView<'a>,
    /// `[n]` ground truth, −1 where unknown.
    pub labels: &'a [i32],
    /// `[n]` argmax of the logits.
    pub predicted_classes: &'a [i32],
    /// `[n, n_classes]`, softmax of the logits, or their sigmoids.
    pub probs: TensorView<'a>,
    /// `[n]` cross-entropy, NaN where the label is unknown.
    pub losses: &'a [f32],
    /// `[n, h, w]` attribution maps, where they are at hand.
    pub maps: Option<TensorView<'a>>,
}

impl SliceTable<'_> {
    /// Number of images.
    pub fn n(&self) -> usize {
        self.embeddings.n_rows()
    }

    /// Checks that the columns fit together and hold numbers.
    ///
    /// # Errors
    /// `Shape` or `NotFinite`, naming the column.
    pub fn check(&self) -> Result<()> {
        let [n, _] = self.embeddings.dims("embeddings", "[n, d]")?;
        let [n_probs, _] = self.probs.dims("probs", "[n, n_classes]")?;
        let maps = self.maps.map_or(n, TensorView::n_rows);
        for (column, len) in [
            ("labels", self.labels.len()),
            ("predicted classes", self.predicted_classes.len()),
            ("probs", n_probs),
            ("losses", self.losses.len()),
            ("maps", maps),
        ] {
            if len != n {
                return Err(Error::shape(column, format!("{n} rows, one an embedding"), len));
            }
        }
        if !self.embeddings.is_finite() {
            return Err(Error::NotFinite { what: "embeddings".into() });
        }
        Ok(())
    }
}

/// Finds slices.
pub trait Slicer: Send + Sync {
    /// Fits to a table. Same table, same seed: same model, at any number of threads.
    ///
    /// # Errors
    /// `Shape` or `NotFinite` for a bad table, `Param` if the table is too small for the parameters,
    /// `Cancelled` on request.
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>>;
}

/// A fitted slicer, applicable to the table it was fitted on and to others.
pub trait SliceModel: Send + Sync {
    /// Number of slices, including any that are empty on a given table.
    fn n_slices(&self) -> usize;

    /// How much each image belongs to each slice.
    ///
    /// # Shapes
    /// `[n, n_slices]`, each row in [0, 1] with a sum of 1, or all zero for an image in no slice (noise).
    /// Methods with overlapping slices may exceed a sum of 1.
    ///
    /// # Errors
    /// `Shape` or `NotFinite` for a table that does not fit the model.
    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor>;
}

/// The slice of each image: the column of the largest membership, the first on a tie, −1 for noise.
pub fn assignment(membership: &Tensor) -> Vec<i32> {
    (0..membership.n_rows())
        .map(|i| {
            let mut best = (-1, 0.0);
            for (slice, &share) in membership.row(i).iter().enumerate() {
                if share > best.1 {
                    best = (slice as i32, share);
                }
            }
            best.0
        })
        .collect()
}

/// A membership that is 1 in the given slice and 0 elsewhere; an entry of `None` or out of range is noise.
pub fn one_hot(slices: impl ExactSizeIterator<Item = Option<usize>>, n_slices: usize) -> Tensor {
    let mut membership = Tensor::zeros([slices.len(), n_slices]);
    for (i, slice) in slices.enumerate() {
        if let Some(slice) = slice.filter(|&slice| slice < n_slices) {
            membership.data_mut()[i * n_slices + slice] = 1.0;
        }
    }
    membership
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignment_takes_the_largest_share_and_noise_is_minus_one() {
        let membership = Tensor::new([3, 2], vec![0.2, 0.8, 0.5, 0.5, 0.0, 0.0]).unwrap();
        assert_eq!(assignment(&membership), [1, 0, -1]);
    }

    #[test]
    fn one_hot_is_undone_by_assignment() {
        let membership = one_hot([Some(1), None, Some(0)].into_iter(), 2);
        assert_eq!(assignment(&membership), [1, -1, 0]);
    }
}
