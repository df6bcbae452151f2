//! `ascan verdicts`: what has been said about a scan, by whom, and whether people agree.

use super::mark::describe;
use super::{Result, annotations, note, print, print_json};
use crate::globals::Globals;
use ascan_core::Error;
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use ascan_store::annotations::{Judgement, SubjectState, Verdict};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan verdicts`
#[derive(Debug, Args)]
pub struct VerdictsArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Take over the verdicts on a copy of this scan: of somebody else who judged the same images
    #[arg(long, value_name = "SCAN")]
    pub merge: Option<PathBuf>,
}

/// `ascan verdicts --json`.
#[derive(Serialize)]
struct Output<'a> {
    verdicts: Vec<Standing<'a>>,
    /// Decisions about labels, oldest first; the newest on an image holds.
    fixes: Vec<&'a Verdict>,
    /// The opposing verdicts on each subject on which people disagree; the last one is in force.
    disagreements: Vec<Vec<Verdict>>,
    problems: &'a [String],
}

/// A verdict in force.
#[derive(Serialize)]
struct Standing<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    time: String,
    subject_state: SubjectState,
}

pub(crate) fn run(args: VerdictsArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let mut annotations = annotations(&scan, globals)?;
    if let Some(other) = &args.merge {
        let other = Scan::open(other)?;
        if other.plan.data.fingerprint != scan.plan.data.fingerprint {
            let message = format!("{} is a scan of other images than {}", other.dir.display(), scan.dir.display());
            let hint = "verdicts on slices of another scan are carried over by `ascan mark SCAN --from OTHER`";
            return Err(Error::unsupported(message, hint).into());
        }
        let n_new = annotations.merge(&other.dir)?;
        note(globals, format_args!("{n_new} new from {}", other.dir.display()));
    }
    let sets = SliceSet::load_all(&scan)?;
    let rows_now = |id: &str, slice| sets.iter().find(|set| set.id == id).map(|set| set.rows(slice));
    let standing = annotations.in_force().into_iter().map(|verdict| Standing {
        verdict,
        time: verdict.time(),
        subject_state: SubjectState::of(&verdict.subject, rows_now),
    });
    let is_fix = |verdict: &&Verdict| matches!(verdict.judgement, Judgement::Fix(_));
    let output = Output {
        verdicts: standing.collect(),
        fixes: annotations.history().iter().filter(is_fix).collect(),
        disagreements: annotations.disagreements().into_iter().map(|found| found.verdicts).collect(),
        problems: &annotations.problems,
    };
    if globals.json {
        print_json(&output)?;
    } else {
        print(&text(&output, &scan.plan.model.class_names))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(output: &Output, class_names: &[String]) -> String {
    let mut lines = Vec::new();
    for Standing { verdict, time, subject_state } in &output.verdicts {
        lines.push(format!("{}, {time}", describe(verdict, class_names)));
        if *subject_state != SubjectState::Same {
            lines.push(format!("  {subject_state}"));
        }
    }
    lines.extend(output.fixes.iter().map(|verdict| format!("{}, {}", describe(verdict, class_names), verdict.time())));
    for verdicts in &output.disagreements {
        lines.push("people disagree, the last of these is in force:".to_owned());
        lines
            .extend(verdicts.iter().map(|verdict| format!("  {}, {}", describe(verdict, class_names), verdict.time())));
    }
    if lines.is_empty() {
        lines.push("no verdicts yet: give one with `ascan mark`".to_owned());
    }
    lines.join("\n")
}
