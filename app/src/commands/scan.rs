//! `ascan scan`: images in, a scan on disk out.

use super::{BAD_IMAGES, FAILED, Result, note, print, print_json};
use crate::globals::Globals;
use crate::progress::{STOPPED, Terminal};
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Level, Reporter};
use ascan_engine::plan::RunPlan;
use ascan_engine::sanity::{Doubt, Effort, doubts, trial};
use ascan_engine::scan::{ScanSummary, scan};
use ascan_engine::slices::{self, SliceSet};
use ascan_images::may_pass;
use ascan_report::figures::NEARLY_ALL;
use ascan_store::Scan;
use ascan_vectors::VectorPlan;
use ascan_viz::words::percent;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What is tried before a scan: quick where nothing is wrong.
const ENOUGH: f64 = 0.75;
const BUDGET: Duration = Duration::from_secs(20);

/// `ascan scan`
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// The configuration
    pub config: PathBuf,
    /// Folder for the scan; an unfinished one there is resumed
    #[arg(short, long, alias = "output", value_name = "SCAN")]
    pub out: PathBuf,
    /// Scan only the first N images
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Do not slice after the scan
    #[arg(long)]
    pub no_slice: bool,
}

/// `ascan scan --json`.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    summary: &'a ScanSummary,
    /// The slice set that was made, if one was.
    slice_set: Option<&'a str>,
}

/// Scans, then slices once as the configuration says.
///
/// # Errors
/// Everything that is wrong with the configuration, or what stops the scan as a whole.
pub fn run(args: ScanArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let limit = args.limit.map(|n| format!("run.limit={n}"));
    let overrides = globals.with_overrides(limit.as_slice());
    let loaded = LoadedConfig::read(&args.config, &overrides)?;
    let terminal = Terminal::new(globals.quiet);
    if loaded.config.features.source.is_some() {
        let plan = VectorPlan::compile(loaded, &host)?;
        plan.notes.iter().for_each(|text| note(globals, format_args!("note: {text}")));
        let scanned = ascan_vectors::keep(&plan, &args.out, &terminal);
        let (seed, n_threads) = (plan.config.run.seed, plan.config.run.threads());
        drop(plan);
        return finish(scanned, &args, &host, &Context { seed, n_threads, reporter: &terminal }, globals);
    }
    let plan = RunPlan::compile(loaded, &host)?;
    for text in &plan.notes {
        note(globals, format_args!("note: {text}"));
    }
    let effort = Effort { n_images: plan.config.run.n_tried, enough: ENOUGH, budget: BUDGET };
    match trial(&plan, effort, &terminal) {
        Ok(tried) => warn(&tried.doubts(&plan.class_names()), &terminal),
        Err(Error::Cancelled) => return Ok(stopped(&args.out, &terminal)),
        // What is wrong with the model is said by the scan itself.
        Err(_) => {}
    }
    let scanned = scan(&plan, &args.out, &terminal);
    for text in plan.images.remarks() {
        note(globals, format_args!("note: {text}"));
    }
    // Model and images are not needed any more; slicing has the memory to itself.
    let (seed, n_threads) = (plan.config.run.seed, plan.n_threads);
    drop(plan);
    finish(scanned, &args, &host, &Context { seed, n_threads, reporter: &terminal }, globals)
}

/// Slices what was scanned, and says what came out.
fn finish(
    scanned: Result<ScanSummary, Error>,
    args: &ScanArgs,
    host: &PluginHost,
    context: &Context,
    globals: &Globals,
) -> Result {
    host.permits().remember(&args.out);
    let terminal = context.reporter;
    let summary = match scanned {
        Err(Error::Cancelled) => return Ok(stopped(&args.out, terminal)),
        summary => summary?,
    };
    let (mut slices, mut is_unsliced) = (None, false);
    if !args.no_slice && summary.n_failed < summary.n {
        match slice(&args.out, host, context) {
            Err(Error::Cancelled) => return Ok(stopped(&args.out, terminal)),
            // The scan stands: it can be sliced again, with other parameters.
            Err(error) => {
                is_unsliced = true;
                let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                let message = format!("the scan is done and kept, but slicing it failed: {error}{hint}");
                terminal.log(Level::Warning, &message);
            }
            Ok(found) => slices = Some(found),
        }
    }
    if globals.json {
        let slice_set = slices.as_ref().map(|slices| slices.id.as_str());
        print_json(&Output { summary: &summary, slice_set })?;
    } else {
        print(summary.to_string().trim_end())?;
        if let Some(slices) = &slices {
            let out = args.out.display();
            print(&format!(
                "  {} slices ({}); `ascan report {out} -o report.html` shows them",
                slices.slices.len(),
                slices.id
            ))?;
        }
    }
    let scanned = Scan::open(&args.out)?;
    let doubts = doubts(&scanned.overview()?, &scanned.plan.model.class_names);
    warn(&doubts, terminal);
    let has_model = scanned.plan.check_model("").is_ok();
    if let Some(set) = slices.filter(|set| has_model && set.accuracy.is_some_and(|accuracy| accuracy >= NEARLY_ALL)) {
        let text = format_args!(
            "note: the model is right on {} of these images, perhaps because it was trained on them: errors show no group here. Look \
             for slices in which something else than the object is lit, ask the model (`ascan suggest`), or scan images that it \
             has not seen",
            percent(set.accuracy.unwrap_or_default())
        );
        note(globals, text);
    }
    if summary.failed.iter().any(|failed| may_pass(&failed.reason)) {
        note(globals, "note: some images were not there or could not be read now; the same command tries them again");
    }
    if is_unsliced || doubts.iter().any(|doubt| doubt.is_fatal) {
        return Ok(FAILED.into());
    }
    Ok(if summary.n_failed > 0 { BAD_IMAGES.into() } else { ExitCode::SUCCESS })
}

/// Says what there is reason to doubt.
fn warn(doubts: &[Doubt], terminal: &dyn Reporter) {
    for doubt in doubts {
        terminal.log(Level::Warning, &doubt.to_string());
    }
}

fn slice(dir: &Path, host: &PluginHost, context: &Context) -> Result<SliceSet, Error> {
    let scan = Scan::open(dir)?;
    let set = slices::slice(&scan.table()?, &scan.config, host, context)?;
    set.save(&scan)?;
    Ok(set)
}

/// Finished shards are kept.
fn stopped(dir: &Path, terminal: &dyn Reporter) -> ExitCode {
    let kept = Scan::open(dir)
        .map_or(String::new(), |scan| format!(": {} of {} images are kept", scan.n_rows_done(), scan.plan.data.n_rows));
    terminal.log(Level::Info, &format!("stopped{kept}; run the same command again to resume"));
    STOPPED.into()
}
