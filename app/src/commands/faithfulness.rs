//! `ascan faithfulness`: which attribution method to believe on a model.

use super::{Failure, Result, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use ascan_core::{Context, Error};
use ascan_engine::faithfulness::{Faithfulness, HEADINGS, MethodReport, Settings, faithfulness};
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan faithfulness`
#[derive(Debug, Args)]
pub struct FaithfulnessArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Methods to judge, separated by commas; all if left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// How many images to look at, drawn by the scan's seed
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub images: u32,
    /// Only images of this slice of the latest slice set
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub slice: Option<i32>,
    /// Do not ask a model with randomised weights too, which doubles the attributions
    #[arg(long)]
    pub no_randomise: bool,
    /// A model trained on shuffled labels, to ask it too: what `ascan repair` writes with repair.shuffle_labels=true
    #[arg(long, value_name = "MODEL")]
    pub shuffled_labels: Option<PathBuf>,
}

pub(crate) fn run(args: FaithfulnessArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let host = globals.host()?;
    let config = globals.config(&args.scan.join("scan.toml"), &[])?.config;
    let n_threads = config.run.threads();
    let is_of_scan = args.slice.is_none();
    let rows = match args.slice {
        Some(id) => rows_of(&SliceSet::load(&scan, None)?, id)?,
        None => Vec::new(),
    };
    let settings = Settings {
        methods: args.methods,
        n_images: args.images as usize,
        rows,
        randomise: !args.no_randomise,
        shuffled_labels: args.shuffled_labels,
    };
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: config.run.seed, n_threads, reporter: &terminal };
    let found = faithfulness(&scan, &settings, &host, &context)?;
    terminal.clear();
    // For the report and the window, which speak of the scan as a whole.
    if is_of_scan {
        found.keep(&scan);
    }
    if globals.json {
        print_json(&found)?;
    } else {
        print(&describe(&found))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rows_of(set: &SliceSet, id: i32) -> Result<Vec<usize>> {
    let rows = set.rows(id);
    if rows.is_empty() {
        let message = format!("{id} is no slice of {}", set.id);
        return Err(Failure::Usage(Error::param("--slice", message, "`ascan slice SCAN` lists the slices")));
    }
    Ok(rows)
}

fn describe(found: &Faithfulness) -> String {
    let figures: Vec<_> = found.methods.iter().map(MethodReport::figures).collect();
    // A column that nobody has a figure for says nothing.
    let width = |column: usize| {
        let longest = figures.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let known = figures.iter().any(|row| row[column] != "-");
        known.then(|| 2 + longest.max(HEADINGS[column].0.len()))
    };
    let widths: Vec<(usize, usize)> = (0..HEADINGS.len()).filter_map(|column| Some((column, width(column)?))).collect();
    let line = |name: &str, of: &dyn Fn(usize) -> String, rest: &str| {
        let cells: String = widths.iter().map(|&(column, width)| format!("{:>width$}", of(column))).collect();
        format!("  {name:<22}{cells}  {rest}")
    };
    let mut lines = vec![
        format!(
            "{} images; ROAD, insertion, sens-n, energy, pointing: high is good; deletion, randomised, shuffled: low",
            found.n_images
        ),
        line("method", &|column| HEADINGS[column].0.to_owned(), "remarks"),
    ];
    lines.extend(found.methods.iter().zip(&figures).map(|(report, figures)| match &report.failed {
        Some(failed) => format!("  {:<22}  does not go with this model: {failed}", report.name),
        None => line(&report.name, &|column| figures[column].clone(), &report.remarks()),
    }));
    lines.extend(found.verdict.iter().cloned());
    lines.join("\n")
}
