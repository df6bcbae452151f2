//! The sections of a run configuration: plain structs, one a TOML table, with their help and checks.

use crate::spread::SpreadSettings;
use ascan_core::OpenModel;
use ascan_core::params::{ParamMap, Params, Problems};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    /// Worker threads, 0 for one a core.
    pub n_threads: usize,
    /// Images in a call of the model, 0 for what the backend prefers.
    pub batch_size: usize,
    /// Rows in a shard on disk: what is lost, at most, when a scan is killed.
    pub shard_rows: usize,
    /// Scan only the first images, 0 for all.
    pub limit: usize,
}

impl RunSection {
    /// Worker threads, at least one.
    pub fn threads(&self) -> usize {
        threads(self.n_threads)
    }
}

/// As many threads as asked for; one a core for 0.
pub(crate) fn threads(n_threads: usize) -> usize {
    match n_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

impl Default for RunSection {
    fn default() -> Self {
        Self { seed: 0, n_threads: 0, batch_size: 0, shard_rows: 256, limit: 0 }
    }
}

impl Params for RunSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("seed", "seed of everything random"),
        ("n_threads", "worker threads; 0: one a core"),
        ("batch_size", "images in a call of the model; 0: what the backend prefers"),
        ("shard_rows", "rows in a shard on disk, the most that is lost when a scan is killed"),
        ("limit", "scan only the first images; 0: all"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_threads", self.n_threads, 0, 1024);
        problems.range("batch_size", self.batch_size, 0, 4096);
        problems.range("shard_rows", self.shard_rows, 1, 1 << 20);
    }
}

/// `[data]`: the images and what is known about them. Exactly one of `images`, `manifest`, `archive`, `idx` is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSection {
    /// A folder: a folder a class, or a folder a split and in it a folder a class.
    pub images: Option<PathBuf>,
    /// A table of images: .csv, .jsonl or .parquet; paths in it are relative to `root`.
    pub manifest: Option<PathBuf>,
    /// A .tar (or .tar.gz) of images, a folder a class inside or with `manifest` beside it.
    pub archive: Option<PathBuf>,
    /// Images of a pair of idx files (MNIST), plain or .gz; labels in `idx_labels`.
    pub idx: Option<PathBuf>,
    /// Labels of the idx pair.
    pub idx_labels: Option<PathBuf>,
    /// Folder that the paths of a manifest are relative to; default: the manifest's folder, or the archive.
    pub root: Option<PathBuf>,
    /// `[data.columns]`: which column of the manifest is what.
    pub columns: ColumnsSection,
    /// Keep only images of this split.
    pub split: Option<String>,
    /// Class names in the order of their index: a text file with a name a line, or a list.
    pub classes: Option<ClassNames>,
    /// How labels map to the model's outputs: `index` (label i is output i), `name` (by class name, with
    /// `output_names`), or a table from label to output index.
    pub class_map: ClassMap,
    /// Names of the model's outputs: a text file with a name a line, or a list.
    pub output_names: Option<ClassNames>,
}

/// A list of names, or a text file with a name a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassNames {
    /// A text file.
    File(PathBuf),
    /// The names themselves.
    List(Vec<String>),
}

/// How the data set's labels map to the model's outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassMap {
    /// `"index"` or `"name"`, or a .csv/.json file from label to output index.
    Rule(String),
    /// From label (as in the data set: folder name or value of the label column) to output index.
    Table(std::collections::BTreeMap<String, usize>),
}

impl Default for ClassMap {
    fn default() -> Self {
        Self::Rule("index".into())
    }
}

