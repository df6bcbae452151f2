//! Every setting of the program: its default, its checks, its help, and where in a file its value came from.
//!
//! [`RunConfig`] is the whole configuration of a scan, made of the [`sections`]; [`repair`] and [`bench`](mod@bench) read
//! configurations of other forms. [`Document`] is the file with the place of each value, [`ConfigErrors`] is everything
//! that is wrong with it, [`template`] writes a commented file, and [`host`] finds the plugins that it names.
//!
//! [`Loaded::read`] checks everything that can be checked without plugins, [`Loaded::resolve_plugins`] adds what the
//! plugins say about their parameters, and the plan of a run (`ascan-engine`) what only shows when model and images are
//! opened. Each adds its errors to [`Loaded::errors`], so that the user sees all of them at once.

pub mod bench;
mod document;
mod errors;
pub mod host;
mod messages;
mod plugins;
pub mod repair;
pub mod sections;
pub mod template;
pub mod trust;

pub use document::Document;
pub use errors::{ConfigError, ConfigErrors, Place, TextPlace};
pub use sections::RunConfig;

use ascan_core::params::{ParamMap, Params, Resolved, resolve};
use ascan_core::{Error, Result};
use sections::{ClassMap, ClassNames, DataSection, ModelSection};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The tables of a configuration.
pub const SECTIONS: [&str; 9] =
    ["run", "data", "model", "attribution", "features", "projection", "slicing", "spread", "repair"];

/// A run configuration with the place of each of its values.
pub type LoadedConfig = Loaded<RunConfig>;

/// A configuration of the form `C`, checked as far as it has come, with the place of each of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<C> {
    /// What can be read of it; a value with an error has its default.
    pub config: C,
    /// What is wrong so far.
    pub errors: ConfigErrors,
    document: Document,
}

impl RunConfig {
    /// Reads a configuration and checks its sections.
    ///
    /// # Errors
    /// Everything that is wrong with it, plugin parameters excepted.
    pub fn load(path: &Path, overrides: &[String]) -> Result<LoadedConfig, ConfigErrors> {
        LoadedConfig::read(path, overrides)?.finish()
    }

    /// The configuration as TOML, every default written out; same configuration, same text.
    ///
    /// # Errors
    /// `Param` if a plugin has a parameter that TOML cannot express.
    pub fn to_toml(&self) -> Result<String> {
        let mut config = self.clone();
        let params = [&mut config.model.params, &mut config.attribution.params, &mut config.projection.params];
        let also = config.attribution.also.iter_mut().map(|method| &mut method.params);
        for params in params.into_iter().chain([&mut config.slicing.params]).chain(also) {
            *params = without_null(params);
        }
        toml::to_string(&config).map_err(|error| Error::param("params", error.to_string(), ""))
    }
}

/// TOML has no null: an absent key means the same.
fn without_null(params: &ParamMap) -> ParamMap {
    let kept = params.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(nested) => (key.clone(), Value::Object(without_null(nested))),
        other => (key.clone(), other.clone()),
    })
    .collect()
}

impl LoadedConfig {
    /// Reads a configuration, applies `key=value` overrides and checks its sections.
    ///
    /// Relative paths in the file are relative to the file, those in overrides to the working directory.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML; anything else is collected in [`Self::errors`].
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        Document::read(path).map(|document| Self::check(document, overrides))
    }

    /// As [`Self::read`], of text in memory.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(name: &str, text: &str, base: &Path, overrides: &[String]) -> Result<Self, ConfigErrors> {
        Document::parse(name, text, base).map(|document| Self::check(document, overrides))
    }

    fn check(mut document: Document, overrides: &[String]) -> Self {
        let errors = document.apply(overrides);
        let mut loaded = Self { config: RunConfig::default(), errors, document };
        loaded.check_sections(&SECTIONS);
        loaded.config = RunConfig {
            run: loaded.section(&["run"]),
            data: DataSection {
                columns: loaded.section(&["data", "columns"]),
                ..loaded.section_beside(&["data"], &["columns"])
            },
            model: ModelSection {
                output: loaded.section(&["model", "output"]),
                preprocess: loaded.section(&["model", "preprocess"]),
                ..loaded.section_beside(&["model"], &["output", "preprocess"])
            },
            attribution: loaded.section(&["attribution"]),
            features: loaded.section(&["features"]),
            projection: loaded.section(&["projection"]),
            slicing: loaded.section(&["slicing"]),
            spread: loaded.section(&["spread"]),
        };
        if loaded.config.features.source.is_some() {
            loaded.leave_out_model();
        }
        loaded.resolve_paths();
        loaded
    }
}

