//! The plan of a run: a configuration met with its images, its model and its plugins.

mod backend;
mod describe;

pub use backend::applicable;

use crate::question::{Question, Truth};
use ascan_config::host::PluginHost;
use ascan_config::sections::{ClassNames, DataSection, OutputSection};
use ascan_config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_core::{Attributor, Error, ModelInfo, OutputChoice, OutputKind, Requirements, Runtime};
use ascan_images::{ImageSet, Preprocess, labels};
use ascan_onnx::{Classifier, Model};
use std::path::Path;

/// Everything a scan needs, opened and checked; nothing is computed yet.
pub struct RunPlan {
    /// The configuration with every default written out and every choice made.
    pub config: RunConfig,
    /// The images.
    pub images: ImageSet,
    /// What is asked of each image.
    pub question: Question,
    /// What the data set says of each image.
    pub truth: Truth,
    /// Names of the outputs, where they are known.
    pub output_names: Option<Vec<String>>,
    /// The model, as the chosen backend sees it.
    pub model: ModelInfo,
    /// The model, as its graph says.
    pub classifier: Classifier,
    /// The backend plugin that was chosen.
    pub backend_name: String,
    /// Why it was chosen.
    pub backend_reason: String,
    /// Its engine; opens a model for each worker.
    pub runtime: Box<dyn Runtime>,
    /// The attribution method whose maps weight the features.
    pub method: Method,
    /// The methods whose maps are kept beside them.
    pub also: Vec<Method>,
    /// The layer whose feature map is weighted.
    pub feature_layer: String,
    /// From pixels to the model's input.
    pub preprocess: Preprocess,
    /// Worker threads, at least 1.
    pub n_threads: usize,
    /// Images per call of the model, at least 1.
    pub batch_size: usize,
    /// What was guessed or is worth knowing, one sentence each.
    pub notes: Vec<String>,
}

/// An attribution method, and what it needs of this model.
pub struct Method {
    /// What its maps are called.
    pub title: String,
    /// The method.
    pub attributor: Box<dyn Attributor>,
    /// What it needs.
    pub requirements: Requirements,
}

impl std::fmt::Debug for RunPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunPlan").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RunPlan {
    /// Opens images and model, finds the plugins, chooses the backend.
    ///
    /// # Errors
    /// Everything that is wrong, with its place: what the configuration already had, plugins and their
    /// parameters, files that cannot be used, labels that do not map to the model's outputs.
    pub fn compile(mut loaded: LoadedConfig, host: &PluginHost) -> Result<Self, ConfigErrors> {
        loaded.resolve_plugins(host);
        if loaded.config.model.backend != backend::AUTO {
            loaded.resolve_backend(host);
        }
        let attributors = open_attributors(&mut loaded, host);
        let images = open_images(&mut loaded);
        let classifier = open_model(&mut loaded, images.as_ref());
        let opened = classifier.as_ref().map(|classifier| Opened::new(&mut loaded, classifier, images.as_ref()));
        let chosen = match (&classifier, &attributors) {
            (Some(classifier), Some(attributors)) => backend::choose(&mut loaded, host, classifier, attributors),
            _ => None,
        };
        let feature_layer = chosen.as_ref().and_then(|chosen| feature_layer(&mut loaded, chosen));
        let (Some(attributors), Some(images), Some(classifier), Some(opened), Some(chosen), Some(feature_layer)) =
            (attributors, images, classifier, opened, chosen, feature_layer)
        else {
            return Err(loaded.errors);
        };
        let Opened { met: Some((question, truth)), preprocess: Some(preprocess), output_names } = opened else {
            return Err(loaded.errors);
        };
        let backend::Chosen { name, reason, params, runtime, info, requirements } = chosen;
        let LoadedConfig { mut config, .. } = loaded.finish()?;
        let mut notes = images.notes.clone();
        notes.extend(classifier.notes.iter().cloned());
        if config.features.layer == "auto" {
            notes.push(format!("the features are those of layer `{feature_layer}`, chosen from the graph"));
        }
        if config.attribution.target == "label" && truth.labels.contains(&-1) {
            notes.push("images without a label are explained for their predicted class".into());
        }
        let n_threads = config.run.threads();
        let batch_size = match config.run.batch_size {
            0 => info.preferred_batch.max(1),
            n => n,
        };
        if config.data.output_names.is_none() && !classifier.class_names.is_empty() {
            config.data.output_names = Some(ClassNames::List(classifier.class_names.clone()));
        }
        config.model.params = params;
        config.model.output = config.model.output.found(&classifier.output, classifier.kind);
        match question {
            Question::Class { .. } => {}
            Question::Presence { class, .. } => config.model.output.class = class.to_string(),
            Question::Quantity { tolerance } => {
                if config.model.output.tolerance.is_none() {
                    notes.push(format!(
                        "a quantity counts as right within ±{tolerance}, half a standard deviation of the labels: \
                         `model.output.tolerance` changes it"
                    ));
                }
                config.model.output.tolerance = Some(tolerance);
            }
        }
        config.model.preprocess = preprocess.section().clone();
        let mut methods = attributors.into_iter().zip(requirements);
        let mut method = |title: &str| {
            methods.next().map(|(attributor, requirements)| Method { title: title.into(), attributor, requirements })
        };
        let Some(first) = method(&config.attribution.plugin) else { return Err(ConfigErrors::default()) };
        let also = config.attribution.also.iter().filter_map(|section| method(section.title())).collect();
        Ok(Self {
            config,
            images,
            question,
            truth,
            output_names,
            model: info,
            classifier,
            backend_name: name,
            backend_reason: reason,
            runtime,
            method: first,
            also,
            feature_layer,
            preprocess,
            n_threads,
            batch_size,
            notes,
        })
    }
}

