//! `ascan spread`: from marks on some images to the spuriousness of every image.

use super::{Failure, Result, annotations, note, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right};
use crate::table::aligned;
use ascan_core::{Context, Error};
use ascan_engine::classes::class_name;
use ascan_engine::spread::{Check, Review, Spread};
use ascan_store::Scan;
use ascan_store::annotations::Mark;
use ascan_viz::words::percent;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan spread`
#[derive(Debug, Args)]
pub struct SpreadArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Accept the existing spread; if there is none, spread first
    #[arg(long)]
    pub accept: bool,
    /// Count images with at least this spuriousness as spurious, the others as core
    #[arg(long, value_name = "T", value_parser = share)]
    pub threshold: Option<f32>,
    /// Decide on single images: 1 is spurious, 0 is core; may be given several times
    #[arg(long = "override", value_name = "ROW=0|1", value_parser = row_decision)]
    pub overrides: Vec<(usize, bool)>,
}

impl SpreadArgs {
    /// Whether these flags review a spread.
    pub fn is_review(&self) -> bool {
        self.accept || self.threshold.is_some() || !self.overrides.is_empty()
    }
}

fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn row_decision(text: &str) -> Result<(usize, bool), String> {
    let parse = || {
        let (row, decision) = text.split_once('=')?;
        let is_spurious = ["0", "1"].iter().position(|word| *word == decision.trim())? == 1;
        Some((row.trim().parse().ok()?, is_spurious))
    };
    parse().ok_or_else(|| "expected a row and a decision, for example 17=0".to_owned())
}

/// Width of the longest bar of the histogram.
const BAR: usize = 30;

/// `ascan spread --json`.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    spread: &'a Spread,
    review: &'a Review,
    #[serde(flatten)]
    counts: Counts,
}

/// How the images were counted.
#[derive(Serialize)]
struct Counts {
    /// Images with a spuriousness after the review that something is known of.
    n_known: usize,
    /// Those of them that are above one half.
    n_spurious: usize,
    /// Images of which only the prior is known.
    n_at_prior: usize,
}

pub(crate) fn run(args: SpreadArgs, globals: &Globals) -> Result {
    let mut scan = Scan::open(&args.scan)?;
    let annotations = annotations(&scan, globals)?;
    let before = if args.is_review() { Spread::load(&scan)? } else { None };
    let is_new = before.is_none();
    let mut spread = match before {
        Some(before) => {
            if before.verdicts != annotations.basis() {
                note(
                    globals,
                    "warning: there are other verdicts than when the marks were spread: run `ascan spread` to spread them again",
                );
            }
            before
        }
        None => {
            let config = globals.config_of(&args.scan)?.config;
            let terminal = Terminal::new(globals.quiet);
            let context = Context { seed: config.run.seed, n_threads: config.run.threads(), reporter: &terminal };
            // `--set spread.alpha=…` has the last word.
            scan.config.spread = config.spread;
            Spread::of_scan(&scan, &annotations, &context)?
        }
    };
    review(&mut spread, &args)?;
    if is_new {
        spread.save(&scan)?;
        if let Some(auroc) = spread.check.auroc.filter(|_| spread.check.is_chance()) {
            let text = "warning: verdicts that were held out are predicted no better than chance";
            let what = "verdicts contradict each other; look at their slices again before this is used";
            note(globals, format_args!("{text} (AUROC {auroc:.2}, chance is 0.5): {what}"));
        }
    } else {
        spread.save_review(&scan)?;
    }
    if globals.json {
        print_json(&Output { spread: &spread, review: &spread.review, counts: Counts::of(&spread) })?;
    } else {
        print(&describe(&spread, &scan.plan.model.class_names))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn review(spread: &mut Spread, args: &SpreadArgs) -> Result<()> {
    let review = &mut spread.review;
    review.accepted |= args.accept;
    if let Some(threshold) = args.threshold {
        review.threshold = Some(threshold);
    }
    for &(row, is_spurious) in &args.overrides {
        if row >= spread.spuriousness.len() {
            let message = format!("{row} is not a row of this scan, which has {} images", spread.spuriousness.len());
            return Err(Failure::Usage(Error::param("--override", message, "rows count from 0")));
        }
        review.overrides.insert(row, is_spurious);
    }
    Ok(())
}

impl Counts {
    fn of(spread: &Spread) -> Self {
        let decided = |row: usize| spread.review.overrides.contains_key(&row);
        let (reviewed, at_prior) = (spread.reviewed(), spread.at_prior());
        let known: Vec<f32> = (0..reviewed.len())
            .filter(|&row| !reviewed[row].is_nan() && (!at_prior[row] || decided(row)))
            .map(|row| reviewed[row])
            .collect();
        Self {
            n_known: known.len(),
            n_spurious: known.iter().filter(|&&value| value > 0.5).count(),
            n_at_prior: reviewed.iter().filter(|value| !value.is_nan()).count() - known.len(),
        }
    }
}

fn describe(spread: &Spread, class_names: &[String]) -> String {
    let mut lines = Vec::new();
    for note in &spread.classes {
        let name = class_name(class_names, note.class);
        let marks =
            [("core", note.n_core), ("spurious", note.n_spurious), ("noisy_label, left out", note.n_noisy_label)];
        let marks = marks.iter().filter(|(_, n)| *n > 0).map(|(mark, n)| format!("{n} {mark}"));
        let marks = marks.collect::<Vec<_>>().join(", ");
        let marks = if marks.is_empty() { String::new() } else { format!(" (marked: {marks})") };
        lines.push(format!("{name}, {} images{marks}: {}", note.n, note.text));
    }
    let both = spread.classes.iter().filter(|note| note.n_core > 0 && note.n_spurious > 0);
    let both: Vec<String> = both.map(|note| class_name(class_names, note.class)).collect();
    lines.extend(check(&spread.check, &both.join(", ")));
    let Counts { n_known, n_spurious, n_at_prior } = Counts::of(spread);
    let review = &spread.review;
    let threshold = review.threshold.map_or_else(String::new, |threshold| format!(", threshold {threshold}"));
    let overrides = match review.overrides.len() {
        0 => String::new(),
        n => format!(", {n} decided by hand"),
    };
    let accepted = if review.accepted { "accepted" } else { "not accepted yet (--accept)" };
    lines.push(format!(
        "{n_spurious} of {n_known} images are more spurious than core{threshold}{overrides}; {accepted}"
    ));
    if n_at_prior > 0 {
        lines.push(format!("{n_at_prior} more images were compared with nothing, and count neither way"));
    }
    for note in &spread.classes {
        let Some(missing) = note.missing() else { continue };
        let only = if missing == Mark::Core { Mark::Spurious } else { Mark::Core };
        lines.push(format!(
            "note: in class {} all marks are `{only}`. If one of its slices is `{missing}`, mark that too; then its other images \
             can be told apart",
            class_name(class_names, note.class)
        ));
    }
    lines.join("\n")
}

/// How well held-out marks were predicted.
fn check(check: &Check, classes: &str) -> Vec<String> {
    if check.n_held_out == 0 {
        return vec!["not checked: no class has enough marks of both kinds to hold some out".to_owned()];
    }
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let mut lines = vec![
        format!(
            "check ({classes}): {} of {} marks were held out and predicted from the rest: AUROC {}, {}; Brier score {} ({} for always predicting the mean)",
            check.n_held_out,
            check.n_marks,
            figure(check.auroc),
            check.worth().unwrap_or("not known"),
            figure(check.brier),
            figure(check.brier_of_share)
        ),
        match check.n_verdicts {
            0 => "  (other images of the same slices stay among the rest, so this says little about images far from \
                  every mark; whole verdicts are held out where a class has three of each kind)"
                .to_owned(),
            n => format!("  ({n} verdicts were held out whole: none of their images is predicted from its own slice)"),
        },
    ];
    let largest = check.bins.iter().map(|bin| bin.n_core + bin.n_spurious).max().unwrap_or(1).max(1);
    let columns = [Left("spuriousness"), Right("core"), Right("spurious"), Right("are spurious"), Left("")];
    let rows = check.bins.iter().map(|bin| {
        let n = bin.n_core + bin.n_spurious;
        let share = if n == 0 { String::new() } else { percent(bin.n_spurious as f64 / n as f64) };
        let range = format!("{:.1} to {:.1}", bin.from, bin.to);
        [range, bin.n_core.to_string(), bin.n_spurious.to_string(), share, "#".repeat(n * BAR / largest)]
    });
    lines.push(aligned(2, &columns, rows));
    lines
}
