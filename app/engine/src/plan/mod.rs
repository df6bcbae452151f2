//! The plan of a run: a configuration met with its images, its model and its plugins.

mod backend;
mod describe;
mod opened;
mod reported;

pub use backend::applicable;

use crate::question::{Question, Truth};
use ascan_config::host::PluginHost;
use ascan_config::sections::ClassNames;
use ascan_config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_core::{Attributor, ModelInfo, Requirements, Runtime};
use ascan_images::{ImageSet, Preprocess};
use ascan_onnx::Classifier;
use opened::Opened;

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
        if loaded.config.features.source.is_some() {
            let message = "vectors of `features.source` come without a model, which is asked here";
            loaded.error_at(&["features", "source"], message, "use a configuration with a section [model]");
            return Err(loaded.errors);
        }
        loaded.resolve_plugins(host);
        if loaded.config.model.backend != backend::AUTO {
            loaded.resolve_backend(host);
        }
        let attributors = opened::open_attributors(&mut loaded, host);
        let images = opened::open_images(&mut loaded);
        let classifier = opened::open_model(&mut loaded, images.as_ref());
        let opened = classifier.as_ref().map(|classifier| Opened::new(&mut loaded, classifier, images.as_ref()));
        let chosen = match (&classifier, &attributors) {
            (Some(classifier), Some(attributors)) => backend::choose(&mut loaded, host, classifier, attributors),
            _ => None,
        };
        let feature_layer = chosen.as_ref().and_then(|chosen| opened::feature_layer(&mut loaded, chosen));
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
        let Question::Class { .. } = self.question else {
            // By their order, which is how labels met the outputs.
            let known = [&self.images.marked_classes, &self.images.class_names];
            let fits = |names: &&&Vec<String>| names.len() == self.question.n_numbers();
            return known.iter().find(fits).map(|names| (*names).clone()).unwrap_or_default();
        };
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
