//! The command line, as it is typed.

use ascan_core::Error;
use ascan_core::abi::EntryPoint;
use ascan_engine::annotations::Mark;
use ascan_engine::config::{ConfigErrors, LoadedConfig, RunConfig};
use ascan_engine::host::PluginHost;
use ascan_engine::mislabels::Folds;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// Plugins inside the executable; without the feature all of them are libraries.
#[cfg(feature = "static-plugins")]
const STATIC_PLUGINS: &[EntryPoint] = &[
    ascan_attention::ascan_library,
    ascan_burn::ascan_library,
    ascan_cam::ascan_library,
    ascan_confusion_matrix::ascan_library,
    ascan_corm::ascan_library,
    ascan_dbscan::ascan_library,
    ascan_domino::ascan_library,
    ascan_george::ascan_library,
    ascan_gmm::ascan_library,
    ascan_gradient::ascan_library,
    ascan_hdbscan::ascan_library,
    ascan_kmeans::ascan_library,
    ascan_ort::ascan_library,
    ascan_pca::ascan_library,
    ascan_perturbation::ascan_library,
    ascan_planespot::ascan_library,
    ascan_process::ascan_library,
    ascan_random::ascan_library,
    ascan_reweight::ascan_library,
    ascan_rrr::ascan_library,
    ascan_spotlight::ascan_library,
    ascan_spray::ascan_library,
    ascan_subset::ascan_library,
    ascan_tract::ascan_library,
    ascan_umap::ascan_library,
];
#[cfg(not(feature = "static-plugins"))]
const STATIC_PLUGINS: &[EntryPoint] = &[];

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
        Ok(PluginHost::with_static(STATIC_PLUGINS)?.search(&self.plugin_dir))
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

/// `ascan init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The ONNX file
    pub model: PathBuf,
    /// A folder of images, a manifest (.csv, .jsonl, .parquet), an archive (.tar, .tar.gz) or an idx file
    pub data: PathBuf,
    /// Where to write the configuration; "-" is standard output
    #[arg(short, long, value_name = "FILE", default_value = "scan.toml")]
    pub output: PathBuf,
    /// Overwrite a configuration that is already there
    #[arg(long)]
    pub force: bool,
}

/// `ascan check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration
    pub config: PathBuf,
}

/// `ascan scan`
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// The configuration
    pub config: PathBuf,
    /// Folder of the scan; one that was begun there is resumed
    #[arg(short, long, value_name = "SCAN")]
    pub out: PathBuf,
    /// Scan only the first N images
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Leave out the slicing after the scan
    #[arg(long)]
    pub no_slice: bool,
}

/// `ascan slice`
#[derive(Debug, Args)]
pub struct SliceArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Slicer plugin; default: the one in the scan's configuration
    #[arg(short, long)]
    pub plugin: Option<String>,
    /// Slice each class on its own; default: as in the scan's configuration
    #[arg(long, value_enum, value_name = "BY")]
    pub per_class: Option<PerClassBy>,
    /// Slice only the images that the model got wrong: what kinds of errors there are
    #[arg(long)]
    pub errors_only: bool,
    /// Try other numbers of slices, a quarter to four times as many, and say which ones silhouette, Davies–Bouldin index and
    /// elbow prefer; no slices are kept
    #[arg(long)]
    pub advise: bool,
}

/// What `ascan slice --per-class` divides the images by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PerClassBy {
    /// The ground truth
    Label,
    /// What the model says
    #[value(name = "predicted_class")]
    PredictedClass,
    /// Not at all: all images together
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

/// `ascan mark`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").args(["slice", "images", "undo", "redo"]).required(true))]
#[command(group = ArgGroup::new("judgement").args(["mark", "clear"]).conflicts_with_all(["undo", "redo"]))]
pub struct MarkArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// core: the model looks at what makes the class; spurious: at something else; noisy_label: labels are wrong
    #[arg(value_parser = mark_words(), required_unless_present_any = ["clear", "undo", "redo"])]
    pub mark: Option<Mark>,
    /// The slice
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub slice: Option<i32>,
    /// Images instead of a slice: uris or rows ("0-4,9") with commas between, or a file with one of them a line
    #[arg(long, value_name = "FILE|LIST")]
    pub images: Option<String>,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID", requires = "slice")]
    pub slices: Option<String>,
    /// In free words
    #[arg(long, value_name = "TEXT", requires = "mark")]
    pub note: Option<String>,
    /// Take the mark away
    #[arg(long)]
    pub clear: bool,
    /// Take back the author's newest verdict
    #[arg(long)]
    pub undo: bool,
    /// Bring back what was undone last
    #[arg(long)]
    pub redo: bool,
    /// Who says so; default: $ASCAN_AUTHOR, or the user's name
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
}

