//! `ascan suggest`: which slices to judge first, and what the model itself says about each.

use super::mark::{annotator, give};
use super::{Failure, Result, note, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right, Text};
use crate::table::aligned;
use ascan_core::{Context, Error};
use ascan_engine::reliance::{Estimate, Reliance, SliceReliance, Suggestion, suggest};
use ascan_engine::slices::SliceSet;
use ascan_engine::spread::Spread;
use ascan_store::Scan;
use ascan_store::annotations::{Judgement, Mark, Subject};
use ascan_viz::words::percent;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Who gives verdicts that nobody has looked at.
const AUTHOR: &str = "suggested";

/// `ascan suggest`
#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Which slice set; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Give the proposed verdicts to slices without one, unseen, as author "suggested"
    #[arg(long)]
    pub accept: bool,
}

/// `ascan suggest --json`.
#[derive(Serialize)]
struct Output<'a> {
    set: &'a str,
    n_passes: usize,
    suggestions: &'a [Suggestion],
}

pub(crate) fn run(args: SuggestArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let set = SliceSet::load(&scan, args.slices.as_deref()).map_err(|error| match error {
        Error::UnknownName { .. } => Failure::Usage(error),
        other => other.into(),
    })?;
    let host = globals.host()?;
    let config = globals.config_of(&args.scan)?.config;
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: config.run.seed, n_threads: config.run.threads(), reporter: &terminal };
    let reliance = Reliance::of_scan(&scan, &set, &host, &context)?;
    let mut annotations = annotator(&scan, args.accept.then_some(AUTHOR), globals)?;
    let suggestions = suggest(&set, &reliance, &annotations, Spread::load(&scan)?.as_ref());
    if globals.json {
        print_json(&Output { set: &set.id, n_passes: reliance.n_passes, suggestions: &suggestions })?;
    } else {
        print(&describe(&set, &suggestions))?;
    }
    if args.accept {
        let mut n_given = 0;
        for suggestion in suggestions.iter().filter(|suggestion| suggestion.verdict.is_none()) {
            let Some(mark) = suggestion.proposal else { continue };
            let rows = set.rows(suggestion.slice);
            let subject = Subject::Slice { set: set.id.clone(), slice: suggestion.slice, rows };
            give(&mut annotations, subject, Judgement::Mark { mark, note: suggestion.reason.clone() })?;
            n_given += 1;
        }
        note(globals, format_args!("{n_given} verdicts given that nobody has looked at, by \"{AUTHOR}\""));
    } else {
        let scan = args.scan.display();
        note(globals, format_args!("next: look at the first slices (`ascan review {scan}`) and give verdicts"));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(set: &SliceSet, suggestions: &[Suggestion]) -> String {
    let columns = [
        Right("slice"),
        Right("images"),
        Right("right"),
        Right("follows the object"),
        Right("follows the attributed region"),
        Right("attribution on the object"),
        Left("verdict"),
        Left("proposed"),
        Text("why"),
    ];
    let word = |mark: Option<Mark>| mark.map_or_else(|| "-".to_owned(), |mark| mark.to_string());
    let rows = suggestions.iter().map(|suggestion| {
        let slice = set.slice(suggestion.slice);
        let figure = |of: fn(&SliceReliance) -> &Estimate| {
            let found = suggestion.reliance.as_ref().map(of).filter(|estimate| estimate.n > 0);
            found.map_or_else(|| "-".to_owned(), |estimate| percent(estimate.mean))
        };
        [
            suggestion.slice.to_string(),
            slice.map_or_else(String::new, |slice| slice.size.to_string()),
            slice.and_then(|slice| slice.accuracy).map_or_else(|| "-".to_owned(), percent),
            figure(|found| &found.object),
            figure(|found| &found.region),
            figure(|found| &found.on_object),
            word(suggestion.verdict),
            word(suggestion.proposal),
            suggestion.reason.clone(),
        ]
    });
    aligned(0, &columns, rows)
}
