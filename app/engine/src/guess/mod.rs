//! A configuration from nothing but a model and a data set, with a reason for every guess: what `ascan init` writes and
//! the window's start page shows.

mod classes;
mod data;
mod model;
mod names;
mod published;
#[cfg(test)]
mod tests;
mod tried;

use ascan_config::host::PluginHost;
use ascan_config::sections::PreprocessSection;
use ascan_config::template::Template;
use ascan_config::{LoadedConfig, RunConfig};
use ascan_core::params::ParamMap;
use ascan_core::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// What a configuration is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The ONNX file.
    pub model: &'a Path,
    /// A folder of images, a manifest, an archive or an idx file.
    pub data: &'a Path,
    /// What was chosen, by key: `("slicing.plugin", "kmeans")`. It is not guessed, and guesses build on it.
    pub chosen: &'a [(&'a str, &'a str)],
    /// The file that the configuration is written to. In the working folder, relative paths stay as they are; anywhere
    /// else, and where no file is named, they become absolute.
    pub file: Option<&'a Path>,
}

/// A configuration, and what was guessed to write it.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The configuration as TOML, with comments.
    pub text: String,
    /// One sentence per guess.
    pub notes: Vec<String>,
}

/// Guesses a configuration.
///
/// # Errors
/// `File` if model or images cannot be read, `Unsupported` for a model that is no image classifier, `Param` for what was
/// chosen and is no setting.
pub fn guess(request: &Request, host: &PluginHost) -> Result<Guess> {
    let keeps_paths = request.file.is_some_and(is_in_working_folder);
    let mut draft = Draft { keeps_paths, ..Draft::chosen(request.chosen)? };
    let classifier = model::guess(request.model, &mut draft)?;
    if let Some(n_images) = data::guess(request.data, request.model, &classifier, &mut draft)? {
        number_of_slices(n_images, request, host, &mut draft);
        tried::draft(&mut draft, &classifier, request, host);
    }
    if request.file.is_some() {
        draft.template.header = vec![
            "Written by `ascan init`. Lines that begin with `->` say why a value was chosen.".into(),
            "Keys that are commented out have the default that is shown. Relative paths are relative to this file."
                .into(),
        ];
    }
    let text = draft.template.to_toml(host)?;
    // A parameter that its plugin does not have is nowhere in the text.
    let written = LoadedConfig::parse("", &text, Path::new("."), &[]).ok();
    for (key, _) in request.chosen {
        let path: Vec<&str> = key.split('.').collect();
        if !written.as_ref().is_some_and(|written| written.is_given(&path)) {
            return Err(Error::param(*key, "is no setting", "`ascan init` without it writes all settings"));
        }
    }
    Ok(Guess { text, notes: draft.notes })
}

/// Images that a slice should have at least, on average: fewer prove nothing, and singles are no group.
const PER_SLICE: usize = 12;
/// Fewer slices than this say nothing.
const MIN_SLICES: usize = 4;

/// A small set gets fewer slices than the slicer's default.
fn number_of_slices(n_images: usize, request: &Request, host: &PluginHost, draft: &mut Draft) {
    let chosen = request.chosen.iter().find(|(key, _)| *key == "slicing.plugin").map(|(_, name)| *name);
    let slicer = chosen.unwrap_or("kmeans");
    let resolved = host.resolve(Kind::Slicer, slicer, &ParamMap::new()).ok();
    let default = resolved.and_then(|resolved| resolved.params.get("n_slices")?.as_u64());
    let fits = (n_images / PER_SLICE).max(MIN_SLICES);
    if default.is_some_and(|default| default as usize > fits) {
        let why = format!("so that a slice has a dozen of the {n_images} images on average");
        draft.guess("slicing.params.n_slices", fits, why);
    }
}

