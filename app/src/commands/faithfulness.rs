//! `ascan faithfulness`: which attribution method to believe on a model.

use super::{Failure, Result, print, print_json};
use crate::cli::{FaithfulnessArgs, Globals};
use crate::progress::Terminal;
use ascan_core::{Context, Error};
use ascan_engine::faithfulness::{Faithfulness, Figure, MethodReport, Settings, faithfulness};
use ascan_engine::slices::SliceSet;
use ascan_engine::store::Scan;
use std::process::ExitCode;

pub(super) fn run(args: FaithfulnessArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let host = globals.host()?;
    let config = globals.config(&args.scan.join("scan.toml"), &[])?.config;
    let n_threads = config.run.threads();
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
    let number = |figure: Option<Figure>| figure.map_or_else(|| "-".into(), |figure| format!("{:.3}", figure.mean));
    let road = report.road.map_or_else(|| "-".into(), |road| format!("{:.3} ± {:.3}", road.mean, road.error));
    let seconds = report.seconds.filter(|figure| figure.mean > 0.0);
    let ms = seconds.map_or_else(|| "-".into(), |seconds| format!("{:.0}", seconds.mean * 1e3));
    let remarks =
        [(report.n_failed, "failed"), (report.n_empty, "empty"), (report.n_on_border, "largest on the border")];
    let remarks = remarks.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let delta = report.convergence_delta.map(|delta| format!("convergence delta {:.3}", delta.mean));
    format!(
        "  {:<22}{road:>16}{:>10}{:>10}{:>8}{:>8}{:>10}{:>12}{:>11}{ms:>10}  {}",
        report.name,
        number(report.deletion),
        number(report.insertion),
        number(report.sensitivity_n),
        number(report.energy),
        number(report.pointing),
        number(report.randomised),
        number(report.agreement),
        remarks.chain(delta).collect::<Vec<_>>().join(", ")
    )
}
