//! The command line: the commands, and the flags of them all. Those of one command stand in its file.

use crate::commands::{
    bench::BenchArgs, check::CheckArgs, compare::CompareArgs, demo::DemoArgs, export::ExportArgs,
    faithfulness::FaithfulnessArgs, gallery::GalleryArgs, init::InitArgs, invert::InvertArgs, layers::LayersArgs,
    mark::MarkArgs, mislabels::MislabelsArgs, mosaic::MosaicArgs, plugins::PluginsArgs, repair::RepairArgs,
    report::ReportArgs, review::ReviewArgs, scan::ScanArgs, slice::SliceArgs, spread::SpreadArgs,
    verdicts::VerdictsArgs,
};
use ascan_core::Error;
use ascan_core::abi::EntryPoint;
use ascan_engine::config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_engine::host::PluginHost;
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Plugins inside the executable; without the feature all of them are libraries.
fn static_plugins() -> Vec<EntryPoint> {
    #[cfg(feature = "static-plugins")]
    return ascan_plugins::LIBRARIES.iter().map(|&(_, entry)| entry).collect();
    #[cfg(not(feature = "static-plugins"))]
    Vec::new()
}

/// Find the groups of images on which a classifier fails, and see why.
#[derive(Debug, Parser)]
#[command(name = "ascan", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration, 3 done, but some images are bad.";

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
    /// Say what a slice, or some images, are: core, spurious or noisy_label
    Mark(MarkArgs),
    /// List the verdicts on a scan
    Verdicts(VerdictsArgs),
    /// Spread the marks over all images, check that with marks held out, and review it
    Spread(SpreadArgs),
    /// Find labels that are probably wrong, decide on them, and write a corrected table
    Mislabels(MislabelsArgs),
    /// Judge attribution methods on a scan's images: which one to believe on this model
    Faithfulness(FaithfulnessArgs),
    /// Draw the same few images under all attribution methods as a PNG
    Gallery(GalleryArgs),
    /// Make for each slice an image with its features, for mosaic, report and window
    Invert(InvertArgs),
    /// List the feature maps of a model: what can be explained at each, and which one `auto` takes
    Layers(LayersArgs),
    /// Train the scanned model on, so that it stops using what was marked spurious
    Repair(RepairArgs),
    /// Compare a scan by the model before with one by the model after
    Compare(CompareArgs),
    /// Write a scan and its slices as one HTML file
    Report(ReportArgs),
    /// Open a scan in a window: look at its slices, judge them
    Review(ReviewArgs),
    /// Draw the mosaic of the slices as a PNG
    Mosaic(MosaicArgs),
    /// Write a scan in an open format
    Export(ExportArgs),
    /// List the plugins, or show one with its parameters
    Plugins(PluginsArgs),
    /// Make a small data set with a planted error, train a model on it, and find the error
    Demo(DemoArgs),
    /// Compare methods on identical tables: quality, time, memory
    Bench(BenchArgs),
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// A folder of plugin libraries; may be given several times
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Seed of everything random (run.seed)
    #[arg(long, global = true)]
    pub seed: Option<u64>,
    /// Where the model runs: cpu, wgpu or cuda (model.device)
    #[arg(long, global = true)]
    pub device: Option<String>,
    /// Images in a call of the model (run.batch_size)
    #[arg(long, global = true, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Worker threads; 0: one a core (run.n_threads)
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Override a value of the configuration; may be given several times
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print JSON, and nothing else, on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress and no notes
    #[arg(long, global = true)]
    pub quiet: bool,
}

impl Globals {
    /// All flags that override the configuration, as `key=value`; `--set` wins over its short forms.
    pub fn overrides(&self) -> Vec<String> {
        let short = [
            self.seed.map(|seed| format!("run.seed={seed}")),
            self.device.as_ref().map(|device| format!("model.device={device}")),
            self.batch_size.map(|n| format!("run.batch_size={n}")),
            self.threads.map(|n| format!("run.n_threads={n}")),
        ];
        short.into_iter().flatten().chain(self.set.iter().cloned()).collect()
    }

    /// The plugins of this program.
    ///
    /// # Errors
    /// `Plugin` if one that is built in breaks the contract.
    pub fn host(&self) -> Result<PluginHost, Error> {
        Ok(PluginHost::with_static(&static_plugins())?.search(&self.plugin_dir))
    }

    /// A configuration with all overrides; `extra` are those of the command itself.
    ///
    /// # Errors
    /// Everything that is wrong with it, plugin parameters excepted.
    pub fn config(&self, path: &Path, extra: &[String]) -> Result<LoadedConfig, ConfigErrors> {
        RunConfig::load(path, &self.with_overrides(extra))
    }

    /// As [`Self::config`], with the plugins of attribution, projection and slicing found and their parameters checked.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn resolved_config(
        &self,
        path: &Path,
        extra: &[String],
        host: &PluginHost,
    ) -> Result<LoadedConfig, ConfigErrors> {
        let mut loaded = LoadedConfig::read(path, &self.with_overrides(extra))?;
        loaded.resolve_plugins(host);
        loaded.finish()
    }

    /// The overrides of a command, then those of the global flags.
    pub fn with_overrides(&self, extra: &[String]) -> Vec<String> {
        extra.iter().cloned().chain(self.overrides()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
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
