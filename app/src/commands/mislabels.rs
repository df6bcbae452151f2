//! `ascan mislabels`: labels that are probably wrong, decisions about them, and a corrected table.

use super::{Failure, Result, make_parent, mark, print, print_json, selection};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right};
use crate::table::aligned;
use ascan_core::{Context, Error};
use ascan_engine::classes::class_name;
use ascan_engine::mislabels::{
    Basis, Candidates, Corrected, Folds, SliceNoise, candidates, out_of_sample, slice_noise, write_corrected,
};
use ascan_engine::question::Question;
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use ascan_store::annotations::{Annotator, Fix, Judgement, Subject, Verdict};
use ascan_store::table::ScanTable;
use ascan_viz::words::percent;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `ascan mislabels`
#[derive(Debug, Args)]
pub struct MislabelsArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Judge each image by the labels of images in other folds: a number of folds, or a column ("split", or a group)
    #[arg(long, value_name = "N|COLUMN", value_parser = folds, conflicts_with = "unseen")]
    pub folds: Option<Folds>,
    /// The model was not trained on these labels, so its own probabilities can judge them
    #[arg(long)]
    pub unseen: bool,
    /// Number of candidates to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Slice set whose label noise is estimated; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Decide that labels are right: uris or rows ("0-4,9") separated by commas, or a file with one per line
    #[arg(long, value_name = "FILE|LIST")]
    pub keep: Vec<String>,
    /// Decide that no label is right, and drop the images
    #[arg(long, value_name = "FILE|LIST")]
    pub drop: Vec<String>,
    /// Decide that labels should be another class, by name or number
    #[arg(long, value_name = "FILE|LIST=CLASS")]
    pub relabel: Vec<String>,
    /// Name of the author; default: $ASCAN_AUTHOR, or the user's name
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Write the data set's table with all decisions applied; the original is not changed
    #[arg(long, value_name = "CSV")]
    pub write: Option<PathBuf>,
}

fn folds(text: &str) -> Result<Folds, Infallible> {
    Ok(text.parse().map_or_else(|_| Folds::Column(text.to_owned()), Folds::Random))
}

/// Slices printed without `--json`.
const N_SLICES: usize = 5;

/// `ascan mislabels --json`.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    found: &'a Candidates,
    /// `[n]`: the score of every row, none where there is no label: a ranking of all.
    scores: Vec<Option<f32>>,
    /// The noise of each slice, where there are slices.
    slices: &'a [SliceNoise],
    /// What was decided, by row.
    fixes: &'a BTreeMap<usize, Fix>,
}

/// `ascan mislabels --json` with decisions, or `--write`.
#[derive(Serialize)]
struct Done<'a> {
    #[serde(skip)]
    class_names: &'a [String],
    verdicts: &'a [Verdict],
    file: Option<&'a Path>,
    corrected: Option<Corrected>,
}

impl Done<'_> {
    fn text(&self) -> String {
        let mut lines: Vec<String> =
            self.verdicts.iter().map(|verdict| mark::describe(verdict, self.class_names)).collect();
        if let (Some(file), Some(Corrected { n_rows, n_relabelled, n_dropped })) = (self.file, self.corrected) {
            let file = file.display();
            lines.push(format!("{file}: {n_rows} rows, {n_relabelled} relabelled, {n_dropped} dropped"));
        }
        lines.join("\n")
    }
}

