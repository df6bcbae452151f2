//! `ascan compare`: scans of the same images by the original and the repaired model, side by side.

use super::{Result, make_parent, note, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right};
use crate::table::aligned;
use ascan_core::{Context, Error};
use ascan_engine::slices::SliceSet;
use ascan_report::album::Album;
use ascan_report::compare::{Comparison, Pair, compare, report};
use ascan_store::{Scan, disk};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Folder of the scan by the original model
    pub before: PathBuf,
    /// Folder of the scan of the same images by the repaired model
    pub after: PathBuf,
    /// The HTML file
    #[arg(short, long = "out", alias = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Slice set of the first scan to compare; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Scan of the training images; the sizes of its groups weight the training-weighted mean
    #[arg(long, value_name = "SCAN")]
    pub training: Option<PathBuf>,
}

/// Classes with a line of their own.
const MAX_CLASSES: usize = 20;

pub(crate) fn run(args: CompareArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let (before, after) = (Scan::open(&args.before)?, Scan::open(&args.after)?);
    let set = SliceSet::load(&before, args.slices.as_deref())?;
    let training = args.training.as_deref().map(Scan::open).transpose()?;
    let config = &before.config.run;
    let n_threads = match globals.threads.unwrap_or(config.n_threads) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: globals.seed.unwrap_or(config.seed), n_threads, reporter: &terminal };
    let comparison = compare(&before, &after, &set, training.as_ref(), &host, &context)?;
    if let Some(output) = &args.output {
        let made = made(&before, &after, &set);
        let album = Album::open(before)?;
        if let Some(error) = album.missing() {
            note(globals, format_args!("warning: the report has no pictures: {error}"));
        }
        let html = report(&comparison, &album.scene_of_set(&set), &set, &made)?;
        make_parent(output)?;
        disk::write(output, html.as_bytes()).map_err(|error| {
            Error::file(output, format!("cannot be written: {error}"), "choose another place with -o")
        })?;
    }
    if globals.json {
        print_json(&comparison)?;
    } else {
        print(&describe(&comparison))?;
        if let Some(output) = &args.output {
            note(globals, output.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was compared, for the report.
fn made(before: &Scan, after: &Scan, set: &SliceSet) -> Vec<(String, String)> {
    let model = |scan: &Scan| format!("{} ({})", scan.config.model.path.display(), &scan.plan.model.sha256[..12]);
    let facts = [
        ("Model before", model(before)),
        ("Model after", model(after)),
        ("Slices", format!("{} ({})", set.recipe.title(), set.id)),
        ("Attribution", format!("{}, {}", before.plan.attribution.plugin, after.plan.attribution.plugin)),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The figures, a line each, then what else is to be said.
pub(super) fn describe(comparison: &Comparison) -> String {
    let figures = comparison.figures().into_iter().map(|figure| (figure.name, figure.pair));
    let classes = comparison.classes.iter().take(MAX_CLASSES);
    let groups = classes.chain(&comparison.groups).map(|group| (format!("  {}", group.name), group.accuracy));
    let rows = figures.chain(groups).map(|(name, pair): (String, Pair)| {
        let [before, after, change] = [pair.before, pair.after, pair.change()].map(|value| value * 100.0);
        [name, format!("{before:.1} %"), format!("{after:.1} %"), format!("{change:+.1}")]
    });
    let images = format!("{} images", comparison.n);
    let mut lines = vec![aligned(0, &[Left(&images), Right("before"), Right("after"), Right("points")], rows)];
    lines.push(format!(
        "{} images are right only after the repair, {} only before it",
        comparison.fixed.len(),
        comparison.broken.len()
    ));
    lines.extend(comparison.notes.iter().cloned());
    lines.join("\n")
}