impl RunPlan {
    /// All methods, the one that weights the features first.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        std::iter::once(&self.method).chain(&self.also)
    }

    /// A name for each answer. Of outputs: as `data.output_names` says, else that of the class whose images are labelled
    /// with it; empty if neither is known.
    pub fn class_names(&self) -> Vec<String> {
        self.question.answers(&self.names_of_outputs())
    }

    /// What each of the numbers is that are kept beside an answer.
    pub fn number_names(&self) -> Vec<String> {
        let names = self.names_of_outputs();
        match self.question {
            Question::Class { .. } => Vec::new(),
            Question::Presence { n_classes, .. } => {
                (0..n_classes).map(|i| names.get(i).cloned().unwrap_or_else(|| format!("class {i}"))).collect()
            }
            Question::Quantity { .. } => vec![self.classifier.output.clone()],
        }
    }

    fn names_of_outputs(&self) -> Vec<String> {
        if let Some(names) = &self.output_names {
            return names.clone();
        }
        let marked = &self.images.marked_classes;
        if let Question::Presence { n_classes, .. } = self.question
            && marked.len() == n_classes
        {
            return marked.clone();
        }
        let mut names: Vec<Option<&String>> = vec![None; self.model.n_classes];
        for (sample, &output) in self.images.samples.iter().zip(&self.truth.labels) {
            let name = sample.label_index.and_then(|index| self.images.class_names.get(index));
            if let (Some(name), Ok(output)) = (name, usize::try_from(output)) {
                names[output] = Some(name);
            }
        }
        if names.iter().all(Option::is_none) {
            return Vec::new();
        }
        names.into_iter().enumerate().map(|(i, name)| name.cloned().unwrap_or_else(|| format!("class {i}"))).collect()
    }
}

/// What depends on the model's input and outputs.
struct Opened {
    met: Option<(Question, Truth)>,
    output_names: Option<Vec<String>>,
    preprocess: Option<Preprocess>,
}