pub(crate) fn run(args: MislabelsArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    Question::has_classes(&scan.plan.model, "the search for wrong labels")?;
    if args.write.is_some() && !scan.plan.model.numbers.is_empty() {
        let message = "a corrected table has one label per image, and these images may have several classes";
        return Err(Error::unsupported(message, "correct the data set by the list that this command prints").into());
    }
    let table = scan.table()?;
    let mut annotations = mark::annotator(&scan, args.author.as_deref(), globals)?;
    let given = decide(&args, &table, &scan.plan.model.class_names, &mut annotations)?;
    let fixes = annotations.fixes();
    if args.write.is_some() || !given.is_empty() {
        let corrected = match &args.write {
            None => None,
            Some(path) => {
                make_parent(path)?;
                Some(write_corrected(path, &scan.config.data, &table, &fixes)?)
            }
        };
        let class_names = &scan.plan.model.class_names;
        let done = Done { class_names, verdicts: &given, file: args.write.as_deref(), corrected };
        if globals.json {
            print_json(&done)?
        } else {
            print(&done.text())?
        }
        return Ok(ExitCode::SUCCESS);
    }

    let terminal = Terminal::new(globals.quiet);
    let config = globals.config_of(&args.scan)?.config;
    let n_threads = config.run.threads();
    let context = Context { seed: config.run.seed, n_threads, reporter: &terminal };
    let found = match &args.folds {
        Some(folds) => {
            let probs = out_of_sample(&table, folds, &context).map_err(|error| match error {
                Error::UnknownName { .. } | Error::Param { .. } => Failure::Usage(error),
                other => other.into(),
            })?;
            candidates(&table.labels, probs.view(), Basis::OutOfSample)?
        }
        None if args.unseen => candidates(&table.labels, table.probs.view(), Basis::OutOfSample)?,
        None => candidates(&table.labels, table.probs.view(), Basis::SelfConfidence)?,
    };
    if found.n_labelled == 0 {
        return Err(Error::file(&scan.dir, "has no labels that could be wrong", "scan a data set with labels").into());
    }
    let slices = match SliceSet::load(&scan, args.slices.as_deref()) {
        Ok(set) => slice_noise(&found, &set.assignment),
        Err(error @ Error::UnknownName { .. }) => return Err(Failure::Usage(error)),
        // A scan need not have slices.
        Err(_) if args.slices.is_none() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if globals.json {
        let scores = found.scores.iter().map(|&score| Some(score).filter(|score| !score.is_nan())).collect();
        print_json(&Output { found: &found, scores, slices: &slices, fixes: &fixes })?;
    } else {
        print(&describe(&found, &slices, &fixes, &table, &args, &scan.plan.model.class_names))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives the verdicts that the flags ask for.
fn decide(
    args: &MislabelsArgs,
    table: &ScanTable,
    class_names: &[String],
    annotations: &mut Annotator,
) -> Result<Vec<Verdict>> {
    let mut fixes: Vec<(Vec<usize>, Fix)> = Vec::new();
    for (images, fix) in [(&args.keep, Fix::Keep), (&args.drop, Fix::Drop)] {
        for images in images {
            fixes.push((selection::rows(images, &table.uris).map_err(Failure::Usage)?, fix));
        }
    }
    for text in &args.relabel {
        let Some((images, class)) = text.rsplit_once('=') else {
            let error = Error::param("--relabel", format!("\"{text}\" has no class"), "for example 17=3, or 17,20=cat");
            return Err(Failure::Usage(error));
        };
        let class = class_of(class.trim(), table, class_names)?;
        fixes.push((selection::rows(images, &table.uris).map_err(Failure::Usage)?, Fix::Relabel(class)));
    }
    // Everything is understood before anything is written down.
    let give = |(rows, fix)| mark::give(annotations, Subject::Images { rows }, Judgement::Fix(fix));
    Ok(fixes.into_iter().map(give).collect::<Result<_, Error>>()?)
}

/// A class by its name or its number.
fn class_of(word: &str, table: &ScanTable, class_names: &[String]) -> Result<i32> {
    let n_classes = table.probs.shape().get(1).copied().unwrap_or(0);
    let by_number = || word.parse().ok().filter(|&class: &usize| class < n_classes);
    let class = class_names.iter().position(|name| name == word).or_else(by_number);
    class.map(|class| class as i32).ok_or_else(|| {
        let known: Vec<String> = match class_names {
            [] => vec![format!("0 to {}", n_classes.saturating_sub(1))],
            names => names.to_vec(),
        };
        Failure::Usage(Error::unknown_name("class", word, known))
    })
}

fn describe(
    found: &Candidates,
    slices: &[SliceNoise],
    fixes: &BTreeMap<usize, Fix>,
    table: &ScanTable,
    args: &MislabelsArgs,
    class_names: &[String],
) -> String {
    let basis = match (found.basis, &args.folds) {
        (Basis::OutOfSample, Some(_)) => "each judged by the images of the other folds (confident learning)",
        (Basis::OutOfSample, None) => "judged by the model, which has not seen these labels (confident learning)",
        (Basis::SelfConfidence, _) => {
            "ranked by the model's own confidence: if it was trained on these labels, it believes the wrong ones too \
             (--folds 5 judges each image by others; use --unseen if the model has not seen the labels)"
        }
    };
    let mut lines = vec![format!("{} images with labels, {basis}", found.n_labelled)];
    let n_confident = found.candidates.iter().filter(|candidate| candidate.confident).count();
    if let Some(n) = found.n_estimated {
        let share = percent(n / found.n_labelled as f64);
        lines.push(format!(
            "about {n:.0} labels ({share}) are wrong by estimate; {n_confident} candidates are confident"
        ));
    }
    let name = |class: i32| class_name(class_names, class);
    lines.push(format!("{} candidates", found.candidates.len()));
    let columns = [Right("row"), Right("score"), Left("label → suggestion"), Left("image"), Left("decision")];
    let rows = found.candidates.iter().take(args.top).map(|candidate| {
        let decision = match fixes.get(&candidate.row) {
            None => String::new(),
            Some(Fix::Keep) => "keep".to_owned(),
            Some(Fix::Drop) => "drop".to_owned(),
            Some(Fix::Relabel(class)) => format!("relabel {}", name(*class)),
        };
        let labels = format!("{} → {}", name(candidate.given), name(candidate.suggested));
        let uri = table.uris[candidate.row].clone();
        [candidate.row.to_string(), format!("{:.3}", candidate.score), labels, uri, decision]
    });
    lines.push(aligned(2, &columns, rows));
    if found.candidates.len() > args.top {
        lines.push(format!("  and {} more (--top)", found.candidates.len() - args.top));
    }
    for slice in slices.iter().filter(|slice| slice.n_candidates > 0).take(N_SLICES) {
        let [low, high] = slice.interval.map(|bound| bound * 100.0);
        let share = percent(slice.share);
        let (slice, n, of) = (slice.slice, slice.n_candidates, slice.n);
        lines.push(format!("slice {slice}: {n} of {of} labels are suspicious ({share}, {low:.0} to {high:.0} %)"));
    }
    lines.join("\n")
}
