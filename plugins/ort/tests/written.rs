//! The files with gradients, opened by onnxruntime alone: a process has one onnxruntime, so this is a process of its own.

#[path = "../../../tests/golden/golden.rs"]
mod golden;

use ascan_core::{OutputChoice, Tensor};
use ascan_onnx::{Classifier, Model, Seed, gradient};
use ascan_ort::find_library;
use ort::session::Session;
use ort::value::TensorRef;

/// What `ascan gradient` writes, run by onnxruntime on two images at once.
#[test]
fn a_written_file_takes_any_batch() {
    let library = match find_library(None) {
        Ok(library) => library,
        Err(places) => return println!("skipped: no onnxruntime in {places:?}"),
    };
    let environment = ort::init_from(library).unwrap().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for family in &golden::families() {
        for export in &family.exports {
            let file = family.open(&export.exporter).path;
            let model = Model::load(&file).unwrap();
            let classifier = Classifier::analyse(&model, None, &OutputChoice::default()).unwrap();
            let proto = gradient(&model, &classifier, &[], &[&classifier.input], Seed::TargetClass).unwrap();
            assert_eq!(
                proto,
                gradient(&model, &classifier, &[], &[&classifier.input], Seed::TargetClass).unwrap(),
                "the same file again"
            );
            let path = folder.path().join("gradient.onnx");
            Model::from_proto(proto, &path).save(&path).unwrap();
            let mut session = Session::builder(&environment).unwrap().commit_from_file(&path).unwrap();
            let images = family.tensor("images");
            let classes: Vec<i64> = family.target_classes.iter().map(|&class| class as i64).collect();
            let inputs = ort::inputs![
                TensorRef::from_array_view((images.shape(), images.data())).unwrap(),
                TensorRef::from_array_view(([classes.len()], classes.as_slice())).unwrap()
            ];
            let outputs = session.run(inputs).unwrap();
            let name = format!("gradient/{}", classifier.input);
            let (shape, data) = outputs[name.as_str()].try_extract_tensor::<f32>().unwrap();
            let shape: Vec<usize> = shape.iter().map(|&length| length as usize).collect();
            let found = Tensor::new(shape, data.to_vec()).unwrap();
            golden::assert_close(&export.file, &found, family.tensor("input_gradient"), 1e-5);
        }
    }
}
