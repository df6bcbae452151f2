//! Images, vectors and labels, read and brought into one order.

use ascan_config::host::PluginHost;
use ascan_config::sections::PreprocessSection;
use ascan_config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_core::{Error, Result, metrics};
use ascan_images::{Embedded, ImageSet, labels, outputs};
use std::collections::BTreeSet;

/// The only answer where nobody predicted anything. Labels then are an annotated group: there is nothing to be right about.
const UNPREDICTED: &str = "no prediction";

/// Everything that such a scan needs, read and checked.
#[derive(Debug)]
pub struct VectorPlan {
    /// The configuration with every default written out.
    pub config: RunConfig,
    /// What was guessed or is worth knowing, one sentence each.
    pub notes: Vec<String>,
    pub(crate) images: ImageSet,
    pub(crate) given: Embedded,
    pub(crate) class_names: Vec<String>,
    /// `[n]` as index, −1 where unknown.
    pub(crate) labels: Vec<i32>,
    /// `[n]` as index.
    pub(crate) predicted: Vec<i32>,
    has_predictions: bool,
}

impl VectorPlan {
    /// Reads images, vectors and labels, and finds the plugins.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn compile(mut loaded: LoadedConfig, host: &PluginHost) -> Result<Self, ConfigErrors> {
        loaded.resolve_plugins(host);
        let LoadedConfig { config, .. } = loaded.clone().finish()?;
        let Some(source) = config.features.source.clone() else { return Err(ConfigErrors::default()) };
        let images = ImageSet::open(&config.data).map_err(|error| at(&mut loaded, &["data"], &error))?;
        let given =
            Embedded::open(&source, &images).map_err(|error| at(&mut loaded, &["features", "source"], &error))?;
        let met = Self::meet(config, images, given);
        met.map_err(|error| at(&mut loaded, &["features", "source"], &error))
    }

    /// Labels and predictions as indices of the same classes.
    fn meet(mut config: RunConfig, images: ImageSet, given: Embedded) -> Result<Self> {
        let named = config.data.output_names.as_ref().map(labels::read_names).transpose()?;
        let mut class_names = named.unwrap_or_else(|| images.class_names.clone());
        let has_predictions = given.predictions.is_some() || given.probs.is_some();
        if class_names.is_empty() && given.probs.is_none() {
            let said: BTreeSet<&String> = given.predictions.iter().flatten().collect();
            class_names = said.into_iter().cloned().collect();
        }
        let n_classes = given.probs.as_ref().map_or(class_names.len(), |probs| probs.view().row_len());
        let mut notes = images.notes.clone();
        let n = images.len();
        let (labels, predicted) = if has_predictions {
            if class_names.len() != n_classes {
                class_names = (0..n_classes).map(|class| format!("class {class}")).collect();
            }
            let labels = outputs::map_to_outputs(&images, &config.data, n_classes)?;
            (labels, predictions(&given, &class_names)?)
        } else {
            class_names = vec![UNPREDICTED.to_owned()];
            notes.push(
                "the vectors come without `prediction` and `probs`, so there is no accuracy: labels count as a known group"
                    .into(),
            );
            (vec![-1; n], vec![0; n])
        };
        if config.model.preprocess == PreprocessSection::default() {
            // How pictures are shown.
            let preset = || Some("unit".to_owned());
            let section = PreprocessSection { preset: preset(), resize: Some("crop".into()), ..Default::default() };
            config.model.preprocess = PreprocessSection { crop_fraction: Some(1.0), ..section };
        }
        Ok(Self { config, notes, images, given, class_names, labels, predicted, has_predictions })
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        match self.config.run.limit {
            0 => self.images.len(),
            limit => limit.min(self.images.len()),
        }
    }

    /// Whether labels only describe: without predictions nothing is right or wrong.
    pub(crate) fn labels_are_groups(&self) -> bool {
        !self.has_predictions && self.images.samples.iter().any(|sample| sample.label.is_some())
    }

    /// What is scanned, in a line or two.
    pub fn describe(&self) -> String {
        let said = match (&self.given.probs, self.has_predictions) {
            (Some(_), _) => "with probabilities",
            (None, true) => "with predictions",
            (None, false) => "without predictions",
        };
        let (n, d) = (self.n(), self.given.embeddings.view().row_len());
        let notes = self.notes.iter().map(|note| format!("\nnote: {note}")).collect::<String>();
        format!("{n} images, {}; vectors of {d} dimensions {said}, no model{notes}", self.images.form)
    }
}

/// What was predicted, as indices of the classes.
fn predictions(given: &Embedded, class_names: &[String]) -> Result<Vec<i32>> {
    let Some(said) = &given.predictions else {
        let probs = given.probs.as_ref();
        return Ok(probs.map_or_else(Vec::new, |probs| {
            (0..probs.n_rows()).map(|row| metrics::argmax(probs.row(row)) as i32).collect()
        }));
    };
    let index = |text: &String| {
        let named = class_names.iter().position(|name| name == text);
        let found = named.or_else(|| text.parse().ok().filter(|&class: &usize| class < class_names.len()));
        found.map(|class| class as i32).ok_or_else(|| {
            let message = format!("`{text}` in its column `prediction` is none of the {} classes", class_names.len());
            Error::param("features.source", message, format!("they are {}", class_names.join(", ")))
        })
    };
    said.iter().map(index).collect()
}

/// Reports an error at its key, and gives all.
fn at(loaded: &mut LoadedConfig, path: &[&str], error: &Error) -> ConfigErrors {
    loaded.report(path, error);
    loaded.errors.clone()
}
