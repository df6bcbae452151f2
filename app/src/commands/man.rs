//! `ascan man`: the help of the program as manual pages.

use super::{Result, print};
use ascan_core::Error;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `ascan man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page per command into this folder; without it, the page of `ascan` is printed
    #[arg(short, long, alias = "output", value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Writes the pages of `command`, the whole program.
pub(crate) fn run(args: ManArgs, command: Command) -> Result {
    match args.out {
        Some(dir) => pages(&dir, command)?,
        None => print(page(command)?.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn page(command: Command) -> Result<String, Error> {
    let mut page = Vec::new();
    let rendered = Man::new(command).render(&mut page).map_err(|error| error.to_string());
    let text = rendered.and_then(|()| String::from_utf8(page).map_err(|error| error.to_string()));
    text.map_err(|error| Error::unsupported(format!("the manual page cannot be made: {error}"), ""))
}

/// `ascan.1`, `ascan-scan.1` and so on: `man -l DIR/ascan-scan.1` shows one.
pub(crate) fn pages(dir: &Path, command: Command) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::file(dir, format!("cannot be written: {error}"), "choose another folder with --out")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)
}
