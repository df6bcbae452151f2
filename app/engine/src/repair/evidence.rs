//! What the pictures themselves say about verdicts: whether what was judged lies on the object, and on which images the
//! cue alone says another class than the label.

use super::RepairPlan;
use super::mixed::{Keep, Mixed};
use super::stage;
use crate::scanned::object::{ON_OBJECT, share_on_object};
use crate::scanned::{Extractor, Objects, Vectors};
use crate::seeds::seed_of;
use ascan_config::sections::Groups;
use ascan_core::{Context, Level, Result};
use ascan_math::ridge::cross_fitted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Penalty of the classifier that reads the cue: most of what it sees of a few thousand images is chance.
const SHRINKAGE: f64 = 3.0;

/// Parts in which images are held out from the classifier that judges them.
const N_FOLDS: usize = 5;

/// A class with fewer images that the cue speaks against has none: so few are noise.
const MIN_CELL: usize = 5;

/// What was found out about the verdicts, and about the cue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Standing verdicts `spurious` with images that are trained on.
    pub n_spurious: usize,
    /// What those of them were given to whose images are mostly judged by their object: they are not followed.
    pub contradicted: Vec<String>,
    /// Images that were taken as `core` against what was spread.
    pub n_overruled: usize,
    /// What the cue says by itself; `None` if it was not read.
    pub cue: Option<Cue>,
}

/// What the cue says by itself about the labels of images.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cue {
    /// Share of images whose label it says, each class counted alike.
    pub accuracy: f64,
    /// That share for one who guesses.
    pub chance: f64,
    /// Whether `accuracy` is better than chance, by two standard errors.
    pub is_better: bool,
    /// Images on which it says another class than the label; 0 if it is no better than chance.
    pub n_against: usize,
}

impl Findings {
    /// Which verdicts are not followed; `None` if all are.
    pub fn set_aside(&self) -> Option<String> {
        (!self.contradicted.is_empty()).then(|| {
            format!(
                "{} of {} `spurious` verdicts are on images whose attribution lies mostly on the object, as far as object maps \
                 tell: a repair takes these images as core ({})",
                self.contradicted.len(),
                self.n_spurious,
                self.contradicted.join(", ")
            )
        })
    }

    /// What a person should know, one sentence each; a warning is what speaks against the verdicts, or against what a repair can
    /// do. `how` says what to do about verdicts that are set aside.
    pub fn notes(&self, how: &str) -> Vec<(Level, String)> {
        let set_aside = self.set_aside().map(|text| (Level::Warning, format!("{text}. {how}").trim_end().to_owned()));
        let mut notes: Vec<(Level, String)> = set_aside.into_iter().collect();
        if let Some(Cue { accuracy, chance, is_better, n_against }) = self.cue {
            let percent = |share: f64| format!("{:.0} %", share * 100.0);
            let says = format!("the surroundings alone say the right class of {} of the images", percent(accuracy));
            notes.push(match is_better {
                true => (
                    Level::Info,
                    format!("{says} (classes counted alike); {n_against} images go against them and count as much as all others"),
                ),
                false => (
                    Level::Warning,
                    format!(
                        "{says} (classes counted alike), no better than chance ({}): they are no shortcut, or object maps hide it",
                        percent(chance)
                    ),
                ),
            });
        }
        notes
    }
}

/// What a repair will find out about the verdicts of a plan, before anything is trained. The object maps are kept in the
/// scan's cache, where the repair finds them.
///
/// # Errors
/// What reading images or running the model reports; `Cancelled`.
pub fn weigh_verdicts(plan: &mut RepairPlan, context: &Context) -> Result<Findings> {
    let mut findings = Findings::default();
    if plan.config.repair.evidence && !plan.training.spurious_verdicts.is_empty() {
        let objects = Extractor::new(&plan.model, context)?.objects(&plan.training.data, stage::OBJECTS)?;
        weigh(plan, &objects, &mut findings);
    }
    Ok(findings)
}

