//! The forms in which a model takes its image, and what its file says of shapes.

use crate::support::{open, trunk};
use ascan_core::{OutputChoice, OutputKind};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{ModelProto, NodeProto, TensorProto};
use ascan_onnx::{Classifier, Model, prepare};

fn analyse(model: &Model) -> Classifier {
    Classifier::analyse(model, None, &OutputChoice::default()).unwrap()
}

fn operators(proto: &ModelProto) -> Vec<&str> {
    proto.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.as_str()).collect()
}

/// Mean and linear layer behind the trunk, four classes.
fn head(graph: &mut GraphBuilder, map: &str) {
    let x = graph.global_average_pool("pool", map);
    let x = graph.flatten("flat", &x);
    graph.linear("logits", &x, 5, 4);
}

fn finish(mut graph: GraphBuilder, shape: &[Option<usize>]) -> Model {
    graph.output("logits", DataType::Float, shape);
    Model::from_proto(graph.into_proto(), "model.onnx")
}

#[test]
fn whole_numbers_are_rounded_on_the_way_in() {
    let mut graph = GraphBuilder::empty(13, 1);
    graph.input("pixels", DataType::Uint8, &open([8, 6, 3]));
    let x = graph.push(NodeProto::new("Cast", &["pixels"], "float").with_int("to", 1));
    let x = graph.push(NodeProto::new("Transpose", &[&x], "image").with_ints("perm", &[0, 3, 1, 2]));
    let x = trunk(&mut graph, &x);
    head(&mut graph, &x);
    let model = finish(graph, &open([4]));
    let found = analyse(&model);
    assert_eq!((found.input_shape, found.input_is_nhwc), ([3, 8, 6], true));
    let proto = prepare(&model, &found, &[], None).unwrap();
    assert_eq!(operators(&proto)[..4], ["Transpose", "QuantizeLinear", "Cast", "Transpose"]);
}

#[test]
fn a_single_image_and_images_without_channels_get_their_axes() {
    let mut graph = GraphBuilder::empty(13, 1);
    graph.input("image", DataType::Float, &[Some(3), Some(8), Some(6)]);
    // Exporters leave inputs behind that nothing reads.
    graph.input("training", DataType::Bool, &[]);
    let axes = graph.ints("axes", &[0]);
    let x = graph.node("Unsqueeze", &["image", &axes], "batched");
    let x = trunk(&mut graph, &x);
    head(&mut graph, &x);
    graph.node("Squeeze", &["logits", &axes], "out");
    graph.output("out", DataType::Float, &[Some(4)]);
    let model = Model::from_proto(graph.into_proto(), "single.onnx");
    let found = analyse(&model);
    assert_eq!((found.batch, found.n_classes, found.default_layer.as_deref()), (Some(1), 4, Some("relu2")));
    let again = Model::from_proto(prepare(&model, &found, &[], None).unwrap(), "prepared.onnx");
    assert_eq!((analyse(&again).input_shape, analyse(&again).n_classes), ([3, 8, 6], 4));

    let mut graph = GraphBuilder::with_input_shape("image", &[8, 6], 1);
    let axes = graph.ints("axes", &[1]);
    let x = graph.node("Unsqueeze", &["image", &axes], "gray");
    let x = graph.conv("conv", &x, 1, 5, 3, 1);
    head(&mut graph, &x);
    let found = analyse(&finish(graph, &open([4])));
    assert_eq!((found.input_shape, found.batch, found.default_layer.as_deref()), ([1, 8, 6], None, Some("conv")));
}

#[test]
fn a_model_without_maps_explains_its_input() {
    let mut graph = GraphBuilder::new("image", [1, 8, 6], 1);
    let x = graph.flatten("flat", "image");
    let x = graph.linear("hidden", &x, 48, 5);
    let x = graph.relu("relu", &x);
    graph.linear("logits", &x, 5, 4);
    let model = finish(graph, &open([4]));
    let found = analyse(&model);
    assert_eq!((found.default_layer.as_deref(), found.input_is_layer), (Some("image/pixels"), true));
    assert!(found.notes[0].contains("no feature map with spatial extent"), "{:?}", found.notes);
    let proto = prepare(&model, &found, &["image/pixels"], None).unwrap();
    assert_eq!(operators(&proto)[0], "Identity");
}

#[test]
fn a_head_that_pools_the_image_is_one_of_its_input() {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = graph.global_average_pool("pooled", "image");
    let x = graph.flatten("flat", &x);
    graph.linear("logits", &x, 3, 4);
    let found = analyse(&finish(graph, &open([4])));
    assert_eq!((found.default_layer.as_deref(), found.input_is_layer), (Some("image/pixels"), true));
    assert_eq!(found.linear_head.map(|head| head.layer).as_deref(), Some("image/pixels"));
    assert!(found.layers.iter().any(|layer| layer.info.name == "image/pixels"));
}

#[test]
fn batch_normalisation_in_training_is_told() {
    let model = |training: i64| {
        let mut graph = GraphBuilder::empty(15, 1);
        graph.input("image", DataType::Float, &open([3, 8, 6]));
        let x = graph.conv("conv", "image", 3, 5, 3, 1);
        let names = ["scale", "bias", "mean", "var"].map(|name| graph.floats(name, &[5], &[1.0; 5]));
        let [scale, bias, mean, var] = &names;
        let node = NodeProto::new("BatchNormalization", &[&x, scale, bias, mean, var], "norm");
        let x = graph.push(node.with_int("training_mode", training));
        head(&mut graph, &x);
        analyse(&finish(graph, &open([4]))).notes
    };
    assert!(model(0).is_empty());
    assert!(
        model(1)[0].starts_with("warning: 1 batch normalisation(s) are in training mode (the first is node `norm`)")
    );
}

