//! The command line: the commands and the global flags. The flags of one command are in its file.

use crate::commands::{
    Failure, Result, arrays, bench, check, compare, completions, demo, export, faithfulness, gallery, gradient, init,
    invert, layers, man, mark, mislabels, mosaic, plugins, repair, report, review, scan, slice, spread, suggest,
    verdicts,
};
use crate::commands::{
    arrays::ArraysArgs, bench::BenchArgs, check::CheckArgs, compare::CompareArgs, completions::CompletionsArgs,
    demo::DemoArgs, export::ExportArgs, faithfulness::FaithfulnessArgs, gallery::GalleryArgs, gradient::GradientArgs,
    init::InitArgs, invert::InvertArgs, layers::LayersArgs, man::ManArgs, mark::MarkArgs, mislabels::MislabelsArgs,
    mosaic::MosaicArgs, plugins::PluginsArgs, repair::RepairArgs, report::ReportArgs, review::ReviewArgs,
    scan::ScanArgs, slice::SliceArgs, spread::SpreadArgs, suggest::SuggestArgs, verdicts::VerdictsArgs,
};
use crate::globals::Globals;
use crate::said;
use clap::{CommandFactory, Parser, Subcommand};

/// Find the groups of images on which a classifier fails, and see why.
#[derive(Debug, Parser)]
#[command(name = "ascan", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 3 finished, but some images could not be read, 4 a repair that did not help.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented configuration for a model and a data set
    Init(InitArgs),
    /// Validate a configuration and print the plan, without running it
    Check(CheckArgs),
    /// Run the model over the images and keep predictions, attributions and features
    Scan(ScanArgs),
    /// Find slices in a scan; results are kept side by side
    Slice(SliceArgs),
    /// Say which slices to judge first, and what their predictions follow: the object, or the rest of the picture
    Suggest(SuggestArgs),
    /// Give a verdict on a slice or on images: core, spurious or noisy_label
    Mark(MarkArgs),
    /// List the verdicts on a scan
    Verdicts(VerdictsArgs),
    /// Spread the marks to all images, check the result with held-out marks, and review it
    Spread(SpreadArgs),
    /// Find labels that are probably wrong, decide on them, and write a corrected table
    Mislabels(MislabelsArgs),
    /// Test attribution methods on images of a scan: which one to trust on this model
    Faithfulness(FaithfulnessArgs),
    /// Draw the same few images under all attribution methods as a PNG
    Gallery(GalleryArgs),
    /// Synthesise an image with the features of each slice, for mosaic, report and window
    Invert(InvertArgs),
    /// List the feature maps of a model: what can be explained at each, and which one `auto` takes
    Layers(LayersArgs),
    /// Write the gradients of a model as an ONNX file, for onnxruntime or any other engine
    Gradient(GradientArgs),
    /// Fine-tune the scanned model so that it stops using what was marked spurious
    Repair(RepairArgs),
    /// Compare scans of the same images by the original and the repaired model
    Compare(CompareArgs),
    /// Write a scan and its slices as one HTML file
    Report(ReportArgs),
    /// Open a scan in a window to look at its slices and judge them
    Review(ReviewArgs),
    /// Draw the mosaic of the slices as a PNG
    Mosaic(MosaicArgs),
    /// Write a scan in an open format
    Export(ExportArgs),
    /// Lay out vectors or maps of a scan as one plain array, for other programs to map into memory
    Arrays(ArraysArgs),
    /// List the plugins, or show one with its parameters
    Plugins(PluginsArgs),
    /// Make a small data set with a planted error, train a model on it, and find the error
    Demo(DemoArgs),
    /// Compare methods on identical tables: quality, time, memory
    Bench(BenchArgs),
    /// Print what a shell needs to complete commands and flags
    Completions(CompletionsArgs),
    /// Print the manual page, or write one per command
    Man(ManArgs),
}

