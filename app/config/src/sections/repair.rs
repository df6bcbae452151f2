//! `[repair]`: how a model is fine-tuned.

use ascan_core::params::{ParamMap, Params, Problems};
use serde::{Deserialize, Serialize};

/// `[repair]`. Defaults are those that did best on `waterbirds_lite`; `benches/README.md` has the figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepairSection {
    /// Regularizer plugin.
    pub plugin: String,
    /// Backend plugin that trains.
    pub backend: String,
    /// Which weights move: `all`, `head`, or those after a named tensor.
    pub layers: String,
    /// The step rule.
    pub optimizer: OptimizerName,
    /// Momentum of SGD.
    pub momentum: f32,
    /// L2 penalty of SGD, or decoupled decay of AdamW.
    pub weight_decay: f32,
    /// Step size at the start.
    pub learning_rate: f32,
    /// How it changes.
    pub schedule: Schedule,
    /// Passes over the training images.
    pub epochs: usize,
    /// Images per step.
    pub batch_size: usize,
    /// What comes equally often in an epoch.
    pub balance: Balance,
    /// Whether verdicts are weighed against where the object probably is, and the cue is looked for outside it.
    pub evidence: bool,
    /// Whether the repair is checked: the same model is trained equally long without a regularizer, and the repair fails if it
    /// is no better than that, or than the model before.
    pub check: bool,
    /// Whether labels are shuffled among the training images: a control for attributions, which must change when nothing
    /// is left to be learnt. The epoch is then the one that knows these labels best.
    pub shuffle_labels: bool,
    /// Whether batch normalisation is trained.
    pub train_batch_norm: bool,
    /// What the regularizer gets as groups.
    pub groups: Groups,
    /// Split that chooses the epoch; `None`: `validation_share` of the scanned images is held out.
    pub validation_split: Option<String>,
    /// Share of the scanned images that is held out where there is no `validation_split`.
    pub validation_share: f64,
    /// What an epoch is chosen by.
    pub metric: Metric,
    /// Epochs without a better `metric` after which training ends; 0: never.
    pub patience: usize,
    /// Whether pictures are mirrored at random.
    pub flip: bool,
    /// Largest part of a picture's side that is cut off at random.
    pub crop: f32,
    /// Spuriousness of images about which nothing is known.
    pub unknown: f32,
    /// Disturbed copies per image whose features are kept where only the head is trained.
    pub n_draws: usize,
    /// Steps between checkpoints; one is made after each epoch too.
    pub checkpoint_steps: usize,
    /// `[repair.masks]`
    pub masks: MasksSection,
    /// `[repair.params]`: parameters of the regularizer.
    pub params: ParamMap,
}

impl RepairSection {
    /// The settings that the pictures of training depend on; the others have their defaults.
    pub fn of_pictures(&self) -> Self {
        let &Self { groups, validation_share, flip, crop, unknown, shuffle_labels, evidence, .. } = self;
        let (plugin, params, masks) = (self.plugin.clone(), self.params.clone(), self.masks.clone());
        let validation_split = self.validation_split.clone();
        Self {
            plugin,
            params,
            masks,
            groups,
            validation_split,
            validation_share,
            flip,
            crop,
            unknown,
            shuffle_labels,
            evidence,
            ..Self::default()
        }
    }
}

/// The step rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// How the step size changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Half a cosine down to 0 over all epochs.
    Cosine,
}

/// What comes equally often in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Cells of class and group where groups come from the cue, else classes.
    Auto,
    /// Images.
    None,
    /// Classes.
    Class,
    /// Cells of class and group.
    Group,
}

/// What a regularizer gets as groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// Whether the cue alone says the label (0) or another class (1). The cue is what should not count: a classifier that sees
    /// nothing else, and is never asked about images that it was fitted to, tells which images it does not work on.
    Cue,
    /// Label and verdict: `2 · label + 1` where the spuriousness is above one half.
    Spuriousness,
    /// The slices of the newest set.
    Slices,
    /// The annotated groups, which else only score: a ceiling to measure other methods against.
    Annotated,
}

/// What an epoch is chosen by, on validation images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Accuracy of the worst class, on the images as they are and on copies with the surroundings of another class, averaged;
    /// without such copies that of the images alone.
    Counterfactual,
    /// Share of right predictions.
    Accuracy,
    /// Accuracy of each class, averaged.
    BalancedAccuracy,
    /// Accuracy of the worst class.
    WorstClassAccuracy,
    /// Mean cross-entropy; lower is better.
    Loss,
}