impl Params for DataSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("images", "a folder of images: a folder a class, or a folder a split and in it a folder a class"),
        ("manifest", "a table of images (.csv, .jsonl, .parquet)"),
        ("archive", "a .tar or .tar.gz of images"),
        ("idx", "an idx file of images (MNIST), plain or .gz"),
        ("idx_labels", "the idx file of their labels"),
        ("root", "folder that the manifest's paths are relative to; default: the manifest's own"),
        ("columns", "which column of the manifest is what: path, label, split, group = [..], mask"),
        ("split", "keep only images of this split"),
        ("classes", "class names by label index: a text file with a name a line, or a list"),
        ("class_map", "how labels meet the model's outputs: \"index\", \"name\", a file, or a table label -> output"),
        ("output_names", "names of the model's outputs: a text file with a name a line, or a list"),
    ];

    fn check(&self, problems: &mut Problems) {
        let sources = [&self.images, &self.manifest, &self.archive, &self.idx];
        // An archive may have a manifest that describes what is in it.
        let n = sources.iter().filter(|source| source.is_some()).count();
        let ok = n == 1 || (n == 2 && self.manifest.is_some() && self.archive.is_some());
        let got = format!("exactly one of `images`, `manifest`, `archive`, `idx` must be set, got {n}");
        problems.require(ok, "images", got, "an `archive` may also have a `manifest` that describes its members");
        problems.require(
            self.idx.is_some() == self.idx_labels.is_some(),
            "idx_labels",
            "`idx` and `idx_labels` go together",
            "",
        );
    }
}

/// `[data.columns]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnsSection {
    /// Path of the image, or a struct `{bytes, path}` in Parquet. `auto`: `file_name`, `filename`, `img_filename`, `path`, `file`, `image`.
    pub path: String,
    /// Ground truth: an index or a class name. `auto`: `label`, `y`, `class`, `target`; `none`: no labels.
    pub label: String,
    /// Split of the image. `auto`: `split` where there is one; `none`.
    pub split: String,
    /// Annotated attributes, used only to score: the groups are their combinations.
    pub group: Vec<String>,
    /// Path of a mask of the object, used only to score; `none`.
    pub mask: String,
}

impl Default for ColumnsSection {
    fn default() -> Self {
        Self { path: "auto".into(), label: "auto".into(), split: "auto".into(), group: Vec::new(), mask: "none".into() }
    }
}

impl Params for ColumnsSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("path", "column with the path of the image"),
        ("label", "column with the ground truth, an index or a class name; \"none\": no labels"),
        ("split", "column with the split; \"none\": no splits"),
        ("group", "columns whose combinations are the known groups; they only score, no slicer sees them"),
        ("mask", "column with the path of a mask of the object; it only scores"),
    ];

    fn check(&self, _problems: &mut Problems) {}
}

/// `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSection {
    /// The ONNX file.
    pub path: PathBuf,
    /// Backend plugin; `auto` is the fastest that can do what the attribution needs.
    pub backend: String,
    /// `cpu`, `wgpu` or `cuda`.
    pub device: String,
    /// `[height, width]` for models that leave the image size open.
    pub image_size: Option<[usize; 2]>,
    /// `[model.preprocess]`
    pub preprocess: PreprocessSection,
    /// `[model.params]`: parameters of the backend plugin.
    pub params: ParamMap,
}

impl ModelSection {
    /// How a backend is asked to open this model.
    pub fn open(&self, n_threads: usize) -> OpenModel {
        OpenModel { path: self.path.clone(), device: self.device.clone(), n_threads, image_size: self.image_size }
    }
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            backend: "auto".into(),
            device: "cpu".into(),
            image_size: None,
            preprocess: PreprocessSection::default(),
            params: ParamMap::new(),
        }
    }
}

impl Params for ModelSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("path", "the ONNX file"),
        ("backend", "auto (the fastest that can do what the attribution needs), ort, tract or burn"),
        ("device", "cpu, wgpu or cuda"),
        ("image_size", "[height, width], for models that leave it open"),
        ("preprocess", "how pixels become the model's input"),
        ("params", "parameters of the backend plugin"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.require(!self.path.as_os_str().is_empty(), "path", "the model is missing", "path = \"model.onnx\"");
        let devices = ["cpu", "wgpu", "cuda"];
        let got = format!("must be one of {}, got \"{}\"", devices.join(", "), self.device);
        problems.require(devices.contains(&self.device.as_str()), "device", got, "");
    }
}