impl<C> Loaded<C> {
    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn finish(self) -> Result<Self, ConfigErrors> {
        if self.errors.is_empty() { Ok(self) } else { Err(self.errors) }
    }

    /// Leaves out that images, model or vectors are gone: what is read from a scan needs none of them.
    #[must_use]
    pub fn of_scan(mut self) -> Self {
        let is_gone = |error: &ConfigError| {
            let inputs = [&["data"][..], &["model"], &["features", "source"]];
            error.message.ends_with(MISSING) && inputs.iter().any(|path| error.is_in(path))
        };
        self.errors.retain(|error| !is_gone(error));
        self
    }

    /// Whether something is wrong in the table at `path`, which makes it useless to look further there.
    pub fn has_errors_in(&self, path: &[&str]) -> bool {
        self.errors.iter().any(|error| error.is_in(path))
    }

    /// Adds an error at the value of a key.
    pub fn error_at(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(ConfigError::new(path, self.document.place_of_value(path), message, hint));
    }

    /// Adds what the engine or a plugin reported about the value at `path`.
    pub fn report(&mut self, path: &[&str], error: &Error) {
        self.errors.push(ConfigError::from_error(path, self.document.place_of_value(path), error));
    }

    /// Whether the user gave a value for the key.
    pub fn is_given(&self, path: &[&str]) -> bool {
        self.document.get(path).is_some()
    }

    /// Reports every table at the root that is none of these.
    fn check_sections(&mut self, sections: &[&str]) {
        for key in self.document.root().keys().cloned().collect::<Vec<_>>() {
            if !sections.contains(&key.as_str()) {
                self.unknown_key(&[&key], "section", sections);
            }
        }
    }

    fn unknown_key(&mut self, path: &[&str], what: &str, known: &[&str]) {
        let Some((key, parents)) = path.split_last() else { return };
        let place = self.document.place_of_key(path);
        let message = match parents {
            [] => format!("unknown {what} `{key}`"),
            parents => format!("unknown {what} `{key}` in [{}]", parents.join(".")),
        };
        self.errors.push(ConfigError::new(path, place, message, messages::suggestion(key, known)));
    }

    /// The typed table at `path`; every key with an error has its default.
    fn section<P: Params>(&mut self, path: &[&str]) -> P {
        self.section_beside(path, &[])
    }

