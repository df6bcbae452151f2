//! The sections of a run configuration: plain structs, one per TOML table, with their help and checks.

mod data;
mod methods;
mod model;
mod repair;
mod spread;

use ascan_core::params::{Params, Problems};
pub use data::{ClassMap, ClassNames, ColumnsSection, DataSection};
pub use methods::{AttributionSection, FeaturesSection, MethodSection, PerClass, PluginSection, SlicingSection};
pub use model::{ChannelOrder, ModelSection, OutputSection, PreprocessSection};
pub use repair::{Balance, Groups, MasksSection, Metric, OptimizerName, RepairSection, Schedule};
use serde::{Deserialize, Serialize};
pub use spread::SpreadSettings;

/// A whole configuration with every default written out; `scan.toml` holds this form.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunConfig {
    /// `[run]`
    pub run: RunSection,
    /// `[data]`
    pub data: DataSection,
    /// `[model]`
    pub model: ModelSection,
    /// `[attribution]`
    pub attribution: AttributionSection,
    /// `[features]`
    pub features: FeaturesSection,
    /// `[projection]`
    pub projection: PluginSection,
    /// `[slicing]`
    pub slicing: SlicingSection,
    /// `[spread]`
    pub spread: SpreadSettings,
}

/// `[run]`: how the work is done. Nothing here changes a result except `seed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSection {
    /// Seed of everything random.
    pub seed: u64,
    /// Worker threads, 0 for one per core.
    pub n_threads: usize,
    /// Images per call of the model, 0 for what the backend prefers.
    pub batch_size: usize,
    /// Rows per shard on disk: the most that is lost when a scan is killed.
    pub shard_rows: usize,
    /// Scan only the first images, 0 for all.
    pub limit: usize,
    /// Labelled images on which the configuration is tried before a scan, 0 for none.
    pub n_tried: usize,
}

impl RunSection {
    /// Worker threads, at least one.
    pub fn threads(&self) -> usize {
        threads(self.n_threads)
    }
}

/// As many threads as asked for; one per core for 0.
pub fn threads(n_threads: usize) -> usize {
    match n_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

impl Default for RunSection {
    fn default() -> Self {
        Self { seed: 0, n_threads: 0, batch_size: 0, shard_rows: 256, limit: 0, n_tried: 64 }
    }
}

impl Params for RunSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("seed", "seed of everything random"),
        ("n_threads", "worker threads; 0: one per core"),
        ("batch_size", "images per call of the model; 0: what the backend prefers"),
        ("shard_rows", "rows per shard on disk: the most that is lost when a scan is killed"),
        ("limit", "scan only the first images; 0: all"),
        ("n_tried", "labelled images on which preprocessing and the order of labels are tried before a scan; 0: none"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_threads", self.n_threads, 0, 1024);
        problems.range("batch_size", self.batch_size, 0, 4096);
        problems.range("shard_rows", self.shard_rows, 1, 1 << 20);
    }
}
