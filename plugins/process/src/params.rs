//! Parameters of a program that is run: as a slicer, as a projector, as an attribution method.

use ascan_core::{ParamMap, Params, Problems};
use serde::{Deserialize, Serialize};

/// Parameters of [`crate::Process`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessParams {
    /// The program and its arguments, without a shell between. Paths are relative to where `ascan` was started.
    pub command: Vec<String>,
    /// Handed to the program as they are.
    pub params: ParamMap,
    /// Whether the attribution maps are sent too.
    pub maps: bool,
    /// The program is killed after this many seconds.
    pub timeout_secs: u64,
}

impl Default for ProcessParams {
    fn default() -> Self {
        Self { command: Vec::new(), params: ParamMap::new(), maps: false, timeout_secs: 600 }
    }
}

impl Params for ProcessParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("command", "the program and its arguments: [\"python3\", \"my_slicer.py\"]"),
        ("params", "handed to the program as they are: { n_slices = 20 }"),
        ("maps", "whether the attribution maps are sent too"),
        ("timeout_secs", "the program is killed after this many seconds"),
    ];

    const RUNS: &'static [&'static str] = &["command"];

    fn check(&self, problems: &mut Problems) {
        let named = self.command.first().is_some_and(|program| !program.is_empty());
        problems.require(named, "command", "names no program", "command = [\"python3\", \"my_slicer.py\"]");
        problems.range("timeout_secs", self.timeout_secs, 1, 7 * 24 * 3600);
    }
}

/// Parameters of [`crate::ProcessProjector`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectorParams {
    /// As [`ProcessParams::command`].
    pub command: Vec<String>,
    /// Handed to the program as they are.
    pub params: ParamMap,
    /// The program is killed after this many seconds.
    pub timeout_secs: u64,
}

/// Parameters of [`crate::ProcessAttributor`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributorParams {
    /// As [`ProcessParams::command`].
    pub command: Vec<String>,
    /// Handed to the program as they are.
    pub params: ParamMap,
    /// The feature map that is sent, and whose size the maps have.
    pub layer: String,
    /// The program is killed after this many seconds.
    pub timeout_secs: u64,
}

impl Default for ProjectorParams {
    fn default() -> Self {
        let ProcessParams { command, params, timeout_secs, .. } = ProcessParams::default();
        Self { command, params, timeout_secs }
    }
}

impl Default for AttributorParams {
    fn default() -> Self {
        let ProcessParams { command, params, timeout_secs, .. } = ProcessParams::default();
        Self { command, params, layer: "auto".into(), timeout_secs }
    }
}

impl From<&ProjectorParams> for ProcessParams {
    fn from(ProjectorParams { command, params, timeout_secs }: &ProjectorParams) -> Self {
        Self { command: command.clone(), params: params.clone(), maps: false, timeout_secs: *timeout_secs }
    }
}

impl From<&AttributorParams> for ProcessParams {
    fn from(AttributorParams { command, params, timeout_secs, .. }: &AttributorParams) -> Self {
        Self { command: command.clone(), params: params.clone(), maps: false, timeout_secs: *timeout_secs }
    }
}

impl Params for ProjectorParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("command", "the program and its arguments: [\"python3\", \"my_projector.py\"]"),
        ("params", "handed to the program as they are: { n_dims = 2 }"),
        ("timeout_secs", "the program is killed after this many seconds"),
    ];

    const RUNS: &'static [&'static str] = &["command"];

    fn check(&self, problems: &mut Problems) {
        ProcessParams::from(self).check(problems);
    }
}

impl Params for AttributorParams {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("command", "the program and its arguments: [\"python3\", \"my_method.py\"]"),
        ("params", "handed to the program as they are"),
        ("layer", "the feature map that is sent, and whose size the maps have; auto: the last one before the head"),
        ("timeout_secs", "the program is killed after this many seconds; it is started for each batch"),
    ];

    const RUNS: &'static [&'static str] = &["command"];

    fn check(&self, problems: &mut Problems) {
        ProcessParams::from(self).check(problems);
    }
}
