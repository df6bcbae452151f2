//! The figures of a slice: what each is called, how it is written, what colour it has. One list for mosaic and table.

use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_viz::words::percent;
use ascan_viz::{Rgb, color};

pub use ascan_math::likeness::DISPUTED;

/// From this accuracy on a model has most likely been trained on the images: errors do not show there.
pub const NEARLY_ALL: f64 = 0.97;

/// What may be known of a slice beside its report, each in [0, 1].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Beside {
    /// Mean spuriousness of its images, once verdicts were spread.
    pub spuriousness: Option<f64>,
    /// How far its predictions follow the object, once the model was asked.
    pub reliance: Option<f64>,
}

/// A figure of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Share of right predictions.
    Accuracy,
    /// The Wilson interval of the accuracy, drawn.
    Interval,
    /// Accuracy less that of the whole.
    Gap,
    /// Number of images.
    Size,
    /// Mean loss.
    Loss,
    /// Mean confidence.
    Confidence,
    /// How the confidences are spread, drawn.
    Confidences,
    /// How alike the attributions are.
    Coherence,
    /// How dense the slice is.
    Compactness,
    /// q-value: whether chance explains the gap.
    Evidence,
    /// Mean spuriousness of its images.
    Spuriousness,
    /// How far the predictions follow the object.
    Reliance,
}

impl Figure {
    /// Every figure, in the order of the table's columns.
    pub const ALL: [Self; 12] = [
        Self::Accuracy,
        Self::Interval,
        Self::Size,
        Self::Gap,
        Self::Evidence,
        Self::Confidence,
        Self::Confidences,
        Self::Loss,
        Self::Coherence,
        Self::Compactness,
        Self::Spuriousness,
        Self::Reliance,
    ];

    /// Those that can colour the mosaic.
    pub const COLORS: [Self; 7] = [
        Self::Accuracy,
        Self::Confidence,
        Self::Loss,
        Self::Coherence,
        Self::Compactness,
        Self::Spuriousness,
        Self::Reliance,
    ];

