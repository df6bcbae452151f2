//! From the plan of a run to the job that the pipeline does.

use super::job::{Images, Job, Target};
use super::stages::Stages;
use super::{ScanSummary, batch, run_job};
use crate::features::FeatureRule;
use crate::plan::RunPlan;
use crate::question::Question;
use ascan_config::RunConfig;
use ascan_config::sections::MethodSection;
use ascan_core::{Context, Error, Reporter, Requirements, Result};
use ascan_store::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan, OutputPlan, stored_map_size};
use ascan_store::{Facts, LocalStorage, Outcome, ScanPlan, layout};
use std::path::Path;

/// Scans the images of a plan into the folder `out`, or does what is missing of the scan that is there.
///
/// Batches are fixed by the plan, so the tables do not depend on threads, timing or on how often the scan was
/// interrupted. Memory does not grow with the number of images, their names and labels apart.
///
/// # Errors
/// `File` if `out` cannot be written or holds something else; whatever opening the model or a plugin that fails on
/// every image reports; `Cancelled` on request. Shards that are complete are kept in each case. Errors of single
/// images are in their rows and in the summary.
pub fn scan(plan: &RunPlan, out: &Path, reporter: &dyn Reporter) -> Result<ScanSummary> {
    let scan_plan = scan_plan(plan)?;
    let job = job(plan, &scan_plan)?;
    run_job(&job, &plan.config, out, Box::new(LocalStorage::new(out)), reporter)
}

/// What a scan would find for some images, without keeping it.
///
/// # Errors
/// Whatever is wrong with an image; what opening the model or a plugin reports.
pub fn explain(plan: &RunPlan, rows: &[usize], reporter: &dyn Reporter) -> Result<Vec<Outcome>> {
    let scan_plan = scan_plan(plan)?;
    let job = job(plan, &scan_plan)?;
    let backend = job.runtime.open(&job.open)?;
    let (stages, context) = (Stages::default(), Context { seed: scan_plan.seed, n_threads: plan.n_threads, reporter });
    let one = |&row: &usize| {
        let decoded = batch::decode(&job, 0, std::iter::once(row), &stages);
        let outcome = batch::run(&job, &*backend, decoded, &context, &stages)?;
        if let Some(error) = outcome.failed {
            return Err(error);
        }
        let row_failed = |reason: String| Error::file(&plan.images.samples[row].uri, reason, "");
        outcome.rows.into_iter().next().unwrap_or_else(|| Err("no result".into())).map_err(row_failed)
    };
    rows.iter().map(one).collect()
}

fn job<'a>(plan: &'a RunPlan, scan_plan: &'a ScanPlan) -> Result<Job<'a>> {
    let Requirements { mut layers, gradients_of, .. } =
        Requirements::union(plan.methods().map(|method| &method.requirements));
    if !layers.contains(&plan.feature_layer) {
        layers.push(plan.feature_layer.clone());
    }
    let scores = plan.classifier.scores();
    layers.extend(scores.clone());
    Ok(Job {
        question: plan.question,
        scores,
        runtime: &*plan.runtime,
        open: plan.config.model.open(1),
        attributors: plan.methods().map(|method| &*method.attributor).collect(),
        images: plan,
        layers,
        gradients_of,
        target: Target::new(&plan.config.attribution.target, plan.model.n_classes)?,
        rule: FeatureRule::new(&plan.config.features)?,
        n_threads: plan.n_threads,
        plan: scan_plan,
    })
}

impl Images for RunPlan {
    fn facts(&self, row: usize) -> Facts {
        let sample = &self.images.samples[row];
        Facts {
            uri: sample.uri.clone(),
            label: self.label(row),
            split: sample.split.clone(),
            groups: sample.groups.clone(),
            mask: sample.mask.clone(),
            truth: self.truth(row).to_vec(),
        }
    }

    fn truth(&self, row: usize) -> &[f32] {
        let k = self.question.n_numbers();
        self.truth.numbers.get(row * k..(row + 1) * k).unwrap_or_default()
    }

    fn label(&self, row: usize) -> i32 {
        self.truth.labels.get(row).copied().unwrap_or(-1)
    }

    fn load(&self, row: usize) -> Result<Vec<f32>> {
        self.preprocess.load(&self.images, row)
    }
}

fn scan_plan(plan: &RunPlan) -> Result<ScanPlan> {
    let config = &plan.config;
    let n_rows = match config.run.limit {
        0 => plan.images.len(),
        limit => limit.min(plan.images.len()),
    };
    let (names, n_unknown) = plan.images.names();
    let mut labels: Vec<u8> = plan.truth.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    labels.extend(plan.truth.numbers.iter().flat_map(|number| number.to_le_bytes()));
    let layer = plan.model.layer(&plan.feature_layer)?;
    let mut settings = config.features.clone();
    settings.layer.clone_from(&layer.name);
    let preprocess = serde_json::to_value(plan.preprocess.section())
        .map_err(|error| Error::param("model.preprocess", error.to_string(), ""))?;
    let first = MethodSection {
        plugin: config.attribution.plugin.clone(),
        params: config.attribution.params.clone(),
        ..MethodSection::default()
    };
    Ok(ScanPlan {
        format: layout::FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        data: DataPlan {
            n_rows,
            fingerprint: plan.images.fingerprint(),
            names,
            n_unknown,
            labels: blake3::hash(&labels).to_hex().to_string(),
            group_columns: plan.images.group_columns.clone(),
        },
        model: ModelPlan {
            sha256: ascan_onnx::Model::sha256(&config.model.path)?,
            backend: plan.backend_name.clone(),
            engine: plan.model.engine.clone(),
            params: config.model.params.clone(),
            device: config.model.device.clone(),
            input_shape: plan.model.input_shape,
            n_classes: plan.question.n_answers(),
            class_names: plan.class_names(),
            numbers: plan.number_names(),
            output: Some(output_plan(plan)),
        },
        preprocess,
        attribution: attribution_plan(config, &first, &plan.method.requirements),
        also: config
            .attribution
            .also
            .iter()
            .zip(&plan.also)
            .map(|(section, method)| attribution_plan(config, section, &method.requirements))
            .collect(),
        features: FeaturesPlan {
            n_dims: FeatureRule::new(&settings)?.n_dims(layer.shape[0]),
            settings,
            layer_shape: layer.shape,
            source_hash: None,
        },
        seed: config.run.seed,
        batch_size: plan.batch_size,
        shard_rows: config.run.shard_rows,
    })
}

fn output_plan(plan: &RunPlan) -> OutputPlan {
    let threshold = plan.config.model.output.choice().threshold;
    let asked =
        OutputPlan { name: plan.classifier.output.clone(), kind: plan.model.output, threshold, ..Default::default() };
    match plan.question {
        Question::Class { .. } => asked,
        Question::Presence { class, .. } => OutputPlan { class: Some(class), ..asked },
        Question::Quantity { tolerance } => OutputPlan { tolerance: Some(tolerance), ..asked },
    }
}

fn attribution_plan(config: &RunConfig, section: &MethodSection, requirements: &Requirements) -> AttributionPlan {
    AttributionPlan {
        name: section.name.clone(),
        plugin: section.plugin.clone(),
        params: section.params.clone(),
        target: config.attribution.target.clone(),
        method: requirements.method.clone(),
        layers: requirements.layers.clone(),
        map_size: requirements.map_size,
        stored_map_size: stored_map_size(requirements.map_size),
    }
}
