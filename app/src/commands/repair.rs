//! `ascan repair`: fine-tunes a scanned model with a regularizer that uses the verdicts.

use super::{NOT_BETTER, Result, note, print, print_json};
use crate::globals::Globals;
use crate::progress::{STOPPED, Terminal};
use ascan_config::repair::RepairConfig;
use ascan_core::{Error, Level, Reporter};
use ascan_engine::repair::{RepairPlan, repair};
use ascan_report::curves;
use ascan_store::Scan;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan repair`
#[derive(Debug, Args)]
#[command(after_help = "Exit code 4: the repair did not help; keep the model before.")]
pub struct RepairArgs {
    /// Folder of the scan of the training images by the model to repair
    pub scan: PathBuf,
    /// A configuration with the sections repair and run; it may be that of the scan
    pub config: PathBuf,
    /// Folder for the repair; an unfinished one there is resumed
    #[arg(short, long, alias = "output", value_name = "DIR")]
    pub out: PathBuf,
    /// Folder of a scan of more images to train on, by the same model: of a split, say, that the model has not seen
    #[arg(long, value_name = "SCAN")]
    pub also: Option<PathBuf>,
    /// Regularizer plugin; default: the one in the configuration
    #[arg(short, long)]
    pub plugin: Option<String>,
}

/// What to do about verdicts that the pictures do not bear out.
pub(crate) const HOW: &str = "If you are sure of the verdict, ask the model (`ascan suggest`): what it confirms stands. \
                              `repair.evidence = false` takes all verdicts as they are";

impl RepairArgs {
    /// The overrides that these flags stand for.
    pub fn overrides(&self) -> Vec<String> {
        self.plugin.iter().map(|plugin| format!("repair.plugin={plugin}")).collect()
    }
}

pub(crate) fn run(args: RepairArgs, globals: &Globals) -> Result {
    let host = globals.host()?;
    let config = RepairConfig::load(&args.config, &globals.with_overrides(&args.overrides()), &host)?;
    let scan = Scan::open(&args.scan)?;
    let also = args.also.as_deref().map(Scan::open).transpose()?;
    let mut plan = RepairPlan::compile(&scan, also.as_ref(), config, &host)?;
    for text in &plan.notes {
        note(globals, format_args!("warning: {text}"));
    }
    let terminal = Terminal::new(globals.quiet);
    let summary = match repair(&mut plan, &host, &args.out, (&terminal, HOW)) {
        Err(Error::Cancelled) => {
            terminal.log(Level::Info, "stopped; finished work is kept: run the same command again to resume");
            return Ok(STOPPED.into());
        }
        done => done?,
    };
    curves::draw(&args.out)?;
    if globals.json {
        print_json(&summary)?;
    } else {
        print(&summary.to_string())?;
        if !summary.outcome.is_failure() {
            let next = "next: scan with the repaired model, then run `ascan compare BEFORE AFTER -o report.html`";
            note(globals, format_args!("{next}"));
        }
    }
    Ok(if summary.outcome.is_failure() { NOT_BETTER.into() } else { ExitCode::SUCCESS })
}
