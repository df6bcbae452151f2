//! By which methods: `[attribution]`, `[features]`, `[projection]`, `[slicing]`.

use ascan_core::params::{ParamMap, Params, Problems};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
        (
            "also",
            "further methods whose maps are stored too: [\"layer_cam\", { plugin = \"..\", name = \"..\", params = {} }]",
        ),
    ];

    fn check(&self, problems: &mut Problems) {
        let mut seen = vec![self.plugin.as_str()];
        for method in &self.also {
            let name = method.title();
            let plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            let got = format!("the name of a method consists of a-z, 0-9 and _, got \"{name}\"");
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
    /// Which part of a signed map counts as weight: `positive` or `absolute`.
    pub sign: String,
    /// `f32` or `f16` on disk.
    pub dtype: String,
    /// Vectors that somebody else computed, in place of a model: a .npy or .parquet.
    pub source: Option<PathBuf>,
}

impl Default for FeaturesSection {
    fn default() -> Self {
        Self {
            layer: "auto".into(),
            weighting: "normalised".into(),
            direction: "forward".into(),
            sign: "positive".into(),
            dtype: "f32".into(),
            source: None,
        }
    }
}

impl Params for FeaturesSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("layer", "layer whose feature map is weighted; auto: the attribution's, or the model's last feature map"),
        ("weighting", "normalised (weights sum to 1), unnormalised, or none (the spatial mean)"),
        ("direction", "forward (what the model used), reverse (what it ignored), or both"),
        ("sign", "which part of a signed map counts as weight: positive or absolute"),
        ("dtype", "f32 or f16 on disk"),
        (
            "source",
            "vectors of your own in place of a model: a .npy or .parquet with a row per image; leave [model] out",
        ),
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
    /// Whether each class is sliced separately, by any slicer.
    pub per_class: PerClass,
    /// Whether only the images that the model got wrong are sliced.
    pub errors_only: bool,
    /// `[slicing.params]`
    pub params: ParamMap,
}

/// Whether each class is sliced separately.
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
        ("per_class", "\"none\", \"label\" or \"predicted_class\": whether each class is sliced separately"),
        ("errors_only", "slice only the images that the model got wrong"),
        ("params", "its parameters"),
    ];

    fn check(&self, _problems: &mut Problems) {}
}
