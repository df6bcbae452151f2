//! Computes [`Features`], and keeps them in the scan's cache: the next repair of the scan begins at once.

use super::RepairPlan;
use super::batches::{Batch, Chosen};
use super::features::{Draw, Features, Row};
use super::mixed::Mixed;
use super::stage;
use crate::scanned::{Extractor, Vectors};
use crate::seeds::seed_of;
use crate::tensors::Named;
use ascan_core::{
    Context, Level, RegularizedBatch, Regularizer, Reporter, Result, Suppression, Tensor, Trainer, TrainingSet,
    TrainingStep,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde_json::json;

/// Images that are disturbed at once.
const CHUNK: usize = 64;

/// What a regularizer makes of the first images.
pub struct Probe {
    before: Batch,
    made: RegularizedBatch,
}

impl Probe {
    /// Asks it.
    ///
    /// # Errors
    /// Whatever it reports.
    pub fn new(plan: &RepairPlan, regularizer: &mut dyn Regularizer, context: &Context) -> Result<Self> {
        let first: Vec<Chosen> = plan.training.data.labels.iter().copied().enumerate().take(8).collect();
        let before = plan.reader().read(&first, 0)?;
        let made = regularizer.prepare(&before.view(0), context)?;
        Ok(Self { before, made })
    }

    /// Whether it needs pictures at each step.
    pub fn has_penalty(&self) -> bool {
        self.made.penalty.is_some()
    }

    /// Whether a trainer can do what it asks for.
    ///
    /// # Errors
    /// What the trainer cannot do: told now, not at the first step.
    pub fn check(&self, plan: &RepairPlan, trainer: &mut dyn Trainer) -> Result<()> {
        let Self { made, .. } = self;
        let mut images = made.images.clone();
        plan.model.normalise.apply(images.data_mut(), plan.model.unit.input_shape());
        let (labels, weights, penalty) = (&made.labels, &made.weights, made.penalty.as_ref());
        if self.has_penalty() && !labels.is_empty() {
            let step = TrainingStep { images: images.view(), labels, weights, learning_rate: 0.0, penalty };
            trainer.weight_gradients(&step)?;
        }
        Ok(())
    }
}

/// The features that a run needs: of the images as they are, and of disturbed copies if the method disturbs.
///
/// # Errors
/// Whatever the model or the regularizer reports; `Cancelled`.
pub fn features(
    plan: &RepairPlan,
    mixed: Option<&Mixed>,
    (probe, suppresses): (&Probe, bool),
    regularizer: &mut dyn Regularizer,
    context: &Context,
) -> Result<Features> {
    let n = plan.training.data.n();
    let mut extractor = Extractor::new(&plan.model, context)?;
    let mixed = match mixed {
        Some(mixed) => mixed.vectors(plan, &plan.validation, ("check", 0), &mut extractor, stage::MIXED)?,
        None => Vec::new(),
    };
    let validation = extractor.images(&plan.validation, stage::VALIDATION)?;
    let d = validation.iter().flatten().map(Vec::len).next().unwrap_or(0);
    let (mut clean, mut draws) = (Vec::new(), Vec::new());
    if probe.made.images.view() == probe.before.images.view() {
        clean = extractor.images(&plan.training.data, stage::TRAINING)?;
    } else {
        let n_draws = plan.config.repair.n_draws;
        for draw in 0..n_draws {
            let progress = |done: usize| context.progress(stage::DISTURBED, draw * n + done, n_draws * n);
            draws.push(disturbed(plan, &mut extractor, regularizer, draw as u64, (context, &progress))?);
        }
    }
    let mut features = Features { d, clean, draws, validation, mixed, suppressed: None };
    if suppresses {
        let images = extractor.images(&plan.training.data, stage::TRAINING)?;
        if let Some(found) = suppression(plan, &images, regularizer, context)? {
            features.suppress(found);
        }
    }
    Ok(features)
}

/// What the method wants the head to see less of, by the images that can be read.
fn suppression(
    plan: &RepairPlan,
    images: &Vectors,
    regularizer: &mut dyn Regularizer,
    context: &Context,
) -> Result<Option<Suppression>> {
    let there: Vec<usize> = (0..images.len()).filter(|&i| images[i].is_some()).collect();
    let rows = || there.iter().filter_map(|&i| images[i].as_ref());
    let d = rows().next().map_or(0, Vec::len);
    let features = Tensor::new([there.len(), d], rows().flatten().copied().collect())?;
    let labels: Vec<usize> = there.iter().map(|&i| plan.training.data.labels[i]).collect();
    let spuriousness: Vec<f32> = there.iter().map(|&i| plan.training.spuriousness[i]).collect();
    let groups: Vec<i32> = there.iter().map(|&i| plan.training.groups[i]).collect();
    let set = TrainingSet { spuriousness: Some(&spuriousness), groups: Some(&groups), ..TrainingSet::new(&labels) };
    regularizer.suppress(features.view(), &set, context)
}

/// The rows that the regularizer makes of each training image, disturbed in chunks of a random order: what it takes from
/// other images is from any of them.
fn disturbed(
    plan: &RepairPlan,
    extractor: &mut Extractor,
    regularizer: &mut dyn Regularizer,
    draw: u64,
    (context, progress): (&Context, &(dyn Fn(usize) -> Result<()> + Sync)),
) -> Result<Draw> {
    extractor.cached(json!({ "pictures": plan.picture_facts(), "draw": draw }), draw_from, draw_to, |extractor| {
        let mut order: Vec<Chosen> = plan.training.data.labels.iter().copied().enumerate().collect();
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(plan.config.run.seed, [5, draw])));
        let mut rows: Draw = vec![Vec::new(); order.len()];
        for (i, chosen) in order.chunks(CHUNK).enumerate() {
            progress(i * CHUNK)?;
            let batch = plan.reader().read(chosen, draw)?;
            let go_on = || progress(i * CHUNK).is_ok();
            let context = Context { reporter: &Within(context.reporter, &go_on), ..*context };
            let made = regularizer.prepare(&batch.view(seed_of(draw, [4, i as u64])), &context)?;
            for (source, row) in rows_of(plan, &made, extractor)? {
                rows[batch.places[source]].push(row);
            }
        }
        Ok(rows)
    })
}

