//! The parts of a scan that are read one at a time.

/// Numbers of a row that are too many to hold for every row of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `[n_classes]`, softmax of the logits, or their sigmoids.
    Probs,
    /// `[n_numbers]`, what the model says of each class of an image that may have several, or the quantity.
    Numbers,
    /// `[n_numbers]`, the same as the data set says it.
    Truth,
    /// `[d]`, the attribution-weighted features.
    Embeddings,
    /// `[h, w]`, the raw attribution map.
    Maps,
    /// `[h, w]`, the raw map of the further method at this place of [`super::ScanPlan::also`].
    Also(usize),
}
