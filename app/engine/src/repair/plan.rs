//! The plan of a repair: a scan met with settings, its model and its images.

use super::batches::Reader;
use super::data::{Labelled, Training};
use crate::images::Preprocess;
use crate::images::unit::{Normalise, unit_pictures};
use ascan_config::host::PluginHost;
use ascan_config::repair::RepairConfig;
use ascan_config::sections::RepairSection;
use ascan_core::params::ParamMap;
use ascan_core::{Error, Kind, ModelInfo, OpenModel, Result, Runtime};
use ascan_store::Scan;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything a repair needs, opened and checked; nothing is computed yet.
pub struct RepairPlan {
    /// The settings, every default written out.
    pub config: RepairConfig,
    /// What is trained on.
    pub training: Training,
    /// What chooses the epoch.
    pub validation: Labelled,
    /// From a file to the model's input.
    pub preprocess: Preprocess,
    /// From a file to a picture in [0, 1].
    pub unit: Preprocess,
    /// From there to the model's input.
    pub normalise: Normalise,
    /// Whether negative attribution counts by its size, as it did for the features of the scan.
    pub absolute: bool,
    /// Trains.
    pub runtime: Box<dyn Runtime>,
    /// Judges: the engine of the scan, or that which trains.
    pub judge: Box<dyn Runtime>,
    /// How the model is opened.
    pub open: OpenModel,
    /// What it is.
    pub info: ModelInfo,
    /// Threads, at least 1.
    pub n_threads: usize,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// What the features of an image depend on, beside the image.
    pub(super) model_facts: Value,
    /// Where the scan is.
    pub(super) scan_dir: PathBuf,
    facts: Value,
}

impl RepairPlan {
    /// Opens the scan's images and model, and finds the plugins.
    ///
    /// # Errors
    /// `File` for a scan or a model that cannot be used, a model that has changed since the scan included; `Param`
    /// for settings that do not fit the data; `Unsupported` for a backend that cannot train.
    pub fn compile(scan: &Scan, config: RepairConfig, host: &PluginHost) -> Result<Self> {
        let (repair, model) = (&config.repair, &scan.config.model);
        let sha256 = ascan_onnx::Model::sha256(&model.path)?;
        if sha256 != scan.plan.model.sha256 {
            let message = "is not the model that was scanned, so the masks of the scan do not apply to it";
            return Err(Error::file(&model.path, message, "scan again, then repair"));
        }
        let runtime = host.backend(&repair.backend, &ParamMap::new())?;
        if !runtime.capabilities().training {
            let message = format!("the backend `{}` cannot train", repair.backend);
            return Err(Error::unsupported(message, "use `repair.backend = \"burn\"`"));
        }
        runtime.available()?;
        // The engine of the scan may be missing on this machine; the one that trains can judge as well.
        let judge = host.backend(&scan.plan.model.backend, &scan.plan.model.params);
        let judge = judge.and_then(|judge| judge.available().map(|()| judge));
        let (judge, judged_by) = match judge {
            Ok(judge) => (judge, &scan.plan.model.backend),
            Err(_) => (host.backend(&repair.backend, &ParamMap::new())?, &repair.backend),
        };

        let mut training = Training::open(scan, repair, config.run.seed)?;
        let validation = training.validation(scan, repair, config.run.seed)?;
        let n_threads = config.run.threads();
        let open = model.open(n_threads);
        let info = runtime.open(&open)?.info().clone();
        let input_shape = scan.plan.model.input_shape;
        let spuriousness: Vec<u8> = training.spuriousness.iter().flat_map(|s| s.to_le_bytes()).collect();
        let facts = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "settings": &config.repair,
            "seed": config.run.seed,
            "scan": {
                "data": &scan.plan.data.fingerprint,
                "labels": &scan.plan.data.labels,
                "model": sha256,
                "attribution": &scan.plan.attribution,
            },
            "spuriousness": blake3::hash(&spuriousness).to_hex().to_string(),
            "n_training": training.data.rows.len(),
            "n_validation": validation.rows.len(),
            "regularizer": host.plugin(Kind::Regularizer, &repair.plugin)?.version(),
        });
        Ok(Self {
            notes: training.notes.clone(),
            preprocess: Preprocess::new(&model.preprocess, input_shape)?,
            unit: unit_pictures(&model.preprocess, input_shape)?,
            normalise: Normalise::new(&model.preprocess),
            absolute: scan.config.features.sign == "absolute",
            training,
            validation,
            runtime,
            judge,
            model_facts: json!({
                "sha256": scan.plan.model.sha256,
                "preprocess": &model.preprocess,
                "device": &model.device,
                "judged_by": judged_by,
            }),
            scan_dir: scan.dir.clone(),
            open,
            info,
            n_threads,
            config,
            facts,
        })
    }

    /// Reads batches of the training images.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            training: &self.training,
            unit: &self.unit,
            repair: &self.config.repair,
            absolute: self.absolute,
            seed: self.config.run.seed,
        }
    }

    /// What the pictures that training sees depend on.
    pub(super) fn picture_facts(&self) -> Value {
        let mut facts = self.facts.clone();
        facts["settings"] = json!(self.config.repair.of_pictures());
        facts
    }

    /// What copies with other surroundings depend on: not on the regularizer.
    pub(super) fn mixed_facts(&self) -> Value {
        let mut facts = self.facts.clone();
        let default = RepairSection::default();
        let repair =
            RepairSection { plugin: default.plugin, params: default.params, ..self.config.repair.of_pictures() };
        facts["settings"] = json!(repair);
        facts["regularizer"] = Value::Null;
        facts
    }

    /// What the result depends on; always the same text for the same plan.
    ///
    /// # Errors
    /// `Unsupported` if it cannot be written as JSON, which is a defect.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(&self.facts)
            .map_err(|error| Error::unsupported(format!("the plan cannot be written as JSON: {error}"), ""))
    }
}

/// What differs between two plans, one line each.
pub(super) fn differences(before: &[u8], now: &[u8]) -> Vec<String> {
    let flat = |bytes: &[u8]| {
        let mut flat = BTreeMap::new();
        ascan_store::plan::flatten("", serde_json::from_slice(bytes).unwrap_or_default(), &mut flat);
        flat
    };
    let (before, now) = (flat(before), flat(now));
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let keys: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
    keys.into_iter()
        .filter(|&key| before.get(key) != now.get(key))
        .map(|key| format!("{key}: it has {}, now {}", show(before.get(key)), show(now.get(key))))
        .collect()
}
