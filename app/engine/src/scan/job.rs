//! What the pipeline works on: everything resolved, nothing read from a configuration.

use crate::features::FeatureRule;
use crate::question::Question;
use ascan_core::{Attributor, Error, OpenModel, Result, Runtime};
use ascan_store::{Facts, ScanPlan};

/// The images of a scan, as the pipeline sees them.
pub trait Images: Sync {
    /// What the data set says of an image.
    fn facts(&self, row: usize) -> Facts;

    /// Ground truth as output index, −1 where unknown.
    fn label(&self, row: usize) -> i32;

    /// Whether the image has each class, or its quantity, `[n_numbers]`; empty where the question is which class.
    fn truth(&self, row: usize) -> &[f32];

    /// The model's input for an image, `[c, h, w]`, normalised.
    ///
    /// # Errors
    /// Whatever is wrong with the image; it becomes the row's error.
    fn load(&self, row: usize) -> Result<Vec<f32>>;
}

/// The class that is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The predicted class.
    Predicted,
    /// The label; where there is none, the predicted class.
    Label,
    /// Always this output.
    Class(usize),
}

impl Target {
    /// The target that `attribution.target` asks for.
    ///
    /// # Errors
    /// `Param` for another word, or an output that the model does not have.
    pub fn new(target: &str, n_classes: usize) -> Result<Self> {
        match target {
            "predicted" => Ok(Self::Predicted),
            "label" => Ok(Self::Label),
            other => match other.parse() {
                Ok(class) if class < n_classes => Ok(Self::Class(class)),
                _ => Err(Error::param(
                    "attribution.target",
                    format!("must be \"predicted\", \"label\" or an output below {n_classes}, got \"{other}\""),
                    "",
                )),
            },
        }
    }

    /// The class that is explained in an image with this label (−1 for none); `None` is the predicted one.
    pub fn of(self, label: i32) -> Option<usize> {
        match self {
            Self::Predicted => None,
            Self::Label => usize::try_from(label).ok(),
            Self::Class(class) => Some(class),
        }
    }
}

/// A scan to be done.
pub struct Job<'a> {
    /// Opens the model, once per worker.
    pub runtime: &'a dyn Runtime,
    /// Which model.
    pub open: OpenModel,
    /// Make the maps, in the order of the plan: the one whose maps weight the features first.
    pub attributors: Vec<&'a dyn Attributor>,
    /// The images.
    pub images: &'a dyn Images,
    /// Feature maps to bring along: the attributors', and the one that is weighted.
    pub layers: Vec<String>,
    /// Tensors whose gradients the attributors share.
    pub gradients_of: Vec<String>,
    /// Which class is explained.
    pub target: Target,
    /// What is asked.
    pub question: Question,
    /// The layer with the logits of all classes, where an image may have several.
    pub scores: Option<String>,
    /// How features are weighted.
    pub rule: FeatureRule,
    /// Model workers, and as many decoders.
    pub n_threads: usize,
    /// What the rows depend on: sizes, shards, seed.
    pub plan: &'a ScanPlan,
}