#[test]
fn shapes_that_the_file_states_are_believed_and_the_operator_is_named_where_there_are_none() {
    let model = |states: bool| {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
        let x = trunk(&mut graph, "image");
        let x = graph.global_average_pool("pool", &x);
        let x = graph.flatten("flat", &x);
        let own = NodeProto { domain: "my.own".into(), ..NodeProto::new("Mystery", &[&x], "secret") };
        graph.push(own);
        if states {
            graph.output("secret", DataType::Float, &open([4]));
        } else {
            graph.output("secret", DataType::Float, &[None, None]);
        }
        Model::from_proto(graph.into_proto(), "model.onnx")
    };
    let found = analyse(&model(true));
    assert_eq!((&*found.logits, found.n_classes, found.batch), ("secret", 4, None));
    let error = Classifier::analyse(&model(false), None, &OutputChoice::default()).unwrap_err().to_string();
    assert!(error.contains("what node `secret` (my.own::Mystery) gives is not understood"), "{error}");
}

#[test]
fn pools_that_do_not_divide_and_clipped_shapes_keep_the_classes_known() {
    // As PyTorch's dynamo exporter writes AdaptiveAvgPool2d(2) on 3 × 3: windows of two rows and columns by GatherND.
    let mut graph = GraphBuilder::new("image", [3, 3, 3], 1);
    let x = graph.conv("conv", "image", 3, 5, 3, 1);
    let x = graph.push(NodeProto::new("Transpose", &[&x], "places").with_ints("perm", &[2, 3, 0, 1]));
    let row = |window: i64, i: i64| window + i;
    let mut indices = Vec::new();
    for (a, i, b, j) in (0..16).map(|at| (at / 8, at / 4 % 2, at / 2 % 2, at % 2)) {
        indices.extend([row(a, i), row(b, j)]);
    }
    graph.constant(TensorProto {
        name: "windows".into(),
        dims: vec![2, 2, 2, 2, 2],
        data_type: DataType::Int64.into(),
        int64_data: indices,
        ..Default::default()
    });
    let x = graph.node("GatherND", &[&x, "windows"], "gathered");
    let x = graph.push(NodeProto::new("Transpose", &[&x], "back").with_ints("perm", &[4, 5, 0, 1, 2, 3]));
    let x =
        graph.push(NodeProto::new("ReduceMean", &[&x], "pooled").with_ints("axes", &[3, 5]).with_int("keepdims", 0));
    // A length that is cut off at a bound, as timm writes its padding.
    let shape = graph.node("Shape", &[&x], "shape");
    let first = graph.ints("zero", &[0]);
    let n = graph.node("Gather", &[&shape, &first], "n");
    let (low, high) = (graph.ints("low", &[1]), graph.ints("high", &[1 << 30]));
    let n = graph.node("Clip", &[&n, &low, &high], "clipped");
    let rest = graph.ints("rest", &[-1]);
    let target = graph.push(NodeProto::new("Concat", &[&n, &rest], "target").with_int("axis", 0));
    let x = graph.node("Reshape", &[&x, &target], "flat");
    graph.linear("logits", &x, 20, 4);
    // Nothing is stated.
    let found = analyse(&finish(graph, &[None, None]));
    assert_eq!((found.n_classes, found.batch, found.default_layer.as_deref()), (4, None, Some("conv")));
}

#[test]
fn a_dynamically_quantised_model_is_read() {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let quantised = NodeProto {
        output: vec!["whole".into(), "scale".into(), "zero".into()],
        ..NodeProto::new("DynamicQuantizeLinear", &[&x], "whole")
    };
    graph.push(quantised);
    let x = graph.push(NodeProto::new("Cast", &["whole"], "float").with_int("to", 1));
    head(&mut graph, &x);
    let found = analyse(&finish(graph, &[None, None]));
    assert_eq!((found.kind, found.n_classes), (OutputKind::Logits, 4));
}

#[test]
fn attention_is_written_out_as_products_and_a_softmax() {
    for (n_heads, shape) in [(None, vec![2, 4, 3]), (Some(2), vec![4, 6])] {
        let mut graph = GraphBuilder::empty(23, 0);
        let lengths: Vec<Option<usize>> = [None].into_iter().chain([3, 8, 8].map(Some)).collect();
        graph.input("image", DataType::Float, &lengths);
        // One row of tokens an image: what attention takes does not matter here.
        let weight = graph.he("weight", &[24, 3, 8, 8]);
        graph.push(NodeProto::new("Conv", &["image", &weight], "conv"));
        let to: Vec<i64> = [0].into_iter().chain(shape.iter().map(|&dim| dim as i64)).collect();
        let to = graph.ints("to", &to);
        graph.node("Reshape", &["conv", &to], "tokens");
        let node = NodeProto::new("Attention", &["tokens", "tokens", "tokens"], "mixed");
        graph.push(match n_heads {
            Some(n) => node.with_int("q_num_heads", n).with_int("kv_num_heads", n),
            None => node,
        });
        graph.flatten("flat", "mixed");
        graph.linear("logits", "flat", 24, 2);
        let model = graph.finish("logits", "attention.onnx");
        let classifier = Classifier::analyse(&model, None, &OutputChoice::default()).unwrap();
        let prepared = prepare(&model, &classifier, &[], None).unwrap();
        let operators: Vec<&str> =
            prepared.graph.iter().flat_map(|graph| &graph.node).map(|node| node.op_type.as_str()).collect();
        assert!(!operators.contains(&"Attention") && operators.contains(&"Softmax"), "{operators:?}");
        assert_eq!(classifier.n_classes, 2);
    }
}
