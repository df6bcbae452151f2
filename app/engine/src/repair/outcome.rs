//! Whether a repair helped, by what it was not told to look at.

use super::evaluate::Evaluation;
use super::evidence::Findings;
use ascan_config::sections::Metric;
use serde::{Deserialize, Serialize};

/// What the check of a repair says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result", content = "reasons")]
pub enum Outcome {
    /// There were no pictures to check it on.
    #[default]
    NotChecked,
    /// Better on pictures with other surroundings than the model before and the control, by more than it lost elsewhere.
    Helped,
    /// Better than the model before, but plain training equally long is as good, one sentence for each reason.
    NoBetterThanPlain(Vec<String>),
    /// Not better than the model before, one sentence for each reason: keep that.
    Failed(Vec<String>),
}

impl Outcome {
    /// Compares the model that was kept with the model before and with the control.
    ///
    /// Accuracy on validation images alone cannot tell a good repair from a bad one, since the shortcut works there, and the
    /// model before may have been trained on these very images. Copies with the surroundings of another class can.
    pub(super) fn of(
        [model_before, model_after]: [&Evaluation; 2],
        control: Option<&Evaluation>,
        findings: &Findings,
    ) -> Self {
        let (Some(before), Some(after)) = (model_before.mixed, model_after.mixed) else { return Self::NotChecked };
        let percent = |share: f32| format!("{:.1} %", share * 100.0);
        let score = |found: &Evaluation| found.score(Metric::Counterfactual);
        let mut reasons = Vec::new();
        if after.reliance >= before.reliance {
            reasons.push(format!(
                "with the surroundings of another class, the model follows the surroundings as often as before ({}, before {})",
                percent(after.reliance),
                percent(before.reliance)
            ));
        }
        if score(model_after) <= score(model_before) {
            reasons.push(format!(
                "the worst class, on the images as they are and with other surroundings averaged, is no better than before \
                 ({}, before {})",
                percent(score(model_after)),
                percent(score(model_before))
            ));
        }
        let plain = control.filter(|control| score(control) >= score(model_after)).map(|control| {
            format!(
                "training equally long without a regularizer does as well ({}, this repair {})",
                percent(score(control)),
                percent(score(model_after))
            )
        });
        match (reasons.is_empty(), plain) {
            (true, None) => return Self::Helped,
            (true, Some(plain)) => return Self::NoBetterThanPlain(vec![plain]),
            (false, plain) => reasons.extend(plain),
        }
        if !findings.contradicted.is_empty() {
            reasons.push(format!(
                "probable cause: {} of {} `spurious` verdicts are on images that are judged by their object ({})",
                findings.contradicted.len(),
                findings.n_spurious,
                findings.contradicted.join(", ")
            ));
        }
        Self::Failed(reasons)
    }

    /// Whether the regularizer was of no use: the model before should be kept, or plain training is as good.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NoBetterThanPlain(_))
    }

    /// In a few words: what to do.
    pub fn words(&self) -> &'static str {
        match self {
            Self::NotChecked => "not checked: compare on other images before you use this model",
            Self::Helped => "helped, as far as these images tell: compare on other images",
            Self::NoBetterThanPlain(_) => {
                "better than the model before, but the regularizer adds nothing: plain training is as good"
            }
            Self::Failed(_) => "failed: keep the model before",
        }
    }

    /// Why it was of no use.
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::NoBetterThanPlain(reasons) | Self::Failed(reasons) => reasons,
            Self::NotChecked | Self::Helped => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MixedEvaluation;
    use super::*;

    fn evaluation(worst_class: f32, mixed: f32, reliance: f32) -> Evaluation {
        let mixed = MixedEvaluation { n: 10, accuracy: mixed, worst_class_accuracy: mixed, reliance };
        Evaluation { worst_class_accuracy: worst_class, mixed: Some(mixed), ..Evaluation::default() }
    }

    #[test]
    fn less_reliance_at_a_small_price_helps() {
        let (before, after, control) =
            (evaluation(1.0, 0.5, 0.4), evaluation(0.9, 0.8, 0.1), evaluation(0.98, 0.55, 0.4));
        assert_eq!(Outcome::of([&before, &after], Some(&control), &Findings::default()), Outcome::Helped);
    }

    #[test]
    fn what_plain_training_does_as_well_is_no_failure_of_the_model() {
        let (before, after, control) =
            (evaluation(0.5, 0.5, 0.4), evaluation(0.9, 0.8, 0.1), evaluation(0.92, 0.8, 0.1));
        let outcome = Outcome::of([&before, &after], Some(&control), &Findings::default());
        assert!(outcome.is_failure() && outcome.words().starts_with("better than the model before"), "{outcome:?}");
        assert!(outcome.reasons()[0].contains("86.0 %, this repair 85.0 %"), "{outcome:?}");
    }

    #[test]
    fn each_way_to_fail_is_told() {
        let (before, after, control) =
            (evaluation(1.0, 0.5, 0.4), evaluation(0.8, 0.4, 0.5), evaluation(0.98, 0.55, 0.4));
        let findings = Findings { n_spurious: 8, contradicted: vec!["slice 4".into(); 5], ..Findings::default() };
        let Outcome::Failed(reasons) = Outcome::of([&before, &after], Some(&control), &findings) else {
            panic!("it did not fail")
        };
        assert_eq!(reasons.len(), 4);
        assert!(reasons[0].contains("50.0 %, before 40.0 %"), "{}", reasons[0]);
        assert!(reasons[1].contains("60.0 %, before 75.0 %"), "{}", reasons[1]);
        assert!(reasons[2].contains("76.5 %, this repair 60.0 %"), "{}", reasons[2]);
        assert!(reasons[3].contains("5 of 8"), "{}", reasons[3]);
    }

    #[test]
    fn without_copies_nothing_is_said() {
        assert_eq!(Outcome::of([&Evaluation::default(); 2], None, &Findings::default()), Outcome::NotChecked);
    }
}
