//! The preprocessing that a few labelled images speak for.

use super::{Draft, Request};
use crate::plan::RunPlan;
use crate::sanity::{Effort, trial};
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::Silent;
use std::path::Path;
use std::time::Duration;

const EFFORT: Effort = Effort { n_images: 200, enough: 0.98, budget: Duration::from_secs(15) };

/// Tries the guessed preprocessing and the others, and takes another one if it is clearly better.
///
/// What the user chose stays. A draft that cannot be run yet is left as it is: `ascan check` says what is missing.
pub(super) fn preprocessing(draft: &mut Draft, request: &Request, host: &PluginHost) {
    if draft.keys.iter().any(|key| key.starts_with("model.preprocess")) {
        return;
    }
    let base = request.file.and_then(Path::parent).unwrap_or(Path::new(""));
    let text = draft.template.to_toml(host).unwrap_or_default();
    let Ok(loaded) = LoadedConfig::parse("the draft", &text, base, &[]) else { return };
    let Ok(plan) = RunPlan::compile(loaded, host) else { return };
    if plan.truth.labels.iter().all(|&label| label < 0) {
        draft.notes.push(
            "without labels nothing says whether the preprocessing is the one that the model was trained with".into(),
        );
        return;
    }
    let Ok(tried) = trial(&plan, EFFORT, &Silent) else { return };
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
