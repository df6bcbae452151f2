//! Every family of classifiers that people export, as the exporters write them: the golden nets of `tests/golden`.

use crate::support::root;
use ascan_core::OutputChoice;
use ascan_onnx::proto::tensor_shape_proto::dimension::Value as Dim;
use ascan_onnx::proto::type_proto::Value as Type;
use ascan_onnx::proto::{ModelProto, ValueInfoProto};
use ascan_onnx::{Classifier, Layout, Model, prepare};
use serde_json::Value;

/// An export of a family, and what the index says of it.
struct Export {
    name: String,
    family: String,
    model: Model,
    classifier: Classifier,
    about: Value,
    input_shape: [usize; 3],
    n_classes: usize,
}

fn exports() -> Vec<Export> {
    let folder = root().join("tests/golden");
    let index = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let mut exports = Vec::new();
    for family in index["families"].as_array().unwrap() {
        for about in family["exports"].as_array().unwrap() {
            let name = about["file"].as_str().unwrap().to_owned();
            let model = Model::load(&folder.join(&name)).unwrap();
            let classifier = Classifier::analyse(&model, None, &OutputChoice::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            exports.push(Export {
                name,
                family: family["family"].as_str().unwrap().to_owned(),
                model,
                classifier,
                about: about.clone(),
                input_shape: serde_json::from_value(family["input_shape"].clone()).unwrap(),
                n_classes: family["n_classes"].as_u64().unwrap() as usize,
            });
        }
    }
    assert!(exports.len() >= 36, "{} golden exports", exports.len());
    exports
}

#[test]
fn input_logits_and_batch_are_found() {
    for Export { name, classifier, about, input_shape, n_classes, .. } in exports() {
        assert_eq!(classifier.input, about["input"].as_str().unwrap(), "{name}");
        assert_eq!(classifier.input_shape, input_shape, "{name}");
        assert_eq!(classifier.input_is_nhwc, about["input_layout"] == "nhwc", "{name}");
        assert_eq!(classifier.logits, about["logits"].as_str().unwrap(), "{name}");
        assert_eq!(classifier.n_classes, n_classes, "{name}");
        assert_eq!(classifier.batch, None, "{name}");
    }
}

/// Exporters fold batch normalisation into the bias of the convolution before it: what a net adds stays the same.
#[test]
fn biases_are_the_same_with_batch_norm_kept_and_folded() {
    let exports = exports();
    for family in ["resnet", "mobilenet_v2"] {
        let biases = |file: &str| -> Vec<Vec<f32>> {
            let export = exports.iter().find(|export| export.name == format!("{family}.{file}.onnx")).unwrap();
            let layers = export.classifier.layers.iter();
            layers.filter_map(|layer| export.classifier.biases.get(&layer.info.name).cloned()).collect()
        };
        let (kept, folded) = (biases("torchscript_bn"), biases("torchscript"));
        assert!(kept.len() > 5 && kept.len() == folded.len(), "{family}: {} and {}", kept.len(), folded.len());
        for (kept, folded) in kept.iter().flatten().zip(folded.iter().flatten()) {
            assert!((kept - folded).abs() < 1e-5, "{family}: {kept} and {folded}");
        }
    }
}

#[test]
fn the_feature_layer_of_each_family_is_found() {
    for Export { name, family, classifier, about, .. } in exports() {
        let expected = about["layer"].as_str().unwrap();
        let listed = classifier.layer(expected).unwrap_or_else(|error| panic!("{name}: {error}"));
        let layout = match about["layer_layout"].as_str().unwrap() {
            "nchw" => Layout::Nchw,
            "nhwc" => Layout::Nhwc,
            _ => {
                let [_, h, w] = listed.info.shape;
                Layout::Tokens { prefix: about["prefix_tokens"].as_u64().unwrap() as usize, h, w }
            }
        };
        assert_eq!(listed.layout, layout, "{name}");
        let default = classifier.default_layer.as_deref().unwrap();
        match family.as_str() {
            // Swin's map is transposed before it is pooled: the same numbers, and closed-form Grad-CAM.
            "swin" => assert_eq!(classifier.layer("auto").unwrap().info.shape, listed.info.shape, "{name}"),
            // The golden takes the map before the last convolution, whose output is the one that is pooled.
            "squeezenet" => assert_eq!(classifier.layer("auto").unwrap().info.operator, "Relu", "{name}"),
            // At the golden's small size the last maps of Inception are single places.
            _ => assert_eq!(default, expected, "{name}"),
        }
    }
}

#[test]
fn heads_that_are_linear_in_the_pooled_map_are_found() {
    let linear = [
        "resnet",
        "mobilenet_v2",
        "resnext",
        "densenet",
        "googlenet",
        "squeezenet",
        "shufflenet_v2",
        "mobilenet_v1",
        "efficientnet",
        "regnet",
        "swin",
        "keras_mobilenet",
        "keras_resnet",
    ];
    for Export { name, family, classifier, n_classes, .. } in exports() {
        let head = &classifier.linear_head;
        assert_eq!(head.is_some(), linear.contains(&family.as_str()), "{name}");
        let Some(head) = head else { continue };
        assert_eq!(Some(&head.layer), classifier.default_layer.as_ref(), "{name}");
        let [c, ..] = classifier.layer(&head.layer).unwrap().info.shape;
        assert_eq!(head.weight.shape(), [n_classes, c], "{name}");
    }
}

#[test]
fn a_prepared_model_has_one_form() {
    for Export { name, model, classifier, input_shape, n_classes, .. } in exports() {
        let layer = classifier.layer("auto").unwrap();
        let proto = prepare(&model, &classifier, &["auto"], None).unwrap();
        let graph = proto.graph.as_ref().unwrap();
        let [c, h, w] = input_shape.map(|dim| dim as i64);
        assert_eq!(dims(&graph.input[0]), [-1, c, h, w], "{name}");
        let names: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, [&*classifier.logits, &*layer.info.name], "{name}");
        assert_eq!(dims(&graph.output[0]), [-1, n_classes as i64], "{name}");

        // What is known of the prepared model is what is known of the file, its layout aside.
        let again =
            Classifier::analyse(&Model::from_proto(proto, "prepared.onnx"), None, &OutputChoice::default()).unwrap();
        assert_eq!(again.logits, classifier.logits, "{name}");
        assert_eq!(again.linear_head, classifier.linear_head, "{name}");
        assert_eq!(again.default_layer, classifier.default_layer, "{name}");
        assert!(!again.input_is_nhwc, "{name}");
    }
}

