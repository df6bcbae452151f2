//! What stands out, in words.

use crate::figures::NEARLY_ALL;
use crate::mosaic::Scene;
use ascan_engine::question::{WITHIN, figures_of_quantity};
use ascan_engine::sanity::doubts;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_viz::words::{images, thousands};
use serde::Serialize;

/// Slices described one by one.
const N_FINDINGS: usize = 6;

/// Coherence above that of all images from which it is worth a sentence.
const ALIKE: f64 = 0.1;

/// The summary of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    /// What there is reason to doubt.
    pub doubts: Vec<String>,
    /// One paragraph about the whole.
    pub overall: String,
    /// The slices that stand out, worst first.
    pub findings: Vec<Finding>,
}

/// A slice that stands out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Finding {
    pub id: i32,
    pub headline: String,
    pub text: String,
}

pub(super) fn summary(scene: &Scene, set: &SliceSet, coherence: Option<f64>) -> Summary {
    let flagged: Vec<&SliceReport> = set.slices.iter().filter(|slice| slice.needs_verdict).collect();
    let findings = flagged.iter().take(N_FINDINGS).map(|slice| finding(scene, slice, coherence)).collect();
    let n_failed = scene.table.errors.iter().flatten().count();
    let mut overall = match set.accuracy {
        None => format!(
            "The {} images have no labels, so slices can be compared by the model's confidence but not by its errors.",
            thousands(set.n)
        ),
        Some(accuracy) => match &scene.table.quantities {
            None => {
                // Where an image may have several classes, one is asked for: the answers are that it is not there, and that it is.
                let about =
                    if scene.classes.is_empty() { String::new() } else { format!("about “{}” ", scene.class(1)) };
                format!("The model is right {about}on {} of {} images. ", exact(accuracy), thousands(set.n))
            }
            Some(quantities) => {
                let (truth, values): (Vec<f32>, Vec<f32>) =
                    scene.table.valid_rows().into_iter().map(|row| quantities[row].into()).unzip();
                let off = figures_of_quantity(&truth, &values).map_or(f64::NAN, |figures| figures.mean_absolute_error);
                format!(
                    "The model is right ({}) on {} of {} images, and off by {off:.3} on average. ",
                    scene.class(WITHIN),
                    exact(accuracy),
                    thousands(set.n)
                )
            }
        },
    };
    if set.recipe.errors_only {
        overall = format!("Only errors are sliced: {}.", set.summary(thousands, exact));
    } else if set.accuracy.is_some() {
        overall += &concentration(set, &flagged);
    }
    if n_failed > 0 {
        overall += &format!(
            " {} could not be read and {} left out.",
            images(n_failed),
            if n_failed == 1 { "is" } else { "are" }
        );
    }
    let doubts = doubts(scene.table, scene.class_names).iter().map(ToString::to_string).collect();
    Summary { doubts, overall, findings }
}

/// The first thing to know of a set of slices: which share of the errors few of them hold. `None` without labels, and for a
/// set of errors alone.
pub fn headline(set: &SliceSet) -> Option<String> {
    let accuracy = set.accuracy.filter(|_| !set.recipe.errors_only)?;
    let flagged: Vec<&SliceReport> = set.slices.iter().filter(|slice| slice.needs_verdict).collect();
    Some(format!("The model is right on {}. {}", exact(accuracy), concentration(set, &flagged)))
}

fn concentration(set: &SliceSet, flagged: &[&SliceReport]) -> String {
    if flagged.is_empty() && set.accuracy.is_some_and(|accuracy| accuracy >= NEARLY_ALL) {
        return "Most likely it was trained on these images: its errors do not show here. Scan images that it has not seen, and judge \
                those first."
            .to_owned();
    }
    if flagged.is_empty() {
        return "No slice is clearly worse than the whole: none is at least ten points below it by more than chance \
                explains."
            .to_owned();
    }
    let errors = |slices: &mut dyn Iterator<Item = &SliceReport>| -> usize {
        slices
            .flat_map(|s| &s.confusion)
            .filter(|c| c.label >= 0 && c.label != c.predicted_class)
            .map(|c| c.count)
            .sum()
    };
    let size: usize = flagged.iter().map(|slice| slice.size).sum();
    let inside = errors(&mut flagged.iter().copied());
    let all = errors(&mut set.slices.iter().chain(&set.noise));
    let verb = if flagged.len() == 1 { "is" } else { "are" };
    format!(
        "{} of {} slices {verb} clearly worse than that: {} ({} of all) with {} of all {} errors.",
        flagged.len(),
        set.slices.len(),
        images(size),
        exact(size as f64 / set.n as f64),
        exact(inside as f64 / all.max(1) as f64),
        thousands(all),
    )
}

fn finding(scene: &Scene, slice: &SliceReport, coherence: Option<f64>) -> Finding {
    let mut text = String::new();
    if let (Some(accuracy), Some([low, high])) = (slice.accuracy, slice.interval) {
        text += &format!(
            "Right on {} of {} (95 % interval {:.0} to {:.0} %). ",
            exact(accuracy),
            images(slice.size),
            low * 100.0,
            high * 100.0
        );
    }
    if let Some(cell) = slice.confusion.iter().find(|cell| cell.label >= 0 && cell.label != cell.predicted_class) {
        let (label, class) = (scene.class(cell.label), scene.class(cell.predicted_class));
        text += &format!("{} of them are “{label}” taken for “{class}”. ", thousands(cell.count));
    }
    if let (Some(own), Some(whole)) = (slice.coherence, coherence)
        && own > whole + ALIKE
    {
        text +=
            &format!("The model looks at much the same place in them (coherence {own:.2}; all images {whole:.2}). ");
    }
    if let Some((group, count)) = slice.groups.iter().max_by_key(|(_, count)| **count) {
        let share = exact(*count as f64 / slice.size as f64);
        text += &format!("{share} of it is the known group {group}, which was not used to find it.");
    }
    Finding { id: slice.id, headline: scene.title(slice), text: text.trim_end().to_owned() }
}

/// `57.3 %`.
pub(super) fn exact(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}
