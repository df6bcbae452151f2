//! The scan table: one row per image, the hub that everything after the scan reads.

use ascan_core::{SliceTable, Tensor};

/// All rows of a scan, in the order of the image set.
///
/// A row that failed has its `error` and holds −1, NaN and zeros elsewhere. An overview of a scan has no tensors
/// (`probs`, `embeddings`, `maps`): for many images they are more than fits into memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScanTable {
    /// Where each image came from: a path, or `archive!member`.
    pub uris: Vec<String>,
    /// Ground truth as output index, −1 where unknown.
    pub labels: Vec<i32>,
    /// Argmax of the logits, −1 for a failed row.
    pub predicted_classes: Vec<i32>,
    /// The class that was explained, −1 for a failed row.
    pub target_classes: Vec<i32>,
    /// `[n, n_classes]`.
    pub probs: Tensor,
    /// Probability of the predicted class, 0 for a failed row.
    pub confidences: Vec<f32>,
    /// Cross-entropy, or how far a quantity is off; NaN where the label is unknown or the row failed.
    pub losses: Vec<f32>,
    /// Of a scan that asks for a quantity: what the data set and what the model says, NaN where unknown.
    pub quantities: Option<Vec<[f32; 2]>>,
    /// `[n, d]` attribution-weighted features.
    pub embeddings: Tensor,
    /// `[n, h, w]` raw attribution maps.
    pub maps: Tensor,
    /// Whether the map had no weight, so that the plain spatial mean was used.
    pub attribution_empty: Vec<bool>,
    /// Of the first attribution method that promises a sum.
    pub convergence_delta: Option<Vec<f32>>,
    /// How alike the maps of the methods are, where the scan has several, NaN where one of them says nothing; see
    /// `likeness::agreement`.
    pub agreement: Option<Vec<f32>>,
    /// What went wrong with the image, if anything.
    pub errors: Vec<Option<String>>,
    /// Split, where the data set has splits.
    pub splits: Option<Vec<String>>,
    /// Annotated attributes, passed through; they only score.
    pub groups: Vec<GroupColumn>,
    /// Path of each image's mask, where the data set has masks; they only score.
    pub masks: Option<Vec<String>>,
}

/// A column of annotated attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupColumn {
    /// Column name.
    pub name: String,
    /// `[n]` values, as written in the data set.
    pub values: Vec<String>,
}

/// The rows of a [`ScanTable`] that did not fail, as a slicer sees them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SliceInput {
    /// Row in the scan table of each row here.
    pub rows: Vec<usize>,
    /// `[m, d]`.
    pub embeddings: Tensor,
    /// `[m]`, −1 where unknown.
    pub labels: Vec<i32>,
    /// `[m]`.
    pub predicted_classes: Vec<i32>,
    /// `[m, n_classes]`.
    pub probs: Tensor,
    /// `[m]`, NaN where the label is unknown.
    pub losses: Vec<f32>,
    /// `[m, h, w]`, where maps are wanted.
    pub maps: Option<Tensor>,
}

impl ScanTable {
    /// Number of rows, failed ones included.
    pub fn n(&self) -> usize {
        self.uris.len()
    }

    /// Rows of which nothing is known but why.
    pub(crate) fn failed(n: usize, group_columns: &[String], error: &str) -> Self {
        let blank = |name: &String| GroupColumn { name: name.clone(), values: vec![String::new(); n] };
        Self {
            uris: vec![String::new(); n],
            labels: vec![-1; n],
            predicted_classes: vec![-1; n],
            target_classes: vec![-1; n],
            confidences: vec![0.0; n],
            losses: vec![f32::NAN; n],
            attribution_empty: vec![false; n],
            errors: vec![Some(error.to_owned()); n],
            groups: group_columns.iter().map(blank).collect(),
            ..Self::default()
        }
    }