/// The reporter of a method within a stage: how far it is with a chunk of images is nothing to tell.
struct Within<'a>(&'a dyn Reporter, &'a (dyn Fn() -> bool + Sync));

impl Reporter for Within<'_> {
    fn log(&self, level: Level, message: &str) {
        self.0.log(level, message);
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        (self.1)()
    }
}

/// The rows of a disturbed batch, each with the image of the batch that it comes from.
fn rows_of(plan: &RepairPlan, batch: &RegularizedBatch, extractor: &mut Extractor) -> Result<Vec<(usize, Row)>> {
    let mut images = batch.images.data().to_vec();
    plan.model.normalise.apply(&mut images, plan.model.unit.input_shape());
    let n = batch.labels.len();
    let len = images.len() / n.max(1);
    let vectors = extractor.vectors(n, |i| Ok(images[i * len..(i + 1) * len].to_vec()), |_| Ok(()))?;
    let row = |(at, features): (usize, Option<Vec<f32>>)| {
        Some((batch.sources[at], Row { features: features?, label: batch.labels[at], weight: batch.weights[at] }))
    };
    Ok(vectors.into_iter().enumerate().filter_map(row).collect())
}

fn draw_to(draw: &Draw) -> Option<Named> {
    let rows = || draw.iter().enumerate().flat_map(|(image, rows)| rows.iter().map(move |row| (image, row)));
    let column = |values: Vec<f32>| Tensor::new([values.len()], values).ok();
    let vectors = || rows().map(|(_, row)| &row.features);
    let features =
        Tensor::new([rows().count(), vectors().next()?.len()], vectors().flatten().copied().collect()).ok()?;
    Some(vec![
        ("features".into(), features),
        ("images".into(), column(rows().map(|(image, _)| image as f32).collect())?),
        ("labels".into(), column(rows().map(|(_, row)| row.label as f32).collect())?),
        ("weights".into(), column(rows().map(|(_, row)| row.weight).collect())?),
        ("n".into(), column(vec![draw.len() as f32])?),
    ])
}

fn draw_from(named: Named) -> Option<Draw> {
    let find = |name: &str| named.iter().find(|(found, _)| found == name).map(|(_, tensor)| tensor);
    let (features, images, labels, weights) = (find("features")?, find("images")?, find("labels")?, find("weights")?);
    let mut draw = vec![Vec::new(); *find("n")?.data().first()? as usize];
    for (at, &image) in images.data().iter().enumerate() {
        let row = Row {
            features: features.row(at).to_vec(),
            label: *labels.data().get(at)? as usize,
            weight: *weights.data().get(at)?,
        };
        draw.get_mut(image as usize)?.push(row);
    }
    Some(draw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let row = |value, label| Row { features: vec![value, -value], label, weight: 0.1 };
        let draw = vec![vec![row(1.0, 2), row(2.0, 0)], vec![], vec![row(0.3, 1)]];
        assert_eq!(draw_from(draw_to(&draw).unwrap()), Some(draw));
        assert_eq!(draw_from(Vec::new()), None, "what is not understood is made again");
    }
}
