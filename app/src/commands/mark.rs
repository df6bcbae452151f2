//! `ascan mark`: a verdict on a slice or on some images.

use super::{Failure, Result, print, print_json, selection, warn_of_problems};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::plain;
use ascan_core::{Context, Error};
use ascan_engine::classes::class_name;
use ascan_engine::slices::{Carried, SliceSet};
use ascan_store::Scan;
use ascan_store::annotations::{Annotator, Fix, Judgement, Mark, Subject, Verdict, default_author};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan mark`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").args(["slice", "images", "from", "undo", "redo"]).required(true))]
#[command(group = ArgGroup::new("judgement").args(["mark", "clear", "name"]).conflicts_with_all(["undo", "redo", "from"]))]
pub struct MarkArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// core: the model looks at what makes the class; spurious: at something else; noisy_label: labels are wrong
    #[arg(value_parser = mark_words(), required_unless_present_any = ["clear", "name", "undo", "redo", "from"])]
    pub mark: Option<Mark>,
    /// The slice
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub slice: Option<i32>,
    /// Images instead of a slice: uris or rows ("0-4,9") separated by commas, or a file with one per line
    #[arg(long, value_name = "FILE|LIST")]
    pub images: Option<String>,
    /// Carry the verdicts on slices of this scan over: to the images that its slices hold here
    #[arg(long, value_name = "SCAN")]
    pub from: Option<PathBuf>,
    /// Which slice set; default: the newest
    #[arg(long, value_name = "ID", requires = "slice")]
    pub slices: Option<String>,
    /// Why, in your own words
    #[arg(long, value_name = "TEXT", requires = "mark")]
    pub note: Option<String>,
    /// What to call the slice, everywhere; "" takes the name away
    #[arg(long, value_name = "TEXT", requires = "slice")]
    pub name: Option<String>,
    /// Remove the mark
    #[arg(long)]
    pub clear: bool,
    /// Undo the author's newest verdict
    #[arg(long)]
    pub undo: bool,
    /// Redo what was undone last
    #[arg(long)]
    pub redo: bool,
    /// Name of the author; default: $ASCAN_AUTHOR, or the user's name
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
}

/// The words for marks, which clap then lists.
fn mark_words() -> impl TypedValueParser<Value = Mark> {
    PossibleValuesParser::new(Mark::ALL.map(Mark::name)).try_map(|word| word.parse::<Mark>())
}

pub(crate) fn run(args: MarkArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let mut annotations = annotator(&scan, args.author.as_deref(), globals)?;
    if args.undo || args.redo {
        let (verdict, done) = if args.undo { (annotations.undo()?, "undone") } else { (annotations.redo()?, "redone") };
        let Some(verdict) = verdict else {
            let what = if args.undo { "to undo: no verdict of this author stands on this scan" } else { "to redo" };
            let message = format!("{} has nothing {what}", annotations.author());
            return Err(Error::unsupported(
                message,
                "`ascan verdicts` lists the verdicts; --author chooses the author",
            )
            .into());
        };
        say(&verdict, &format!("{done}: "), &scan, globals)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(from) = &args.from {
        return carry(&Scan::open(from)?, &scan, &mut annotations, globals);
    }
    let subject = subject(&scan, &args)?;
    let judgement = match (args.mark.filter(|_| !args.clear), args.name) {
        (Some(mark), _) => Judgement::Mark { mark, note: args.note.unwrap_or_default() },
        (None, Some(name)) => Judgement::Name(name.trim().to_owned()),
        (None, None) => Judgement::Clear,
    };
    say(&give(&mut annotations, subject, judgement)?, "", &scan, globals)?;
    Ok(ExitCode::SUCCESS)
}

/// Carries the verdicts on slices of one scan over to another.
fn carry(from: &Scan, onto: &Scan, annotations: &mut Annotator, globals: &Globals) -> Result {
    let host = globals.host()?;
    let config = globals.config_of(&onto.dir)?.config;
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: config.run.seed, n_threads: config.run.threads(), reporter: &terminal };
    let carried = Carried::of(from, &super::annotations(from, globals)?, onto, &host, &context)?;
    carried.notes.iter().for_each(|text| super::note(globals, format_args!("{text}")));
    let give = |(rows, mark, note): (Vec<usize>, Mark, String)| {
        give(annotations, Subject::Images { rows }, Judgement::Mark { mark, note })
    };
    let given = carried.verdicts.into_iter().map(give).collect::<Result<Vec<Verdict>, Error>>()?;
    if globals.json {
        print_json(&given)?;
    } else {
        given.iter().try_for_each(|verdict| print(&describe(verdict, &onto.plan.model.class_names)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The verdicts on a scan, for this author to give more: what earlier calls gave can be undone.
pub(super) fn annotator(scan: &Scan, author: Option<&str>, globals: &Globals) -> Result<Annotator> {
    let author = author.map_or_else(default_author, str::to_owned);
    let mut annotator = Annotator::open(&scan.dir, &author).map_err(|error| match error {
        Error::Param { .. } => Failure::Usage(error),
        other => other.into(),
    })?;
    annotator.resume();
    warn_of_problems(&annotator, globals);
    Ok(annotator)
}

/// Gives a verdict and gives it back.
pub(super) fn give(annotations: &mut Annotator, subject: Subject, judgement: Judgement) -> Result<Verdict, Error> {
    let id = annotations.judge(subject, judgement)?;
    let given = annotations.history().iter().find(|verdict| verdict.id == id);
    given.cloned().ok_or_else(|| Error::unsupported(format!("verdict {id} is missing after it was written"), ""))
}

fn say(verdict: &Verdict, before: &str, scan: &Scan, globals: &Globals) -> Result<()> {
    if globals.json {
        print_json(verdict)?
    } else {
        print(&format!("{before}{}", describe(verdict, &scan.plan.model.class_names)))?
    }
    Ok(())
}

/// `slice 3 of kmeans-1 (87 images): core, "birds", by anna`.
pub(super) fn describe(verdict: &Verdict, class_names: &[String]) -> String {
    let said = match &verdict.judgement {
        Judgement::Mark { mark, note } if note.is_empty() => mark.to_string(),
        Judgement::Mark { mark, note } => format!("{mark}, \"{note}\""),
        Judgement::Clear => "no mark".into(),
        Judgement::Fix(Fix::Keep) => "the label is right".into(),
        Judgement::Fix(Fix::Relabel(class)) => format!("the label should be {}", class_name(class_names, *class)),
        Judgement::Fix(Fix::Drop) => "no label is right".into(),
        Judgement::Name(name) if name.is_empty() => "no name".into(),
        Judgement::Name(name) => format!("called \"{name}\""),
    };
    let images = match verdict.subject.rows() {
        [row] => format!("image {row}"),
        rows => format!("{} images", rows.len()),
    };
    let subject = match &verdict.subject {
        Subject::Slice { set, slice, .. } => format!("slice {slice} of {set} ({images})"),
        Subject::Images { .. } => images,
    };
    plain(&format!("{subject}: {said}, by {}", verdict.author)).into_owned()
}

fn subject(scan: &Scan, args: &MarkArgs) -> Result<Subject> {
    if let Some(images) = &args.images {
        let rows = selection::rows(images, &selection::uris(scan)?).map_err(Failure::Usage)?;
        return Ok(Subject::Images { rows });
    }
    let set = SliceSet::load(scan, args.slices.as_deref()).map_err(|error| match error {
        Error::UnknownName { .. } => Failure::Usage(error),
        other => other.into(),
    })?;
    // The images in no slice have nothing in common: they are marked as images.
    let known = set.slices.iter().map(|slice| slice.id);
    match args.slice.filter(|&wanted| known.clone().any(|id| id == wanted)) {
        Some(slice) => Ok(Subject::Slice { rows: set.rows(slice), set: set.id, slice }),
        None => {
            let wanted = args.slice.map_or_else(String::new, |slice| slice.to_string());
            let mut known: Vec<i32> = known.collect();
            known.sort_unstable();
            let available = known.iter().map(i32::to_string).collect();
            let kind = format!("slice of {}", set.id);
            Err(Failure::Usage(Error::UnknownName { kind, name: wanted, available }))
        }
    }
}
