//! What the pictures themselves say about verdicts: whether what was judged lies on the object, and on which images the
//! cue alone says another class than the label.

use super::RepairPlan;
use super::extract::Extractor;
use super::mixed::{Keep, Mixed, Objects};
use super::object::share_on_object;
use crate::seeds::seed_of;
use ascan_config::sections::Groups;
use ascan_core::{Context, Level, Result};
use ascan_math::ridge::cross_fitted;
use serde::{Deserialize, Serialize};

/// From this share of its attribution on, an image is taken to be judged by its object.
pub const ON_OBJECT: f32 = 0.5;

/// Copies of each image from which the cue is read; their features are averaged.
const N_CUES: u64 = 2;

/// Penalty of the classifier that reads the cue: most of what it sees of a few thousand images is chance.
const SHRINKAGE: f64 = 3.0;

/// Parts in which images are held out from the classifier that judges them.
const N_FOLDS: usize = 5;

/// A class with fewer images that the cue speaks against has none: so few are noise.
const MIN_CELL: usize = 5;

/// What was found out about the verdicts, and about the cue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Findings {
    /// Standing verdicts `spurious` with images that are trained on.
    pub n_spurious: usize,
    /// Those of them whose images are mostly judged by their object: they are not followed.
    pub n_contradicted: usize,
    /// Images that were taken as `core` against what was spread.
    pub n_overruled: usize,
    /// Images on which the cue alone says another class than the label; `None` if the cue was not read.
    pub n_against_cue: Option<usize>,
    /// Share of images whose label the cue alone says, each class counted alike.
    pub cue_accuracy: Option<f64>,
}

impl Findings {
    /// What a person should know, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.n_contradicted > 0 {
            notes.push(format!(
                "{} of {} `spurious` verdicts are on images whose attribution lies mostly on the object, by the object maps; \
                 their images are taken as core. If the region is not the object, set `repair.evidence = false`",
                self.n_contradicted, self.n_spurious
            ));
        }
        if let (Some(n), Some(accuracy)) = (self.n_against_cue, self.cue_accuracy) {
            notes.push(format!(
                "the surroundings alone say the right class of {:.0} % of the images (classes counted alike); {n} images go \
                 against them and count as much as all others",
                accuracy * 100.0
            ));
        }
        notes
    }
}

/// Weighs the verdicts of a plan against its pictures, and groups its images by what the cue says. Also gives copies of the
/// validation images with the surroundings of another class, on which a repair can be checked.
///
/// # Errors
/// What reading images or running the model reports; `Cancelled`.
pub fn gather(plan: &mut RepairPlan, context: &Context) -> Result<(Findings, Option<Mixed>)> {
    let mut findings = Findings::default();
    if let Err(error) = Extractor::new(plan, context) {
        context
            .reporter
            .log(Level::Warning, &format!("verdicts count as they are, and the repair is not checked: {error}"));
        return Ok((findings, None));
    }
    let repair = plan.config.repair.clone();
    let seed = plan.config.run.seed;
    let mut objects = None;
    if repair.evidence {
        let mut extractor = Extractor::new(plan, context)?;
        let training = extractor.objects(&plan.training.data, "object maps of training images")?;
        let validation = extractor.objects(&plan.validation, "object maps of validation images")?;
        drop(extractor);
        weigh(plan, &training, &mut findings);
        objects = Some((training, validation));
    }
    let (training, validation) = objects.unzip();
    if repair.groups == Groups::Cue {
        let n = plan.training.data.rows.len();
        let mut sums: Vec<Option<Vec<f32>>> = vec![None; n];
        let mut extractor = Extractor::new(plan, context)?;
        for draw in 0..N_CUES {
            let mixed = Mixed::round(Keep::Cue(training.clone()), n, seed_of(seed, [6, draw]));
            let found = extractor.mixed(&mixed, &plan.training.data, ("cue", draw), "what the surroundings say")?;
            for (sum, found) in sums.iter_mut().zip(found) {
                match (sum.as_mut(), found) {
                    (Some(sum), Some(found)) => sum.iter_mut().zip(found).for_each(|(sum, value)| *sum += value),
                    (None, Some(found)) if draw == 0 => *sum = Some(found),
                    _ => *sum = None,
                }
            }
        }
        drop(extractor);
        plan.training.groups = cue_groups(plan, &sums, context, &mut findings)?;
    }
    let keep = match validation {
        Some(objects) => Some(Keep::Object(objects)),
        None if plan.training.held_out.is_empty() => None,
        None => Some(Keep::HeldOut),
    };
    let labels = &plan.validation.labels;
    let mixed = keep.and_then(|keep| Mixed::of_another_class(keep, labels, seed_of(seed, [8, 0])));
    Ok((findings, mixed))
}

