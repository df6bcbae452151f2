//! Which backend runs the model, and why.

use super::reported::{report, report_method};
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_config::sections::ModelSection;
use ascan_core::{
    Attributor, Capabilities, Error, Kind, ModelInfo, OpenModel, ParamMap, Requirements, Result, Runtime,
};
use ascan_onnx::{Classifier, Model};

/// The configuration's word for "the fastest that can do it".
pub(super) const AUTO: &str = "auto";

/// All that a method may ask of a backend.
const ABLE: Capabilities = Capabilities { gradients: true, training: true, relevance: true };

/// A backend that has opened the model.
pub(super) struct Chosen {
    pub name: String,
    pub reason: String,
    pub params: ParamMap,
    pub runtime: Box<dyn Runtime>,
    pub info: ModelInfo,
    /// Of each method.
    pub requirements: Vec<Requirements>,
}

/// Opens the model with the backend that the configuration names, or with the fastest that can do what the
/// attribution needs. Reports why none can.
pub(super) fn choose(
    loaded: &mut LoadedConfig,
    host: &PluginHost,
    classifier: &Classifier,
    attributors: &[Box<dyn Attributor>],
) -> Option<Chosen> {
    if loaded.config.model.backend == AUTO {
        let params = loaded.config.model.params.clone();
        let names = host.fastest_first().into_iter();
        names.for_each(|name| loaded.permit(host, Kind::Backend, &["model"], name, &params));
    }
    if ["backend", "device", "params", "path"].iter().any(|key| loaded.has_errors_in(&["model", key])) {
        return None;
    }
    // What the method needs shows in the graph already: a wrong layer is no reason to try another backend.
    let graph = classifier.model_info("", ABLE, 1);
    for (i, attributor) in attributors.iter().enumerate() {
        let Err(error) = attributor.requirements(&graph) else { continue };
        let is_layer = matches!(&error, Error::UnknownName { kind, .. } if kind == "layer");
        match error.key() {
            None if is_layer && i == 0 => report(loaded, &["attribution", "params", "layer"], &error),
            _ => report_method(loaded, i, &error),
        }
        return None;
    }
    let needs_gradients =
        attributors.iter().any(|attributor| attributor.requirements(&graph).is_ok_and(|needs| needs.gradients));
    let section = loaded.config.model.clone();
    let request = OpenModel { gradients: needs_gradients, ..section.open(1) };
    let attempt = |name: &str| open(host, name, &section.params, &request, attributors);
    if section.backend != AUTO {
        return match attempt(&section.backend) {
            Ok(chosen) => Some(Chosen { reason: "named in the configuration".into(), ..chosen }),
            Err(error) => {
                loaded.report_plugin("model", &error);
                None
            }
        };
    }
    let mut passed_over = Vec::new();
    for name in host.fastest_first() {
        match attempt(name) {
            Ok(chosen) => {
                let reason = if passed_over.is_empty() {
                    "the fastest one".to_owned()
                } else {
                    format!("the fastest one that can do it; skipped: {}", passed_over.join("; "))
                };
                return Some(Chosen { reason, ..chosen });
            }
            Err(error) => passed_over.push(format!("{name} ({})", why(name, &error))),
        }
    }
    let reasons = if passed_over.is_empty() { "none was found".to_owned() } else { passed_over.join("; ") };
    let message = format!("no backend can do this: {reasons}");
    let hint = match needs_gradients {
        true => {
            "a method that only runs the model needs no gradients: `attribution.plugin = \"eigen_cam\"`, `\"score_cam\"` or \
                 `\"occlusion\"`; `ascan plugins` lists the backends that were found"
        }
        false => "`ascan plugins` lists the backends that were found",
    };
    loaded.error_at(&["model", "backend"], message, hint);
    None
}

/// The attribution methods that go with a model, with their default parameters, by name: what its graph has.
///
/// # Errors
/// `File` if the model is gone or is none that can be scanned.
pub fn applicable(model: &ModelSection, host: &PluginHost) -> Result<Vec<String>> {
    let classifier = Classifier::analyse(&Model::load(&model.path)?, model.image_size, &model.output.choice())?;
    let graph = classifier.model_info("", ABLE, 1);
    let applies = |name: &&str| {
        host.attributor(name, &ParamMap::new()).is_ok_and(|attributor| attributor.requirements(&graph).is_ok())
    };
    Ok(host.names(Kind::Attributor).into_iter().filter(applies).map(str::to_owned).collect())
}

/// The reason alone, without the name that stands before it.
fn why(name: &str, error: &Error) -> String {
    match error {
        Error::Plugin { message, .. } => message.clone(),
        other => other.to_string().trim_start_matches(&format!("plugin `{name}`: ")).to_owned(),
    }
}

fn open(
    host: &PluginHost,
    name: &str,
    params: &ParamMap,
    request: &OpenModel,
    attributors: &[Box<dyn Attributor>],
) -> Result<Chosen> {
    let resolved = host.resolve(Kind::Backend, name, params)?;
    if let Some(problem) = resolved.problems.first() {
        return Err(Error::param(&problem.key, &problem.message, &problem.hint));
    }
    let runtime = host.backend(name, &resolved.params)?;
    runtime.available()?;
    let info = runtime.open(request)?.info().clone();
    let requirements =
        attributors.iter().map(|attributor| attributor.requirements(&info)).collect::<Result<Vec<_>>>()?;
    let has = info.capabilities;
    let why = info.no_gradients.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let lacks = requirements.iter().find_map(|needs| match (needs.gradients, needs.relevance) {
        (true, _) if !has.gradients => Some(format!("{name} has no gradients{why}, which {} needs", needs.method)),
        (_, true) if !has.relevance => Some(format!("{name} has no rules of relevance, which {} needs", needs.method)),
        _ => None,
    });
    if let Some(what) = lacks {
        return Err(Error::unsupported(what, "use `backend = \"burn\"` or `\"auto\"`"));
    }
    let (name, reason, params) = (name.to_owned(), String::new(), resolved.params);
    Ok(Chosen { name, reason, params, runtime, info, requirements })
}
