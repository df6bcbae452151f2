//! The laws of a backend on small nets, and what is said of a graph whose gradient cannot be written.

use ascan_core::testing::{BackendExpectations, check_backend, toy_images};
use ascan_core::{ModelBackend, OpenModel, Runtime};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use std::path::{Path, PathBuf};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(file)
}

#[test]
fn a_backend_keeps_the_laws() {
    let Some(runtime) = super::runtime() else { return };
    let files = [
        "resnet.torchscript_bn.onnx",
        "mobilenet_v2.dynamo.onnx",
        "vit.torchscript.onnx",
        "densenet.dynamo.onnx",
        "swin.dynamo.onnx",
        "keras_resnet.keras.onnx",
        "exported/single.onnx",
    ];
    for file in files {
        let open = |n_threads| -> Box<dyn ModelBackend> {
            runtime.open(&OpenModel { n_threads, ..OpenModel::new(golden(file)) }).expect("the net opens")
        };
        let expectations = BackendExpectations::new(toy_images(3, open(1).info().input_shape, 1));
        check_backend(file, &open, &expectations);
    }
}

/// A head that pools the image itself: its layer is the image.
#[test]
fn a_net_without_a_feature_map_keeps_the_laws() {
    let Some(runtime) = super::runtime() else { return };
    let mut graph = GraphBuilder::new("image", [3, 8, 8], 1);
    let x = graph.global_average_pool("pooled", "image");
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 3, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    graph.finish(&logits, &path).save(&path).unwrap();
    let open = |n_threads| -> Box<dyn ModelBackend> {
        runtime.open(&OpenModel { n_threads, ..OpenModel::new(&path) }).expect("the net opens")
    };
    assert_eq!(open(1).info().default_layer.as_deref(), Some("image/pixels"));
    check_backend("ort", &open, &BackendExpectations::new(toy_images(3, [3, 8, 8], 1)));
}

/// Workers share what is read of a file, but not with those who open it after it was written anew.
#[test]
fn a_file_that_was_written_anew_is_read_anew() {
    let Some(runtime) = super::runtime() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    let write = |n_classes: usize| {
        let mut graph = GraphBuilder::new("image", [3, 8, 8], 1);
        let x = graph.conv("conv", "image", 3, 4, 3, 1);
        let x = graph.global_average_pool("pooled", &x);
        let x = graph.flatten("flat", &x);
        let logits = graph.linear("logits", &x, 4, n_classes);
        graph.finish(&logits, &path).save(&path).unwrap();
    };
    write(3);
    let [first, second] =
        [1, 2].map(|n_threads| runtime.open(&OpenModel { n_threads, ..OpenModel::new(&path) }).expect("the net opens"));
    write(5);
    let third = runtime.open(&OpenModel::new(&path)).expect("the net opens");
    let n_classes = |model: &dyn ModelBackend| {
        let forward = model.forward(toy_images(2, [3, 8, 8], 1).view(), &[]).unwrap();
        (forward.logits.shape()[1], model.info().n_classes)
    };
    assert_eq!([&first, &second, &third].map(|model| n_classes(&**model)), [(3, 3), (3, 3), (5, 5)]);
}

#[test]
fn an_operator_without_a_rule_is_named() {
    let Some(runtime) = super::runtime() else { return };
    let mut graph = GraphBuilder::new("image", [3, 8, 8], 1);
    let x = graph.conv("conv", "image", 3, 4, 3, 1);
    let x = graph.push(NodeProto::new("Mod", &[&x, &x], "rest").with_int("fmod", 1));
    let x = graph.global_average_pool("pooled", &x);
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 4, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    graph.finish(&logits, &path).save(&path).unwrap();
    let model = runtime.open(&OpenModel::new(&path)).expect("onnxruntime runs it");
    assert!(!model.info().capabilities.gradients);
    let why = model.info().no_gradients.clone().expect("a reason");
    assert!(why.contains("`Mod`") && why.contains("`rest`"), "{why}");
    let images = toy_images(1, [3, 8, 8], 1);
    assert!(model.forward(images.view(), &[]).is_ok());
    let error = model.gradients(images.view(), &[0], &["image"]).unwrap_err().to_string();
    assert!(error.contains("`Mod`"), "{error}");
}