impl Default for RepairSection {
    fn default() -> Self {
        Self {
            plugin: "corm".into(),
            backend: "burn".into(),
            layers: "head".into(),
            optimizer: OptimizerName::Sgd,
            momentum: 0.9,
            weight_decay: 1.0,
            learning_rate: 3e-3,
            schedule: Schedule::Cosine,
            epochs: 20,
            batch_size: 32,
            balance: Balance::Auto,
            evidence: true,
            check: true,
            shuffle_labels: false,
            train_batch_norm: false,
            groups: Groups::Cue,
            validation_split: None,
            validation_share: 0.2,
            metric: Metric::Counterfactual,
            patience: 0,
            flip: false,
            crop: 0.0,
            unknown: 0.5,
            n_draws: 2,
            checkpoint_steps: 50,
            masks: MasksSection::default(),
            params: ParamMap::new(),
        }
    }
}

impl Params for RepairSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("plugin", "the regularizer; `ascan plugins` lists them"),
        ("backend", "the backend that trains"),
        ("layers", "which weights move: \"all\", \"head\", or those after this tensor"),
        ("optimizer", "\"sgd\" or \"adam_w\""),
        ("momentum", "momentum of sgd"),
        ("weight_decay", "L2 penalty with sgd, decoupled weight decay with adam_w"),
        ("learning_rate", "step size at the start"),
        ("schedule", "\"constant\", or \"cosine\": down to 0 over all epochs"),
        ("epochs", "passes over the training images"),
        ("batch_size", "images per step"),
        (
            "balance",
            "what occurs equally often in an epoch: \"none\" (each image once), \"class\", \"group\" (class and group), or \"auto\": group where groups is \"cue\", else class",
        ),
        (
            "evidence",
            "whether verdicts are weighed against where the object probably is; false: they count as they are",
        ),
        (
            "check",
            "whether the model is also trained equally long without a regularizer, and the repair fails if it is no better than that, or than the model before",
        ),
        ("shuffle_labels", "whether labels are shuffled among the training images, as a control for attributions"),
        ("train_batch_norm", "whether batch normalisation is trained, where the model still has it"),
        (
            "groups",
            "what the regularizer gets as groups: \"cue\" (whether the cue alone says the label), \"spuriousness\" (label and verdict), \"slices\", or \"annotated\" (true groups: a ceiling, for benchmarks)",
        ),
        (
            "validation_split",
            "split that chooses the best epoch; not set: validation_share of the scanned images is held out",
        ),
        ("validation_share", "share of the scanned images that is held out where validation_split is not set"),
        (
            "metric",
            "metric that chooses the best epoch: counterfactual (worst class with other surroundings too), accuracy, balanced_accuracy, worst_class_accuracy or loss",
        ),
        ("patience", "epochs without a better metric after which training ends; 0: never"),
        ("flip", "whether pictures are mirrored at random"),
        ("crop", "largest part of a picture's side that is cut off at random"),
        ("unknown", "spuriousness of images about which nothing is known"),
        ("n_draws", "disturbed copies per image whose features are kept where only the head is trained"),
        ("checkpoint_steps", "steps between checkpoints; one is also written after each epoch"),
        ("masks", "from attribution maps to masks"),
        ("params", "parameters of the regularizer"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("momentum", self.momentum, 0.0, 0.9999);
        problems.range("weight_decay", self.weight_decay, 0.0, 10.0);
        problems.range("learning_rate", self.learning_rate, 0.0, 100.0);
        problems.range("epochs", self.epochs, 1, 100_000);
        problems.range("batch_size", self.batch_size, 1, 4096);
        problems.range("validation_share", self.validation_share, 0.0, 0.9);
        problems.range("crop", self.crop, 0.0, 0.9);
        problems.range("unknown", self.unknown, 0.0, 1.0);
        problems.range("n_draws", self.n_draws, 1, 100);
        problems.range("checkpoint_steps", self.checkpoint_steps, 1, 1_000_000);
    }
}

/// `[repair.masks]`: from a raw attribution map to a mask in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MasksSection {
    /// Share of the map's maximum from which a place counts fully; below it, not at all. 0: every place counts
    /// by its share.
    pub threshold: f32,
    /// How far the attributed region grows on all sides, as a share of the picture's longer side.
    pub grow: f32,
}

impl Default for MasksSection {
    fn default() -> Self {
        Self { threshold: 0.5, grow: 0.0 }
    }
}

impl Params for MasksSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("threshold", "share of a map's maximum from which a place counts fully; 0: every place counts by its share"),
        ("grow", "how far the attributed region grows on all sides, as a share of the picture's longer side"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("threshold", self.threshold, 0.0, 1.0);
        problems.range("grow", self.grow, 0.0, 0.5);
    }
}