    /// Columns that a new table shows.
    pub fn shown_at_first(self) -> bool {
        matches!(self, Self::Accuracy | Self::Interval)
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "Right",
            Self::Interval => "95 %",
            Self::Gap => "Gap",
            Self::Size => "Images",
            Self::Loss => "Loss",
            Self::Confidence => "Sure",
            Self::Confidences => "Spread",
            Self::Coherence => "Coherence",
            Self::Compactness => "Compact",
            Self::Evidence => "Evidence",
            Self::Spuriousness => "Spurious",
            Self::Reliance => "Follows object",
        }
    }

    /// What it means.
    pub fn tip(self) -> &'static str {
        match self {
            Self::Accuracy => "Share of right predictions",
            Self::Interval => {
                "Where the true share of right predictions lies, with 95 % confidence; the line is the overall share"
            }
            Self::Gap => "Share of right predictions minus that of all images",
            Self::Size => "Number of images",
            Self::Loss => "Mean cross-entropy; of a quantity, how far it is off on average",
            Self::Confidence => "Mean probability of the predicted class",
            Self::Confidences => "Histogram of the probability of the predicted class, from 0 to 1",
            Self::Coherence => "How similar the attributions are: 1 if the model looks at the same place in all images",
            Self::Compactness => "Spread of the slice's features relative to that of all images",
            Self::Evidence => {
                "q-value: the expected share of false alarms among all slices that are at least as convincing"
            }
            Self::Spuriousness => "Mean spuriousness of the images, spread from the verdicts",
            Self::Reliance => {
                "How far predictions go with the object when images exchange it, once the model was asked: 0 % follows the rest of the picture"
            }
        }
    }

    /// Its value, if it has one; what the table sorts by.
    pub fn value(self, slice: &SliceReport, beside: Beside) -> Option<f64> {
        match self {
            Self::Accuracy => slice.accuracy,
            Self::Interval => slice.interval.map(|[low, _]| low),
            Self::Gap => slice.gap,
            Self::Size => Some(slice.size as f64),
            Self::Loss => slice.mean_loss,
            Self::Confidence | Self::Confidences => Some(slice.mean_confidence),
            Self::Coherence => slice.coherence,
            Self::Compactness => slice.compactness,
            Self::Evidence => slice.q_value,
            Self::Spuriousness => beside.spuriousness,
            Self::Reliance => beside.reliance,
        }
    }

    /// Its value as somebody says it who has never seen the name.
    pub fn sentence(self, value: f64) -> String {
        let points = |value: f64| format!("{:.0} points", (value * 100.0).abs());
        match self {
            Self::Gap if value < 0.0 => format!("{} below the whole", points(value)),
            Self::Gap => format!("{} above the whole", points(value)),
            Self::Evidence if value > ascan_engine::slices::evidence::FALSE_DISCOVERY_RATE => {
                "chance explains the difference".to_owned()
            }
            Self::Evidence if value <= 0.0 => "no chance: certainly worse than the rest".to_owned(),
            Self::Evidence if value < 1e-3 => {
                format!("no chance: luck has odds below 1 in 10^{}", (-value.log10()).floor() as i32)
            }
            Self::Evidence => format!("hardly chance: luck has odds of 1 in {:.0}", 1.0 / value),
            Self::Coherence => format!("{value:.2} (1: it looks at the same place in all)"),
            Self::Compactness => format!("{value:.2} of the spread of all images"),
            _ => self.text(Some(value)),
        }
    }

    /// Its value in few letters.
    pub fn text(self, value: Option<f64>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        match self {
            Self::Size => ascan_viz::words::thousands(value as usize),
            Self::Gap if value < 0.0 => format!("−{:.0}", -value * 100.0),
            Self::Gap => format!("+{:.0}", value * 100.0),
            Self::Loss | Self::Compactness | Self::Coherence | Self::Spuriousness => format!("{value:.2}"),
            Self::Evidence if value <= ascan_engine::slices::evidence::FALSE_DISCOVERY_RATE => format!("{value:.0e}"),
            Self::Evidence => "chance".to_owned(),
            Self::Accuracy | Self::Interval | Self::Confidence | Self::Confidences | Self::Reliance => percent(value),
        }
    }

    /// The colour of a value in a set of slices; grey where there is none.
    pub fn color(self, value: Option<f64>, set: &SliceSet) -> Rgb {
        let Some(value) = value else { return color::diverging(f64::NAN, f64::NAN) };
        match self {
            Self::Accuracy => match set.accuracy {
                Some(overall) => color::diverging(value, overall),
                None => color::sequential(value),
            },
            // The loss of the whole has the middle colour: losses have no largest value, and quantities any unit.
            Self::Loss => color::sequential(value / (value + mean_loss(set))),
            Self::Reliance => color::diverging(value, 0.5),
            // More of it is worse, so that the warm end of the map shows it.
            Self::Spuriousness => color::diverging(1.0 - value, 0.5),
            _ => color::sequential(value),
        }
    }

    /// The legend: a colour at each of evenly spaced places, and words for its ends (and its middle).
    pub fn legend(self, set: &SliceSet) -> (Vec<Rgb>, [String; 2]) {
        let at = |share: f64| match self {
            Self::Loss => color::sequential(share),
            _ => self.color(Some(share), set),
        };
        let words = match (self, set.accuracy) {
            (Self::Accuracy, Some(overall)) => {
                ["0 % right".to_owned(), format!("100 %   grey: {} overall", percent(overall))]
            }
            (Self::Loss, _) => ["loss 0".to_owned(), "large".to_owned()],
            (Self::Spuriousness, _) => ["core".to_owned(), "spurious".to_owned()],
            (Self::Reliance, _) => ["follows the rest".to_owned(), "the object".to_owned()],
            (Self::Confidence, _) => ["unsure".to_owned(), "sure".to_owned()],
            _ => [format!("{} 0", self.title().to_lowercase()), "1".to_owned()],
        };
        ((0..64).map(|i| at(f64::from(i) / 63.0)).collect(), words)
    }
}

/// Whether confidences tell slices apart: vectors without predictions count as certain of their one answer.
pub fn tells_confidence(set: &SliceSet) -> bool {
    set.slices.iter().any(|slice| slice.mean_confidence < 1.0)
}

/// Mean loss of all images in slices; 1 where there is none.
fn mean_loss(set: &SliceSet) -> f64 {
    let known = || set.slices.iter().chain(&set.noise).filter_map(|slice| Some((slice.size as f64, slice.mean_loss?)));
    let n: f64 = known().map(|(n, _)| n).sum();
    let mean = known().map(|(n, loss)| n * loss).sum::<f64>() / n;
    if mean > 0.0 { mean } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_shortly() {
        assert_eq!(Figure::Gap.text(Some(-0.773)), "−77");
        assert_eq!(Figure::Gap.text(Some(0.04)), "+4");
        assert_eq!(Figure::Accuracy.text(Some(0.02)), "2 %");
        assert_eq!(Figure::Size.text(Some(1200.0)), "1,200");
        assert_eq!(Figure::Evidence.text(Some(0.2)), "chance");
        assert_eq!(Figure::Loss.text(None), "–");
    }

    #[test]
    fn sentences_need_no_glossary() {
        assert_eq!(Figure::Gap.sentence(-0.773), "77 points below the whole");
        assert_eq!(Figure::Evidence.sentence(3e-68), "no chance: luck has odds below 1 in 10^67");
        assert_eq!(Figure::Evidence.sentence(0.01), "hardly chance: luck has odds of 1 in 100");
        assert_eq!(Figure::Evidence.sentence(0.2), "chance explains the difference");
        assert_eq!(Figure::Size.sentence(1200.0), "1,200");
    }
}