impl Opened {
    fn new(loaded: &mut LoadedConfig, classifier: &Classifier, images: Option<&ImageSet>) -> Self {
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

fn open_attributors(loaded: &mut LoadedConfig, host: &PluginHost) -> Option<Vec<Box<dyn Attributor>>> {
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

/// Reports an error of the method at this place, the first being that of `attribution.plugin`.
fn report_method(loaded: &mut LoadedConfig, i: usize, error: &Error) {
    match i {
        0 => loaded.report_plugin("attribution", error),
        _ => loaded.report(&["attribution", "also"], error),
    }
}

fn open_images(loaded: &mut LoadedConfig) -> Option<ImageSet> {
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

fn open_model(loaded: &mut LoadedConfig, images: Option<&ImageSet>) -> Option<Classifier> {
    if ["path", "image_size", "output"].iter().any(|key| loaded.has_errors_in(&["model", key])) {
        return None;
    }
    let section = loaded.config.model.clone();
    let analyse = |choice: &OutputChoice| {
        Model::load(&section.path).and_then(|model| Classifier::analyse(&model, section.image_size, choice))
    };
    let mut choice = section.output.choice();
    let opened = analyse(&choice).and_then(|found| {
        if let Some(error) = does_not_apply(&section.output, &found) {
            return Err(error);
        }
        match class_of_name(&section.output, loaded, &found, images)? {
            None => Ok(found),
            index => {
                choice.class = index;
                analyse(&choice)
            }
        }
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

fn feature_layer(loaded: &mut LoadedConfig, chosen: &backend::Chosen) -> Option<String> {
    let wanted = loaded.config.features.layer.clone();
    let first = chosen.requirements.first().and_then(|first| first.layers.first());
    let found = match (&*wanted, first) {
        ("auto", Some(layer)) => Ok(layer.clone()),
        _ => chosen.info.layer(&wanted).map(|layer| layer.name.clone()),
    };
    found.map_err(|error| loaded.report(&["features", "layer"], &error)).ok()
}

/// Reports an error at the key that it names (dotted from the root), else at `path`.
fn report(loaded: &mut LoadedConfig, path: &[&str], error: &Error) {
    let key = error.key().map(str::to_owned);
    let keys: Vec<&str> = key.iter().flat_map(|key| key.split('.')).collect();
    let named = keys.len() > 1 && keys.first() == path.first();
    loaded.report(if named { &keys } else { path }, error);
}

/// Reports an error of the image set at the key it comes from.
fn report_data(loaded: &mut LoadedConfig, error: &Error) {
    let data = &loaded.config.data;
    let path: Vec<&str> = match error {
        Error::File { path, .. } => key_of_file(data, path).map_or(vec!["data"], |key| vec!["data", key]),
        Error::UnknownName { kind, .. } if kind == "split" => vec!["data", "split"],
        Error::UnknownName { kind, name, .. } if kind.starts_with("column") => {
            let columns = &data.columns;
            let named = [("path", &columns.path), ("label", &columns.label), ("split", &columns.split)];
            let mut named = named.into_iter().chain([("mask", &columns.mask)]);
            let key = named.find(|(_, column)| *column == name).map_or("group", |(key, _)| key);
            vec!["data", "columns", key]
        }
        _ => vec!["data"],
    };
    report(loaded, &path, error);
}

/// The key of `[data]` that names this file.
fn key_of_file(data: &DataSection, file: &Path) -> Option<&'static str> {
    use ascan_config::sections::{ClassMap, ClassNames};
    let names = |names: &Option<ClassNames>| matches!(names, Some(ClassNames::File(path)) if path == file);
    let is = |path: &Option<std::path::PathBuf>| path.as_deref() == Some(file);
    let sources = [
        ("images", is(&data.images)),
        ("manifest", is(&data.manifest)),
        ("archive", is(&data.archive)),
        ("idx", is(&data.idx)),
        ("idx_labels", is(&data.idx_labels)),
        ("root", is(&data.root)),
        ("classes", names(&data.classes)),
        ("output_names", names(&data.output_names)),
        ("class_map", matches!(&data.class_map, ClassMap::Rule(rule) if Path::new(rule) == file)),
    ];
    sources.into_iter().find(|(_, is)| *is).map(|(key, _)| key)
}
