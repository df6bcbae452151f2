//! What the model's file says about its input.

use super::{Draft, published};
use ascan_config::sections::PreprocessSection;
use ascan_core::Result;
use ascan_images::Preprocess;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::{Classifier, Model};
use std::path::Path;

/// Size to try where a model leaves it open.
const USUAL_SIZE: [usize; 2] = [224, 224];

pub(super) fn guess(path: &Path, draft: &mut Draft) -> Result<Classifier> {
    let model = Model::load(path)?;
    draft.set("model.path", draft.path(path));
    let (choice, size) = (draft.given.model.output.choice(), draft.given.model.image_size);
    let classifier = match Classifier::analyse(&model, size, &choice) {
        Ok(classifier) => classifier,
        // Where the usual size does not help either, the first error is the one that says what is wrong.
        Err(error) if size.is_some() => return Err(error),
        Err(error) => {
            let classifier = Classifier::analyse(&model, Some(USUAL_SIZE), &choice).map_err(|_| error)?;
            draft.guess(
                "model.image_size",
                USUAL_SIZE.to_vec(),
                "the model leaves its image size open; this is the usual one",
            );
            classifier
        }
    };
    draft.notes.extend(classifier.notes.iter().cloned());
    match published::find(path, &model) {
        Some((section, source)) if fits(&section, &classifier) => {
            draft.is_published = true;
            draft.preprocessing(&section, &source);
        }
        _ => {
            let (preset, why) = preset(&model, &classifier);
            draft.guess("model.preprocess.preset", preset, why);
        }
    }
    match &classifier.default_layer {
        // Channels of a map are weighed by it; those of an image are colours.
        Some(_) if classifier.input_is_layer => draft.guess(
            "attribution.plugin",
            "integrated_gradients",
            "the model has no feature map, and this method explains pixels",
        ),
        Some(layer) => draft.guess(
            "attribution.params.layer",
            "auto",
            format!("that is `{layer}`, the last feature map with spatial extent before the head"),
        ),
        None => draft.notes.push("the model has no feature map before its head: set attribution.params.layer".into()),
    }
    Ok(classifier)
}

/// Whether it goes with the model's channels.
fn fits(section: &PreprocessSection, classifier: &Classifier) -> bool {
    Preprocess::new(section, classifier.input_shape).is_ok()
}

/// The named preprocessing that fits best, and why. Nothing in an ONNX file says it for certain.
fn preset(model: &Model, classifier: &Classifier) -> (&'static str, String) {
    let [c, h, w] = classifier.input_shape;
    let producer = model.proto.producer_name.to_lowercase();
    let nodes = model.graph().map(|graph| graph.node.as_slice()).unwrap_or_default();
    if takes_bytes(model, classifier) {
        return ("raw", "the model takes whole numbers from 0 to 255, and scales them itself".to_owned());
    }
    if let Some(node) = nodes.iter().find(|node| node.input.contains(&classifier.input)).filter(|node| is_scaling(node))
    {
        let why = format!("the model begins with {}, so it seems to scale its input itself", node.op_type);
        return ("raw", why);
    }
    if c == 1 {
        let from = if producer.is_empty() { "unknown".into() } else { format!("\"{producer}\"") };
        return if producer.contains("cntk") {
            ("raw", format!("one channel, written by {from}, which takes 0..255; `unit` if it was trained on 0..1"))
        } else {
            ("unit", format!("one channel, written by {from}; `raw` if it was trained on 0..255"))
        };
    }
    if classifier.input_is_nhwc || nodes.iter().any(has_asymmetric_pads) || producer.contains("tf2onnx") {
        let why = "its layout or asymmetric padding is TensorFlow's; most such models take x/127.5 - 1".to_owned();
        return ("tf", why);
    }
    if [h, w] == [227, 227] || producer.contains("caffe") {
        return ("caffe", format!("{h} x {w} images are Caffe's; `imagenet` if it was trained with PyTorch"));
    }
    ("imagenet", "three channels and symmetric padding: most such models come from PyTorch and take ImageNet's mean and deviation".into())
}

fn takes_bytes(model: &Model, classifier: &Classifier) -> bool {
    use ascan_onnx::proto::tensor_proto::DataType;
    use ascan_onnx::proto::type_proto::Value;
    let inputs = model.graph().map(|graph| graph.input.as_slice()).unwrap_or_default();
    let input = inputs.iter().find(|input| input.name == classifier.input).and_then(|input| input.r#type.as_ref());
    let elem = input.and_then(|kind| match &kind.value {
        Some(Value::TensorType(tensor)) => Some(tensor.elem_type),
        _ => None,
    });
    elem == Some(DataType::Uint8.into())
}

/// Arithmetic on the input itself: a normalisation inside the model.
fn is_scaling(node: &NodeProto) -> bool {
    ["Sub", "Div", "Mul"].contains(&node.op_type.as_str())
}

/// Begin and end differ, as TensorFlow's `SAME` does at stride 2.
fn has_asymmetric_pads(node: &NodeProto) -> bool {
    let asymmetric = |pads: &[i64]| pads.split_at(pads.len() / 2).0 != pads.split_at(pads.len() / 2).1;
    node.op_type == "Conv" && node.attr_ints("pads").is_some_and(asymmetric)
}