/// Weighs the verdicts of a plan against its pictures, and groups its images by what the cue says. Also gives copies of the
/// validation images with the surroundings of another class, on which a repair can be checked.
///
/// # Errors
/// What reading images or running the model reports; `Cancelled`.
pub fn gather(plan: &mut RepairPlan, context: &Context) -> Result<(Findings, Option<Mixed>)> {
    let mut findings = Findings::default();
    let repair = plan.config.repair.clone();
    if !repair.evidence && repair.groups != Groups::Cue {
        return Ok((findings, None));
    }
    if let Err(error) = Extractor::new(&plan.model, context) {
        let text = format!("verdicts count as they are, and the repair is not checked: {error}");
        context.reporter.log(Level::Warning, &text);
        return Ok((findings, None));
    }
    let seed = plan.config.run.seed;
    let mut objects = None;
    if repair.evidence {
        let mut extractor = Extractor::new(&plan.model, context)?;
        let training = extractor.objects(&plan.training.data, stage::OBJECTS)?;
        let validation = extractor.objects(&plan.validation, stage::VALIDATION_OBJECTS)?;
        drop(extractor);
        weigh(plan, &training, &mut findings);
        objects = Some((training, validation));
    }
    let (training, validation) = objects.unzip();
    if repair.groups == Groups::Cue {
        let cues = cues(plan, training, context)?;
        let progress = |done| context.progress("reading the cue", done, N_FOLDS);
        let (labels, n_classes) = (&plan.training.data.labels, plan.model.info.n_classes);
        let (mut groups, mut cue) = against(&cues, labels, n_classes, seed_of(seed, [9, 0]), progress)?;
        misled(&mut groups, labels, &plan.training.predicted_classes);
        cue.n_against = groups.iter().filter(|&&group| group == 1).count();
        plan.training.groups = groups;
        findings.cue = Some(cue);
    }
    // Without object maps only the verdicts say what counts, and these cannot check themselves.
    let labels = &plan.validation.labels;
    let mixed =
        validation.and_then(|objects| Mixed::of_another_class(Keep::Object(objects), labels, seed_of(seed, [8, 0])));
    Ok((findings, mixed))
}

/// `[n]`: features of what should not count of each training image, `None` where they are not known.
fn cues(plan: &RepairPlan, objects: Option<Objects>, context: &Context) -> Result<Vectors> {
    let (n, seed) = (plan.training.data.n(), plan.config.run.seed);
    let mut extractor = Extractor::new(&plan.model, context)?;
    let keep = Keep::Cue(objects);
    let mut draws = (0u64..).zip(stage::CUES).map(|(draw, stage)| {
        let mixed = Mixed::round(keep.clone(), n, seed_of(seed, [6, draw]));
        mixed.vectors(plan, &plan.training.data, ("cue", draw), &mut extractor, stage)
    });
    let first = draws.next().unwrap_or_else(|| Ok(vec![None; n]))?;
    draws.try_fold(first, |sums, draw| {
        let sum = |(sum, found): (Option<Vec<f32>>, Option<Vec<f32>>)| {
            Some(sum?.into_iter().zip(found?).map(|(a, b)| a + b).collect())
        };
        Ok(sums.into_iter().zip(draw?).map(sum).collect())
    })
}

