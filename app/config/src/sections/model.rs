//! What is asked about the images: `[model]` and its preprocessing.

use ascan_core::OpenModel;
use ascan_core::backend::DEVICES;
use ascan_core::output::{OutputChoice, OutputKind};
use ascan_core::params::{ParamMap, Params, Problems};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSection {
    /// The ONNX file.
    pub path: PathBuf,
    /// Backend plugin; `auto` is the fastest that can do what the attribution needs.
    pub backend: String,
    /// One of [`DEVICES`].
    pub device: String,
    /// `[height, width]` for models that leave the image size open.
    pub image_size: Option<[usize; 2]>,
    /// `[model.output]`
    pub output: OutputSection,
    /// `[model.preprocess]`
    pub preprocess: PreprocessSection,
    /// `[model.params]`: parameters of the backend plugin.
    pub params: ParamMap,
}

impl ModelSection {
    /// How a backend is asked to open this model.
    pub fn open(&self, n_threads: usize) -> OpenModel {
        let (path, device, image_size) = (self.path.clone(), self.device.clone(), self.image_size);
        OpenModel { path, device, n_threads, image_size, output: self.output.choice(), gradients: false }
    }
}

impl Default for ModelSection {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            backend: "auto".into(),
            device: "cpu".into(),
            image_size: None,
            output: OutputSection::default(),
            preprocess: PreprocessSection::default(),
            params: ParamMap::new(),
        }
    }
}

impl Params for ModelSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("path", "the ONNX file"),
        ("backend", "auto (the fastest that can do what the attribution needs), ort, tract or burn"),
        ("device", "cpu; of burn wgpu or cuda; of ort cuda, tensorrt, coreml, directml, openvino or webgpu"),
        ("image_size", "[height, width], for models that leave it open"),
        ("output", "which output is explained, and what it means"),
        ("preprocess", "how pixels become the model's input"),
        ("params", "parameters of the backend plugin"),
    ];

    fn check(&self, problems: &mut Problems) {
        problems.require(!self.path.as_os_str().is_empty(), "path", "the model is missing", "path = \"model.onnx\"");
        let got = format!("must be one of {}, got \"{}\"", DEVICES.join(", "), self.device);
        problems.require(DEVICES.contains(&self.device.as_str()), "device", got, "");
    }
}

/// The configuration's word for "as the graph says".
const AUTO: &str = "auto";
/// The usual threshold.
const HALF: f32 = 0.5;

/// `[model.output]`: which output is explained, and what it means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputSection {
    /// Name of a graph output; `auto` is the one of the classes.
    pub name: String,
    /// `auto` (found from the graph), `softmax`, `logits`, `sigmoid`, `binary`, `multi_label` or `regression`.
    pub kind: String,
    /// Of `multi_label`, the class that is asked for; of `regression`, the number. A name or an index.
    pub class: String,
    /// From which probability on a class of `multi_label`, or the second of `binary`, counts as there.
    pub threshold: f32,
    /// How far off a number of `regression` may be and still be right, in its own unit; half a standard deviation of the
    /// labels if it is not set.
    pub tolerance: Option<f32>,
}

impl OutputSection {
    /// This section with the output that was found.
    #[must_use]
    pub fn found(&self, name: &str, kind: OutputKind) -> Self {
        Self { name: name.to_owned(), kind: kind.name().to_owned(), ..self.clone() }
    }

    /// How a backend is told. A class that is named and no index is none here: its index is known where names meet outputs.
    pub fn choice(&self) -> OutputChoice {
        let name = Some(self.name.clone()).filter(|name| name != AUTO);
        let threshold = Some(self.threshold).filter(|&threshold| threshold != HALF);
        OutputChoice { name, kind: OutputKind::of_name(&self.kind), class: self.class.parse().ok(), threshold }
    }
}

impl Default for OutputSection {
    fn default() -> Self {
        let auto = || AUTO.to_owned();
        Self { name: auto(), kind: auto(), class: auto(), threshold: HALF, tolerance: None }
    }
}

impl Params for OutputSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("name", "the graph output that is explained; auto: the one of the classes, which `ascan check` names"),
        (
            "kind",
            "auto (as the graph ends), softmax (probabilities), logits, sigmoid (a probability for each class by itself), \
             binary (one number for two classes), multi_label (several classes in an image) or regression (a quantity)",
        ),
        (
            "class",
            "multi_label: the class that is asked for, by name or index; regression: which number; auto: the first",
        ),
        ("threshold", "multi_label and binary: from which probability on a class counts as there"),
        ("tolerance", "regression: how far off is still right; half a standard deviation of the labels if not set"),
    ];

    fn check(&self, problems: &mut Problems) {
        let names: Vec<&str> = std::iter::once(AUTO).chain(OutputKind::ALL.map(OutputKind::name)).collect();
        let got = format!("must be one of {}, got \"{}\"", names.join(", "), self.kind);
        problems.require(names.contains(&self.kind.as_str()), "kind", got, "");
        let got = format!("must lie between 0 and 1, got {}", self.threshold);
        problems.require(self.threshold > 0.0 && self.threshold < 1.0, "threshold", got, "");
        let tolerance = self.tolerance.unwrap_or(1.0);
        problems.require(tolerance > 0.0, "tolerance", format!("must be above 0, got {tolerance}"), "");
    }
}

/// `[model.preprocess]`: from a decoded picture (0..255) to the model's input. A preset fills in what is not set by hand.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreprocessSection {
    /// `imagenet`, `tf`, `unit`, `caffe`, `raw`; required unless `channels`, `scale`, `mean` and `std` are all set.
    pub preset: Option<String>,
    /// `rgb`, `bgr` or `gray`, or which of a picture's own channels are taken, by index.
    pub channels: Option<ChannelOrder>,
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

/// Which channels of a picture are the model's, in its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChannelOrder {
    /// Colours with 8 bits: `rgb`, `bgr` or `gray`.
    Named(String),
    /// Channels of the file counted from 0, as they are stored: satellite bands, 16 bits, floating point.
    Indices(Vec<usize>),
}

impl Params for PreprocessSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        (
            "preset",
            "imagenet ((x/255 - mean) / std), tf (x/127.5 - 1), unit (x/255), caffe (BGR - 104,117,123), raw (0..255)",
        ),
        ("channels", "rgb, bgr or gray; or channels of the file by index, as they are stored: [3, 2, 1]"),
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
        let named = match &self.channels {
            Some(ChannelOrder::Named(name)) => Some(name.clone()),
            _ => None,
        };
        one_of("channels", &named, &["rgb", "bgr", "gray"]);
        one_of("resize", &self.resize, &["squash", "crop", "pad", "paste"]);
        one_of("interpolation", &self.interpolation, &["bilinear", "bicubic", "nearest"]);
        if let Some(ChannelOrder::Indices(indices)) = &self.channels {
            problems.require(!indices.is_empty(), "channels", "lists no channel", "for example [3, 2, 1]");
        }
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