/// The words for marks, which clap then lists.
fn mark_words() -> impl TypedValueParser<Value = Mark> {
    PossibleValuesParser::new(Mark::ALL.map(Mark::name)).try_map(|word| word.parse::<Mark>())
}

/// `ascan verdicts`
#[derive(Debug, Args)]
pub struct VerdictsArgs {
    /// Folder of the scan
    pub scan: PathBuf,
}

/// `ascan spread`
#[derive(Debug, Args)]
pub struct SpreadArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Accept the spread that is there; without one, spread first
    #[arg(long)]
    pub accept: bool,
    /// Count images from this spuriousness on as spurious, the others as core
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

/// `ascan faithfulness`
#[derive(Debug, Args)]
pub struct FaithfulnessArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Methods to judge, separated by commas; all if left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// How many images to look at, drawn by the scan's seed
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub images: u32,
    /// Only images of this slice of the latest slice set
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub slice: Option<i32>,
    /// Do not ask a model with randomised weights too, which doubles the attributions
    #[arg(long)]
    pub no_randomise: bool,
    /// A model trained on shuffled labels, to ask it too: what `ascan repair` writes with repair.shuffle_labels=true
    #[arg(long, value_name = "MODEL")]
    pub shuffled_labels: Option<PathBuf>,
}

/// `ascan layers`
#[derive(Debug, Args)]
pub struct LayersArgs {
    /// The ONNX model
    pub model: PathBuf,
    /// Height and width of the images, for models that leave them open
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub image_size: Option<[usize; 2]>,
}

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
    /// Candidates to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Of which slices the noise is estimated; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Decide that labels are right: uris or rows ("0-4,9") with commas between, or a file with one of them a line
    #[arg(long, value_name = "FILE|LIST")]
    pub keep: Vec<String>,
    /// Decide that no label is right and the images should go
    #[arg(long, value_name = "FILE|LIST")]
    pub drop: Vec<String>,
    /// Decide that labels should be another class, by name or number
    #[arg(long, value_name = "FILE|LIST=CLASS")]
    pub relabel: Vec<String>,
    /// Who decides; default: $ASCAN_AUTHOR, or the user's name
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Write the data set's table with all decisions applied; the original stays as it is
    #[arg(long, value_name = "CSV")]
    pub write: Option<PathBuf>,
}

fn folds(text: &str) -> Result<Folds, Infallible> {
    Ok(text.parse().map_or_else(|_| Folds::Column(text.to_owned()), Folds::Random))
}

/// `ascan repair`
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Folder of the scan of the training images, by the model that is repaired
    pub scan: PathBuf,
    /// A configuration with the sections repair and run; those of a scan will do
    pub config: PathBuf,
    /// Folder of the repair; one that was begun there goes on
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Regularizer plugin; default: the one in the configuration
    #[arg(short, long)]
    pub plugin: Option<String>,
}

impl RepairArgs {
    /// The overrides that these flags stand for.
    pub fn overrides(&self) -> Vec<String> {
        self.plugin.iter().map(|plugin| format!("repair.plugin={plugin}")).collect()
    }
}

/// `ascan compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Folder of the scan by the model before
    pub before: PathBuf,
    /// Folder of the scan of the same images by the model after
    pub after: PathBuf,
    /// The HTML file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Slices of the scan before that are compared; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Scan of the training images, whose groups weigh the training-weighted mean
    #[arg(long, value_name = "SCAN")]
    pub training: Option<PathBuf>,
}

/// `ascan report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The HTML file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

/// `ascan review`
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// Folder of the scan; without it the start page opens
    pub scan: Option<PathBuf>,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// How the window is drawn
    #[arg(long, value_enum, default_value_t = RendererChoice::Auto)]
    pub renderer: RendererChoice,
    /// Write a picture of the window to this PNG file instead of opening it; needs no display
    #[arg(long, value_name = "FILE")]
    pub screenshot: Option<PathBuf>,
    /// Size of the picture in pixels
    #[arg(long, value_name = "WxH", default_value = "1400x900", value_parser = size)]
    pub size: [u32; 2],
    /// What the picture shows
    #[arg(long, value_enum, default_value_t = ViewChoice::Mosaic)]
    pub view: ViewChoice,
    /// Layout of the mosaic
    #[arg(long, value_enum, default_value_t = LayoutChoice::Grid)]
    pub layout: LayoutChoice,
    /// Colours; default: as the window was left
    #[arg(long, value_enum)]
    pub theme: Option<ThemeChoice>,
    /// Select this slice
    #[arg(long, value_name = "SLICE", allow_negative_numbers = true)]
    pub select: Option<i32>,
}

/// How the window is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RendererChoice {
    /// By the graphics card if there is one
    Auto,
    /// By the processor
    Software,
    /// By the graphics card
    Gpu,
}

