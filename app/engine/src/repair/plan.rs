//! The plan of a repair: a scan met with settings, its model and its images.

use super::batches::Reader;
use super::data::Training;
use crate::question::Question;
use crate::scanned::{Labelled, ScannedModel};
use ascan_config::host::PluginHost;
use ascan_config::repair::RepairConfig;
use ascan_config::sections::{Groups, RepairSection};
use ascan_core::params::ParamMap;
use ascan_core::{Error, Habits, Kind, Result, Runtime};
use ascan_store::Scan;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything a repair needs, opened and checked; nothing is computed yet.
pub struct RepairPlan {
    /// The settings, every default written out.
    pub config: RepairConfig,
    /// What is trained on.
    pub training: Training,
    /// What chooses the epoch.
    pub validation: Labelled,
    /// What is repaired, and judges: by the engine of the scan, or by that which trains.
    pub model: ScannedModel,
    /// Trains.
    pub runtime: Box<dyn Runtime>,
    /// Threads, at least 1.
    pub n_threads: usize,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
    facts: Value,
}

impl RepairPlan {
    /// Opens the images and the model of a scan, and finds the plugins. The images of the scan `also` are trained on too; it is
    /// of the same model, and of images that the model may not have seen.
    ///
    /// # Errors
    /// `File` for a scan or a model that cannot be used, a model that has changed since the scan included; `Param`
    /// for settings that do not fit the data; `Unsupported` for a backend that cannot train.
    pub fn compile(scan: &Scan, also: Option<&Scan>, config: RepairConfig, host: &PluginHost) -> Result<Self> {
        let repair = &config.repair;
        scan.plan.check_model("a repair")?;
        Question::has_classes(&scan.plan.model, "a repair")?;
        let n_threads = config.run.threads();
        // First: without the model nothing can be done.
        let model = ScannedModel::open(scan, host, &repair.backend, n_threads)?;
        let runtime = host.backend(&repair.backend, &ParamMap::new())?;
        if !runtime.capabilities().training {
            let message = format!("the backend `{}` cannot train", repair.backend);
            return Err(Error::unsupported(message, "use `repair.backend = \"burn\"`"));
        }
        runtime.available()?;
        let mut training = Training::open(scan, repair, config.run.seed)?;
        if let Some(also) = also {
            check_also(scan, also, repair)?;
            training.append(Training::open(also, repair, config.run.seed)?, repair.groups)?;
        }
        if repair.groups == Groups::Annotated {
            training.annotate()?;
        }
        let validation = training.validation(scan, repair, config.run.seed)?;
        let spuriousness: Vec<u8> = training.spuriousness.iter().flat_map(|s| s.to_le_bytes()).collect();
        let upheld: Vec<usize> = (0..training.data.n()).filter(|&i| training.is_upheld[i]).collect();
        let mut facts = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "settings": &config.repair,
            "seed": config.run.seed,
            "scan": {
                "data": &scan.plan.data.fingerprint,
                "labels": &scan.plan.data.labels,
                "model": &scan.plan.model.sha256,
                "attribution": &scan.plan.attribution,
            },
            "also": also.map(|also| json!([&also.plan.data.fingerprint, &also.plan.data.labels])),
            "spuriousness": blake3::hash(&spuriousness).to_hex().to_string(),
            "n_training": training.data.n(),
            "n_validation": validation.n(),
            "regularizer": host.plugin(Kind::Regularizer, &repair.plugin)?.version(),
        });
        if !upheld.is_empty() {
            facts["upheld"] = json!(blake3::hash(format!("{upheld:?}").as_bytes()).to_hex().to_string());
        }
        Ok(Self { notes: training.notes.clone(), model, training, validation, runtime, n_threads, config, facts })
    }

    /// What must be known of the regularizer.
    pub(super) fn habits(&self, host: &PluginHost) -> Result<Habits> {
        Ok(host.plugin(Kind::Regularizer, &self.config.repair.plugin)?.habits())
    }

    /// Reads batches of the training images.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            training: &self.training,
            unit: &self.model.unit,
            repair: &self.config.repair,
            absolute: self.model.absolute,
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

/// Whether the images of another scan can be trained on with those of a scan.
fn check_also(scan: &Scan, also: &Scan, repair: &RepairSection) -> Result<()> {
    let refuse = |message: &str, hint: &str| Err(Error::file(&also.dir, message, hint));
    if also.plan.model.sha256 != scan.plan.model.sha256 {
        return refuse("is a scan by another model", "scan these images with the model that is repaired");
    }
    if also.plan.data.fingerprint == scan.plan.data.fingerprint {
        return refuse("is a scan of the same images", "name a scan of another split");
    }
    if repair.validation_split.is_some() && repair.validation_split == also.config.data.split {
        let message = "is a scan of the split that chooses the epoch (`repair.validation_split`)";
        return refuse(message, "leave `repair.validation_split` out: a share of all images is then held out");
    }
    Ok(())
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