/// Follows a verdict where the pictures do not speak against it, and the pictures where there is none.
fn weigh(plan: &mut RepairPlan, objects: &Objects, findings: &mut Findings) {
    let training = &plan.training;
    let shares: Vec<Option<f32>> = (training.maps.iter().zip(&objects.maps))
        .map(|(map, object)| {
            share_on_object(map, training.map_size, plan.model.absolute, object.as_ref()?, objects.size)
        })
        .collect();
    for verdict in &training.spurious_verdicts {
        let place = |&row: &usize| training.data.rows.binary_search(&(verdict.set, row)).ok();
        let of_rows = verdict.rows.iter().filter_map(place).filter_map(|i| shares[i]);
        let (sum, n) = of_rows.fold((0.0f32, 0usize), |(sum, n), share| (sum + share, n + 1));
        findings.n_spurious += usize::from(n > 0);
        if n > 0 && sum / n as f32 >= ON_OBJECT && !verdict.is_upheld {
            findings.contradicted.push(verdict.name.clone());
        }
    }
    let upheld = |(map, is): (&Option<Vec<f32>>, &bool)| map.clone().filter(|_| *is);
    plan.training.cores =
        Objects { maps: objects.maps.iter().zip(&training.is_upheld).map(upheld).collect(), size: objects.size };
    for (i, share) in shares.into_iter().enumerate() {
        let Some(share) = share else { continue };
        let said = plan.training.is_known[i].then_some(plan.training.spuriousness[i] > 0.5);
        let is_spurious = said.unwrap_or(true) && (share < ON_OBJECT || plan.training.is_upheld[i]);
        findings.n_overruled += usize::from(said == Some(true) && !is_spurious);
        plan.training.spuriousness[i] = f32::from(u8::from(is_spurious));
    }
}

/// `[n]`: 1 where the cue alone says another class than the label, as a classifier sees it that was fitted to other images;
/// and how much it says. A cue that is no better than chance speaks against no image.
///
/// # Errors
/// As [`cross_fitted`].
fn against(
    cues: &[Option<Vec<f32>>],
    labels: &[usize],
    n_classes: usize,
    seed: u64,
    progress: impl Fn(usize) -> Result<()>,
) -> Result<(Vec<i32>, Cue)> {
    let known: Vec<usize> = (0..cues.len()).filter(|&i| cues[i].is_some()).collect();
    let rows: Vec<&[f32]> = known.iter().filter_map(|&i| cues[i].as_deref()).collect();
    let own: Vec<usize> = known.iter().map(|&i| labels[i]).collect();
    let said = cross_fitted(&rows, &own, n_classes, SHRINKAGE, (N_FOLDS, seed), progress)?;
    let mut groups = vec![0; labels.len()];
    // Of each class: images against the cue, and all.
    let mut counts = vec![(0usize, 0usize); n_classes];
    for (&i, &class) in known.iter().zip(&said) {
        groups[i] = i32::from(class != labels[i]);
        counts[labels[i]].0 += usize::from(class != labels[i]);
        counts[labels[i]].1 += 1;
    }
    let right: Vec<(f64, f64)> = (counts.iter().filter(|count| count.1 > 0))
        .map(|&(wrong, n)| (1.0 - wrong as f64 / n as f64, n as f64))
        .collect();
    let n_present = right.len() as f64;
    let (accuracy, chance) = (right.iter().map(|(share, _)| share).sum::<f64>() / n_present, 1.0 / n_present);
    let error = right.iter().map(|(share, n)| share * (1.0 - share) / n).sum::<f64>().sqrt() / n_present;
    let is_better = accuracy > chance + 2.0 * error;
    for (group, &label) in groups.iter_mut().zip(labels) {
        if !is_better || counts[label].0 < MIN_CELL {
            *group = 0;
        }
    }
    let n_against = groups.iter().filter(|&&group| group == 1).count();
    Ok((groups, Cue { accuracy, chance, is_better, n_against }))
}

