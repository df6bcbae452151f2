//! `ascan report`: a scan and its slices as one HTML file.

use super::{Result, make_parent, note, print};
use crate::globals::Globals;
use ascan_core::Error;
use ascan_engine::slices::SliceSet;
use ascan_report::album::{Album, scanned};
use ascan_report::report::report;
use ascan_store::{Scan, disk};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The HTML file
    #[arg(short, long = "out", alias = "output", value_name = "FILE")]
    pub output: PathBuf,
    /// Which slice set; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

pub(crate) fn run(args: ReportArgs, globals: &Globals) -> Result {
    let album = Album::open(Scan::open(&args.scan)?)?;
    let set = SliceSet::load(&album.scan, args.slices.as_deref())?;
    if let Some(error) = album.missing() {
        note(globals, format_args!("warning: the report has no pictures: {error}"));
    }
    let html = report(&album.scene_of_set(&set), &set, &scanned(&album.scan, &set))?;
    make_parent(&args.output)?;
    disk::write(&args.output, html.as_bytes()).map_err(|error| {
        Error::file(&args.output, format!("cannot be written: {error}"), "choose another place with -o")
    })?;
    print(&args.output.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
