//! Parameters that the methods share.

use crate::layerwise::AtLayer;
use ascan_core::{Params, Problems};
use serde::{Deserialize, Serialize};

const LAYER: (&str, &str) = ("layer", "the feature map to explain; \"auto\": the last one before the head");
const CLIP: (&str, &str) = ("relu", "whether negative evidence is clipped at zero");

fn check_layer(layer: &str, problems: &mut Problems) {
    let hint = "use \"auto\" for the last feature map before the head";
    problems.require(!layer.is_empty(), "layer", "must name a layer", hint);
}

/// Parameters of most methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CamParams {
    /// The feature map to explain; `auto` is the model's default layer.
    pub layer: String,
    /// Whether negative evidence is clipped at zero.
    pub relu: bool,
}

impl Default for CamParams {
    fn default() -> Self {
        Self { layer: "auto".into(), relu: true }
    }
}

impl AtLayer for CamParams {
    fn layer(&self) -> &str {
        &self.layer
    }

    fn relu(&self) -> bool {
        self.relu
    }
}

impl Params for CamParams {
    const HELP: &'static [(&'static str, &'static str)] = &[LAYER, CLIP];

    fn check(&self, problems: &mut Problems) {
        check_layer(&self.layer, problems);
    }
}

/// Parameters of the method that keeps evidence against the class unless told otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignedCamParams {
    /// The feature map to explain; `auto` is the model's default layer.
    pub layer: String,
    /// Whether negative evidence is clipped at zero.
    pub relu: bool,
}

impl Default for SignedCamParams {
    fn default() -> Self {
        Self { layer: "auto".into(), relu: false }
    }
}

impl Params for SignedCamParams {
    const HELP: &'static [(&'static str, &'static str)] = &[LAYER, CLIP];

    fn check(&self, problems: &mut Problems) {
        check_layer(&self.layer, problems);
    }
}

/// Parameters of the methods that compute a principal direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EigenParams {
    /// The feature map to explain; `auto` is the model's default layer.
    pub layer: String,
    /// Whether negative evidence is clipped at zero.
    pub relu: bool,
    /// Whether each channel's mean over the places is subtracted before the direction is computed.
    pub centre: bool,
}

impl Default for EigenParams {
    fn default() -> Self {
        Self { layer: "auto".into(), relu: true, centre: false }
    }
}

impl AtLayer for EigenParams {
    fn layer(&self) -> &str {
        &self.layer
    }

    fn relu(&self) -> bool {
        self.relu
    }
}

impl Params for EigenParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[LAYER, CLIP, ("centre", "whether each channel's mean is subtracted before the direction is computed")];

    fn check(&self, problems: &mut Problems) {
        check_layer(&self.layer, problems);
    }
}
