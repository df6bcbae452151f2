//! Computes [`Features`], and keeps them in the scan's cache: the next repair of the scan begins at once.

use super::RepairPlan;
use super::batches::{Batch, Chosen};
use super::data::Labelled;
use super::features::{Draw, Features, Row, Vectors};
use super::mixed::{Mixed, Objects};
use super::object::object_map;
use super::tensors::{Named, decode, encode};
use crate::seeds::seed_of;
use crate::workers::Workers;
use ascan_core::{Context, Error, Forward, RegularizedBatch, Regularizer, Result, Tensor, Trainer, TrainingStep};
use ascan_store::{LocalStorage, Storage, layout};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

/// Images that are disturbed at once.
const CHUNK: usize = 64;

/// Runs a model up to the layer that its head reads.
pub struct Extractor<'a> {
    plan: &'a RepairPlan,
    context: &'a Context<'a>,
    layer: &'a str,
    cache: LocalStorage,
    /// Opened with the first image that is not in the cache.
    workers: Option<Workers>,
}

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
        plan.normalise.apply(images.data_mut(), plan.unit.input_shape());
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
    probe: &Probe,
    regularizer: &mut dyn Regularizer,
    context: &Context,
) -> Result<Features> {
    let n = plan.training.data.rows.len();
    let mut extractor = Extractor::new(plan, context)?;
    let mixed = match mixed {
        Some(mixed) => {
            extractor.mixed(mixed, &plan.validation, ("check", 0), "validation images with other surroundings")?
        }
        None => Vec::new(),
    };
    let validation = extractor.images(&plan.validation, "features of validation images")?;
    let d = validation.iter().flatten().map(Vec::len).next().unwrap_or(0);
    let (mut clean, mut draws) = (Vec::new(), Vec::new());
    if probe.made.images.view() == probe.before.images.view() {
        clean = extractor.images(&plan.training.data, "features of training images")?;
    } else {
        let n_draws = plan.config.repair.n_draws;
        for draw in 0..n_draws {
            let progress = |done: usize| context.progress("features of disturbed copies", draw * n + done, n_draws * n);
            draws.push(extractor.draw(regularizer, draw as u64, &progress)?);
        }
    }
    Ok(Features { d, clean, draws, validation, mixed })
}

impl<'a> Extractor<'a> {
    /// Of the layer that the head reads, or the last feature map where the head is another.
    ///
    /// # Errors
    /// `Unsupported` for a model without a feature map.
    pub fn new(plan: &'a RepairPlan, context: &'a Context<'a>) -> Result<Self> {
        let head = plan.info.linear_head.as_ref().map(|head| head.layer.as_str());
        let layer = head.or(plan.info.default_layer.as_deref()).ok_or_else(|| {
            Error::unsupported(
                "the model has no feature map with spatial extent, so nothing tells an object from what is around it",
                "repair it with `repair.layers = \"all\"` and verdicts that you are sure of",
            )
        })?;
        Ok(Self { plan, context, layer, cache: LocalStorage::new(&plan.scan_dir), workers: None })
    }

    /// The object map of each image.
    ///
    /// # Errors
    /// Whatever the model reports; `Cancelled`.
    pub fn objects(&mut self, data: &Labelled, stage: &str) -> Result<Objects> {
        let shape = self.plan.info.layer(self.layer)?.shape;
        let size = [shape[1], shape[2]];
        let images = data.images.fingerprint();
        let facts =
            json!({ "model": self.plan.model_facts, "layer": self.layer, "objects": images, "rows": data.rows });
        let maps = self.cached(&facts, vectors_from, vectors_to, |own| {
            let (plan, context, layer, n) = (own.plan, own.context, own.layer, data.rows.len());
            let load = |i: usize| plan.preprocess.load(&data.images, data.rows[i]);
            let pick = |forward: &Forward, row: usize| object_map(forward.feature_map(layer)?.row(row), size);
            own.workers()?.forward(n, &[layer], load, pick, |done| context.progress(stage, done, n))
        })?;
        Ok(Objects { maps, size })
    }

