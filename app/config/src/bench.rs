//! The configuration of `ascan bench slicers`: which methods, on which tables.

use super::sections::{PluginSection, RunConfig};
use super::{ConfigErrors, Document, Loaded, LoadedConfig};
use crate::host::PluginHost;
use ascan_core::params::{ParamMap, Params, Problems};
use ascan_core::{Error, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tables of a bench configuration.
pub const BENCH_SECTIONS: [&str; 7] = ["run", "planted", "cost", "projection", "slicers", "projectors", "scans"];

/// A bench, its plugins found and their parameters written out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct BenchConfig {
    /// `[run]`
    pub run: BenchRun,
    /// `[planted]`: tables with a planted slice.
    pub planted: PlantedSection,
    /// `[cost]`: tables of growing size.
    pub cost: CostSection,
    /// `[slicers.NAME]`, by the name in the results.
    pub slicers: BTreeMap<String, Method>,
    /// `[projectors.NAME]`: projectors whose cost is measured beside the slicers'.
    pub projectors: BTreeMap<String, Method>,
    /// `[scans.NAME]`: real images.
    pub scans: BTreeMap<String, BenchScan>,
}

/// A method to measure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Method {
    /// Its plugin.
    pub plugin: String,
    /// Its parameters, defaults written out.
    pub params: ParamMap,
    /// What is done to embeddings before a slicer sees them; `none` leaves it out.
    pub projection: PluginSection,
    /// Rows of the largest table of `[cost]` that it gets.
    pub max_rows: usize,
}

/// A data set to scan, and what is to be found in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct BenchScan {
    /// `[scans.NAME]`
    pub section: ScanSection,
    /// The run configurations of the split that is fitted to and of the one that is scored, ready to be planned.
    #[serde(skip)]
    pub splits: Option<Box<[LoadedConfig; 2]>>,
}

/// `[run]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BenchRun {
    /// Seed of everything random.
    pub seed: u64,
    /// Threads of a method; 0: one per core.
    pub n_threads: usize,
    /// Longest time that one method gets for one measurement. The default is ours.
    pub time_limit_secs: u64,
}

impl Default for BenchRun {
    fn default() -> Self {
        Self { seed: 0, n_threads: 0, time_limit_secs: 600 }
    }
}

impl Params for BenchRun {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("seed", "seed of everything random"),
        ("n_threads", "threads of a method; 0: one per core"),
        ("time_limit_secs", "longest time that one method gets for one measurement"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_threads", self.n_threads, 0, 1024);
        problems.range("time_limit_secs", self.time_limit_secs, 1, 1_000_000);
    }
}

/// `[planted]`: tables with a planted slice; `ascan-bench` makes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlantedSection {
    /// Share of the slice in its class.
    pub rare: Vec<f64>,
    /// Correlation of label and attribute.
    pub correlation: Vec<f64>,
    /// Share of flipped labels in the slice.
    pub noisy_label: Vec<f64>,
    /// Tables of each kind and strength.
    pub n_tables: usize,
    /// Rows per table; one table is fitted to, another of the same size is scored.
    pub n_rows: usize,
    /// Dimensions of an embedding.
    pub n_dims: usize,
    /// Distance of subclasses in standard deviations of the spread within one.
    pub separation: f64,
    /// Accuracy of the simulated model outside the slice.
    pub accuracy: f64,
    /// Its accuracy in a rare or a correlation slice.
    pub slice_accuracy: f64,
}

impl Default for PlantedSection {
    fn default() -> Self {
        Self {
            rare: vec![0.02, 0.05, 0.1],
            correlation: vec![0.2, 0.5, 0.8],
            noisy_label: vec![0.05, 0.1, 0.3],
            n_tables: 3,
            n_rows: 4_000,
            n_dims: 64,
            separation: 3.0,
            accuracy: 0.95,
            slice_accuracy: 0.55,
        }
    }
}

/// Images that a planted slice has at least, in the mean: as many as the longest ranking that is judged.
const MIN_SLICE: f64 = 25.0;

