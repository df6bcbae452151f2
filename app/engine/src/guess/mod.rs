//! A configuration from nothing but a model and a data set, with a reason for every guess: what `ascan init` writes and
//! the window's start page shows.

mod classes;
mod data;
mod given;
mod model;
#[cfg(test)]
mod tests;

use ascan_config::host::PluginHost;
use ascan_config::template::Template;
use ascan_core::params::ParamMap;
use ascan_core::{Kind, Result};
use std::path::{Path, PathBuf};

/// What a configuration is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The ONNX file.
    pub model: &'a Path,
    /// A folder of images, a manifest, an archive or an idx file.
    pub data: &'a Path,
    /// Plugins that were chosen, by key: `("slicing.plugin", "kmeans")`.
    pub chosen: &'a [(&'a str, &'a str)],
    /// Values that are not to be guessed, as `key=value`; the model is read with them.
    pub set: &'a [String],
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
/// `File` if model or images cannot be read, `Unsupported` for a model that is no image classifier, `Param` for a given
/// value that has no place in a configuration.
pub fn guess(request: &Request, host: &PluginHost) -> Result<Guess> {
    let mut draft = Draft { keeps_paths: request.file.is_some_and(is_in_working_folder), ..Draft::default() };
    for (key, plugin) in request.chosen {
        draft.set(key, *plugin);
    }
    let given = given::Given::parse(request.set)?;
    let classifier = model::guess(request.model, &given, &mut draft)?;
    let n_images = data::guess(request.data, request.model, &classifier, &mut draft)?;
    number_of_slices(n_images, request, host, &mut draft);
    if request.file.is_some() {
        draft.template.header = vec![
            "Written by `ascan init`. Lines that begin with `->` say why a value was chosen.".into(),
            "Keys that are commented out have the default that is shown. Relative paths are relative to this file."
                .into(),
        ];
    }
    for (key, value) in &given.values {
        draft.set(key, value.clone());
    }
    let text = draft.template.to_toml(host)?;
    given.check_written(&text)?;
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
    /// Whether a relative path means the same in the configuration as on the command line.
    keeps_paths: bool,
}

impl Draft {
    /// Sets a value that the user gave.
    fn set(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        self.template.set(key, value, None);
    }

    /// Sets a value that was guessed, and says why.
    fn guess(&mut self, key: &str, value: impl Into<serde_json::Value>, why: impl Into<String>) {
        let (value, why) = (value.into(), why.into());
        self.notes.push(format!("{key} = {}: {why}", shorten(&value.to_string())));
        self.template.set(key, value, Some(why));
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
