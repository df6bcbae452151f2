//! Tests of the burn backend on nets: conformance, goldens, ONNX's own cases, real models.

mod conformance;
mod goldens;
mod node_cases;
mod reference;
mod sigmoid;