/// Of the images that go against their cue, those on which the model is wrong: it was misled there for certain. A class with
/// few of them keeps all, as where training went on until the model was right on every image.
fn misled(groups: &mut [i32], labels: &[usize], predicted_classes: &[i32]) {
    let is_misled: Vec<bool> =
        (0..labels.len()).map(|i| groups[i] == 1 && predicted_classes[i] != labels[i] as i32).collect();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    (0..labels.len()).filter(|&i| is_misled[i]).for_each(|i| *counts.entry(labels[i]).or_default() += 1);
    for i in 0..labels.len() {
        if counts.get(&labels[i]).is_some_and(|&n| n >= MIN_CELL) {
            groups[i] = i32::from(is_misled[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// 400 images of two classes whose cue is that of the other class every tenth time, or by lot.
    fn planted(by_lot: bool) -> (Vec<Option<Vec<f32>>>, Vec<usize>, Vec<bool>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let labels: Vec<usize> = (0..400).map(|i| usize::from(i % 4 == 0)).collect();
        let is_against: Vec<bool> =
            (0..400).map(|i| if by_lot { rng.random() } else { i % 10 == 0 || i % 10 == 7 && i % 4 == 0 }).collect();
        let mut row = |(&label, &against): (&usize, &bool)| {
            let noise: [f32; 3] = rng.random();
            let cue = (label == 1) != against;
            Some(vec![if cue { 2.0 } else { 0.0 } + noise[0], noise[1], noise[2]])
        };
        (labels.iter().zip(&is_against).map(&mut row).collect(), labels, is_against)
    }

    #[test]
    fn images_against_their_cue_are_found_without_being_told() {
        let (mut cues, labels, is_against) = planted(false);
        cues[1] = None;
        let (groups, cue) = against(&cues, &labels, 2, 0, |_| Ok(())).unwrap();
        assert!(cue.is_better && cue.chance == 0.5, "{cue:?}");
        let n_right = (2..400).filter(|&i| (groups[i] == 1) == is_against[i]).count();
        assert_eq!((n_right, groups[1]), (398, 0), "{cue:?}");
    }

    #[test]
    fn a_cue_by_lot_speaks_against_no_image() {
        let (cues, labels, _) = planted(true);
        let (groups, cue) = against(&cues, &labels, 2, 0, |_| Ok(())).unwrap();
        assert!(!cue.is_better && cue.n_against == 0 && groups.iter().all(|&group| group == 0), "{cue:?}");
        let told = Findings { cue: Some(cue), ..Findings::default() }.notes("");
        assert!(told[0].0 == Level::Warning && told[0].1.contains("no better than chance (50 %)"), "{}", told[0].1);
    }

    #[test]
    fn a_few_images_are_noise() {
        let (cues, mut labels, _) = planted(false);
        // Class 2 has three images, all of which look like one of the others.
        (0..3).for_each(|i| labels[i] = 2);
        let (groups, _) = against(&cues, &labels, 3, 0, |_| Ok(())).unwrap();
        assert_eq!(groups[..3], [0; 3]);
    }

    #[test]
    fn where_the_model_is_misled_these_images_count_alone() {
        // Class 0: ten against the cue, six of them wrong. Class 1: four against it, one wrong.
        let labels: Vec<usize> = (0..28).map(|i| usize::from(i >= 20)).collect();
        let mut groups: Vec<i32> = (0..28).map(|i| i32::from(i < 10 || (20..24).contains(&i))).collect();
        let wrong = |i: usize| i < 6 || i == 12 || i == 20;
        let predicted: Vec<i32> = (0..28).map(|i| (labels[i] as i32) ^ i32::from(wrong(i))).collect();
        misled(&mut groups, &labels, &predicted);
        assert_eq!(groups[..20].iter().sum::<i32>(), 6, "an error that the cue does not explain is none of them");
        assert_eq!(groups[..6], [1; 6]);
        assert_eq!(groups[20..24], [1; 4], "one is too few to go by");
    }

    #[test]
    fn findings_are_told() {
        assert!(Findings::default().notes("Ask").is_empty());
        let cue = Cue { accuracy: 0.93, chance: 0.5, is_better: true, n_against: 164 };
        let contradicted = vec!["slice 3".to_owned(), "12 picked images".to_owned()];
        let findings = Findings { n_spurious: 8, contradicted, n_overruled: 400, cue: Some(cue) };
        let notes = findings.notes("Ask the model.");
        assert!(
            notes[0].1.starts_with("2 of 8 `spurious` verdicts")
                && notes[0].1.ends_with("(slice 3, 12 picked images). Ask the model."),
            "{}",
            notes[0].1
        );
        assert!(notes[1].1.contains("93 % of the images") && notes[1].1.contains("164 images"), "{}", notes[1].1);
        assert_eq!([notes[0].0, notes[1].0], [Level::Warning, Level::Info]);
    }
}