    /// As [`Self::section`], leaving out the tables in it that are sections of their own.
    fn section_beside<P: Params>(&mut self, path: &[&str], own: &[&str]) -> P {
        let given = match self.document.get(path) {
            None => ParamMap::new(),
            Some(Value::Object(given)) => given
                .iter()
                .filter(|(key, _)| !own.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            Some(_) => {
                self.error_at(path, format!("`{}` must be a table", path.join(".")), "");
                ParamMap::new()
            }
        };
        let resolved = self.resolve(path, given, &|given| resolve::<P>(given));
        serde_json::from_value(Value::Object(resolved)).unwrap_or_default()
    }

    /// Asks `check` about the parameters of the table at `path`, and adds its problems to the errors.
    fn resolve(&mut self, path: &[&str], mut given: ParamMap, check: &dyn Fn(&ParamMap) -> Resolved) -> ParamMap {
        let mut resolved = check(&given);
        // `--set data.split=2` reads as a number; where that is wrong the text itself may be right.
        for problem in &resolved.problems {
            if let Some(raw) = self.document.raw(&[path, &[problem.key.as_str()]].concat()) {
                given.insert(problem.key.clone(), Value::String(raw.to_owned()));
                let again = check(&given);
                if !again.problems.iter().any(|other| other.key == problem.key) {
                    resolved = again;
                    break;
                }
            }
        }
        let known: Vec<String> = resolved.params.keys().cloned().collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut seen: Vec<&str> = Vec::new();
        for problem in &resolved.problems {
            let key = [path, &[problem.key.as_str()]].concat();
            // A wrong type makes the checks that follow it meaningless.
            if seen.contains(&problem.key.as_str()) {
                continue;
            }
            seen.push(&problem.key);
            if !problem.key.is_empty() && !known.contains(&problem.key.as_str()) {
                self.unknown_key(&key, "key", &known);
                continue;
            }
            let message = messages::plain(&problem.message);
            let type_hint =
                given.get(&problem.key).map(|value| messages::type_hint(&message, value)).unwrap_or_default();
            let hint = [type_hint, problem.hint.clone()].into_iter().find(|hint| !hint.is_empty());
            let hint = hint.filter(|hint| hint != "the default is null").unwrap_or_default();
            self.error_at(&key, format!("`{}`: {message}", key.join(".")), hint);
        }
        resolved.params
    }
}

impl LoadedConfig {
    /// Vectors come from elsewhere, so no model is missing.
    fn leave_out_model(&mut self) {
        let missing = ["model.path", "model.preprocess.preset"];
        self.errors.retain(|error| !missing.contains(&error.key.as_str()));
        if !self.config.model.path.as_os_str().is_empty() {
            let hint = "keep one of them: a model computes its own features";
            self.error_at(&["features", "source"], "`features.source` is set, and so is `model.path`", hint);
        }
    }

    /// Makes every path absolute, and reports the files that are not there.
    fn resolve_paths(&mut self) {
        let mut config = self.config.clone();
        let RunConfig { data, model, features, .. } = &mut config;
        let mut class_map = match &data.class_map {
            ClassMap::Rule(rule) if !["auto", "index", "name"].contains(&rule.as_str()) => Some(PathBuf::from(rule)),
            _ => None,
        };
        let mut files: Vec<(&[&str], &mut PathBuf)> = Vec::new();
        files.extend(data.images.as_mut().map(|path| (&["data", "images"][..], path)));
        files.extend(data.manifest.as_mut().map(|path| (&["data", "manifest"][..], path)));
        files.extend(data.archive.as_mut().map(|path| (&["data", "archive"][..], path)));
        files.extend(data.idx.as_mut().map(|path| (&["data", "idx"][..], path)));
        files.extend(features.source.as_mut().map(|path| (&["features", "source"][..], path)));
        files.extend(data.idx_labels.as_mut().map(|path| (&["data", "idx_labels"][..], path)));
        files.extend(data.root.as_mut().map(|path| (&["data", "root"][..], path)));
        files.extend(data.root_map.values_mut().map(|path| (&["data", "root_map"][..], path)));
        for (key, names) in [("classes", &mut data.classes), ("output_names", &mut data.output_names)] {
            if let Some(ClassNames::File(path)) = names {
                let key: &[&str] = if key == "classes" { &["data", "classes"] } else { &["data", "output_names"] };
                files.push((key, path));
            }
        }
        files.extend(class_map.as_mut().map(|path| (&["data", "class_map"][..], path)));
        if !model.path.as_os_str().is_empty() {
            files.push((&["model", "path"], &mut model.path));
        }
        for (key, file) in files {
            let shown = file.clone();
            *file = absolute(self.document.base_of(key), file);
            if let Err(error) = file.metadata() {
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                let message = if missing { MISSING.to_owned() } else { error.to_string() };
                let hint = if shown.is_relative() { format!("looked for {}", file.display()) } else { String::new() };
                self.error_at(key, format!("`{}`: {message}", key.join(".")), hint);
            }
        }
        if let Some(path) = class_map {
            data.class_map = ClassMap::Rule(path.to_string_lossy().into_owned());
        }
        self.config = config;
    }
}

/// What is said of a path that leads nowhere.
const MISSING: &str = "there is no such file or folder";

/// `base/path` without `.` and, where that changes nothing, without `..`.
fn absolute(base: &Path, path: &Path) -> PathBuf {
    let joined = base.join(path);
    joined.canonicalize().or_else(|_| std::path::absolute(&joined)).unwrap_or(joined)
}

#[cfg(test)]
mod tests;