/// A view of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViewChoice {
    /// All slices at once
    Mosaic,
    /// Slices by label and prediction
    Confusion,
    /// The images of a slice
    Detail,
    /// Every image as a point
    Scatter,
    /// Labels that look wrong
    Labels,
    /// One image of the slice
    Image,
}

/// A layout of the mosaic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutChoice {
    /// Rows and columns
    Grid,
    /// Hexagons
    Hexagons,
    /// Cells of the plane, by area
    Voronoi,
}

/// Colours of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThemeChoice {
    /// Light on dark
    Dark,
    /// Dark on light
    Light,
}

/// `1400x900`.
fn image_size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(height, width)| Some([height.parse().ok()?, width.parse().ok()?]));
    let fits = |sides: &[usize; 2]| sides.iter().all(|side| (1..=16_384).contains(side));
    sides.filter(fits).ok_or_else(|| "expected height x width in pixels, as in 224x224".into())
}

fn size(text: &str) -> Result<[u32; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let fits = |[width, height]: &[u32; 2]| (320..=7680).contains(width) && (240..=4320).contains(height);
    sides
        .filter(fits)
        .ok_or_else(|| "expected width x height in pixels, from 320x240 to 7680x4320, as in 1400x900".into())
}

/// `ascan mosaic`
#[derive(Debug, Args)]
pub struct MosaicArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The PNG file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

/// `ascan gallery`
#[derive(Debug, Args)]
pub struct GalleryArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// The PNG file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Methods to show, separated by commas; all if left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub methods: Vec<String>,
    /// How many images, spread over the scan
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=12))]
    pub images: u32,
    /// The images themselves, by their rows, separated by commas
    #[arg(long, value_name = "ROWS", value_delimiter = ',', conflicts_with = "images")]
    pub rows: Vec<usize>,
}

/// `ascan invert`
#[derive(Debug, Args)]
pub struct InvertArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Only these slices, separated by commas; all if left out
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub slice: Vec<i32>,
    /// Which slices; default: the newest
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
    /// Steps of each search, one pass of the model there and back each
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
}

/// `ascan export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of the scan
    pub scan: PathBuf,
    /// Format
    #[arg(long, value_enum)]
    pub to: ExportFormat,
    /// Folder to write to
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Which slices go along; default: all
    #[arg(long, value_name = "ID")]
    pub slices: Option<String>,
}

/// Formats of `ascan export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A table
    Csv,
    /// A table
    Parquet,
    /// A table
    Json,
    /// Raw f32 arrays: maps, features, probabilities
    Npy,
    /// A FiftyOne dataset
    Fiftyone,
    /// metadata.jsonl of a Hugging Face ImageFolder
    Hf,
}

/// `ascan plugins`
#[derive(Debug, Args)]
pub struct PluginsArgs {
    /// Show this plugin, with its parameters
    pub name: Option<String>,
}

/// `ascan demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder to work in
    #[arg(short, long, value_name = "DIR", default_value = "ascan-demo")]
    pub output: PathBuf,
}

/// `ascan bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What is compared
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What `ascan bench` compares.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Slicers and projectors, on planted tables, real scans and tables of growing size
    Slicers(BenchSlicersArgs),
    /// Every regularizer on one scan, judged on a scan of other images
    Regularizers(BenchRegularizersArgs),
    /// One measurement, asked for on standard input by the bench that started this process
    #[command(hide = true)]
    Job,
}

/// `ascan bench slicers`
#[derive(Debug, Args)]
pub struct BenchSlicersArgs {
    /// The bench's configuration
    pub config: PathBuf,
    /// Folder of tables and plots; a bench that was begun there goes on
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only these sorts of tables
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<BenchPart>,
    /// Measure a million rows too, for the methods that are meant for it (max_rows)
    #[arg(long)]
    pub large: bool,
}

/// `ascan bench regularizers`
#[derive(Debug, Args)]
pub struct BenchRegularizersArgs {
    /// Folder of the scan of the training images
    pub scan: PathBuf,
    /// A configuration with the sections repair and run
    pub config: PathBuf,
    /// Folder of a scan of the test images, by the same model
    pub test: PathBuf,
    /// Folder of the repairs and of the table; what was begun there goes on
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seeds: this many, counted from 0
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub seeds: u64,
    /// Only these regularizers; default: all
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Override a value of the configuration for one regularizer alone; may be given several times
    #[arg(long = "for", value_name = "NAME:KEY=VALUE", value_parser = of_one)]
    pub of_one: Vec<(String, String)>,
}

/// `rrr:repair.epochs=2`
fn of_one(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').filter(|(name, _)| !name.is_empty());
    let (name, assignment) = parts.ok_or_else(|| "expected a regularizer, `:` and an override".to_owned())?;
    Ok((name.to_owned(), assignment.to_owned()))
}

/// The sorts of tables of `ascan bench slicers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchPart {
    /// With a planted slice
    Planted,
    /// Real images
    Scans,
    /// Of growing size
    Cost,
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
