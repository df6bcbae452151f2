//! `ascan slice`: slices of a scan, without scanning again.

use super::{Result, note, print, print_json};
use crate::globals::Globals;
use crate::progress::Terminal;
use crate::table::Column::{Left, Right};
use crate::table::aligned;
use ascan_core::Context;
use ascan_engine::classes::slice_title;
use ascan_engine::slices::advice::{Advice, advise};
use ascan_engine::slices::{self, SliceSet};
use ascan_report::figures::Figure;
use ascan_store::Scan;
use ascan_viz::words::percent;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan slice`
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Slicer plugin; default: the one in the scan's configuration
    #[arg(short, long)]
    pub plugin: Option<String>,
    /// Slice each class separately; default: as in the scan's configuration
    #[arg(long, value_enum, value_name = "BY")]
    pub per_class: Option<PerClassBy>,
    /// Slice only the images that the model got wrong, to see which kinds of errors there are
    #[arg(long)]
    pub errors_only: bool,
    /// Try a quarter to four times as many slices, and print which number silhouette, Davies–Bouldin index and
    /// elbow prefer; nothing is kept
    #[arg(long)]
    pub advise: bool,
}

/// What `ascan slice --per-class` divides the images by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PerClassBy {
    /// The ground truth
    Label,
    /// The prediction of the model
    #[value(name = "predicted_class")]
    PredictedClass,
    /// Nothing: all images together
    None,
}

impl SliceArgs {
    /// The overrides that these flags stand for.
    pub fn overrides(&self) -> Vec<String> {
        let per_class = self.per_class.and_then(|by| by.to_possible_value());
        let flags = [
            self.plugin.as_ref().map(|plugin| format!("slicing.plugin={plugin}")),
            per_class.map(|by| format!("slicing.per_class={}", by.get_name())),
            self.errors_only.then(|| "slicing.errors_only=true".to_owned()),
        ];
        flags.into_iter().flatten().collect()
    }
}

/// Lines printed without `--json`.
const N_PRINTED: usize = 10;

pub(crate) fn run(args: SliceArgs, globals: &Globals) -> Result {
    let scan = Scan::open(&args.scan)?;
    let host = globals.host()?;
    // The scan's own configuration, as a file, so that an error of `--set` is shown like any other.
    // Another slicer than the scan's own starts from its own defaults.
    let config = globals.resolved_config(&args.scan, &args.overrides(), &host)?.config;
    host.permits().remember(&args.scan);
    let n_threads = config.run.threads();
    let terminal = Terminal::new(globals.quiet);
    let context = Context { seed: config.run.seed, n_threads, reporter: &terminal };
    if args.advise {
        let advice = advise(&scan.table()?, &config, &host, &context)?;
        if globals.json {
            print_json(&advice)?;
        } else {
            print(&tell(&advice))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let set = slices::slice(&scan.table()?, &config, &host, &context)?;
    set.save(&scan)?;
    if globals.json {
        print_json(&set)?;
    } else {
        print(&describe(&set, &scan.plan.model.class_names))?;
        note(globals, format_args!("`ascan report {} -o report.html` shows them", args.scan.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line per number of slices, then what the indices prefer.
fn tell(advice: &Advice) -> String {
    let index = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let columns = ["n_slices", "inertia", "silhouette", "Davies–Bouldin"].map(Right);
    let rows = advice.table.iter().map(|line| {
        let inertia = format!("{:.4e}", line.inertia);
        [line.n_clusters.to_string(), inertia, index(line.silhouette), index(line.davies_bouldin)]
    });
    let number = |k: Option<usize>| k.map_or_else(|| "-".to_owned(), |k| k.to_string());
    let [silhouette, davies_bouldin, elbow] =
        [advice.by_silhouette, advice.by_davies_bouldin, advice.by_elbow].map(number);
    // Slices are cut finer than clusters on purpose.
    let preferred = advice.suggestion.map_or_else(
        || "the indices prefer no number".to_owned(),
        |k| format!("at least {k} (silhouette {silhouette}, Davies–Bouldin {davies_bouldin}, elbow {elbow})"),
    );
    format!("{}\n{preferred}", aligned(0, &columns, rows))
}

fn describe(set: &SliceSet, class_names: &[String]) -> String {
    let mut text = format!("{}: {} slices of {}", set.id, set.slices.len(), set.summary(|n| n.to_string(), percent));
    if let Some(nmi) = set.nmi_group {
        text += &format!("; agreement with the known groups (NMI) {nmi:.3}");
    }
    let columns = [
        Right("slice"),
        Right("images"),
        Right("right"),
        Right("95 % interval"),
        Left("evidence"),
        Left("mostly"),
        Left("main known group"),
        Right("share"),
    ];
    let rows = set.slices.iter().take(N_PRINTED).map(|slice| {
        let right = slice.accuracy.map_or_else(|| "-".to_owned(), percent);
        let interval =
            slice.interval.map_or_else(String::new, |[low, high]| format!("{:.0}–{:.0} %", low * 100.0, high * 100.0));
        let evidence = Figure::Evidence.text(slice.q_value);
        let group = slice.groups.iter().max_by_key(|(_, n)| **n);
        let (group, share) =
            group.map_or_else(Default::default, |(group, &n)| (group.clone(), percent(n as f64 / slice.size as f64)));
        [
            slice.id.to_string(),
            slice.size.to_string(),
            right,
            interval,
            evidence,
            slice_title(class_names, slice),
            group,
            share,
        ]
    });
    text += &format!("\n{}", aligned(2, &columns, rows));
    if set.slices.len() > N_PRINTED {
        text += &format!("\n  and {} more", set.slices.len() - N_PRINTED);
    }
    text
}
