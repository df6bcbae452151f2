//! The parts of a scan that are read one at a time.

/// Numbers of a row that are too many to hold for every row of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `[n_classes]`, softmax of the logits, or their sigmoids.
    Probs,
    /// `[d]`, the attribution-weighted features.
    Embeddings,
    /// `[h, w]`, the raw attribution map.
    Maps,
    /// `[h, w]`, the raw map of the further method at this place of [`super::ScanPlan::also`].
    Also(usize),
}
