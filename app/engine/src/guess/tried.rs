//! Whether the draft runs, and the preprocessing that a few labelled images speak for.

use super::{Draft, Request};
use crate::plan::RunPlan;
use crate::sanity::{Effort, trial};
use ascan_config::host::PluginHost;
use ascan_config::{ConfigErrors, LoadedConfig};
use ascan_core::Silent;
use ascan_onnx::Classifier;
use std::path::Path;
use std::time::Duration;

const EFFORT: Effort = Effort { n_images: 200, enough: 0.98, budget: Duration::from_secs(15) };

/// Tries the draft on a few images: takes another preprocessing if it is clearly better, and another attribution if no engine has
/// the gradients that the guessed one needs.
///
/// What the user chose stays. A draft that cannot be run yet is left as it is: `ascan check` says what is missing.
pub(super) fn draft(draft: &mut Draft, classifier: &Classifier, request: &Request, host: &PluginHost) {
    let plan = match compile(draft, request, host) {
        Ok(plan) => plan,
        Err(errors) => {
            let Some(plan) = without_gradients(draft, &errors, classifier, request, host) else { return };
            plan
        }
    };
    if !draft.keys.iter().any(|key| key.starts_with("model.preprocess")) {
        preprocessing(draft, &plan);
    }
}

fn compile(draft: &Draft, request: &Request, host: &PluginHost) -> Result<RunPlan, ConfigErrors> {
    let base = request.file.and_then(Path::parent).unwrap_or(Path::new(""));
    let text = draft.template.to_toml(host).unwrap_or_default();
    RunPlan::compile(LoadedConfig::parse("the draft", &text, base, &[])?, host)
}

/// The draft with a method that only runs the model, where that is what it lacks.
fn without_gradients(
    draft: &mut Draft,
    errors: &ConfigErrors,
    classifier: &Classifier,
    request: &Request,
    host: &PluginHost,
) -> Option<RunPlan> {
    let refused = errors.iter().find(|error| error.key == "model.backend")?;
    if draft.keys.iter().any(|key| key.starts_with("attribution") || key == "model.backend") {
        return None;
    }
    // Without a feature map there are no channels whose main direction could be drawn.
    let plugin = if classifier.input_is_layer { "occlusion" } else { "eigen_cam" };
    let kept = (draft.template.clone(), draft.notes.len());
    draft.guess("attribution.plugin", plugin, format!("it only runs the model, and {}", refused.message));
    let plan = compile(draft, request, host).ok();
    if plan.is_none() {
        draft.template = kept.0;
        draft.notes.truncate(kept.1);
    }
    plan
}

fn preprocessing(draft: &mut Draft, plan: &RunPlan) {
    if plan.truth.labels.iter().all(|&label| label < 0) {
        draft.notes.push(
            "without labels nothing says whether the preprocessing is the one that the model was trained with".into(),
        );
        return;
    }
    let Ok(tried) = trial(plan, EFFORT, &Silent) else { return };
    let percent = |share: Option<f64>| format!("{:.0} %", 100.0 * share.unwrap_or_default());
    if draft.is_published {
        // What the authors say stays; that another one does better is for a person to weigh.
        draft.notes.extend(tried.doubts(&plan.class_names()).iter().map(ToString::to_string));
        return;
    }
    if let (Some(better), Some(own)) = (tried.better(), tried.candidates.first()) {
        let why = format!(
            "tried on {} images: {} are right with it, {} with `{}`",
            better.found.len(),
            percent(better.accuracy),
            percent(own.accuracy),
            own.name
        );
        match &better.section.preset {
            Some(preset) => draft.guess("model.preprocess.preset", preset.as_str(), why),
            None => draft.preprocessing(&better.section, &why),
        }
    } else if let Some(own) = tried.candidates.first() {
        draft.notes.push(format!(
            "with this preprocessing {} of {} images are right, and no usual one is clearly better",
            percent(own.accuracy),
            tried.n_images
        ));
    }
    for doubt in tried.doubts(&plan.class_names()) {
        // What was just chosen is no doubt any more.
        if !doubt.hint.contains("[model.preprocess]") {
            draft.notes.push(doubt.to_string());
        }
    }
}
