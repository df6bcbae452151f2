//! What a scanned model makes of images at the layer that its head reads, kept in the scan's cache: the next one to ask
//! begins at once.

use super::labelled::Labelled;
use super::object::{Objects, object_map};
use super::{ScannedModel, Vectors};
use crate::tensors::{Named, decode, encode};
use crate::workers::Workers;
use ascan_core::{Context, Error, Forward, Result, Tensor};
use ascan_store::{LocalStorage, Storage, layout};
use serde_json::{Value, json};

/// Runs a model up to the layer that its head reads.
pub struct Extractor<'a> {
    model: &'a ScannedModel,
    context: &'a Context<'a>,
    layer: &'a str,
    cache: LocalStorage,
    /// Opened with the first image that is not in the cache.
    workers: Option<Workers>,
}

impl<'a> Extractor<'a> {
    /// Of the layer that the head reads, or the last feature map where the head is another.
    ///
    /// # Errors
    /// `Unsupported` for a model without a feature map.
    pub fn new(model: &'a ScannedModel, context: &'a Context<'a>) -> Result<Self> {
        let head = model.info.linear_head.as_ref().map(|head| head.layer.as_str());
        let layer = head.or(model.info.default_layer.as_deref()).ok_or_else(|| {
            Error::unsupported(
                "the model has no feature map with spatial extent, so nothing tells an object from what is around it",
                "repair it with `repair.layers = \"all\"` and verdicts that you are sure of",
            )
        })?;
        Ok(Self { model, context, layer, cache: LocalStorage::new(&model.scan_dir), workers: None })
    }

    /// The layer.
    pub fn layer(&self) -> &'a str {
        self.layer
    }

    /// The object map of each image.
    ///
    /// # Errors
    /// Whatever the model reports; `Cancelled`.
    pub fn objects(&mut self, data: &Labelled, stage: &str) -> Result<Objects> {
        let shape = self.model.info.layer(self.layer)?.shape;
        let size = [shape[1], shape[2]];
        let facts = json!({ "objects": data.facts() });
        let maps = self.cached(facts, vectors_from, vectors_to, |own| {
            let (model, context, layer, n) = (own.model, own.context, own.layer, data.n());
            let load = |i: usize| data.load(&model.preprocess, i);
            let pick = |forward: &Forward, row: usize| object_map(forward.feature_map(layer)?.row(row), size);
            own.workers()?.forward(n, &[layer], load, pick, |done| context.progress(stage, done, n))
        })?;
        Ok(Objects { maps, size })
    }

    /// The vectors of images as they are.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn images(&mut self, data: &Labelled, stage: &str) -> Result<Vectors> {
        let preprocess = &self.model.preprocess;
        self.pictures(json!({ "images": data.facts() }), data.n(), |i| data.load(preprocess, i), stage)
    }

    /// The vectors of `n` inputs that depend on `facts`.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn pictures(
        &mut self,
        facts: Value,
        n: usize,
        load: impl Fn(usize) -> Result<Vec<f32>> + Sync,
        stage: &str,
    ) -> Result<Vectors> {
        self.cached(facts, vectors_from, vectors_to, |own| {
            let context = own.context;
            own.vectors(n, load, |done| context.progress(stage, done, n))
        })
    }

    /// The vectors of `n` inputs, not kept.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn vectors(
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

    /// What is in the cache for these facts about this model, or what `make` makes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn cached<T>(
        &mut self,
        mut facts: Value,
        read: impl Fn(Named) -> Option<T>,
        write: impl Fn(&T) -> Option<Named>,
        make: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        facts["model"] = self.model.facts.clone();
        facts["layer"] = json!(self.layer);
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
            self.workers = Some(Workers::open(&*self.model.runtime, &self.model.open, self.context)?);
        }
        self.workers.as_ref().ok_or_else(|| Error::unsupported("no model is open", ""))
    }
}

fn means(map: &[f32], c: usize) -> Vec<f32> {
    let len = map.len() / c.max(1);
    let mean = |plane: &[f32]| (plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64) as f32;
    map.chunks_exact(len.max(1)).map(mean).collect()
}

/// Vectors as tensors: those that are there, and of which images they are.
fn vectors_to(vectors: &Vectors) -> Option<Named> {
    let images = (0..vectors.len()).filter(|&i| vectors[i].is_some()).map(|i| i as f32).collect();
    let there = || vectors.iter().flatten();
    let features = Tensor::new([there().count(), there().next()?.len()], there().flatten().copied().collect()).ok()?;
    let column = |values: Vec<f32>| Tensor::new([values.len()], values).ok();
    Some(vec![
        ("features".into(), features),
        ("images".into(), column(images)?),
        ("n".into(), column(vec![vectors.len() as f32])?),
    ])
}

fn vectors_from(named: Named) -> Option<Vectors> {
    let find = |name: &str| named.iter().find(|(found, _)| found == name).map(|(_, tensor)| tensor);
    let (features, images, n) = (find("features")?, find("images")?, find("n")?);
    let mut vectors = vec![None; *n.data().first()? as usize];
    for (row, &image) in images.data().iter().enumerate() {
        *vectors.get_mut(image as usize)? = Some(features.row(row).to_vec());
    }
    Some(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let vectors = vec![Some(vec![1.0, f32::MIN_POSITIVE]), None, Some(vec![-0.1, 3.0]), None];
        assert_eq!(vectors_from(vectors_to(&vectors).unwrap()), Some(vectors));
        assert_eq!(vectors_from(Vec::new()), None, "what is not understood is made again");
    }
}
