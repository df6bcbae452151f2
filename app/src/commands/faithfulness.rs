//! `ascan faithfulness`: which attribution method to trust on a model.

use super::{Failure, Result, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right, Text};
use crate::table::aligned;
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
    /// Methods to test, separated by commas; default: all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// Number of images, drawn with the scan's seed
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub images: u32,
    /// Only images of this slice of the newest slice set
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub slice: Option<i32>,
    /// Leave out the test with randomised weights, which doubles the number of attributions
    #[arg(long)]
    pub no_randomise: bool,
    /// A model trained on shuffled labels to compare with; `ascan repair` writes one with repair.shuffle_labels=true
    #[arg(long, value_name = "MODEL")]
    pub shuffled_labels: Option<PathBuf>,
}

pub(crate) fn run(args: FaithfulnessArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let host = globals.host()?;
    let config = globals.config_of(&args.scan)?.config;
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
    // For the report and the window, which describe the whole scan.
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
        let message = format!("{id} is not a slice of {}", set.id);
        return Err(Failure::Usage(Error::param("--slice", message, "`ascan slice SCAN` lists the slices")));
    }
    Ok(rows)
}

fn describe(found: &Faithfulness) -> String {
    let figures: Vec<_> = found.methods.iter().map(MethodReport::figures).collect();
    // Columns without a single figure are left out.
    let is_known = |column: &usize| figures.iter().any(|row| row[*column] != "-");
    let known: Vec<usize> = (0..HEADINGS.len()).filter(is_known).collect();
    let headings = known.iter().map(|&column| Right(HEADINGS[column].0));
    let columns: Vec<_> = [Left("method")].into_iter().chain(headings).chain([Text("remarks")]).collect();
    let rows = found.methods.iter().zip(&figures).map(|(report, figures)| {
        let failed = report.failed.as_ref().map(|failed| format!("does not work with this model: {failed}"));
        let figures = known.iter().map(move |&column| figures[column].clone());
        let remarks = failed.unwrap_or_else(|| report.remarks());
        [report.name.clone()].into_iter().chain(figures).chain([remarks])
    });
    let mut lines = vec![
        format!(
            "{} images; high is good: ROAD, insertion, sens-n, energy, pointing; low is good: deletion, randomised, shuffled",
            found.n_images
        ),
        aligned(2, &columns, rows),
    ];
    lines.extend(found.verdict.iter().cloned());
    lines.join("\n")
}