    /// The vectors of mixed copies of images; `name` tells them from others of the same plan.
    ///
    /// # Errors
    /// Whatever the model reports; `Cancelled`.
    pub fn mixed(&mut self, mixed: &Mixed, data: &Labelled, name: (&str, u64), stage: &str) -> Result<Vectors> {
        let (facts, rows) = (self.plan.mixed_facts(), &data.rows);
        let facts = json!({ "model": self.plan.model_facts, "layer": self.layer, "pictures": facts, "mixed": name, "rows": rows });
        self.cached(&facts, vectors_from, vectors_to, |own| {
            let (plan, context, n) = (own.plan, own.context, data.rows.len());
            own.vectors(n, |i| mixed.picture(plan, data, i), |done| context.progress(stage, done, n))
        })
    }

    /// What is in the cache for these facts, or what `make` makes.
    fn cached<T>(
        &mut self,
        facts: &Value,
        read: impl Fn(Named) -> Option<T>,
        write: impl Fn(&T) -> Option<Named>,
        make: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let facts = facts.to_string();
        let name = format!("features-{}.safetensors", &blake3::hash(facts.as_bytes()).to_hex()[..16]);
        let file = layout::cache_file(&name);
        let kept = self.cache.get(&file).ok().and_then(|bytes| decode(&bytes).ok());
        if let Some(kept) = kept.filter(|(_, note)| *note == facts).and_then(|(named, _)| read(named)) {
            return Ok(kept);
        }
        let made = make(self)?;
        let named = write(&made).unwrap_or_default();
        let named: Vec<(String, &Tensor)> = named.iter().map(|(name, tensor)| (name.clone(), tensor)).collect();
        if let (false, Ok(bytes)) = (named.is_empty(), encode(&named, &facts)) {
            // Where nothing can be written, nothing is kept.
            let _ = self.cache.put(&file, &bytes);
        }
        Ok(made)
    }

    fn workers(&mut self) -> Result<&Workers> {
        if self.workers.is_none() {
            self.workers = Some(Workers::open(&*self.plan.judge, &self.plan.open, self.context)?);
        }
        self.workers.as_ref().ok_or_else(|| Error::unsupported("no model is open", ""))
    }

    /// The vectors of `n` inputs.
    fn vectors(
        &mut self,
        n: usize,
        load: impl Fn(usize) -> Result<Vec<f32>> + Sync,
        progress: impl Fn(usize) -> Result<()> + Sync,
    ) -> Result<Vectors> {
        let layer = self.layer;
        let pick = |forward: &Forward, row: usize| {
            let map = forward.feature_map(layer)?;
            Some(means(map.row(row), map.shape()[1]))
        };
        self.workers()?.forward(n, &[layer], load, pick, progress)
    }

    /// The vectors of images as they are.
    fn images(&mut self, data: &Labelled, stage: &str) -> Result<Vectors> {
        let facts = json!({ "model": self.plan.model_facts, "layer": self.layer, "images": data.images.fingerprint(), "rows": data.rows });
        self.cached(&facts, vectors_from, vectors_to, |own| {
            let (preprocess, context, n) = (&own.plan.preprocess, own.context, data.rows.len());
            own.vectors(n, |i| preprocess.load(&data.images, data.rows[i]), |done| context.progress(stage, done, n))
        })
    }

    /// The rows that the regularizer makes of each training image, disturbed in chunks of a random order: what it
    /// takes from other images is from any of them.
    fn draw(
        &mut self,
        regularizer: &mut dyn Regularizer,
        draw: u64,
        progress: &dyn Fn(usize) -> Result<()>,
    ) -> Result<Draw> {
        let plan = self.plan;
        let facts =
            json!({ "model": plan.model_facts, "layer": self.layer, "pictures": plan.picture_facts(), "draw": draw });
        self.cached(&facts, draw_from, draw_to, |own| {
            let mut order: Vec<Chosen> = plan.training.data.labels.iter().copied().enumerate().collect();
            order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(plan.config.run.seed, [5, draw])));
            let mut rows: Draw = vec![Vec::new(); order.len()];
            for (i, chosen) in order.chunks(CHUNK).enumerate() {
                progress(i * CHUNK)?;
                let batch = plan.reader().read(chosen, draw)?;
                let made = regularizer.prepare(&batch.view(seed_of(draw, [4, i as u64])), own.context)?;
                for (source, row) in own.rows(&made)? {
                    rows[batch.places[source]].push(row);
                }
            }
            Ok(rows)
        })
    }

    /// The rows of a disturbed batch, each with the image of the batch that it comes from.
    fn rows(&mut self, batch: &RegularizedBatch) -> Result<Vec<(usize, Row)>> {
        let mut images = batch.images.data().to_vec();
        self.plan.normalise.apply(&mut images, self.plan.unit.input_shape());
        let n = batch.labels.len();
        let len = images.len() / n.max(1);
        let vectors = self.vectors(n, |i| Ok(images[i * len..(i + 1) * len].to_vec()), |_| Ok(()))?;
        let row = |(at, features): (usize, Option<Vec<f32>>)| {
            Some((batch.sources[at], Row { features: features?, label: batch.labels[at], weight: batch.weights[at] }))
        };
        Ok(vectors.into_iter().enumerate().filter_map(row).collect())
    }
}