/// A configuration that is being written.
#[derive(Default)]
struct Draft {
    template: Template,
    notes: Vec<String>,
    /// What was chosen, with the default of everything else.
    given: RunConfig,
    /// Whether the preprocessing is the one that the model's authors publish.
    is_published: bool,
    /// Keys of what was chosen.
    keys: Vec<String>,
    /// Whether a relative path means the same in the configuration as on the command line.
    keeps_paths: bool,
}

/// What the command line says otherwise.
const NOT_CHOSEN: [&str; 6] =
    ["data.images", "data.manifest", "data.archive", "data.idx", "data.idx_labels", "model.path"];

impl Draft {
    /// With what was chosen, checked as in a configuration.
    fn chosen(chosen: &[(&str, &str)]) -> Result<Self> {
        let assignments: Vec<String> = chosen.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let loaded = LoadedConfig::parse("", "", Path::new("."), &assignments)
            .map_err(|errors| Error::param("set", errors.to_string(), ""))?;
        let config = serde_json::to_value(&loaded.config).unwrap_or_default();
        let mut draft = Self { given: loaded.config.clone(), ..Self::default() };
        for (key, value) in chosen {
            if NOT_CHOSEN.contains(key) {
                let hint = "`ascan init MODEL DATA` finds out what DATA is";
                return Err(Error::param(*key, "is said by MODEL and DATA", hint));
            }
            let path: Vec<&str> = key.split('.').collect();
            let is_about = |wrong: &str| *key == wrong || key.starts_with(&format!("{wrong}."));
            let wrong = loaded.errors.iter().find(|error| !error.key.is_empty() && is_about(&error.key));
            if let Some(error) = wrong {
                return Err(Error::param(*key, error.message.clone(), error.hint.clone().unwrap_or_default()));
            }
            // As it was understood: a number that is meant as a text is a text.
            let understood = config.pointer(&format!("/{}", path.join("/"))).cloned();
            draft.set(key, understood.unwrap_or_else(|| serde_json::Value::from(*value)));
            draft.keys.push((*key).to_owned());
        }
        Ok(draft)
    }

    /// Writes what nobody could guess, and what has to be said about it.
    fn undecided(&mut self, key: &str, value: &str, to_do: &str) {
        if !self.keys.iter().any(|given| given == key) {
            self.notes.push(format!("{key}: {to_do}"));
            self.template.set(key, value, Some(to_do.to_owned()));
        }
    }

    /// Sets a value that the user gave.
    fn set(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        self.template.set(key, value, None);
    }

    /// Sets a value that was guessed, and says why.
    fn guess(&mut self, key: &str, value: impl Into<serde_json::Value>, why: impl Into<String>) {
        if self.keys.iter().any(|given| given == key) {
            return;
        }
        let (value, why) = (value.into(), why.into());
        self.notes.push(format!("{key} = {}: {why}", shorten(&value.to_string())));
        self.template.set(key, value, Some(why));
    }

    /// Writes a preprocessing that is no preset: each of its numbers, and one sentence about all.
    fn preprocessing(&mut self, section: &PreprocessSection, why: &str) {
        if self.keys.iter().any(|key| key.starts_with("model.preprocess")) {
            return;
        }
        self.template.unset("model.preprocess.preset");
        self.notes.push(format!("[model.preprocess] {}: {why}", crate::sanity::line(section)));
        let fields = serde_json::to_value(section).unwrap_or_default();
        for (key, value) in fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            self.template.set(&format!("model.preprocess.{key}"), value.clone(), Some(why.to_owned()));
        }
    }

    /// A path as the configuration has to write it.
    fn path(&self, path: &Path) -> String {
        let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let written: PathBuf = if self.keeps_paths { path.to_owned() } else { absolute() };
        written.to_string_lossy().into_owned()
    }
}

fn is_in_working_folder(file: &Path) -> bool {
    file.parent().is_none_or(|dir| dir.as_os_str().is_empty() || dir == Path::new("."))
}

fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).chain("…".chars()).collect() }
}
