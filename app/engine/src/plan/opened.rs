//! What a configuration names, opened: images, model, methods. What is wrong with each is reported at its key.

use super::backend;
use super::reported::{report, report_data, report_method};
use crate::question::{Question, Truth};
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_config::sections::{ClassNames, OutputSection};
use ascan_core::{Attributor, Error, OutputKind};
use ascan_images::{ImageSet, Preprocess, labels};
use ascan_onnx::{Classifier, Model};

/// What depends on the model's input and outputs.
pub(super) struct Opened {
    pub met: Option<(Question, Truth)>,
    pub output_names: Option<Vec<String>>,
    pub preprocess: Option<Preprocess>,
}

impl Opened {
    pub fn new(loaded: &mut LoadedConfig, classifier: &Classifier, images: Option<&ImageSet>) -> Self {
        let preprocess = (!loaded.has_errors_in(&["model", "preprocess"]))
            .then(|| Preprocess::new(&loaded.config.model.preprocess, classifier.input_shape))
            .and_then(|made| made.map_err(|error| report(loaded, &["model", "preprocess"], &error)).ok());
        let n_classes = classifier.n_classes;
        // Where the configuration names no outputs, the model itself may.
        let mut data = loaded.config.data.clone();
        if data.output_names.is_none() && !classifier.class_names.is_empty() {
            data.output_names = Some(ClassNames::List(classifier.class_names.clone()));
        }
        let output = loaded.config.model.output.clone();
        let met = images
            .map(|images| Question::meet(classifier, &output, images, &data))
            .and_then(|made| made.map_err(|error| report_data(loaded, &error)).ok());
        let target = loaded.config.attribution.target.parse::<usize>();
        if target.is_ok_and(|target| target >= n_classes) {
            let message = format!("`attribution.target`: the model has outputs 0 to {}", n_classes.saturating_sub(1));
            loaded.error_at(&["attribution", "target"], message, "use predicted, label, or one of them");
        }
        // Read before, by `map_to_outputs`.
        let names = data.output_names.as_ref().and_then(|names| labels::read_names(names).ok());
        Self { met, output_names: names, preprocess }
    }
}

pub(super) fn open_attributors(loaded: &mut LoadedConfig, host: &PluginHost) -> Option<Vec<Box<dyn Attributor>>> {
    if ["plugin", "params", "also"].iter().any(|key| loaded.has_errors_in(&["attribution", key])) {
        return None;
    }
    let section = &loaded.config.attribution;
    let also = section.also.iter().map(|method| (&method.plugin, &method.params));
    let methods = std::iter::once((&section.plugin, &section.params)).chain(also);
    let made: Vec<_> = methods.map(|(plugin, params)| host.attributor(plugin, params)).collect();
    let mut attributors = Vec::new();
    for (i, attributor) in made.into_iter().enumerate() {
        attributors.extend(attributor.map_err(|error| report_method(loaded, i, &error)).ok());
    }
    (attributors.len() == 1 + loaded.config.attribution.also.len()).then_some(attributors)
}

pub(super) fn open_images(loaded: &mut LoadedConfig) -> Option<ImageSet> {
    if loaded.has_errors_in(&["data"]) {
        return None;
    }
    match ImageSet::open(&loaded.config.data) {
        Ok(images) if images.is_empty() => {
            loaded.error_at(&["data"], "the data set has no images", "");
            None
        }
        Ok(images) => Some(images),
        Err(error) => {
            report_data(loaded, &error);
            None
        }
    }
}

pub(super) fn open_model(loaded: &mut LoadedConfig, images: Option<&ImageSet>) -> Option<Classifier> {
    if ["path", "image_size", "output"].iter().any(|key| loaded.has_errors_in(&["model", key])) {
        return None;
    }
    let section = loaded.config.model.clone();
    let mut choice = section.output.choice();
    let opened = Model::load(&section.path).and_then(|model| {
        let found = Classifier::analyse(&model, section.image_size, &choice)?;
        if let Some(error) = does_not_apply(&section.output, &found) {
            return Err(error);
        }
        choice.class = class_of_name(&section.output, loaded, &found, images)?;
        if choice.class.is_some() { Classifier::analyse(&model, section.image_size, &choice) } else { Ok(found) }
    });
    let report = |error: Error| match &error {
        Error::UnknownName { kind, .. } if kind == "output" => loaded.report(&["model", "output", "name"], &error),
        Error::UnknownName { kind, .. } if kind.starts_with("class of") => {
            loaded.report(&["model", "output", "class"], &error)
        }
        _ => report(loaded, &["model", "path"], &error),
    };
    opened.map_err(report).ok()
}

/// A setting of the output that its kind has no use for.
fn does_not_apply(output: &OutputSection, found: &Classifier) -> Option<Error> {
    use OutputKind::{Binary, MultiLabel, Regression};
    let set = [
        ("class", output.class != "auto", &[MultiLabel, Regression][..]),
        ("threshold", output.choice().threshold.is_some(), &[MultiLabel, Binary]),
        ("tolerance", output.tolerance.is_some(), &[Regression]),
    ];
    let (key, _, kinds) = set.into_iter().find(|(_, is_set, kinds)| *is_set && !kinds.contains(&found.kind))?;
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
    let message = format!("does not apply to an output of the kind \"{}\"", found.kind.name());
    Some(Error::param(format!("model.output.{key}"), message, format!("it goes with {}", kinds.join(" and "))))
}

/// The index of the class that is asked for, where the configuration names it.
fn class_of_name(
    output: &OutputSection,
    loaded: &LoadedConfig,
    found: &Classifier,
    images: Option<&ImageSet>,
) -> Result<Option<usize>, Error> {
    if output.class == "auto" || output.choice().class.is_some() {
        return Ok(None);
    }
    let given = loaded.config.data.output_names.as_ref().map(labels::read_names).transpose()?;
    let own = Some(found.class_names.clone()).filter(|names| !names.is_empty());
    let marked = images.map(|images| images.marked_classes.clone()).filter(|names| names.len() == found.n_scores);
    let names = given.or(own).or(marked).unwrap_or_default();
    let place = names.iter().position(|name| name.eq_ignore_ascii_case(&output.class));
    place.map(Some).ok_or_else(|| Error::unknown_name("class of model.output.class", &output.class, names))
}

pub(super) fn feature_layer(loaded: &mut LoadedConfig, chosen: &backend::Chosen) -> Option<String> {
    let wanted = loaded.config.features.layer.clone();
    // Attentions, which a method may read too, are no feature maps.
    let layers = chosen.requirements.first().map(|first| &first.layers[..]).unwrap_or_default();
    let first = layers.iter().find(|layer| chosen.info.layer(layer).is_ok());
    let found = match (&*wanted, first) {
        ("auto", Some(layer)) => Ok(layer.clone()),
        _ => chosen.info.layer(&wanted).map(|layer| layer.name.clone()),
    };
    found.map_err(|error| loaded.report(&["features", "layer"], &error)).ok()
}