impl Params for PlantedSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("rare", "shares of a rare subclass in its class; [] leaves the kind out"),
        ("correlation", "correlations of label and attribute"),
        ("noisy_label", "shares of labels that are flipped in a subclass"),
        ("n_tables", "tables of each kind and strength, each with its own seed"),
        ("n_rows", "rows per table; one table is fitted to, another of the same size is scored"),
        ("n_dims", "dimensions of an embedding"),
        ("separation", "distance of subclasses, in standard deviations of the spread within one"),
        ("accuracy", "accuracy of the simulated model outside the slice"),
        ("slice_accuracy", "its accuracy in a rare or a correlation slice"),
    ];

    fn check(&self, problems: &mut Problems) {
        for (key, strengths, [low, high]) in [
            ("rare", &self.rare, [0.01, 0.1]),
            ("correlation", &self.correlation, [0.2, 0.8]),
            ("noisy_label", &self.noisy_label, [0.01, 0.3]),
        ] {
            for &strength in strengths {
                problems.range(key, strength, low, high);
            }
        }
        problems.range("n_tables", self.n_tables, 1, 1_000);
        problems.range("n_rows", self.n_rows, 100, 1_000_000);
        problems.range("n_dims", self.n_dims, 2, 4_096);
        problems.range("separation", self.separation, 0.0, 100.0);
        problems.range("accuracy", self.accuracy, 0.0, 1.0);
        problems.range("slice_accuracy", self.slice_accuracy, 0.0, 1.0);
        if let Some(rarest) = self.rare.iter().copied().reduce(f64::min) {
            let size = rarest * self.n_rows as f64 / 2.0;
            let needed = (2.0 * MIN_SLICE / rarest).ceil();
            problems.require(
                size >= MIN_SLICE,
                "n_rows",
                format!("a slice of {rarest} of its class has {size:.0} of {} rows, too few to judge", self.n_rows),
                &format!("use {needed} rows or more, or leave out the rarest slices"),
            );
        }
    }
}

/// `[cost]`: tables of growing size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CostSection {
    /// Rows of each table.
    pub rows: Vec<usize>,
    /// Dimensions of an embedding.
    pub n_dims: usize,
}

impl Default for CostSection {
    fn default() -> Self {
        Self { rows: vec![1_000, 10_000, 100_000], n_dims: 128 }
    }
}

impl Params for CostSection {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("rows", "rows of the tables, one measurement each"), ("n_dims", "dimensions of an embedding")];

    fn check(&self, problems: &mut Problems) {
        for &n in &self.rows {
            problems.range("rows", n, 10, 100_000_000);
        }
        problems.range("n_dims", self.n_dims, 2, 65_536);
    }
}

/// `[slicers.NAME]` and `[projectors.NAME]`, without the tables in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct MethodSection {
    plugin: String,
    params: ParamMap,
    max_rows: usize,
}

impl Default for MethodSection {
    fn default() -> Self {
        Self { plugin: String::new(), params: ParamMap::new(), max_rows: 100_000 }
    }
}

impl Params for MethodSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("plugin", "the plugin; default: the name of the table"),
        ("params", "its parameters"),
        ("max_rows", "rows of the largest [cost] table that it is measured on"),
    ];

    fn check(&self, _problems: &mut Problems) {}
}

/// `[scans.NAME]`: a data set, scanned once; every variant of the features is made from that scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanSection {
    /// A run configuration.
    pub config: PathBuf,
    /// Split that is fitted to.
    pub fit_split: String,
    /// Split that is scored.
    pub test_split: String,
    /// Known groups to be found, as `y=0,place=1`; none: those on which the model is clearly worse than on the whole.
    pub groups: Vec<String>,
    /// Forms of the features.
    pub variants: Vec<Variant>,
}

impl Default for ScanSection {
    fn default() -> Self {
        Self {
            config: PathBuf::new(),
            fit_split: "val".into(),
            test_split: "test".into(),
            groups: Vec::new(),
            variants: Variant::ALL.into(),
        }
    }
}

impl Params for ScanSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("config", "a run configuration, relative to this file"),
        ("fit_split", "split that is fitted to"),
        ("test_split", "split that is scored"),
        ("groups", "known groups to be found; none: those on which the model is clearly worse than on the whole"),
        ("variants", "weighted, unnormalised, plain, reverse, both, with_prediction"),
    ];

    fn check(&self, problems: &mut Problems) {
        let given = !self.config.as_os_str().is_empty();
        problems.require(given, "config", "the run configuration is missing", "config = \"waterbirds.toml\"");
        let got = "at least one variant is needed";
        problems.require(!self.variants.is_empty(), "variants", got, "variants = [\"weighted\"]");
    }
}

/// What of an image is sliced: the ablation that the method rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Weighted by the attribution map, weights of sum 1.
    Weighted,
    /// Weighted by the map as it is.
    Unnormalised,
    /// The spatial mean.
    Plain,
    /// What the model ignored.
    Reverse,
    /// Weighted and reverse side by side.
    Both,
    /// Weighted, and the probabilities beside it at the same total variance.
    WithPrediction,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Self; 6] =
        [Self::Weighted, Self::Unnormalised, Self::Plain, Self::Reverse, Self::Both, Self::WithPrediction];

    /// The word for it in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Unnormalised => "unnormalised",
            Self::Plain => "plain",
            Self::Reverse => "reverse",
            Self::Both => "both",
            Self::WithPrediction => "with_prediction",
        }
    }
}