    /// Adds the rows of another table of the same scan, tensors apart: they do not grow.
    pub(crate) fn append(&mut self, other: Self) {
        let n = [self.n(), self.n() + other.n()];
        append_column(&mut self.convergence_delta, other.convergence_delta, n, f32::NAN);
        append_column(&mut self.agreement, other.agreement, n, f32::NAN);
        append_column(&mut self.quantities, other.quantities, n, [f32::NAN; 2]);
        append_column(&mut self.splits, other.splits, n, String::new());
        append_column(&mut self.masks, other.masks, n, String::new());
        self.uris.extend(other.uris);
        self.labels.extend(other.labels);
        self.predicted_classes.extend(other.predicted_classes);
        self.target_classes.extend(other.target_classes);
        self.confidences.extend(other.confidences);
        self.losses.extend(other.losses);
        self.attribution_empty.extend(other.attribution_empty);
        self.errors.extend(other.errors);
        if self.groups.is_empty() {
            self.groups = other.groups;
        } else {
            for (group, more) in self.groups.iter_mut().zip(other.groups) {
                group.values.extend(more.values);
            }
        }
    }

    /// Rows that did not fail.
    pub fn valid_rows(&self) -> Vec<usize> {
        (0..self.n()).filter(|&i| self.errors[i].is_none()).collect()
    }

    /// The known group of a row, `y=0,place=1`; `None` where no group columns were given.
    pub fn group(&self, row: usize) -> Option<String> {
        let parts = self.groups.iter().map(|column| format!("{}={}", column.name, column.values[row]));
        (!self.groups.is_empty()).then(|| parts.collect::<Vec<_>>().join(","))
    }

    /// What a slicer may see: no groups, no masks, no splits, no failed rows.
    pub fn slice_input(&self) -> SliceInput {
        self.input_of(self.valid_rows())
    }

    /// As [`Self::slice_input`], of the rows whose prediction is not their label.
    pub fn slice_errors(&self) -> SliceInput {
        let wrong = |&row: &usize| self.labels[row] >= 0 && self.labels[row] != self.predicted_classes[row];
        self.input_of(self.valid_rows().into_iter().filter(wrong).collect())
    }

    fn input_of(&self, rows: Vec<usize>) -> SliceInput {
        let pick = |values: &[i32]| rows.iter().map(|&i| values[i]).collect();
        SliceInput {
            embeddings: pick_rows(&self.embeddings, &rows),
            labels: pick(&self.labels),
            predicted_classes: pick(&self.predicted_classes),
            probs: pick_rows(&self.probs, &rows),
            losses: rows.iter().map(|&i| self.losses[i]).collect(),
            maps: (!self.maps.data().is_empty()).then(|| pick_rows(&self.maps, &rows)),
            rows,
        }
    }
}

impl SliceInput {
    /// The view that crosses to the plugin, over these embeddings or a projection of them.
    pub fn table<'a>(&'a self, embeddings: &'a Tensor) -> SliceTable<'a> {
        SliceTable {
            embeddings: embeddings.view(),
            labels: &self.labels,
            predicted_classes: &self.predicted_classes,
            probs: self.probs.view(),
            losses: &self.losses,
            maps: self.maps.as_ref().map(Tensor::view),
        }
    }
}

/// A column exists as soon as one of its parts does; the rows of the others are filled.
fn append_column<T: Clone>(column: &mut Option<Vec<T>>, more: Option<Vec<T>>, [n_before, n]: [usize; 2], blank: T) {
    if column.is_none() && more.is_none() {
        return;
    }
    let column = column.get_or_insert_default();
    column.resize(n_before, blank.clone());
    column.extend(more.into_iter().flatten());
    column.resize(n, blank);
}

/// Some rows, rising.
fn pick_rows(tensor: &Tensor, rows: &[usize]) -> Tensor {
    if rows.len() == tensor.n_rows() {
        // All of them: shared, not copied.
        return tensor.clone();
    }
    let mut shape = tensor.shape().to_vec();
    if shape.is_empty() {
        return Tensor::zeros([rows.len(), 0]);
    }
    shape[0] = rows.len();
    let data = rows.iter().flat_map(|&i| tensor.row(i)).copied().collect();
    // The picked rows have the tensor's own row length.
    Tensor::new(shape, data).unwrap_or_default()
}
