//! Models that people use.

use crate::support::data;
use ascan_core::OutputChoice;
use ascan_onnx::{Classifier, Model, prepare};

fn analyse(folder: &str, file: &str) -> Option<(Model, Classifier)> {
    let model = Model::load(&data(folder)?.join(file)).unwrap();
    let classifier = Classifier::analyse(&model, None, &OutputChoice::default()).unwrap();
    Some((model, classifier))
}

#[test]
fn mobilenet_v2() {
    for (file, n_classes) in [("mobilenet_v2_1.0_224_tf2ptq.onnx", 1000), ("waterbirds_erm_mobilenetv2.onnx", 2)] {
        let Some((_, classifier)) = analyse("models", file) else { return };
        assert_eq!(classifier.default_layer.as_deref(), Some("conv34_relu6"));
        assert_eq!(classifier.layer("auto").unwrap().info.shape, [1280, 7, 7]);
        let head = classifier.linear_head.unwrap();
        assert_eq!((head.layer.as_str(), head.weight.shape()), ("conv34_relu6", &[n_classes, 1280][..]));
        assert_eq!((classifier.logits.as_str(), classifier.n_classes, classifier.batch), ("logits", n_classes, None));
        assert_eq!((classifier.input.as_str(), classifier.input_shape), ("input", [3, 224, 224]));
    }
}

#[test]
fn squeezenet_has_no_linear_map_behind_its_pool() {
    let Some((_, classifier)) = analyse("models", "squeezenet1.1.onnx") else { return };
    let head = classifier.linear_head.unwrap();
    assert_eq!(head.layer, "relu_conv10_r");
    let ones: Vec<usize> = (0..1_000_000).filter(|&i| head.weight.data()[i] != 0.0).collect();
    assert!(ones.iter().enumerate().all(|(k, &i)| i == k * 1001) && ones.len() == 1000);
}

#[test]
fn resnet20_and_mobilenet_v1() {
    for (file, layer, shape) in [
        ("resnet20_cifar10.onnx", "layer3.2.out", [64, 8, 8]),
        ("mobilenet_v1_0.25_128.onnx", "conv13_relu6", [256, 4, 4]),
    ] {
        let Some((_, classifier)) = analyse("models", file) else { return };
        assert_eq!(classifier.linear_head.as_ref().unwrap().layer, layer);
        assert_eq!(classifier.layer(layer).unwrap().info.shape, shape);
    }
}

#[test]
fn mnist_takes_any_batch_once_its_reshape_is_open() {
    let Some((model, classifier)) = analyse("mnist", "mnist.onnx") else { return };
    assert_eq!((model.opset(), model.proto.ir_version), (7, 3));
    assert_eq!((classifier.input.as_str(), classifier.input_shape), ("Input3", [1, 28, 28]));
    assert_eq!(classifier.default_layer.as_deref(), Some("Pooling160_Output_0"));
    assert_eq!(classifier.linear_head, None);
    assert_eq!(classifier.batch, None);
    let proto = prepare(&model, &classifier, &[], None).unwrap();
    assert!(proto.ir_version >= 4 && proto.graph.unwrap().input.len() == 1);
}

#[test]
fn the_captum_example_ends_in_a_relu() {
    let Some((_, classifier)) = analyse("reference_vectors", "captum_one_conv.onnx") else { return };
    assert_eq!((classifier.logits.as_str(), classifier.n_classes), ("output", 4));
    assert_eq!(classifier.default_layer.as_deref(), Some("relu1"));
    assert_eq!(classifier.linear_head, None);
}
