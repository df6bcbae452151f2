//! The demo: a data set with a planted error, a small network that learns it, a configuration to find it,
//! and a reviewer who goes by the evidence.

pub mod pictures;
mod review;
mod train;

use ascan_core::{Context, Error, Result, Runtime};
use std::path::{Path, PathBuf};

pub use review::review;
pub use train::train;

/// What [`make`] wrote.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The configuration of the scan.
    pub config: PathBuf,
    /// The trained model.
    pub model: PathBuf,
    /// Its accuracy on the pictures it was trained on.
    pub train_accuracy: f64,
}

/// The configuration that the demo scans with; a small example of one.
const CONFIG: &str = r#"# Written by `ascan demo`. `ascan check` prints what it means.
[data]
manifest = "data/metadata.csv"
split = "test"
classes = ["disc", "square"]
# The known groups only score the result: no slicer sees them.
columns = { group = ["shape", "ground"] }

[model]
path = "shortcut.onnx"

[model.preprocess]
preset = "unit"

[projection]
plugin = "none"

[slicing]
plugin = "kmeans"

[slicing.params]
n_slices = 8
normalise = "l2"

# What `ascan repair` does with the slices that were marked.
[repair]
plugin = "dfr"
layers = "all"
groups = "spuriousness"
evidence = false # the shapes lie anywhere, and these verdicts are right
optimizer = "adam_w"
learning_rate = 1e-3
weight_decay = 1e-4
epochs = 12

[run]
n_tried = 0 # the preprocessing is known; a network that looks at the ground is right more often under a wrong one
"#;

/// Writes the pictures, trains the network on them through `runtime`, writes it and the configuration.
///
/// # Errors
/// `File` if the folder cannot be written; whatever the backend reports.
pub fn make(folder: &Path, runtime: &dyn Runtime, context: &Context) -> Result<Demo> {
    let entries = pictures::write(&folder.join("data"), context.seed)?;
    let model = folder.join("shortcut.onnx");
    let train_accuracy = train(&folder.join("data"), &entries, runtime, &model, context)?;
    let config = folder.join("demo.toml");
    std::fs::write(&config, CONFIG).map_err(|error| {
        Error::file(&config, format!("cannot be written: {error}"), "choose another folder with -o")
    })?;
    Ok(Demo { config, model, train_accuracy })
}