fn means(map: &[f32], c: usize) -> Vec<f32> {
    let len = map.len() / c.max(1);
    let mean = |plane: &[f32]| (plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64) as f32;
    map.chunks_exact(len.max(1)).map(mean).collect()
}

fn matrix<'a>(rows: impl Iterator<Item = &'a Vec<f32>> + Clone) -> Option<Tensor> {
    let (n, d) = (rows.clone().count(), rows.clone().next()?.len());
    Tensor::new([n, d], rows.flatten().copied().collect()).ok()
}

fn column(values: Vec<f32>) -> Option<Tensor> {
    Tensor::new([values.len()], values).ok()
}

/// Vectors as tensors: those that are there, and of which images they are.
fn vectors_to(vectors: &Vectors) -> Option<Named> {
    let images = (0..vectors.len()).filter(|&i| vectors[i].is_some()).map(|i| i as f32).collect();
    Some(vec![
        ("features".into(), matrix(vectors.iter().flatten())?),
        ("images".into(), column(images)?),
        ("n".into(), column(vec![vectors.len() as f32])?),
    ])
}

fn take(named: &mut Named, name: &str) -> Option<Tensor> {
    let at = named.iter().position(|(found, _)| found == name)?;
    Some(named.swap_remove(at).1)
}

fn vectors_from(mut named: Named) -> Option<Vectors> {
    let (features, images, n) = (take(&mut named, "features")?, take(&mut named, "images")?, take(&mut named, "n")?);
    let mut vectors = vec![None; *n.data().first()? as usize];
    for (row, &image) in images.data().iter().enumerate() {
        *vectors.get_mut(image as usize)? = Some(features.row(row).to_vec());
    }
    Some(vectors)
}

fn draw_to(draw: &Draw) -> Option<Named> {
    let rows = || draw.iter().enumerate().flat_map(|(image, rows)| rows.iter().map(move |row| (image, row)));
    Some(vec![
        ("features".into(), matrix(draw.iter().flatten().map(|row| &row.features))?),
        ("images".into(), column(rows().map(|(image, _)| image as f32).collect())?),
        ("labels".into(), column(rows().map(|(_, row)| row.label as f32).collect())?),
        ("weights".into(), column(rows().map(|(_, row)| row.weight).collect())?),
        ("n".into(), column(vec![draw.len() as f32])?),
    ])
}

fn draw_from(mut named: Named) -> Option<Draw> {
    let [features, images, labels, weights, n] =
        ["features", "images", "labels", "weights", "n"].map(|name| take(&mut named, name));
    let (features, images, labels, weights) = (features?, images?, labels?, weights?);
    let mut draw = vec![Vec::new(); *n?.data().first()? as usize];
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
        let vectors = vec![Some(vec![1.0, f32::MIN_POSITIVE]), None, Some(vec![-0.1, 3.0]), None];
        assert_eq!(vectors_from(vectors_to(&vectors).unwrap()), Some(vectors));
        let row = |value, label| Row { features: vec![value, -value], label, weight: 0.1 };
        let draw = vec![vec![row(1.0, 2), row(2.0, 0)], vec![], vec![row(0.3, 1)]];
        assert_eq!(draw_from(draw_to(&draw).unwrap()), Some(draw));
        assert_eq!(draw_from(Vec::new()), None, "what is not understood is made again");
    }
}
