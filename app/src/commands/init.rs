//! `ascan init`: a commented configuration from a model and a data set, with every guess explained.

mod classes;
mod data;
mod model;

use super::{Failure, Result, note, print, print_json};
use crate::cli::Globals;
use ascan_core::Error;
use ascan_engine::config::template::Template;
use ascan_engine::host::PluginHost;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `ascan init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The ONNX file
    pub model: PathBuf,
    /// A folder of images, a manifest (.csv, .jsonl, .parquet), an archive (.tar, .tar.gz) or an idx file
    pub data: PathBuf,
    /// Where to write the configuration; "-" is standard output
    #[arg(short, long, value_name = "FILE", default_value = "scan.toml")]
    pub output: PathBuf,
    /// Overwrite a configuration that is already there
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run(args: InitArgs, globals: &Globals) -> Result {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && !args.force && args.output.exists() {
        let error =
            Error::file(&args.output, "is already there", "use --force to overwrite it, or another name with -o");
        return Err(Failure::Usage(error));
    }
    let guess = guess(&args, &globals.host()?)?;
    if to_stdout && !globals.json {
        print(guess.text.trim_end())?;
    } else if !to_stdout {
        super::make_parent(&args.output)?;
        std::fs::write(&args.output, &guess.text).map_err(|error| {
            Error::file(&args.output, format!("cannot be written: {error}"), "choose another place with -o")
        })?;
    }
    if globals.json {
        print_json(&json!({ "config": guess.text, "file": args.output, "guesses": guess.notes }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for text in &guess.notes {
        note(globals, format_args!("guessed: {text}"));
    }
    if !to_stdout {
        let file = args.output.display();
        note(globals, format_args!("wrote {file}; look it over, then: ascan check {file}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A configuration for a model and images, with the methods that were chosen, for any folder.
///
/// # Errors
/// `File` if model or images cannot be read; whatever else cannot be guessed.
pub fn configuration(model: &Path, data: &Path, methods: &[(&str, &str)], host: &PluginHost) -> Result<String, Error> {
    let mut draft = Draft::default();
    for (key, plugin) in methods {
        draft.set(key, *plugin);
    }
    let classifier = model::guess(model, &mut draft)?;
    data::guess(data, model, classifier.n_classes, &mut draft)?;
    draft.template.to_toml(host)
}

/// A configuration, and what was guessed to write it.
struct Guess {
    text: String,
    notes: Vec<String>,
}

fn guess(args: &InitArgs, host: &PluginHost) -> Result<Guess, Error> {
    let mut draft = Draft { keeps_paths: has_working_folder(&args.output), ..Draft::default() };
    let classifier = model::guess(&args.model, &mut draft)?;
    data::guess(&args.data, &args.model, classifier.n_classes, &mut draft)?;
    draft.template.header = vec![
        "Written by `ascan init`. Lines that begin with `->` say why a value was chosen.".into(),
        "Keys that are commented out have the default that is shown. Relative paths are relative to this file.".into(),
    ];
    let text = draft.template.to_toml(host)?;
    Ok(Guess { text, notes: draft.notes })
}

/// The configuration in the making.
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

fn has_working_folder(output: &Path) -> bool {
    output.parent().is_none_or(|dir| dir.as_os_str().is_empty() || dir == Path::new("."))
}

fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX { text.to_owned() } else { text.chars().take(MAX).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests;