impl BenchConfig {
    /// Reads a bench configuration and checks all of it, with its plugins; `with_scans` says whether the run
    /// configurations of `[scans]` are looked at too.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn load(path: &Path, overrides: &[String], host: &PluginHost, with_scans: bool) -> Result<Self, ConfigErrors> {
        Self::check(Document::read(path)?, overrides, host, with_scans)
    }

    pub(super) fn check(
        mut document: Document,
        overrides: &[String],
        host: &PluginHost,
        with_scans: bool,
    ) -> Result<Self, ConfigErrors> {
        let errors = document.apply(overrides);
        let mut loaded = Loaded { config: Self::default(), errors, document };
        loaded.check_sections(&BENCH_SECTIONS);
        let projection = loaded.projection(&["projection"], host, &PluginSection::default());
        let (mut slicers, mut projectors, mut scans) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for name in loaded.names("slicers") {
            let method = loaded.method("slicers", &name, Kind::Slicer, host, &projection);
            slicers.insert(name, method);
        }
        for name in loaded.names("projectors") {
            let method = loaded.method("projectors", &name, Kind::Projector, host, &PluginSection::default());
            projectors.insert(name, method);
        }
        for name in loaded.names("scans") {
            let scan = loaded.scan(&name, with_scans);
            scans.insert(name, scan);
        }
        if slicers.is_empty() && loaded.errors.is_empty() {
            loaded.error_at(&["slicers"], "no slicer is named", "[slicers.kmeans]");
        }
        loaded.config = Self {
            run: loaded.section(&["run"]),
            planted: loaded.section(&["planted"]),
            cost: loaded.section(&["cost"]),
            slicers,
            projectors,
            scans,
        };
        loaded.finish().map(|loaded| loaded.config)
    }
}

impl Loaded<BenchConfig> {
    /// The tables in a section.
    fn names(&mut self, section: &str) -> Vec<String> {
        match self.document.get(&[section]) {
            None => Vec::new(),
            Some(Value::Object(tables)) => tables.keys().cloned().collect(),
            Some(_) => {
                self.error_at(&[section], format!("`{section}` must be a table"), "");
                Vec::new()
            }
        }
    }

    fn projection(&mut self, path: &[&str], host: &PluginHost, default: &PluginSection) -> PluginSection {
        if !self.is_given(path) {
            return default.clone();
        }
        let mut section: PluginSection = self.section(path);
        if !matches!(section.plugin.as_str(), "" | "none") {
            section.params = self.plugin(host, Kind::Projector, path, &section.plugin, &section.params);
        }
        section
    }

    fn method(
        &mut self,
        section: &str,
        name: &str,
        kind: Kind,
        host: &PluginHost,
        projection: &PluginSection,
    ) -> Method {
        let path = [section, name];
        let MethodSection { mut plugin, params, max_rows } = self.section_beside(&path, &["projection"]);
        if plugin.is_empty() {
            plugin = name.into();
        }
        let params = self.plugin(host, kind, &path, &plugin, &params);
        let projection = self.projection(&[section, name, "projection"], host, projection);
        Method { plugin, params, projection, max_rows }
    }

    fn scan(&mut self, name: &str, opened: bool) -> BenchScan {
        let path = ["scans", name];
        let key = ["scans", name, "config"];
        let section: ScanSection = self.section(&path);
        let mut scan = BenchScan { section, splits: None };
        if self.has_errors_in(&path) || !opened {
            return scan;
        }
        let file = self.document.base_of(&key).join(&scan.section.config);
        // One scan with both directions; every variant can be computed from it.
        let open = |split: &str| {
            let split = format!("data.split={split:?}");
            let features = ["features.weighting=normalised".to_owned(), "features.direction=both".to_owned()];
            RunConfig::load(&file, &[&[split][..], &features].concat())
        };
        match (open(&scan.section.fit_split), open(&scan.section.test_split)) {
            (Ok(fit), Ok(test)) => scan.splits = Some(Box::new([fit, test])),
            (Err(errors), _) | (_, Err(errors)) => {
                // Their places are in the other file.
                for error in errors.iter() {
                    self.errors.push(error.clone());
                }
                let error = Error::file(&file, "cannot be used, for the reasons given in the other errors", "");
                self.report(&key, &error);
            }
        }
        scan
    }
}
