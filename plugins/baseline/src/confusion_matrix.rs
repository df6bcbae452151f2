//! A slice for each cell of the confusion matrix.
//!
//! The baseline that beats many slicers on spurious correlations: it looks at nothing but labels and predictions.

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, params::NoParams, slicer};

/// Slices by (label, predicted class).
///
/// The slices are the cells that occur at the fit, sorted by label, then by predicted class. Images without a label,
/// and images of cells that did not occur, are noise.
pub struct ConfusionMatrix;

impl Plugin for ConfusionMatrix {
    const NAME: &'static str = "confusion_matrix";
    const SUMMARY: &'static str = "a slice for each (label, predicted class) cell that occurs";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Slicer for ConfusionMatrix {
    fn fit(&self, table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let mut cells: Vec<(i32, i32)> = cells(table).flatten().collect();
        cells.sort_unstable();
        cells.dedup();
        if cells.is_empty() {
            return Err(Error::unsupported(
                "the confusion matrix needs labels, and no image has one",
                "give the data a label column, or use another slicer, for example \"kmeans\"",
            ));
        }
        Ok(Box::new(Cells(cells)))
    }
}

/// The cells, sorted.
struct Cells(Vec<(i32, i32)>);

impl SliceModel for Cells {
    fn n_slices(&self) -> usize {
        self.0.len()
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        table.check()?;
        let slices: Vec<Option<usize>> = cells(table).map(|cell| self.0.binary_search(&cell?).ok()).collect();
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices()))
    }
}

/// The cell of each image, if its label is known.
fn cells<'a>(table: &SliceTable<'a>) -> impl Iterator<Item = Option<(i32, i32)>> + use<'a> {
    let pairs = table.labels.iter().zip(table.predicted_classes);
    pairs.map(|(&label, &predicted)| (label >= 0 && predicted >= 0).then_some((label, predicted)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};

    fn table(labels: &[i32], predicted_classes: &[i32]) -> ToyTable {
        let mut table = toy_slice_table(labels.len(), 2, 0);
        table.labels = labels.to_vec();
        table.predicted_classes = predicted_classes.to_vec();
        table
    }

    #[test]
    fn conforms() {
        check_slicer("confusion_matrix", &ConfusionMatrix);
    }

    #[test]
    fn slices_are_the_cells_seen_at_the_fit() {
        let context = Context::default();
        let seen = table(&[1, 0, 0, -1, 1], &[1, 1, 0, 0, 1]);
        let model = ConfusionMatrix.fit(&seen.view(), &context).unwrap();
        assert_eq!(model.n_slices(), 3);
        let membership = model.membership(&seen.view(), &context).unwrap();
        assert_eq!(slicer::assignment(&membership), [2, 1, 0, -1, 2]);

        let other = table(&[0, 1, 2, 1], &[0, 0, 2, 1]);
        let membership = model.membership(&other.view(), &context).unwrap();
        assert_eq!(slicer::assignment(&membership), [0, -1, -1, 2]);
    }

    #[test]
    fn without_labels_there_is_no_confusion_matrix() {
        let error = ConfusionMatrix.fit(&table(&[-1, -1], &[0, 1]).view(), &Context::default()).err().unwrap();
        assert_eq!(error.code(), ascan_core::ErrorCode::Unsupported);
        assert!(error.hint().unwrap().contains("kmeans"));
    }
}