/// `[model.preprocess]`: from a decoded picture (0..255) to the model's input. A preset fills in what is not set by hand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreprocessSection {
    /// `imagenet`, `tf`, `unit`, `caffe`, `raw`; required unless `channels`, `scale`, `mean` and `std` are all set.
    pub preset: Option<String>,
    /// `rgb`, `bgr` or `gray`.
    pub channels: Option<String>,
    /// `value = (pixel · scale − mean) / std`.
    pub scale: Option<f32>,
    /// Per channel, in scaled units, in the order of `channels`.
    pub mean: Option<Vec<f32>>,
    /// Per channel, in scaled units.
    pub std: Option<Vec<f32>>,
    /// How an image of another size fits the model: `squash`, `crop` (shorter side to size, centre crop),
    /// `pad` (longer side to size, black), `paste` (no scaling: top left on black).
    pub resize: Option<String>,
    /// For `crop`: the shorter side before cropping is `size / crop_fraction`; 0.875 as torchvision does.
    pub crop_fraction: Option<f32>,
    /// `bilinear` (antialiased, as Pillow), `bicubic`, `nearest`.
    pub interpolation: Option<String>,
}

impl Params for PreprocessSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        (
            "preset",
            "imagenet ((x/255 - mean) / std), tf (x/127.5 - 1), unit (x/255), caffe (BGR - 104,117,123), raw (0..255)",
        ),
        ("channels", "rgb, bgr or gray"),
        ("scale", "value = (pixel * scale - mean) / std"),
        ("mean", "per channel, in scaled units"),
        ("std", "per channel, in scaled units"),
        ("resize", "squash, crop (shorter side, centre crop), pad (longer side) or paste (no scaling, top left)"),
        ("crop_fraction", "for crop: the part of the shorter side that is kept"),
        ("interpolation", "bilinear (antialiased), bicubic or nearest"),
    ];

    fn check(&self, problems: &mut Problems) {
        let mut one_of = |key: &str, value: &Option<String>, allowed: &[&str]| {
            if let Some(value) = value {
                let got = format!("must be one of {}, got \"{value}\"", allowed.join(", "));
                problems.require(allowed.contains(&value.as_str()), key, got, "");
            }
        };
        one_of("preset", &self.preset, &["imagenet", "tf", "unit", "caffe", "raw"]);
        one_of("channels", &self.channels, &["rgb", "bgr", "gray"]);
        one_of("resize", &self.resize, &["squash", "crop", "pad", "paste"]);
        one_of("interpolation", &self.interpolation, &["bilinear", "bicubic", "nearest"]);
        if let Some(fraction) = self.crop_fraction {
            problems.range("crop_fraction", fraction, 0.1, 1.0);
        }
        if let Some(std) = &self.std {
            problems.require(std.iter().all(|&s| s > 0.0), "std", format!("must be above 0, got {std:?}"), "");
        }
        let by_hand = self.scale.is_some() && self.mean.is_some() && self.std.is_some();
        problems.require(
            self.preset.is_some() || by_hand,
            "preset",
            "preprocessing is missing",
            "set a `preset`, or `scale`, `mean` and `std` by hand",
        );
    }
}

/// `[attribution]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributionSection {
    /// Attributor plugin.
    pub plugin: String,
    /// The class that is explained: `predicted`, `label`, or an output index.
    pub target: String,
    /// `[attribution.params]`
    pub params: ParamMap,
    /// Further methods, whose maps are kept beside the first one's; the features are weighted by the first.
    pub also: Vec<MethodSection>,
}

impl Default for AttributionSection {
    fn default() -> Self {
        Self { plugin: "grad_cam".into(), target: "predicted".into(), params: ParamMap::new(), also: Vec::new() }
    }
}

/// A further method of `[attribution]`: a plugin's name, or a table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "MethodForm")]
pub struct MethodSection {
    /// What its maps are called; empty: as the plugin.
    pub name: String,
    /// Attributor plugin.
    pub plugin: String,
    /// Its parameters.
    pub params: ParamMap,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected a plugin's name or a table with `plugin` and, where wanted, `name` and `params`"
)]
enum MethodForm {
    Plugin(String),
    Table {
        plugin: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        params: ParamMap,
    },
}

impl From<MethodForm> for MethodSection {
    fn from(form: MethodForm) -> Self {
        match form {
            MethodForm::Plugin(plugin) => Self { plugin, ..Self::default() },
            MethodForm::Table { plugin, name, params } => Self { name, plugin, params },
        }
    }
}

impl MethodSection {
    /// What its maps are called.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { &self.plugin } else { &self.name }
    }
}