/// Follows a verdict where the pictures do not speak against it, and the pictures where there is none.
fn weigh(plan: &mut RepairPlan, objects: &Objects, findings: &mut Findings) {
    let training = &plan.training;
    let [h, w] = [training.table.maps.shape()[1], training.table.maps.shape()[2]];
    let shares: Vec<Option<f32>> = (training.data.rows.iter().zip(&objects.maps))
        .map(|(&row, object)| {
            share_on_object(training.table.maps.row(row), [h, w], plan.absolute, object.as_ref()?, objects.size)
        })
        .collect();
    for rows in &training.spurious_verdicts {
        let of_rows = rows.iter().filter_map(|row| training.data.rows.binary_search(row).ok().and_then(|i| shares[i]));
        let (sum, n) = of_rows.fold((0.0f32, 0usize), |(sum, n), share| (sum + share, n + 1));
        findings.n_spurious += usize::from(n > 0);
        findings.n_contradicted += usize::from(n > 0 && sum / n as f32 >= ON_OBJECT);
    }
    for (i, share) in shares.into_iter().enumerate() {
        let Some(share) = share else { continue };
        let said = plan.training.is_known[i].then_some(plan.training.spuriousness[i] > 0.5);
        let is_spurious = said.unwrap_or(true) && share < ON_OBJECT;
        findings.n_overruled += usize::from(said == Some(true) && !is_spurious);
        plan.training.spuriousness[i] = f32::from(u8::from(is_spurious));
    }
}

/// `[n]`: 1 where the cue alone says another class than the label.
fn cue_groups(
    plan: &RepairPlan,
    cues: &[Option<Vec<f32>>],
    context: &Context,
    findings: &mut Findings,
) -> Result<Vec<i32>> {
    let labels = &plan.training.data.labels;
    let known: Vec<usize> = (0..cues.len()).filter(|&i| cues[i].is_some()).collect();
    let rows: Vec<&[f32]> = known.iter().filter_map(|&i| cues[i].as_deref()).collect();
    let own: Vec<usize> = known.iter().map(|&i| labels[i]).collect();
    let folds = (N_FOLDS, seed_of(plan.config.run.seed, [9, 0]));
    let progress = |done| context.progress("reading the cue", done, N_FOLDS);
    let said = cross_fitted(&rows, &own, plan.info.n_classes, SHRINKAGE, folds, progress)?;
    let mut groups = vec![0; labels.len()];
    let mut counts = vec![(0usize, 0usize); plan.info.n_classes];
    for (&i, &class) in known.iter().zip(&said) {
        groups[i] = i32::from(class != labels[i]);
        counts[labels[i]].0 += usize::from(class != labels[i]);
        counts[labels[i]].1 += 1;
    }
    let present = || counts.iter().filter(|count| count.1 > 0);
    let accuracy = present().map(|&(wrong, n)| 1.0 - wrong as f64 / n as f64).sum::<f64>() / present().count() as f64;
    for (group, &label) in groups.iter_mut().zip(labels) {
        if counts[label].0 < MIN_CELL {
            *group = 0;
        }
    }
    findings.n_against_cue = Some(groups.iter().filter(|&&group| group == 1).count());
    findings.cue_accuracy = Some(accuracy);
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told() {
        assert!(Findings::default().notes().is_empty());
        let findings = Findings {
            n_spurious: 8,
            n_contradicted: 6,
            n_overruled: 400,
            n_against_cue: Some(164),
            cue_accuracy: Some(0.93),
        };
        let notes = findings.notes();
        assert!(notes[0].starts_with("6 of 8 `spurious` verdicts"), "{}", notes[0]);
        assert!(notes[1].contains("93 % of the images") && notes[1].contains("164 images"), "{}", notes[1]);
    }
}
