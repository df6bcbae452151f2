//! `ascan demo`: plants an error in a small data set, trains a model that learns it, finds it, and repairs the model.

use super::{Result, compare::describe, note, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_config::repair::RepairConfig;
use ascan_core::{Context, Error, ParamMap};
use ascan_demo::{Demo, pictures};
use ascan_engine::plan::RunPlan;
use ascan_engine::repair::{RepairPlan, repair};
use ascan_engine::scan::scan;
use ascan_engine::slices::{self, SliceSet};
use ascan_report::album::{Album, scanned};
use ascan_report::compare::{Comparison, compare};
use ascan_report::report::report;
use ascan_store::{Scan, disk};
use ascan_viz::words::percent;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `ascan demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to work in
    #[arg(short, long = "out", alias = "output", value_name = "DIR", default_value = "ascan-demo")]
    pub output: PathBuf,
}

pub(crate) fn run(args: DemoArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let terminal = Terminal::new(globals.quiet);
    let n_threads = match globals.threads {
        None | Some(0) => std::thread::available_parallelism().map_or(1, usize::from),
        Some(n) => n,
    };
    let context = Context { seed: globals.seed.unwrap_or(0), n_threads, reporter: &terminal };

    let [n_train, n_test] =
        ["train", "test"].map(|split| pictures::entries().iter().filter(|e| e.split == split).count());
    note(globals, format_args!("drawing discs and squares, training a small network on {n_train} of them"));
    let runtime = host.backend("burn", &ParamMap::new())?;
    let made = ascan_demo::make(&args.output, &*runtime, &context)?;
    note(globals, format_args!("its accuracy on them is {}; scanning {n_test} others", percent(made.train_accuracy)));

    let folder = args.output.join("scan");
    let plan = RunPlan::compile(LoadedConfig::read(&made.config, &globals.with_overrides(&[]))?, &host)?;
    let summary = scan(&plan, &folder, &terminal)?;
    drop(plan);
    let (opened, set) = sliced(&folder, &host, &context)?;
    let album = Album::open(opened)?;
    let file = args.output.join("report.html");
    let html = report(&album.scene_of_set(&set), &set, &scanned(&album.scan, &set))?;
    disk::write(&file, html.as_bytes())
        .map_err(|error| Error::file(&file, format!("cannot be written: {error}"), "choose another folder with -o"))?;
    note(globals, findings(&set, &file.display().to_string()));
    let repaired = repaired(&args.output, &made, globals, &host, &context)?;
    let comparison = compare(&album.scan, &Scan::open(&repaired)?, &set, None, &host, &context)?;
    if globals.json {
        print_json(&json!({ "scan": summary, "slice_set": set.id, "report": file, "comparison": comparison }))?;
    } else {
        print(&outcome(&comparison))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A scan and slices of it.
fn sliced(folder: &Path, host: &PluginHost, context: &Context) -> Result<(Scan, SliceSet)> {
    let scan = Scan::open(folder)?;
    let set = slices::slice(&scan.table()?, &scan.config, host, context)?;
    set.save(&scan)?;
    Ok((scan, set))
}

/// Looks through the review split, repairs the model by what is found there, and scans the test split again.
fn repaired(folder: &Path, made: &Demo, globals: &Globals, host: &PluginHost, context: &Context) -> Result<PathBuf> {
    let scan_of = |name: &str, overrides: &[String]| -> Result<PathBuf> {
        let config = LoadedConfig::read(&made.config, &globals.with_overrides(overrides))?;
        let out = folder.join(name);
        scan(&RunPlan::compile(config, host)?, &out, context.reporter)?;
        Ok(out)
    };
    let (review, set) = sliced(&scan_of("review", &["data.split=review".to_owned()])?, host, context)?;
    let [n_core, n_spurious] = ascan_demo::review(&review, &set, context)?;
    note(
        globals,
        format_args!(
            "reviewed other pictures: {n_spurious} slices are clearly worse and are marked spurious, {n_core} are marked core"
        ),
    );
    let config = RepairConfig::load(&made.config, &globals.with_overrides(&[]), host)?;
    let mut plan = RepairPlan::compile(&review, None, config, host)?;
    let out = folder.join("repair");
    let summary = repair(&mut plan, host, &out, (context.reporter, super::repair::HOW))?;
    ascan_report::curves::draw(&out)?;
    note(globals, format_args!("repaired: {}", summary.model.display()));
    scan_of("scan-after", &[format!("model.path={}", summary.model.display())])
}

/// By how much the accuracy of the worst group rose.
fn outcome(comparison: &Comparison) -> String {
    let worst = comparison.worst_group_accuracy.map_or_else(String::new, |pair| {
        format!(
            "the worst group rose by {:.1} points: {} right before, {} after the repair\n",
            pair.change() * 100.0,
            percent(pair.before),
            percent(pair.after)
        )
    });
    worst + &describe(comparison)
}

/// Three lines: what was planted, what was found, where to look.
fn findings(set: &SliceSet, report: &str) -> String {
    let overall = set.accuracy.map_or_else(String::new, percent);
    let found = set.slices.first().map_or_else(
        || "no slices".to_owned(),
        |worst| {
            let (group, n) =
                worst.groups.iter().max_by_key(|(_, n)| **n).map_or(("", 0), |(group, &n)| (group.as_str(), n));
            let right = worst.accuracy.map_or_else(String::new, percent);
            let share = percent(n as f64 / worst.size as f64);
            format!(
                "slice {} of {} images has an accuracy of only {right}, and {share} of it is {group}",
                worst.id, worst.size
            )
        },
    );
    format!(
        "planted: in the training pictures, {} lie on {} and {}s on {}; on new pictures the network has an accuracy of {overall}\n\
         found, without knowing the ground: {found}\n\
         see {report}: it shows this slice first, and what the network looked at",
        format_args!("{}s", pictures::CLASSES[0]),
        pictures::GROUNDS[0],
        pictures::CLASSES[1],
        pictures::GROUNDS[1],
    )
}
