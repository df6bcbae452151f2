//! `ascan init`: a commented configuration from a model and a data set, with every guess explained.

use super::{Failure, Result, note, print, print_json};
use crate::globals::Globals;
use ascan_core::Error;
use ascan_engine::guess::{Request, guess};
use ascan_store::disk;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `ascan init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The ONNX file
    pub model: PathBuf,
    /// A folder of images, a table of images (.csv, .tsv, .txt, .json, .jsonl, .parquet), an archive (.tar, .tar.gz) or an idx file
    pub data: PathBuf,
    /// Where to write the configuration; "-" is standard output
    #[arg(short, long = "out", alias = "output", value_name = "FILE", default_value = "scan.toml")]
    pub output: PathBuf,
    /// Overwrite a configuration that is already there
    #[arg(long)]
    pub force: bool,
}

pub(crate) fn run(args: InitArgs, globals: &Globals) -> Result {
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && !args.force && args.output.exists() {
        let error = Error::file(&args.output, "already exists", "use --force to overwrite it, or another name with -o");
        return Err(Failure::Usage(error));
    }
    let overrides = globals.overrides();
    let mut chosen = Vec::new();
    for text in &overrides {
        chosen.push(text.split_once('=').map(|(key, value)| (key.trim(), value.trim())).ok_or_else(|| {
            let hint = "for example --set data.columns.path=filename";
            Failure::Usage(Error::param("--set", format!("`{text}` is not KEY=VALUE"), hint))
        })?);
    }
    let request = Request { model: &args.model, data: &args.data, chosen: &chosen, file: Some(&args.output) };
    let guess = guess(&request, &globals.host()?).map_err(|error| match error {
        Error::Param { ref key, .. } if chosen.iter().any(|(chosen, _)| chosen == key) => Failure::Usage(error),
        // A plugin that somebody named by `--set`.
        Error::UnknownName { .. } if !chosen.is_empty() => Failure::Usage(error),
        error => Failure::Failed(error),
    })?;
    if to_stdout && !globals.json {
        print(guess.text.trim_end())?;
    } else if !to_stdout {
        super::make_parent(&args.output)?;
        disk::write(&args.output, guess.text.as_bytes()).map_err(|error| {
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
        note(globals, format_args!("wrote {file}; review it, then run: ascan check {file}"));
    }
    Ok(ExitCode::SUCCESS)
}
