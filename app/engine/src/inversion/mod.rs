//! Feature inversion: for a slice, an image whose features at the scan's layer are those of the slice.
//!
//! The image is searched for, not drawn from the data: it shows what the features of a slice have in common, also where
//! no single image of the slice shows it. Objective, with `f` the image's mean feature and `t` the slice's mean
//! attribution-weighted feature: `f·t · cos(f, t)²`, less the total variation; the image is a sum of cosine waves in
//! decorrelated colours, and is moved, turned and scaled a little at each step.
//!
//! # Shapes
//! Pictures `[h, w]` of the model's input, RGB.
//!
//! # Cost
//! `n_steps` forward and backward passes of one image, on one thread per slice.
//!
//! # When it misleads
//! It is one image of many with these features, and no photograph: colours are those of the data at large, places mean
//! nothing. A low cosine says that the search has not found such an image, not that there is none.
//!
//! # Source
//! Mahendran & Vedaldi 2015, arXiv 1412.0035 (inversion); Mordvintsev et al. 2018, Distill 10.23915/distill.00012
//! (parametrisation); Carter et al. 2019, Distill 10.23915/distill.00015 (dot × cosine). Weights, rates and numbers of
//! steps are ours.

mod ascent;
mod canvas;
mod warp;

use crate::scanned;
use crate::seeds::seed_of;
use crate::slices::SliceSet;
use crate::workers::Workers;
use ascan_config::host::PluginHost;
use ascan_config::sections::ChannelOrder;
use ascan_core::{Context, Error, Kind, ModelBackend, OpenModel, ParamMap, Result, Runtime, Tensor};
use ascan_images::unit::{Normalise, unit_pictures};
use ascan_store::{Part, Scan};
use ascent::{Goal, ascend};
use canvas::{Canvas, covariance};
use image::RgbImage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Cursor;

/// Images whose colours are looked at.
const N_COLOURED: usize = 48;

/// What was made for a slice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inversion {
    /// Id of the slice.
    pub slice: i32,
    /// Cosine between the image's mean feature and the slice's, in [−1, 1].
    pub cosine: f64,
    /// Seconds it took.
    pub seconds: f64,
    /// The image.
    #[serde(skip)]
    pub picture: RgbImage,
}

/// Makes an image for each of these slices of a set, and keeps each with the scan as soon as it is made.
///
/// # Errors
/// `Unsupported` if no backend has gradients for the model; `File` if images, model or a shard are gone; `Cancelled`.
pub fn invert(
    scan: &Scan,
    set: &SliceSet,
    slices: &[i32],
    n_steps: usize,
    host: &PluginHost,
    context: &Context,
) -> Result<Vec<Inversion>> {
    scan.plan.check_model("inversion")?;
    let open = scan.config.model.open(1);
    let size = scan.plan.model.input_shape;
    let layer = scan.plan.features.settings.layer.as_str();
    let runtime = runtime(host, &open, layer)?;
    let normalise = Normalise::new(&scan.config.model.preprocess);
    let canvas = Canvas::new(size, &colours(scan, set)?);
    let features = mean_features(scan, set)?;
    let workers = Workers::open(&*runtime, &open, context)?;
    let made = workers.map(slices.len(), |backend, i| {
        let slice = slices[i];
        let Some(direction) = features.get(&slice) else { return Ok(None) };
        let seed = seed_of(context.seed, [23, slice.unsigned_abs().into()]);
        let goal = Goal { layer, direction, n_steps, seed };
        let progress = |step: usize| context.progress("inverting", i * n_steps + step, slices.len() * n_steps);
        let start = std::time::Instant::now();
        let (image, cosine) = ascend(backend, &goal, &canvas, &normalise, &progress)?;
        let picture = picture(&image, size, scan);
        let inversion = Inversion { slice, cosine, seconds: start.elapsed().as_secs_f64(), picture };
        inversion.keep(scan, set)?;
        Ok(Some(inversion))
    })?;
    Ok(made.into_iter().flatten().collect())
}

