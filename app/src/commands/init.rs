//! `ascan init`: a commented configuration from a model and a data set, with every guess explained.

use super::{Failure, Result, note, print, print_json};
use crate::globals::Globals;
use ascan_core::Error;
use ascan_engine::guess::{Request, guess};
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
    let set = globals.overrides();
    let request = Request { model: &args.model, data: &args.data, chosen: &[], set: &set, file: Some(&args.output) };
    let guess = guess(&request, &globals.host()?)?;
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
        note(globals, format_args!("wrote {file}; review it, then run: ascan check {file}"));
    }
    Ok(ExitCode::SUCCESS)
}
