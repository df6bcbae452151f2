//! `ascan invert`: synthesises an image with the features of each slice, and keeps it in the scan.

use super::{Failure, Result, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::Right;
use crate::table::aligned;
use ascan_core::{Context, Error};
use ascan_engine::inversion::{Inversion, invert};
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan invert`
#[derive(Debug, Args)]
pub struct InvertArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Only these slices, separated by commas; default: all
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub slice: Vec<i32>,
    /// Which slice set; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Steps of each search; each is one forward and backward pass
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
}

pub(crate) fn run(args: InvertArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    scan.check_writable()?;
    let set = SliceSet::load(&scan, args.slices.as_deref())?;
    let slices = chosen(&set, &args)?;
    let host = globals.host()?;
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: scan.plan.seed, n_threads: scan.config.run.threads(), reporter: &terminal };
    let made = invert(&scan, &set, &slices, args.steps as usize, &host, &context)?;
    if globals.json {
        print_json(&made)?;
    } else {
        let row =
            |made: &Inversion| [made.slice.to_string(), format!("{:.3}", made.cosine), format!("{:.1}", made.seconds)];
        print(&aligned(0, &["slice", "cosine", "seconds"].map(Right), made.iter().map(row)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The slices that were asked for, or all of the set.
fn chosen(set: &SliceSet, args: &InvertArgs) -> Result<Vec<i32>> {
    let known: Vec<i32> = set.slices.iter().map(|slice| slice.id).collect();
    if let Some(id) = args.slice.iter().find(|id| !known.contains(id)) {
        let message = format!("{id} is not a slice of {}", set.id);
        return Err(Failure::Usage(Error::param("--slice", message, "`ascan slice SCAN` lists the slices")));
    }
    match args.slice.is_empty() {
        true => Ok(known),
        false => Ok(args.slice.clone()),
    }
}