impl Cli {
    /// Does what was typed.
    ///
    /// # Errors
    /// Whatever stops it, to be printed on standard error.
    pub fn run(self) -> Result {
        let globals = &self.globals;
        said::choose(globals.progress);
        if let Some((command, sections)) = self.command.reads() {
            globals.check_set(command, sections).map_err(Failure::Usage)?;
        }
        match self.command {
            Command::Init(args) => init::run(args, globals),
            Command::Check(args) => check::run(args, globals),
            Command::Plugins(args) => plugins::run(args, globals),
            Command::Scan(args) => scan::run(args, globals),
            Command::Export(args) => export::run(args, globals),
            Command::Arrays(args) => arrays::run(args, globals),
            Command::Mosaic(args) => mosaic::run(args, globals),
            Command::Repair(args) => repair::run(args, globals),
            Command::Compare(args) => compare::run(args, globals),
            Command::Report(args) => report::run(args, globals),
            Command::Review(args) => review::run(args, globals),
            Command::Slice(args) => slice::run(args, globals),
            Command::Suggest(args) => suggest::run(args, globals),
            Command::Mark(args) => mark::run(args, globals),
            Command::Verdicts(args) => verdicts::run(args, globals),
            Command::Faithfulness(args) => faithfulness::run(args, globals),
            Command::Invert(args) => invert::run(args, globals),
            Command::Gallery(args) => gallery::run(args, globals),
            Command::Layers(args) => layers::run(args, globals),
            Command::Gradient(args) => gradient::run(args, globals),
            Command::Spread(args) => spread::run(args, globals),
            Command::Mislabels(args) => mislabels::run(args, globals),
            Command::Demo(args) => demo::run(args, globals),
            Command::Bench(args) => bench::run(args, globals),
            Command::Completions(args) => completions::run(args, Self::command()),
            Command::Man(args) => man::run(args, Self::command()),
        }
    }
}

impl Command {
    /// The command's name and the sections of a configuration that it reads; `None` where every key counts, and a wrong
    /// one is found with the configuration.
    fn reads(&self) -> Option<(&'static str, &'static [&'static str])> {
        let run: &[&str] = &["run"];
        let nothing: &[&str] = &[];
        Some(match self {
            Self::Init(_) | Self::Check(_) | Self::Scan(_) | Self::Repair(_) | Self::Demo(_) | Self::Bench(_) => {
                return None;
            }
            Self::Slice(_) => ("slice", &["slicing", "projection", "run"]),
            Self::Suggest(_) => ("suggest", run),
            Self::Faithfulness(_) => ("faithfulness", run),
            Self::Spread(args) => ("spread", if args.is_review() { nothing } else { &["spread", "run"] }),
            Self::Mark(args) => ("mark", if args.from.is_some() { run } else { nothing }),
            Self::Mislabels(args) => ("mislabels", if args.write.is_some() { nothing } else { run }),
            Self::Verdicts(_) => ("verdicts", nothing),
            Self::Gallery(_) => ("gallery", nothing),
            Self::Invert(_) => ("invert", nothing),
            Self::Layers(_) => ("layers", nothing),
            Self::Gradient(_) => ("gradient", nothing),
            Self::Compare(_) => ("compare", nothing),
            Self::Report(_) => ("report", nothing),
            Self::Review(_) => ("review", nothing),
            Self::Mosaic(_) => ("mosaic", nothing),
            Self::Export(_) => ("export", nothing),
            Self::Arrays(_) => ("arrays", nothing),
            Self::Plugins(_) => ("plugins", nothing),
            Self::Completions(_) => ("completions", nothing),
            Self::Man(_) => ("man", nothing),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_is_completed_and_has_a_manual_page() {
        let script = completions::script(clap_complete::Shell::Bash, Cli::command()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        man::pages(dir.path(), Cli::command()).unwrap();
        assert!(Cli::command().get_subcommands().count() > 20);
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(script.contains(&format!("ascan,{name})")), "`{name}` is not completed:\n{script}");
            let page = std::fs::read_to_string(dir.path().join(format!("ascan-{name}.1"))).unwrap();
            let about = command.get_about().unwrap().to_string();
            // What is before the first character that a manual page writes in another way.
            let about = about.split(['-', '\'', '`']).next().unwrap();
            assert!(page.contains(about), "`{about}` is not in:\n{page}");
        }
        assert!(dir.path().join("ascan.1").exists() && dir.path().join("ascan-bench-slicers.1").exists());
    }

    #[test]
    fn flags_become_overrides_and_set_wins() {
        let cli = ["ascan", "check", "run.toml", "--seed", "3", "--threads", "2", "--set", "run.seed=4"];
        let cli = Cli::try_parse_from(cli).unwrap();
        assert_eq!(cli.globals.overrides(), ["run.seed=3", "run.n_threads=2", "run.seed=4"]);
    }

    #[test]
    fn the_flags_of_slice_become_overrides() {
        let cli = ["ascan", "slice", "scan", "-p", "gmm", "--per-class", "predicted_class", "--errors-only"];
        let Command::Slice(args) = Cli::try_parse_from(cli).unwrap().command else { panic!("another command") };
        let expected = ["slicing.plugin=gmm", "slicing.per_class=predicted_class", "slicing.errors_only=true"];
        assert_eq!(args.overrides(), expected);
    }

    #[test]
    fn global_flags_are_known_before_and_after_the_command() {
        for cli in [["ascan", "--json", "plugins"], ["ascan", "plugins", "--json"]] {
            assert!(Cli::try_parse_from(cli).unwrap().globals.json);
        }
    }
}
