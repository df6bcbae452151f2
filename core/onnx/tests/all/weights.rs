//! Writing weights back.

use crate::support::tiny;
use ascan_core::{Error, Tensor};
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{NodeProto, TensorProto};
use ascan_onnx::{Model, decode};

fn initializer<'m>(model: &'m mut Model, name: &str) -> &'m mut TensorProto {
    let graph = model.proto.graph.as_mut().unwrap();
    graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

fn weight(values: [f32; 4]) -> Vec<(String, Tensor)> {
    vec![("logits.bias".to_owned(), Tensor::new([4], values.to_vec()).unwrap())]
}

#[test]
fn each_weight_keeps_its_type() {
    for data_type in [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16] {
        let mut model = tiny();
        let stored = initializer(&mut model, "logits.bias");
        stored.data_type = data_type.into();
        model.set_weights(&weight([0.5, -1.0, 2.0, 0.0])).unwrap();
        let stored = initializer(&mut model, "logits.bias");
        assert_eq!(stored.data_type(), data_type);
        assert_eq!(decode(stored).unwrap().to_f32().unwrap(), [0.5, -1.0, 2.0, 0.0]);
    }
}

#[test]
fn values_in_typed_fields_are_replaced() {
    let mut model = tiny();
    let stored = initializer(&mut model, "logits.bias");
    stored.raw_data.clear();
    stored.float_data = vec![9.0; 4];
    model.set_weights(&weight([1.0, 2.0, 3.0, 4.0])).unwrap();
    assert_eq!(decode(initializer(&mut model, "logits.bias")).unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_constant_node_holds_weights_too() {
    let mut model = tiny();
    let bias = initializer(&mut model, "logits.bias").clone();
    let graph = model.proto.graph.as_mut().unwrap();
    graph.initializer.retain(|tensor| tensor.name != "logits.bias");
    graph.node.insert(0, NodeProto::new("Constant", &[], "logits.bias").with_tensor("value", bias));
    model.set_weights(&weight([1.0, 2.0, 3.0, 4.0])).unwrap();
    let node = &model.graph().unwrap().node[0];
    assert_eq!(decode(node.attr_tensor("value").unwrap()).unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn nothing_changes_when_one_weight_is_wrong() {
    let mut model = tiny();
    let before = model.proto.clone();
    let good = weight([1.0; 4]).remove(0);
    let short = ("conv1.bias".to_owned(), Tensor::zeros([3]));
    let error = model.set_weights(&[good.clone(), short]).unwrap_err();
    assert_eq!(error.to_string(), "weights for `conv1.bias`: expected [4], got [3]");
    let unknown = ("conv9.bias".to_owned(), Tensor::zeros([4]));
    let error = model.set_weights(&[good, unknown]).unwrap_err();
    assert!(matches!(&error, Error::UnknownName { available, .. } if available.contains(&"conv1.bias".to_owned())));
    assert_eq!(model.proto, before);
}

#[test]
fn quantised_weights_say_so() {
    let mut model = tiny();
    let stored = initializer(&mut model, "logits.weight");
    stored.name = "logits.weight_quantized".to_owned();
    stored.data_type = DataType::Int8.into();
    stored.raw_data = vec![1; 20];
    let graph = model.proto.graph.as_mut().unwrap();
    let node = NodeProto::new("DequantizeLinear", &["logits.weight_quantized", "scale"], "logits.weight");
    graph.node.insert(0, node);
    for name in ["logits.weight", "logits.weight_quantized"] {
        let error = model.set_weights(&[(name.to_owned(), Tensor::zeros([4, 5]))]).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("logits.weight_quantized"), "{error}");
    }
}
