//! A small model, and small pictures in every format.

use crate::harness::{Dir, workspace};
use ascan_core::Tensor;
use ascan_onnx::builder::GraphBuilder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::path::Path;

/// A picture with some structure.
pub fn picture(seed: u8) -> RgbImage {
    RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 16) as u8 ^ seed, (y * 16) as u8, seed.wrapping_mul(37)]))
}

pub fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("a picture can be written");
    bytes.into_inner()
}

pub fn png(seed: u8) -> Vec<u8> {
    encoded(picture(seed).into(), ImageFormat::Png)
}

/// A picture that Pillow and its kin wrote, of those that the decoders are tested with.
pub fn pillows(name: &str) -> Vec<u8> {
    let path = workspace().join("app/images/src/tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// conv → relu → global average pool → linear, with every head weight times `scale`.
pub fn write_model(path: &Path, scale: f32) {
    let mut graph = GraphBuilder::new("input", [3, 16, 16], 7);
    let conv = graph.conv("conv", "input", 3, 6, 3, 1);
    let relu = graph.relu("relu", &conv);
    let pooled = graph.global_average_pool("pool", &relu);
    let flat = graph.flatten("flat", &pooled);
    let logits = graph.linear("head", &flat, 6, 2);
    let mut model = graph.finish(&logits, path);
    if scale != 1.0 {
        model.set_weights(&[("head.weight".into(), Tensor::new([2, 6], vec![scale; 12]).unwrap())]).unwrap();
    }
    model.save(path).expect("the model can be written");
}

/// The configuration of [`fixture`].
pub const CONFIG: &str = r#"[data]
images = "images"
[model]
path = "model.onnx"
preprocess = { preset = "unit" }
[slicing]
plugin = "confusion_matrix"
"#;

/// A data set of four good images in two classes, a small model, and a configuration.
pub fn fixture() -> Dir {
    let dir = Dir::new();
    for (i, name) in ["images/cat/a.png", "images/cat/b.png", "images/dog/a.png", "images/dog/b.png"].iter().enumerate()
    {
        dir.write(name, png(i as u8 * 60));
    }
    write_model(&dir.path().join("model.onnx"), 1.0);
    dir.write("run.toml", CONFIG);
    dir
}