#[test]
fn a_fixed_batch_can_be_asked_for() {
    for Export { name, model, classifier, .. } in exports() {
        let proto = prepare(&model, &classifier, &[], Some(4)).unwrap();
        let graph = proto.graph.as_ref().unwrap();
        assert_eq!(dims(&graph.input[0])[0], 4, "{name}");
        assert_eq!(dims(&graph.output[0])[0], 4, "{name}");
    }
}

#[test]
fn reading_and_writing_loses_nothing() {
    for Export { name, model, .. } in exports() {
        let again: ModelProto = prost::Message::decode(&*model.to_bytes()).unwrap();
        assert_eq!(again, model.proto, "{name}");
        let size = std::fs::metadata(&model.path).unwrap().len();
        // Fields that the declarations lack would be missing; zero-length and default ones may be.
        let written = model.to_bytes().len() as u64;
        assert!(written <= size && written + size / 10 > size, "{name}: {written} of {size} bytes");
    }
}

/// Lengths of a value's axes, −1 for open ones.
fn dims(value: &ValueInfoProto) -> Vec<i64> {
    let Some(Type::TensorType(tensor)) = &value.r#type.as_ref().unwrap().value else {
        panic!("{} is no tensor", value.name)
    };
    let length = |dim: &Option<Dim>| match dim {
        Some(Dim::DimValue(length)) => *length,
        _ => -1,
    };
    tensor.shape.as_ref().unwrap().dim.iter().map(|dim| length(&dim.value)).collect()
}
