//! Tests of the onnxruntime backend, skipped with a sentence where no onnxruntime is found: small nets of each family, the laws
//! of a backend, and the gradient rule of each operator.

mod conformance;
#[path = "../../../tests/golden/golden.rs"]
mod golden_files;
mod goldens;
mod quantised;
mod rules;

use ascan_core::{Plugin, Runtime};
use ascan_ort::{OrtParams, OrtRuntime};

/// The engine; `None`, and a sentence, where there is no onnxruntime.
fn runtime() -> Option<OrtRuntime> {
    let runtime = OrtRuntime::new(OrtParams::default()).expect("parameters without a check");
    match runtime.available() {
        Ok(()) => Some(runtime),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}
