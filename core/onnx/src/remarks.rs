//! What is worth knowing of a graph before it is explained.

use crate::view::View;
use std::collections::HashSet;

/// Version of ONNX's operators from which on batch normalisation says whether it is in training.
const TRAINING_MODE_SINCE: i64 = 14;

/// Batch normalisation that takes its statistics from the images of the call.
pub(crate) fn in_training(view: &View, used: &HashSet<&str>) -> Option<String> {
    let opset = view.flat.model.opset();
    let trains = |node: &&crate::proto::NodeProto| {
        let read = node.output.first().is_some_and(|name| used.contains(name.as_str()));
        let on = match opset {
            TRAINING_MODE_SINCE.. => node.attr_int("training_mode").unwrap_or(0) != 0,
            _ => node.output.iter().filter(|name| !name.is_empty()).count() > 1,
        };
        read && on && node.op_type == "BatchNormalization"
    };
    let found: Vec<&crate::proto::NodeProto> = view.flat.nodes.iter().filter(trains).collect();
    let first = found.first()?.display_name();
    Some(format!(
        "warning: {} batch normalisation(s) are in training mode (the first is node `{first}`): the model takes mean and \
         deviation from the images of each call, and answers otherwise than it was tested; export it in evaluation mode \
         (`model.eval()`)",
        found.len()
    ))
}

/// Domain of onnxruntime's operators on channels in blocks.
const BLOCKED: &str = "com.microsoft.nchwc";

/// That the layer is no more than the input.
pub(crate) fn at_input(view: &View, layer: Option<&str>) -> Option<String> {
    let layer = layer?;
    let scales = |name: &str| {
        view.producer(name).is_none_or(|(_, node)| {
            matches!(
                node.op_type.as_str(),
                "Identity"
                    | "Cast"
                    | "Add"
                    | "Sub"
                    | "Mul"
                    | "Div"
                    | "Clip"
                    | "Transpose"
                    | "Reshape"
                    | "Squeeze"
                    | "Unsqueeze"
                    | "BatchNormalization"
                    | "QuantizeLinear"
                    | "DequantizeLinear"
            )
        })
    };
    view.ancestors(layer).into_iter().all(scales).then(|| {
        if view.flat.nodes.iter().any(|node| node.domain == BLOCKED) {
            return format!(
                "warning: onnxruntime wrote this file for one kind of processor (operators of `{BLOCKED}`): its feature maps \
                 lie in blocks and cannot be read, so `{layer}`, the input, stands in for one, and no gradient is known; use the \
                 file from before that optimisation"
            );
        }
        format!(
            "the model has no feature map with spatial extent (it is no convolutional net or transformer): `{layer}`, its \
             input, stands in for one, so maps are of pixels and the features are the weighted colours of the image"
        )
    })
}
