//! The commands, one per file, and what they share: how they fail and how they print.

pub(crate) mod arrays;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod faithfulness;
pub(crate) mod gallery;
pub(crate) mod gradient;
pub mod init;
pub(crate) mod invert;
pub(crate) mod layers;
pub(crate) mod man;
pub(crate) mod mark;
pub(crate) mod mislabels;
pub(crate) mod mosaic;
pub(crate) mod plugins;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod scan;
mod selection;
pub(crate) mod slice;
pub(crate) mod spread;
pub(crate) mod suggest;
pub(crate) mod verdicts;

use crate::globals::Globals;
use crate::table::{plain, plain_lines};
use crate::{progress, said};
use ascan_config::ConfigErrors;
use ascan_core::{Error, Level};
use ascan_store::annotations::Annotations;
use ascan_store::{Scan, disk};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code for wrong usage, a wrong configuration included.
pub const USAGE: u8 = 2;
/// Exit code of a command that is done, but with bad images.
pub const BAD_IMAGES: u8 = 3;
/// Exit code of a command that is done, but whose result is no better than what there was before.
pub const NOT_BETTER: u8 = 4;

/// The result of a command.
pub type Result<T = ExitCode, E = Failure> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The configuration, or a flag, is wrong.
    Config(ConfigErrors),
    /// The command line asks for something impossible.
    Usage(Error),
    /// The work failed.
    Failed(Error),
}

impl Failure {
    /// What the program exits with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(_) => USAGE.into(),
            Self::Failed(_) => FAILED.into(),
        }
    }

    /// For programs: message, key and hint; of a configuration those of its first error, and all of them in `errors`.
    pub fn to_json(&self) -> Value {
        let (message, key, hint, errors) = match self {
            Self::Config(errors) => {
                let first = errors.iter().next();
                let key = first.map(|error| error.key.clone()).filter(|key| !key.is_empty());
                (errors.to_string(), key, first.and_then(|error| error.hint.clone()), errors.to_json())
            }
            Self::Usage(error) | Self::Failed(error) => {
                (error.to_string(), error.key().map(str::to_owned), error.hint(), json!([]))
            }
        };
        json!({ "type": "error", "message": message, "key": key, "hint": hint, "errors": errors })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::Usage(error) | Self::Failed(error) => {
                write!(f, "error: {}", plain_lines(&error.to_string()))?;
                error.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {}", plain_lines(&hint)))
            }
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Writes a line to standard output. A closed pipe is not an error.
///
/// # Errors
/// `File` if standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Error> {
    progress::clear();
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", plain_lines(text)).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("standard output", format!("cannot be written: {error}"), ""))
        }
        _ => Ok(()),
    }
}

/// Writes a value to standard output as JSON.
///
/// # Errors
/// As [`fn@print`].
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value);
    print(&text.map_err(|error| Error::unsupported(format!("the result cannot be written as JSON: {error}"), ""))?)
}

/// Tells the user something on standard error, unless `--quiet`.
pub fn note(globals: &Globals, text: impl fmt::Display) {
    if !globals.quiet {
        progress::clear();
        let text = text.to_string();
        // Its callers write the word themselves.
        match text.strip_prefix("warning: ") {
            Some(warning) => said::message(Level::Warning, warning),
            None => said::message(Level::Info, &text),
        }
    }
}

/// The verdicts on a scan; what is damaged among them is said.
///
/// # Errors
/// `File` if they cannot be listed.
fn annotations(scan: &Scan, globals: &Globals) -> Result<Annotations, Error> {
    let annotations = Annotations::read(&scan.dir)?;
    warn_of_problems(&annotations, globals);
    Ok(annotations)
}

fn warn_of_problems(annotations: &Annotations, globals: &Globals) {
    annotations.problems.iter().for_each(|problem| note(globals, format_args!("warning: {}", plain(problem))));
}

/// Makes the folder that a file will be written to.
///
/// # Errors
/// `File` if it cannot be made.
pub fn make_parent(file: &Path) -> Result<(), Error> {
    match file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => disk::make_folder(dir)
            .map_err(|error| Error::file(dir, format!("cannot be made: {error}"), "choose another place with -o")),
        None => Ok(()),
    }
}
