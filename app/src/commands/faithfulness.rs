//! `ascan faithfulness`: which attribution method to believe on a model.

use super::{Failure, Result, print, print_json};
use crate::cli::{FaithfulnessArgs, Globals};
use crate::progress::Terminal;
use ascan_core::{Context, Error};
use ascan_engine::faithfulness::{Faithfulness, MethodReport, Settings, faithfulness};
use ascan_engine::slices::SliceSet;
use ascan_engine::store::Scan;
use std::process::ExitCode;

pub(super) fn run(args: FaithfulnessArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let host = globals.host()?;
    let config = globals.config(&args.scan.join("scan.toml"), &[])?.config;
    let n_threads = config.run.threads();
    let is_of_scan = args.slice.is_none();
    let rows = match args.slice {
        Some(id) => rows_of(&SliceSet::load(&scan, None)?, id)?,
        None => Vec::new(),
    };
    let settings =
        Settings { methods: args.methods, n_images: args.images as usize, rows, randomise: !args.no_randomise };
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
    let mut lines = vec![
        format!(
            "{} images; ROAD, insertion, sens-n, energy, pointing: high is good; deletion, randomised: low",
            found.n_images
        ),
        format!(
            "  {:<22}{:>16}{:>10}{:>10}{:>8}{:>8}{:>10}{:>12}{:>11}{:>10}  remarks",
            "method", "ROAD", "deletion", "insertion", "sens-n", "energy", "pointing", "randomised", "agreement", "ms"
        ),
    ];
    lines.extend(found.methods.iter().map(line));
    lines.extend(found.verdict.iter().cloned());
    lines.join("\n")
}

fn line(report: &MethodReport) -> String {
    if let Some(failed) = &report.failed {
        return format!("  {:<22}  does not go with this model: {failed}", report.name);
    }
    let [road, deletion, insertion, sensitivity, energy, pointing, randomised, agreement, ms] = report.figures();
    format!(
        "  {:<22}{road:>16}{deletion:>10}{insertion:>10}{sensitivity:>8}{energy:>8}{pointing:>10}{randomised:>12}\
         {agreement:>11}{ms:>10}  {}",
        report.name,
        report.remarks()
    )
}
