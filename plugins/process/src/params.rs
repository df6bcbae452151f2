//! Parameters of [`crate::Process`].

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