impl Params for AttributionSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("plugin", "the attribution method"),
        ("target", "the class that is explained: predicted, label, or an output index"),
        ("params", "parameters of the method"),
        ("also", "further methods kept beside it: [\"layer_cam\", { plugin = \"..\", name = \"..\", params = {} }]"),
    ];

    fn check(&self, problems: &mut Problems) {
        let mut seen = vec![self.plugin.as_str()];
        for method in &self.also {
            let name = method.title();
            let plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            let got = format!("the name of a method is of a-z, 0-9 and _, got \"{name}\"");
            problems.require(plain && !name.is_empty(), "also", got, "");
            let twice = format!("two methods are called `{name}`");
            problems.require(!seen.contains(&name), "also", twice, "give one of them a `name` of its own");
            seen.push(name);
        }
        let ok = ["predicted", "label"].contains(&self.target.as_str()) || self.target.parse::<usize>().is_ok();
        let got = format!("must be \"predicted\", \"label\" or an output index, got \"{}\"", self.target);
        problems.require(ok, "target", got, "");
    }
}

/// `[features]`: the attribution-weighted features that are sliced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeaturesSection {
    /// Layer whose feature map is weighted; `auto` is the attribution's layer, or the model's default layer.
    pub layer: String,
    /// `normalised` (weights sum to 1), `unnormalised`, or `none` (the spatial mean: the ablation).
    pub weighting: String,
    /// `forward` (what the model used), `reverse` (1 − minmax of the map: what it ignored), or `both` (side by side).
    pub direction: String,
    /// What of a signed map weighs: `positive` or `absolute`.
    pub sign: String,
    /// `f32` or `f16` on disk.
    pub dtype: String,
}

impl Default for FeaturesSection {
    fn default() -> Self {
        Self {
            layer: "auto".into(),
            weighting: "normalised".into(),
            direction: "forward".into(),
            sign: "positive".into(),
            dtype: "f32".into(),
        }
    }
}

impl Params for FeaturesSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("layer", "layer whose feature map is weighted; auto: the attribution's, or the model's last feature map"),
        ("weighting", "normalised (weights sum to 1), unnormalised, or none (the spatial mean)"),
        ("direction", "forward (what the model used), reverse (what it ignored), or both"),
        ("sign", "what of a signed map weighs: positive or absolute"),
        ("dtype", "f32 or f16 on disk"),
    ];

    fn check(&self, problems: &mut Problems) {
        for (key, value, allowed) in [
            ("weighting", &self.weighting, &["normalised", "unnormalised", "none"][..]),
            ("direction", &self.direction, &["forward", "reverse", "both"]),
            ("sign", &self.sign, &["positive", "absolute"]),
            ("dtype", &self.dtype, &["f32", "f16"]),
        ] {
            let got = format!("must be one of {}, got \"{value}\"", allowed.join(", "));
            problems.require(allowed.contains(&value.as_str()), key, got, "");
        }
    }
}

/// `[projection]`: a plugin by its name, and its parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginSection {
    /// Plugin name; `none` leaves the step out.
    pub plugin: String,
    /// `[projection.params]`
    pub params: ParamMap,
}

impl Params for PluginSection {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("plugin", "the plugin's name; `ascan plugins` lists them"), ("params", "its parameters")];

    fn check(&self, _problems: &mut Problems) {}
}

/// `[slicing]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SlicingSection {
    /// Slicer plugin.
    pub plugin: String,
    /// Whether each class is sliced on its own, by any slicer.
    pub per_class: PerClass,
    /// Whether only the images that the model got wrong are sliced.
    pub errors_only: bool,
    /// `[slicing.params]`
    pub params: ParamMap,
}

/// Whether each class is sliced on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerClass {
    /// All images together.
    #[default]
    None,
    /// The images of each label; images without a label are in no slice.
    Label,
    /// The images of each predicted class.
    PredictedClass,
}

impl Params for SlicingSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("plugin", "the plugin's name; `ascan plugins` lists them"),
        ("per_class", "\"none\", \"label\" or \"predicted_class\": whether each class is sliced on its own"),
        ("errors_only", "slice only the images that the model got wrong"),
        ("params", "its parameters"),
    ];

    fn check(&self, _problems: &mut Problems) {}
}
