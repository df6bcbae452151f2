//! One row of a scan on its way to disk.

/// An image: what the data set says of it, and what the scan found.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanRow {
    /// From the data set.
    pub facts: Facts,
    /// From the model, or why there is nothing.
    pub outcome: Result<Outcome, String>,
}

/// What the data set says of an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// A path, or `archive!member`.
    pub uri: String,
    /// Ground truth as output index, −1 where unknown.
    pub label: i32,
    /// Split, where the data set has splits.
    pub split: Option<String>,
    /// Values of the group columns.
    pub groups: Vec<String>,
    /// Path of the mask, where there is one.
    pub mask: Option<String>,
    /// `[n_numbers]`, NaN where unknown: whether the image has each class, or its quantity.
    pub truth: Vec<f32>,
}

/// What the model says of an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// The answer: most often the argmax of the logits.
    pub predicted_class: i32,
    /// The class that was explained.
    pub target_class: i32,
    /// `[n_classes]`, softmax of the logits, or their sigmoids.
    pub probs: Vec<f32>,
    /// Cross-entropy, or how far a quantity is off; NaN where the label is unknown.
    pub loss: f32,
    /// `[n_numbers]` the probability of each class, or the quantity.
    pub numbers: Vec<f32>,
    /// `[h, w]` at the stored size.
    pub map: Vec<f32>,
    /// The same of each further method.
    pub also: Vec<Vec<f32>>,
    /// How alike the maps of all methods are, where there are several; see `likeness::agreement`.
    pub agreement: Option<f32>,
    /// `[d]`.
    pub embedding: Vec<f32>,
    /// The map had no weight.
    pub attribution_empty: bool,
    /// Of the first method that promises a sum.
    pub convergence_delta: Option<f32>,
}
