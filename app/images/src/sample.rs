//! One image of a set, and what is known about it.

use std::path::PathBuf;

/// One image and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path relative to the root, or `archive.tar!member`, with forward slashes.
    pub uri: String,
    /// Label as the data set writes it; `None` where it is unknown.
    pub label: Option<String>,
    /// The label as index into the data set's classes.
    pub label_index: Option<usize>,
    /// Where a table marks each class of an image (`columns.one_hot`, COCO): the marked ones, as indices into
    /// [`ImageSet::marked_classes`](crate::ImageSet::marked_classes), ascending. Exactly one mark is also the label.
    pub marks: Vec<usize>,
    /// Split, where the set has splits.
    pub split: Option<String>,
    /// Annotated attributes, one for each of [`ImageSet::group_columns`](crate::ImageSet::group_columns); they only
    /// score.
    pub groups: Vec<String>,
    /// Path of the object's mask, as the manifest writes it; it only scores.
    pub mask: Option<String>,
    pub(crate) source: Source,
}

impl Sample {
    pub(crate) fn new(uri: String, label: Option<String>, split: Option<String>, source: Source) -> Self {
        Self { uri, label, label_index: None, marks: Vec::new(), split, groups: Vec::new(), mask: None, source }
    }
}

/// Where the bytes of one image are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// In a file of its own.
    File(PathBuf),
    /// In the packed file of the set (archive or idx).
    Span { offset: u64, len: u64 },
    /// In this row of a Parquet file, counted over all row groups.
    Row { file: usize, row: usize },
    /// Nowhere, and why.
    Missing(String),
}
