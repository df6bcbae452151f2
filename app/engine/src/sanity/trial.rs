//! A few images under every usual preprocessing, before a scan: which one the model was most likely trained with.

use super::order::relabelling;
use super::{Doubt, MIN_IMAGES, of_predictions, percent};
use crate::plan::RunPlan;
use crate::question::Question;
use crate::scan::Images;
use ascan_config::sections::PreprocessSection;
use ascan_core::{ModelBackend, Reporter, Result, TensorView};
use ascan_images::Preprocess;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Presets that are tried, and for one channel the usual mean and deviation of digits.
const PRESETS: [&str; 5] = ["imagenet", "tf", "unit", "caffe", "raw"];
const DIGITS: (&str, f32, f32) = ("mean 0.1307, std 0.3081", 0.1307, 0.3081);
/// Another preprocessing has to be right on this much more, and so often that chance does not explain it.
const CLEARLY: f64 = 0.05;
const P_VALUE: f64 = 0.01;
/// Shares that differ by less are as good as each other.
const SAME: f64 = 0.03;

/// What a preprocessing makes of a few images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// A preset, or numbers in words.
    pub name: String,
    /// As `[model.preprocess]` writes it.
    #[serde(skip)]
    pub section: PreprocessSection,
    /// Share of the labelled images that is right; `None` without labels.
    pub accuracy: Option<f64>,
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// `[n]` predicted output of each image.
    #[serde(skip)]
    pub found: Vec<i32>,
}

/// What was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Images that could be read.
    pub n_images: usize,
    /// What was asked of them.
    #[serde(skip)]
    pub question: Question,
    /// `[n]` their labels.
    #[serde(skip)]
    pub labels: Vec<i32>,
    /// The configured preprocessing first, then the others, the best first.
    pub candidates: Vec<Candidate>,
}

/// How many images are tried, and when enough is known.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Images, spread over the data set.
    pub n_images: usize,
    /// No other preprocessing is tried where the configured one is right on this share.
    pub enough: f64,
    /// Where the others would take longer, they are tried on fewer images.
    pub budget: Duration,
}

/// Runs some images of a plan under its own preprocessing and under every preset; under its own alone if that is right often
/// enough.
///
/// # Errors
/// What the backend reports; `Cancelled`. An image that cannot be read is left out.
pub fn trial(plan: &RunPlan, effort: Effort, reporter: &dyn Reporter) -> Result<Trial> {
    let mut trial = Trial { n_images: 0, question: plan.question, labels: Vec::new(), candidates: Vec::new() };
    let mut rows = spread(&plan.truth.labels, effort.n_images);
    if rows.is_empty() {
        return Ok(trial);
    }
    let model = plan.runtime.open(&plan.config.model.open(plan.n_threads))?;
    let own = plan.preprocess.section().clone();
    let mut sections = vec![(name_of(&own), own.clone())];
    let plain = |preset: &str| PreprocessSection { preset: Some(preset.to_owned()), ..PreprocessSection::default() };
    sections.extend(PRESETS.map(|preset| (preset.to_owned(), plain(preset))));
    let (name, mean, std) = DIGITS;
    let digits = PreprocessSection {
        scale: Some(1.0 / 255.0),
        mean: Some(vec![mean]),
        std: Some(vec![std]),
        ..PreprocessSection::default()
    };
    if plan.model.input_shape[0] == 1 {
        sections.push((name.to_owned(), digits));
    }
    let total = (sections.len() * rows.len()) as u64;
    let (n_sections, began) = (sections.len() as u32, Instant::now());
    for (i, (name, section)) in sections.into_iter().enumerate() {
        // A preset that does not suit the channels is none for this model.
        let Ok(preprocess) = Preprocess::new(&section, plan.model.input_shape) else { continue };
        let is_own = i == 0;
        if !is_own && preprocess.section() == &own {
            continue;
        }
        let done = (i * rows.len()) as u64;
        let (kept, found, confidence) = run(plan, &*model, &preprocess, &rows, |n| {
            reporter.progress("trying preprocessing", done + n as u64, total)
        })?;
        if is_own {
            trial.labels = kept.iter().map(|&row| plan.truth.labels[row]).collect();
            trial.n_images = kept.len();
        }
        let accuracy = accuracy(&trial.labels, &found);
        trial.candidates.push(Candidate { name, section, accuracy, confidence, found });
        if is_own {
            if accuracy.is_some_and(|accuracy| accuracy >= effort.enough) {
                break;
            }
            let each = began.elapsed().as_secs_f64() * f64::from(n_sections);
            let share = (effort.budget.as_secs_f64() / each.max(1e-9)).min(1.0);
            rows.truncate(((rows.len() as f64 * share) as usize).max(MIN_IMAGES));
        }
    }
    if let Some(others) = trial.candidates.get_mut(1..) {
        others.sort_by(|a, b| {
            let key = |candidate: &Candidate| candidate.accuracy.unwrap_or(candidate.confidence);
            key(b).total_cmp(&key(a))
        });
    }
    Ok(trial)
}

