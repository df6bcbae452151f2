//! The model of a scan, ready to be asked again: about the scanned images, and about pictures made from them.

mod extract;
mod labelled;
pub mod mask;
pub mod object;

pub use extract::Extractor;
pub use labelled::Labelled;
pub use object::Objects;

use ascan_config::host::PluginHost;
use ascan_core::params::ParamMap;
use ascan_core::{Error, ErrorCode, Kind, ModelInfo, OpenModel, Result, Runtime};
use ascan_images::unit::{Normalise, unit_pictures};
use ascan_images::{ImageSet, Preprocess};
use ascan_onnx::Model;
use ascan_store::Scan;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `[n]` vectors; `None` for an image that cannot be read.
pub type Vectors = Vec<Option<Vec<f32>>>;

/// The images that were scanned, as they are now.
///
/// # Errors
/// `File` if they, or what describes them, are gone.
pub fn images(scan: &Scan) -> Result<ImageSet> {
    let images = ImageSet::open(&scan.config.data)?;
    if images.len() < scan.plan.data.n_rows {
        return Err(Error::file(&scan.dir, "was made from images that are gone", "restore them, or scan again"));
    }
    Ok(images)
}

/// A scanned model and how its input is made.
pub struct ScannedModel {
    /// The engine of the scan, or the one that was named for where it is missing.
    pub runtime: Box<dyn Runtime>,
    /// How the model is opened.
    pub open: OpenModel,
    /// What it is.
    pub info: ModelInfo,
    /// From a file to the model's input.
    pub preprocess: Preprocess,
    /// From a file to a picture in [0, 1].
    pub unit: Preprocess,
    /// From there to the model's input.
    pub normalise: Normalise,
    /// Whether negative attribution counts by its size, as it did for the features of the scan.
    pub absolute: bool,
    /// What the features of an image depend on, beside the image.
    pub(crate) facts: Value,
    /// Where the scan is.
    pub(crate) scan_dir: PathBuf,
}

impl ScannedModel {
    /// Opens the model of a scan; `instead` is the engine for where that of the scan is missing.
    ///
    /// # Errors
    /// `File` for a model that is gone or has changed since the scan; what the engine reports.
    pub fn open(scan: &Scan, host: &PluginHost, instead: &str, n_threads: usize) -> Result<Self> {
        let (model, plan) = (&scan.config.model, &scan.plan.model);
        if Model::sha256(&model.path)? != plan.sha256 {
            let message = "is not the model that was scanned, so the masks of the scan do not apply to it";
            return Err(Error::file(&model.path, message, "scan again"));
        }
        host.ask(&scan.dir, Kind::Backend, &plan.backend, &plan.params).or_else(|error| match error.code() {
            // What is not permitted is told; an engine that is missing has a stand-in.
            ErrorCode::Param => Err(error),
            _ => Ok(()),
        })?;
        let usual = host.backend(&plan.backend, &plan.params);
        let (runtime, judged_by) = match usual.and_then(|usual| usual.available().map(|()| usual)) {
            Ok(usual) => (usual, plan.backend.as_str()),
            Err(_) => (host.backend(instead, &ParamMap::new())?, instead),
        };
        let open = model.open(n_threads);
        Ok(Self {
            info: runtime.open(&open)?.info().clone(),
            preprocess: Preprocess::new(&model.preprocess, plan.input_shape)?,
            unit: unit_pictures(&model.preprocess, plan.input_shape)?,
            normalise: Normalise::new(&model.preprocess),
            absolute: scan.config.features.sign == "absolute",
            facts: json!({
                "sha256": plan.sha256,
                "preprocess": &model.preprocess,
                "device": &model.device,
                "judged_by": judged_by,
            }),
            scan_dir: scan.dir.clone(),
            runtime,
            open,
        })
    }

    /// The model's input for a picture that keeps its own pixels where `keep` is 1, and has those of another where it is 0.
    ///
    /// # Shapes
    /// `own`, `other`: `[c, h, w]` in [0, 1]; `keep`: `[h, w]` in [0, 1]
    pub fn mixed(&self, mut own: Vec<f32>, other: &[f32], keep: &[f32]) -> Vec<f32> {
        for (own, other) in own.chunks_exact_mut(keep.len()).zip(other.chunks_exact(keep.len())) {
            own.iter_mut().zip(other).zip(keep).for_each(|((own, other), keep)| *own = other + keep * (*own - other));
        }
        self.normalise.apply(&mut own, self.unit.input_shape());
        own
    }
}
