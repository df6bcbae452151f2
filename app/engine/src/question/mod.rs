//! What a scan asks about each image: which class it is, whether one class is there, or how much of something there is.
//! Everything after the scan knows of answers alone: a label is the true one, a prediction the given one.

mod figures;

pub use figures::{ClassFigures, QuantityFigures, figures_of_classes, figures_of_quantity};

use ascan_config::sections::{DataSection, OutputSection};
use ascan_core::output::{OutputKind, sigmoid};
use ascan_core::{Error, Result, metrics};
use ascan_images::{ImageSet, outputs};
use ascan_onnx::Classifier;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Question {
    /// Which class? The answers are the outputs.
    Class {
        /// Number of outputs.
        n_classes: usize,
    },
    /// Is this class there? Answer 0 is no, answer 1 yes.
    Presence {
        /// Which of the classes.
        class: usize,
        /// How many there are.
        n_classes: usize,
    },
    /// How much is it? The answers are [`WITHIN`], [`LOW`], [`HIGH`] and [`UNKNOWN`]; the true one is [`WITHIN`].
    Quantity {
        /// How far off is still right, in the unit of the labels.
        tolerance: f32,
    },
}

impl Default for Question {
    fn default() -> Self {
        Self::Class { n_classes: 0 }
    }
}

/// A quantity that is right within the tolerance.
pub const WITHIN: i32 = 0;
/// A quantity below the label.
pub const LOW: i32 = 1;
/// A quantity above the label.
pub const HIGH: i32 = 2;
/// A quantity of an image without a label.
pub const UNKNOWN: i32 = 3;

/// What the data set says of each image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truth {
    /// `[n]` the true answer, −1 where it is unknown.
    pub labels: Vec<i32>,
    /// `[n, n_numbers]`, NaN where unknown: for each class whether it is there, or the quantity. Empty where the question is
    /// which class.
    pub numbers: Vec<f32>,
}

/// What the model says of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The answer.
    pub answer: i32,
    /// `[n_answers]`; a quantity is certain of its answer.
    pub probs: Vec<f32>,
    /// Cross-entropy, or how far a quantity is off; NaN where the truth is unknown.
    pub loss: f32,
    /// `[n_numbers]` probability of each class, or the quantity.
    pub numbers: Vec<f32>,
}

impl Question {
    /// What is asked of a model, and what the data set says.
    ///
    /// # Errors
    /// `Param` for labels that are none of the model's outputs, or no numbers.
    pub fn meet(
        classifier: &Classifier,
        output: &OutputSection,
        images: &ImageSet,
        data: &DataSection,
    ) -> Result<(Self, Truth)> {
        let n_classes = classifier.n_scores;
        let question = match classifier.kind {
            OutputKind::MultiLabel => Self::Presence { class: classifier.class, n_classes },
            OutputKind::Regression => Self::Quantity { tolerance: output.tolerance.unwrap_or(f32::NAN) },
            _ => Self::Class { n_classes: classifier.n_classes },
        };
        let truth = question.truth(images, data)?;
        Ok(match question {
            // Nobody gave one: it follows from the labels.
            Self::Quantity { tolerance } if tolerance.is_nan() => {
                (Self::Quantity { tolerance: half_a_deviation(&truth.numbers) }, truth)
            }
            question => (question, truth),
        })
    }

    /// The question of a scan, by what its plan says of the output.
    pub fn of(plan: &ascan_store::plan::ModelPlan) -> Self {
        let output = plan.output.clone().unwrap_or_default();
        match (output.kind, output.class, output.tolerance) {
            (OutputKind::MultiLabel, Some(class), _) => Self::Presence { class, n_classes: plan.numbers.len() },
            (OutputKind::Regression, _, Some(tolerance)) => Self::Quantity { tolerance },
            _ => Self::Class { n_classes: plan.n_classes },
        }
    }

    /// What a data set says.
    ///
    /// # Errors
    /// As [`Self::meet`].
    pub fn truth(&self, images: &ImageSet, data: &DataSection) -> Result<Truth> {
        Ok(match *self {
            Self::Class { n_classes } => {
                Truth { labels: outputs::map_to_outputs(images, data, n_classes)?, numbers: Vec::new() }
            }
            Self::Presence { class, n_classes } => {
                let numbers = outputs::presences(images, data, n_classes)?;
                let label = |of_row: &[f32]| if of_row[class].is_nan() { -1 } else { i32::from(of_row[class] > 0.5) };
                Truth { labels: numbers.chunks_exact(n_classes.max(1)).map(label).collect(), numbers }
            }
            Self::Quantity { .. } => {
                let numbers = outputs::quantities(images)?;
                let label = |value: &f32| if value.is_nan() { -1 } else { WITHIN };
                Truth { labels: numbers.iter().map(label).collect(), numbers }
            }
        })
    }

