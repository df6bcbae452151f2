//! What people bring, each case named as in the collection that it comes from: run as they would, on small inputs of the
//! same kind.

mod images;
mod labels;
mod models;
mod questions;
mod set_flag;
mod tables;

use crate::harness::{Dir, Run};
use crate::small::write_model;

/// A folder with a model of two classes.
fn with_model() -> Dir {
    let dir = Dir::new();
    write_model(&dir.path().join("model.onnx"), 1.0);
    dir
}

/// `ascan init` for this data, with what else is said.
fn init(dir: &Dir, data: &str, more: &[&str]) -> Run {
    dir.ascan(&[&["init", "model.onnx", data, "-o", "scan.toml", "--force"], more].concat())
}

/// Scans what `init` wrote. What is guessed about preprocessing is another case.
fn scan(dir: &Dir) -> Run {
    dir.ascan(&[
        "scan",
        "scan.toml",
        "--out",
        "scan",
        "--json",
        "--set",
        "model.preprocess.preset=unit",
        "--set",
        "slicing.plugin=confusion_matrix",
    ])
}
