//! What is asked about the images: `[model]` and its preprocessing.

use ascan_core::OpenModel;
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
