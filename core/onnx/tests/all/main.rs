//! ONNX classifiers: reading, understanding, rewriting.

mod families;
mod real_models;
mod support;
