//! `ascan verdicts`: what has been said about a scan, by whom, and whether people agree.

use super::mark::describe;
use super::{Result, annotations, note, print, print_json};
use crate::globals::Globals;
use crate::table::Column::{Left, Right};
use crate::table::aligned;
use ascan_core::Error;
use ascan_engine::slices::SliceSet;
use ascan_report::export::Review;
use ascan_store::Scan;
use ascan_store::annotations::{Judgement, SubjectState, Verdict};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
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
    /// What holds of each image, and its spuriousness where marks were spread
    #[arg(long, conflicts_with = "merge")]
    pub by_image: bool,
}

/// `ascan verdicts --by-image --json`.
#[derive(Serialize)]
struct ByImage {
    /// `[n]`; null where nothing was said.
    verdict: Vec<Option<&'static str>>,
    /// `[n]` after its review, null where nothing is known; empty where nothing was spread.
    spuriousness: Vec<Option<f32>>,
    /// The mark on each slice that has one, by slice set.
    slices: BTreeMap<String, BTreeMap<i32, &'static str>>,
}

impl ByImage {
    fn read(scan: &Scan) -> Result<Self, Error> {
        let review = Review::load(scan, &SliceSet::load_all(scan)?)?;
        let mut slices: BTreeMap<String, BTreeMap<i32, &str>> = BTreeMap::new();
        for ((set, slice), said) in &review.slices {
            slices.entry(set.clone()).or_default().insert(*slice, said.mark.name());
        }
        let verdict = |row| review.of_image(row).map(|said| said.mark.name());
        Ok(Self {
            verdict: (0..review.images.len()).map(verdict).collect(),
            spuriousness: review.spuriousness.iter().map(|&value| (!value.is_nan()).then_some(value)).collect(),
            slices,
        })
    }

    /// A line for each image that somebody judged.
    fn text(&self) -> String {
        let judged = self.verdict.iter().enumerate().filter_map(|(row, mark)| Some((row, (*mark)?)));
        let rows = judged.map(|(row, mark)| {
            let spuriousness = self.spuriousness.get(row).copied().flatten();
            [row.to_string(), mark.to_owned(), spuriousness.map_or_else(String::new, |value| format!("{value:.3}"))]
        });
        aligned(0, &[Right("image"), Left("verdict"), Right("spuriousness")], rows)
    }
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
    if args.by_image {
        let by_image = ByImage::read(&scan)?;
        if globals.json {
            print_json(&by_image)?
        } else {
            print(&by_image.text())?
        }
        return Ok(ExitCode::SUCCESS);
    }
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