impl Inversion {
    fn keep(&self, scan: &Scan, set: &SliceSet) -> Result<()> {
        let mut bytes = Cursor::new(Vec::new());
        let written = self.picture.write_to(&mut bytes, image::ImageFormat::Png);
        written.map_err(|error| Error::file(file(&set.id, self.slice), error, ""))?;
        scan.keep(&file(&set.id, self.slice), bytes.get_ref())
    }
}

/// The image that was kept for a slice, if there is one.
pub fn kept(scan: &Scan, set: &str, slice: i32) -> Option<RgbImage> {
    let bytes = scan.cached(&file(set, slice))?;
    image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).ok().map(|picture| picture.into_rgb8())
}

fn file(set: &str, slice: i32) -> String {
    format!("inversion-{set}-{slice}.png")
}

/// The fastest engine that can pull back from this layer: who has gradients of logits may not have these, so each is tried.
fn runtime(host: &PluginHost, open: &OpenModel, layer: &str) -> Result<Box<dyn Runtime>> {
    let pulls_back = |model: Box<dyn ModelBackend>| {
        let image = Tensor::zeros([&[1][..], &model.info().input_shape].concat());
        model.pullback(image.view(), layer, &mut |map| Ok(map.to_tensor())).is_ok()
    };
    for name in host.fastest_first() {
        let params = host.resolve(Kind::Backend, name, &ParamMap::new())?.params;
        let runtime = host.backend(name, &params)?;
        if runtime.available().is_ok() && runtime.open(open).is_ok_and(pulls_back) {
            return Ok(runtime);
        }
    }
    Err(Error::unsupported("no backend has gradients", "`ascan plugins` lists the backends that were found"))
}

/// The mean embedding of each slice, of length 1: what its images have in common. Of features in both directions, the
/// forward one.
fn mean_features(scan: &Scan, set: &SliceSet) -> Result<BTreeMap<i32, Vec<f64>>> {
    let n_channels = scan.plan.features.layer_shape[0];
    let mut sums: BTreeMap<i32, Vec<f64>> = BTreeMap::new();
    for shard in 0..scan.plan.n_shards() {
        let embeddings = scan.part(shard, Part::Embeddings)?;
        for (i, row) in scan.plan.rows(shard).enumerate() {
            let sum = sums.entry(set.assignment[row]).or_insert_with(|| vec![0.0; n_channels]);
            sum.iter_mut().zip(embeddings.row(i)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }
    sums.retain(|_, sum| {
        let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        sum.iter_mut().for_each(|v| *v /= length);
        length > 0.0 && length.is_finite()
    });
    Ok(sums)
}

/// How the colours of the scanned images go together, `[c, c]`.
fn colours(scan: &Scan, set: &SliceSet) -> Result<Vec<f64>> {
    let size = scan.plan.model.input_shape;
    let images = scanned::images(scan)?;
    let pictures = unit_pictures(&scan.config.model.preprocess, size)?;
    let n = set.assignment.len();
    let rows = (0..n).step_by(n.div_ceil(N_COLOURED).max(1));
    // One that cannot be read has no colours to tell.
    let some: Vec<Tensor> = rows.filter_map(|row| Tensor::new(size, pictures.load(&images, row).ok()?).ok()).collect();
    Ok(covariance(&some, size[0]))
}

/// From the channels of the model, `[c, h, w]` in [0, 1], to colours people know.
fn picture(image: &[f32], [c, h, w]: [usize; 3], scan: &Scan) -> RgbImage {
    let is_bgr = scan.config.model.preprocess.channels == Some(ChannelOrder::Named("bgr".into()));
    RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let at = y as usize * w + x as usize;
        let channel = |k: usize| {
            let k = if is_bgr { 2 - k } else { k }.min(c - 1);
            (image[k * h * w + at] * 255.0).round().clamp(0.0, 255.0) as u8
        };
        image::Rgb([channel(0), channel(1), channel(2)])
    })
}