impl Trial {
    /// The preprocessing under which clearly more images are right than under the configured one, if there is one.
    pub fn better(&self) -> Option<&Candidate> {
        let (own, others) = self.candidates.split_first()?;
        let best = others.first()?;
        // They may have been tried on the first of the images alone.
        let n = best.found.len().min(self.labels.len());
        let clearly = best.accuracy? >= accuracy(&self.labels[..n], &own.found[..n])? + CLEARLY;
        (clearly && self.p_value(own, best) < P_VALUE).then_some(best)
    }

    /// What the trial gives reason to doubt.
    pub fn doubts(&self, class_names: &[String]) -> Vec<Doubt> {
        // A quantity has no order of labels, and is judged by the whole scan.
        let is_quantity = matches!(self.question, Question::Quantity { .. });
        let n_outputs = self.question.n_answers();
        let Some(own) = self.candidates.first() else { return Vec::new() };
        let better = self.better();
        // Another order of the labels explains as much, and changes less.
        let order = if is_quantity { None } else { relabelling(&self.labels, &own.found, n_outputs) };
        if let (Some(order), Some(better)) = (&order, better)
            && order.best + SAME >= better.accuracy.unwrap_or_default()
        {
            return of_predictions(&self.labels, &own.found, n_outputs, class_names).into_iter().collect();
        }
        let preset = better.map(|better| {
            let of = |candidate: &Candidate| percent(candidate.accuracy.unwrap_or_default());
            Doubt::warning(
                format!(
                    "with `{}` {} of {} images are right{}, with `{}` {}",
                    better.name,
                    of(better),
                    better.found.len(),
                    self.as_good(better),
                    own.name,
                    of(own)
                ),
                format!("if the model was trained with that, set `[model.preprocess]` to {}", line(&better.section)),
            )
        });
        // The order of labels shows best where most images are right.
        let found = better.map_or(&own.found, |better| &better.found);
        let labels = &self.labels[..found.len().min(self.labels.len())];
        let order = if is_quantity { None } else { of_predictions(labels, found, n_outputs, class_names) };
        preset.into_iter().chain(order).collect()
    }

    /// ` (with `unit` 98 %)`: others that cannot be told from the best one.
    fn as_good(&self, best: &Candidate) -> String {
        let accuracy = |candidate: &Candidate| candidate.accuracy.unwrap_or_default();
        let same = self.candidates.iter().skip(1).filter(|other| other.name != best.name);
        let same = same.filter(|other| accuracy(other) + SAME >= accuracy(best));
        let words: Vec<String> =
            same.map(|other| format!("with `{}` {}", other.name, percent(accuracy(other)))).collect();
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }

    /// How likely chance alone makes the second right so much more often than the first: the sign test on the images on which
    /// they differ, one-sided.
    fn p_value(&self, own: &Candidate, other: &Candidate) -> f64 {
        let right = |candidate: &Candidate, i: usize| self.labels[i] >= 0 && candidate.found[i] == self.labels[i];
        let n = own.found.len().min(other.found.len()).min(self.labels.len());
        let differ: Vec<bool> = (0..n).filter(|&i| right(own, i) != right(other, i)).map(|i| right(other, i)).collect();
        let (n, won) = (differ.len(), differ.iter().filter(|won| **won).count());
        // P(X >= won) for X ~ Binomial(n, 1/2), by its terms.
        let mut term = 0.5f64.powi(n as i32);
        let mut tail = 0.0;
        for k in 0..=n {
            if k >= won {
                tail += term;
            }
            term *= (n - k) as f64 / (k + 1) as f64;
        }
        tail
    }
}

/// The line of a configuration that chooses this preprocessing.
pub fn line(section: &PreprocessSection) -> String {
    match (&section.preset, section.scale, &section.mean, &section.std) {
        (Some(preset), ..) => format!("preset = \"{preset}\""),
        (None, Some(scale), Some(mean), Some(std)) => format!("scale = {scale}, mean = {mean:?}, std = {std:?}"),
        _ => "its numbers".to_owned(),
    }
}

fn name_of(section: &PreprocessSection) -> String {
    section.preset.clone().unwrap_or_else(|| "the configured numbers".to_owned())
}

fn accuracy(labels: &[i32], found: &[i32]) -> Option<f64> {
    let known: Vec<(&i32, &i32)> = labels.iter().zip(found).filter(|(label, _)| **label >= 0).collect();
    let right = known.iter().filter(|(label, found)| label == found).count();
    (!known.is_empty()).then(|| right as f64 / known.len() as f64)
}

/// Rows spread evenly over a data set, labelled ones if there are any, in an order by chance: the first of them stand for all.
fn spread(labels: &[i32], n: usize) -> Vec<usize> {
    let labelled: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] >= 0).collect();
    let from: Vec<usize> = if labelled.is_empty() { (0..labels.len()).collect() } else { labelled };
    let n = n.min(from.len());
    let mut rows: Vec<usize> = (0..n).map(|i| from[i * from.len() / n.max(1)]).collect();
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(0));
    rows
}

/// Rows that could be read, what each is taken for, and the mean confidence.
fn run(
    plan: &RunPlan,
    model: &dyn ModelBackend,
    preprocess: &Preprocess,
    rows: &[usize],
    progress: impl Fn(usize) -> bool,
) -> Result<(Vec<usize>, Vec<i32>, f64)> {
    let [c, h, w] = plan.model.input_shape;
    let (mut kept, mut found, mut sure) = (Vec::new(), Vec::new(), 0.0);
    for (i, rows) in rows.chunks(plan.batch_size.max(1)).enumerate() {
        let mut images = Vec::with_capacity(rows.len() * c * h * w);
        let mut of_batch = Vec::new();
        for &row in rows {
            if let Ok(pixels) = preprocess.load(&plan.images, row) {
                images.extend(pixels);
                of_batch.push(row);
            }
        }
        if !progress(i * plan.batch_size) {
            return Err(ascan_core::Error::Cancelled);
        }
        if of_batch.is_empty() {
            continue;
        }
        let shape = [of_batch.len(), c, h, w];
        let forward = model.forward(TensorView::new(&shape, &images)?, &[])?;
        for (i, &row) in of_batch.iter().enumerate() {
            let (label, truth) = (plan.label(row), plan.truth(row));
            let said = plan.question.answer(plan.classifier.kind, forward.logits.row(i), &[], label, truth);
            found.push(said.answer);
            sure += f64::from(said.probs.get(said.answer as usize).copied().unwrap_or_default());
        }
        kept.extend(of_batch);
    }
    let n = kept.len().max(1) as f64;
    Ok((kept, found, sure / n))
}
