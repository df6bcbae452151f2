//! ONNX classifiers: reading, understanding, rewriting.

mod branches;
mod constants;
mod families;
mod graphs;
mod inputs;
mod loading;
mod mistakes;
mod outputs;
mod proto;
mod real_models;
mod support;
mod weights;