    /// # Errors
    /// `Unsupported` if a quantity is asked for, which `what` cannot do.
    pub fn has_classes(plan: &ascan_store::plan::ModelPlan, what: &str) -> Result<()> {
        match Self::of(plan) {
            Self::Quantity { .. } => Err(Error::unsupported(
                format!("{what} works with classes, and this scan asks for a quantity"),
                "scan with `model.output.kind = \"binary\"` to ask whether it is above zero",
            )),
            _ => Ok(()),
        }
    }

    /// Numbers of an image that are kept beside the answer.
    pub fn n_numbers(&self) -> usize {
        match *self {
            Self::Class { .. } => 0,
            Self::Presence { n_classes, .. } => n_classes,
            Self::Quantity { .. } => 1,
        }
    }

    /// Number of logits that a backend gives.
    pub fn n_logits(&self) -> usize {
        match *self {
            Self::Class { n_classes } => n_classes,
            Self::Presence { .. } => 2,
            Self::Quantity { .. } => 1,
        }
    }

    /// Number of answers.
    pub fn n_answers(&self) -> usize {
        match *self {
            Self::Class { n_classes } => n_classes,
            Self::Presence { .. } => 2,
            Self::Quantity { .. } => 4,
        }
    }

    /// The answers in words, from the names of the outputs. Empty where the outputs have no names.
    pub fn answers(&self, names: &[String]) -> Vec<String> {
        match *self {
            Self::Class { .. } => names.to_vec(),
            Self::Presence { class, .. } => {
                let name = names.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
                vec![format!("no {name}"), name]
            }
            Self::Quantity { tolerance } => {
                vec![format!("within ±{tolerance}"), "too low".into(), "too high".into(), "unknown".into()]
            }
        }
    }

    /// What the model says of an image.
    ///
    /// # Shapes
    /// - `logits`: `[n_classes]` of the model; `scores`: `[n_numbers]`, the logits of all classes, for a question of presence
    /// - `truth`: `[n_numbers]`
    pub fn answer(&self, kind: OutputKind, logits: &[f32], scores: &[f32], label: i32, truth: &[f32]) -> Answer {
        let Self::Quantity { tolerance } = *self else {
            return Answer {
                answer: metrics::argmax(logits) as i32,
                probs: kind.probs(logits),
                loss: kind.loss(logits, label),
                numbers: scores.iter().map(|&z| sigmoid(z)).collect(),
            };
        };
        let value = logits.first().copied().unwrap_or(f32::NAN);
        let off = value - truth.first().copied().unwrap_or(f32::NAN);
        let answer = match off {
            off if off.is_nan() => UNKNOWN,
            off if off.abs() <= tolerance => WITHIN,
            off if off < 0.0 => LOW,
            _ => HIGH,
        };
        let probs = (0..4).map(|i| if i == answer { 1.0 } else { 0.0 }).collect();
        Answer { answer, probs, loss: off.abs(), numbers: vec![value] }
    }
}

/// Half the standard deviation of the known ones; 1 where they do not differ.
fn half_a_deviation(values: &[f32]) -> f32 {
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).map(f64::from).collect();
    let n = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / n;
    let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Two digits are enough for a bound that nobody chose.
    let rounded: f64 = format!("{:.1e}", 0.5 * deviation).parse().unwrap_or(0.0);
    if rounded > 0.0 { rounded as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_right_within_its_tolerance() {
        let question = Question::Quantity { tolerance: 0.5 };
        let answer =
            |value: f32, truth: f32| question.answer(OutputKind::Regression, &[value], &[], WITHIN, &[truth]).answer;
        assert_eq!([answer(2.5, 2.0), answer(1.4, 2.0), answer(2.6, 2.0)], [WITHIN, LOW, HIGH]);
        let unknown = question.answer(OutputKind::Regression, &[2.0], &[], -1, &[f32::NAN]);
        assert_eq!((unknown.answer, unknown.loss.is_nan(), unknown.numbers), (UNKNOWN, true, vec![2.0]));
        assert_eq!(question.answers(&[])[0], "within ±0.5");
    }

    #[test]
    fn presence_keeps_what_is_said_of_every_class() {
        let question = Question::Presence { class: 1, n_classes: 2 };
        let said = question.answer(OutputKind::MultiLabel, &[-1.0, 1.0], &[0.0, 2.0], 1, &[0.0, 1.0]);
        assert_eq!(said.answer, 1);
        assert!((said.probs[1] - sigmoid(2.0)).abs() < 1e-6 && said.numbers[0] == 0.5);
        assert_eq!(question.answers(&["bird".into(), "sea".into()]), ["no sea", "sea"]);
    }

    #[test]
    fn a_tolerance_that_nobody_gave_is_half_a_deviation() {
        assert_eq!(half_a_deviation(&[0.0, 2.0, f32::NAN]), 0.5);
        assert_eq!(half_a_deviation(&[3.0, 3.0]), 1.0);
        assert_eq!(half_a_deviation(&[]), 1.0);
    }
}
