//! The forms in which the same classifier may come.

use crate::support::{open, tiny, trunk, with_output};
use ascan_core::OutputChoice;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::tensor_shape_proto::dimension::Value as Dim;
use ascan_onnx::proto::type_proto::Value as Type;
use ascan_onnx::proto::{AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use ascan_onnx::{Classifier, Layout, Model, cut_after, decode, prepare};

fn analyse(model: &Model) -> Classifier {
    Classifier::analyse(model, None, &OutputChoice::default()).unwrap()
}

fn operators(proto: &ModelProto) -> Vec<&str> {
    proto.graph.as_ref().unwrap().node.iter().map(|node| node.op_type.as_str()).collect()
}

/// [`trunk`], then what `head` makes of its map.
fn classifier_with(head: impl FnOnce(&mut GraphBuilder, &str) -> String) -> Model {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let logits = head(&mut graph, &x);
    with_output(graph, &logits, &open([4]))
}

#[test]
fn layers_come_in_graph_order_with_their_shapes() {
    let classifier = analyse(&tiny());
    let layers: Vec<(&str, &str, [usize; 3])> =
        classifier.layers.iter().map(|l| (&*l.info.name, &*l.info.operator, l.info.shape)).collect();
    assert_eq!(
        layers,
        [
            ("conv1", "Conv", [4, 8, 6]),
            ("bn1", "BatchNormalization", [4, 8, 6]),
            ("relu1", "Relu", [4, 8, 6]),
            ("conv2", "Conv", [5, 4, 3]),
            ("relu2", "Relu", [5, 4, 3]),
        ]
    );
    let info = classifier.model_info("engine 1", Default::default(), 8);
    assert_eq!((info.default_layer.as_deref(), info.n_classes, info.preferred_batch), (Some("relu2"), 4, 8));
}

#[test]
fn every_form_of_a_linear_head_gives_the_same_weight() {
    let expected = {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
        graph.he("w", &[4, 5]);
        decode(&graph.into_proto().graph.unwrap().initializer[0]).unwrap().to_f32().unwrap()
    };
    let pooled = |graph: &mut GraphBuilder, x: &str| {
        let x = graph.global_average_pool("pool", x);
        graph.flatten("flat", &x)
    };
    type Head = fn(&mut GraphBuilder, &str, &dyn Fn(&mut GraphBuilder, &str) -> String) -> String;
    let forms: [(&str, Head); 8] = [
        ("Gemm, transposed", |g, x, pool| {
            let x = pool(g, x);
            g.push(NodeProto::new("Gemm", &[&x, "w"], "out").with_int("transB", 1))
        }),
        ("Gemm of a transposed constant", |g, x, pool| {
            let x = pool(g, x);
            let w = g.push(NodeProto::new("Transpose", &["w"], "wt").with_ints("perm", &[1, 0]));
            g.node("Gemm", &[&x, &w], "out")
        }),
        ("MatMul and Add", |g, x, pool| {
            let x = pool(g, x);
            let w = g.node("Transpose", &["w"], "wt");
            let x = g.node("MatMul", &[&x, &w], "product");
            let bias = g.floats("b", &[4], &[1.0, 2.0, 3.0, 4.0]);
            g.node("Add", &[&bias, &x], "out")
        }),
        ("1 x 1 convolution", |g, x, _| {
            let x = g.global_average_pool("pool", x);
            let shape = g.ints("kernel", &[4, 5, 1, 1]);
            let w = g.node("Reshape", &["w", &shape], "w4");
            let x = g.node("Conv", &[&x, &w], "conv");
            g.flatten("out", &x)
        }),
        ("ReduceMean, axes as attribute", |g, x, _| {
            let node = NodeProto::new("ReduceMean", &[x], "pool").with_ints("axes", &[-1, -2]).with_int("keepdims", 0);
            let x = g.push(node);
            g.push(NodeProto::new("Gemm", &[&x, "w"], "out").with_int("transB", 1))
        }),
        ("two ReduceMeans", |g, x, _| {
            let x = g.push(NodeProto::new("ReduceMean", &[x], "rows").with_ints("axes", &[3]).with_int("keepdims", 0));
            let x = g.push(NodeProto::new("ReduceMean", &[&x], "pool").with_ints("axes", &[2]).with_int("keepdims", 0));
            g.push(NodeProto::new("Gemm", &[&x, "w"], "out").with_int("transB", 1))
        }),
        ("average pool of the whole map", |g, x, _| {
            let x = g.push(NodeProto::new("AveragePool", &[x], "pool").with_ints("kernel_shape", &[4, 3]));
            let axes = g.ints("axes", &[2, 3]);
            let x = g.node("Squeeze", &[&x, &axes], "flat");
            g.push(NodeProto::new("Gemm", &[&x, "w"], "out").with_int("transB", 1))
        }),
        ("channels last", |g, x, _| {
            let x = g.push(NodeProto::new("Transpose", &[x], "nhwc").with_ints("perm", &[0, 2, 3, 1]));
            let x =
                g.push(NodeProto::new("ReduceMean", &[&x], "pool").with_ints("axes", &[1, 2]).with_int("keepdims", 0));
            g.push(NodeProto::new("Gemm", &[&x, "w"], "out").with_int("transB", 1))
        }),
    ];
    for (form, head) in forms {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
        graph.he("w", &[4, 5]);
        let x = trunk(&mut graph, "image");
        let logits = head(&mut graph, &x, &pooled);
        let found = analyse(&with_output(graph, &logits, &open([4]))).linear_head;
        let found = found.unwrap_or_else(|| panic!("{form}: no linear head"));
        assert_eq!(found.layer, if form == "channels last" { "nhwc" } else { "relu2" }, "{form}");
        assert_eq!((found.weight.shape(), found.weight.data()), (&[4, 5][..], &*expected), "{form}");
    }
}

#[test]
fn heads_with_more_in_them_are_not_linear() {
    let relu = classifier_with(|g, x| {
        let x = g.global_average_pool("pool", x);
        let x = g.flatten("flat", &x);
        let x = g.linear("fc", &x, 5, 4);
        g.relu("out", &x)
    });
    let flat = classifier_with(|g, x| {
        let x = g.flatten("flat", x);
        g.linear("out", &x, 60, 4)
    });
    let max = classifier_with(|g, x| {
        let x = g.node("GlobalMaxPool", &[x], "pool");
        let x = g.flatten("flat", &x);
        g.linear("out", &x, 5, 4)
    });
    let part = classifier_with(|g, x| {
        let x = g.push(NodeProto::new("ReduceMean", &[x], "rows").with_ints("axes", &[3]));
        let x = g.flatten("flat", &x);
        g.linear("out", &x, 20, 4)
    });
    for model in [relu, flat, max] {
        let classifier = analyse(&model);
        assert_eq!(classifier.linear_head, None);
        assert_eq!(classifier.default_layer.as_deref(), Some("relu2"));
    }
    assert_eq!(analyse(&part).linear_head, None);
}

#[test]
fn a_dequantised_weight_is_read() {
    let model = classifier_with(|g, x| {
        let x = g.global_average_pool("pool", x);
        let x = g.flatten("flat", &x);
        g.constant(TensorProto {
            name: "q".into(),
            dims: vec![4, 5],
            data_type: DataType::Int8.into(),
            raw_data: (0..20).collect(),
            ..Default::default()
        });
        g.constant(TensorProto {
            name: "zero".into(),
            dims: vec![4],
            data_type: DataType::Int8.into(),
            raw_data: vec![0, 1, 2, 3],
            ..Default::default()
        });
        g.floats("scale", &[4], &[1.0, 0.5, 0.25, 2.0]);
        let w = g.push(NodeProto::new("DequantizeLinear", &["q", "scale", "zero"], "w").with_int("axis", 0));
        g.push(NodeProto::new("Gemm", &[&x, &w], "out").with_int("transB", 1))
    });
    let head = analyse(&model).linear_head.unwrap();
    assert_eq!(head.weight.row(1), [2.0, 2.5, 3.0, 3.5, 4.0]);
    assert_eq!(head.weight.row(3), [24.0, 26.0, 28.0, 30.0, 32.0]);
}

#[test]
fn a_final_softmax_is_left_out() {
    for op_type in ["Softmax", "LogSoftmax"] {
        let model = classifier_with(|g, x| {
            let x = g.global_average_pool("pool", x);
            let x = g.flatten("flat", &x);
            let x = g.linear("scores", &x, 5, 4);
            g.push(NodeProto::new(op_type, &[&x], "probs").with_int("axis", -1))
        });
        let classifier = analyse(&model);
        assert_eq!((classifier.logits.as_str(), classifier.n_classes), ("scores", 4));
        assert!(classifier.linear_head.is_some());
        let proto = prepare(&model, &classifier, &[], None).unwrap();
        assert_eq!(operators(&proto).last(), Some(&"Gemm"));
    }
}

#[test]
fn logits_with_axes_of_length_one_are_flattened() {
    let model = {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
        let x = trunk(&mut graph, "image");
        let x = graph.conv("conv3", &x, 5, 4, 1, 1);
        let x = graph.global_average_pool("pool", &x);
        with_output(graph, &x, &open([4, 1, 1]))
    };
    let classifier = analyse(&model);
    assert_eq!((classifier.logits.as_str(), classifier.n_classes), ("pool", 4));
    let head = classifier.linear_head.as_ref().unwrap();
    assert_eq!((head.layer.as_str(), head.weight.shape()), ("conv3", &[4, 4][..]));
    let proto = prepare(&model, &classifier, &[], None).unwrap();
    let output = &proto.graph.as_ref().unwrap().output[0];
    assert_eq!((output.name.as_str(), lengths(output)), ("pool", vec![-1, 4]));
    assert_eq!(operators(&proto).last(), Some(&"Reshape"));
}

#[test]
fn nhwc_and_half_precision_are_hidden_from_engines() {
    let mut graph = GraphBuilder::empty(13, 1);
    graph.input("image", DataType::Float16, &open([8, 6, 3]));
    let x = graph.push(NodeProto::new("Transpose", &["image"], "nchw").with_ints("perm", &[0, 3, 1, 2]));
    let half = |graph: &mut GraphBuilder, name: &str, dims: &[i64]| {
        let n: i64 = dims.iter().product();
        graph.constant(TensorProto {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: DataType::Float16.into(),
            raw_data: half::f16::from_f32(0.5).to_le_bytes().repeat(n as usize),
            ..Default::default()
        })
    };
    let w = half(&mut graph, "w", &[5, 3, 1, 1]);
    let x = graph.node("Conv", &[&x, &w], "map");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let fc = half(&mut graph, "fc", &[5, 4]);
    let x = graph.node("MatMul", &[&x, &fc], "logits");
    graph.output(&x, DataType::Float16, &open([4]));
    let model = Model::from_proto(graph.into_proto(), "half.onnx");

    let classifier = analyse(&model);
    assert!(classifier.input_is_nhwc);
    assert_eq!(classifier.input_shape, [3, 8, 6]);
    assert_eq!(classifier.linear_head.as_ref().unwrap().weight.data(), [0.5; 20]);
    let proto = prepare(&model, &classifier, &["map"], None).unwrap();
    let graph = proto.graph.as_ref().unwrap();
    assert_eq!((graph.input[0].name.as_str(), lengths(&graph.input[0])), ("image", vec![-1, 3, 8, 6]));
    let outputs: Vec<(&str, Vec<i64>)> = graph.output.iter().map(|value| (&*value.name, lengths(value))).collect();
    assert_eq!(outputs, [("logits", vec![-1, 4]), ("map", vec![-1, 5, 8, 6])]);
    // The map is a float32 tensor on the way to the logits: a gradient with respect to it reaches them.
    let expected =
        ["Transpose", "Cast", "Transpose", "Conv", "Cast", "Cast", "GlobalAveragePool", "Flatten", "MatMul", "Cast"];
    assert_eq!(operators(&proto), expected);
    assert_eq!((&*graph.node[4].output[0], &*graph.node[5].input[0]), ("map", "map"));
    assert_eq!(graph.node[5].output, graph.node[6].input);
}

#[test]
fn constants_among_the_inputs_are_no_inputs() {
    let mut model = tiny();
    let graph = model.proto.graph.as_mut().unwrap();
    let named = |tensor: &TensorProto| ValueInfoProto { name: tensor.name.clone(), ..Default::default() };
    let constants: Vec<ValueInfoProto> = graph.initializer.iter().map(named).collect();
    graph.input.splice(0..0, constants);
    model.proto.ir_version = 3;
    let classifier = analyse(&model);
    assert_eq!(classifier.input, "image");
    let proto = prepare(&model, &classifier, &[], None).unwrap();
    assert_eq!(proto.graph.unwrap().input.len(), 1);
    assert_eq!(proto.ir_version, 4);
}

fn fixed_batch(shape: &[i64]) -> Model {
    let mut graph = GraphBuilder::empty(13, 1);
    graph.input("image", DataType::Float, &[Some(2), Some(3), Some(8), Some(6)]);
    let x = trunk(&mut graph, "image");
    let x = graph.global_average_pool("pool", &x);
    let shape = graph.ints("shape", shape);
    let x = graph.node("Reshape", &[&x, &shape], "flat");
    let x = graph.linear("logits", &x, 5, 4);
    with_output(graph, &x, &[Some(2), Some(4)])
}

#[test]
fn a_fixed_batch_is_opened_where_only_reshapes_hold_it() {
    for shape in [&[2, 5][..], &[2, -1], &[-1, 5]] {
        let model = fixed_batch(shape);
        let classifier = analyse(&model);
        assert_eq!(classifier.batch, None, "{shape:?}");
        let proto = prepare(&model, &classifier, &[], None).unwrap();
        assert_eq!(lengths(&proto.graph.as_ref().unwrap().input[0]), [-1, 3, 8, 6]);
        let again = analyse(&Model::from_proto(proto, "prepared.onnx"));
        assert_eq!(again.batch, None, "{shape:?}");
    }
}

#[test]
fn a_batch_that_is_built_in_stays() {
    let mut graph = GraphBuilder::empty(13, 1);
    graph.input("image", DataType::Float, &[Some(2), Some(3), Some(8), Some(6)]);
    let x = trunk(&mut graph, "image");
    let noise = graph.he("noise", &[2, 5, 4, 3]);
    let x = graph.node("Add", &[&x, &noise], "noisy");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let x = graph.linear("logits", &x, 5, 4);
    let model = with_output(graph, &x, &[Some(2), Some(4)]);
    let classifier = analyse(&model);
    assert_eq!(classifier.batch, Some(2));
    let proto = prepare(&model, &classifier, &[], None).unwrap();
    assert_eq!(lengths(&proto.graph.unwrap().input[0]), [2, 3, 8, 6]);
    let error = prepare(&model, &classifier, &[], Some(1)).unwrap_err();
    assert!(error.to_string().contains("2 images at a time, not 1"), "{error}");
}

#[test]
fn functions_of_the_model_are_inlined() {
    let mut model = tiny();
    let graph = model.proto.graph.as_mut().unwrap();
    // `relu2` becomes a call of a function with an inner value and an attribute that the caller gives.
    let relu = graph.node.iter_mut().find(|node| node.output[0] == "relu2").unwrap();
    *relu =
        NodeProto { domain: "own".into(), ..NodeProto::new("Leaky", &["conv2"], "relu2").with_float("slope", 0.25) };
    let referring =
        AttributeProto { name: "alpha".into(), ref_attr_name: "slope".into(), r#type: 1, ..Default::default() };
    let mut leaky = NodeProto::new("LeakyRelu", &["inner"], "y");
    leaky.attribute.push(referring);
    model.proto.functions.push(FunctionProto {
        name: "Leaky".into(),
        domain: "own".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        attribute: vec!["slope".into()],
        node: vec![NodeProto::new("Identity", &["x"], "inner"), leaky],
        ..Default::default()
    });
    let classifier = analyse(&model);
    assert_eq!(classifier.linear_head.as_ref().unwrap().layer, "relu2");
    assert!(classifier.layer("relu2/inner").is_ok());
    let proto = prepare(&model, &classifier, &[], None).unwrap();
    assert!(proto.functions.is_empty());
    let graph = proto.graph.as_ref().unwrap();
    let node = graph.node.iter().find(|node| node.output[0] == "relu2").unwrap();
    assert_eq!((node.op_type.as_str(), node.attr_float("alpha")), ("LeakyRelu", Some(0.25)));
}

#[test]
fn nodes_and_constants_without_a_reader_are_dropped() {
    let mut model = tiny();
    let graph = model.proto.graph.as_mut().unwrap();
    graph.node.push(NodeProto::new("Relu", &["conv1"], "unused"));
    graph.initializer.push(TensorProto { name: "unused_constant".into(), ..graph.initializer[0].clone() });
    let classifier = analyse(&model);
    assert!(classifier.layer("unused").is_err());
    let proto = prepare(&model, &classifier, &["relu2", "relu2", "conv1"], None).unwrap();
    let graph = proto.graph.unwrap();
    assert!(!graph.node.iter().any(|node| node.output[0] == "unused"));
    assert!(!graph.initializer.iter().any(|tensor| tensor.name == "unused_constant"));
    let names: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["logits", "relu2", "conv1"]);
}

#[test]
fn the_part_after_a_layer_is_a_model_of_its_own() {
    let model = tiny();
    let proto = cut_after(&model, "relu2", &["logits"]).unwrap();
    assert_eq!(operators(&proto), ["GlobalAveragePool", "Flatten", "Gemm"]);
    let graph = proto.graph.as_ref().unwrap();
    assert_eq!((graph.input[0].name.as_str(), lengths(&graph.input[0])), ("relu2", vec![-1, 5, 4, 3]));
    assert_eq!(graph.initializer.len(), 2);
}

#[test]
fn a_layer_that_others_bypass_is_no_place_to_cut() {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = graph.conv("conv1", "image", 3, 3, 3, 1);
    let x = graph.node("Add", &[&x, "image"], "sum");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 3, 4);
    let error = cut_after(&graph.finish(&logits, "model.onnx"), "conv1", &["logits"]).unwrap_err();
    assert!(error.to_string().contains("`sum` (Add)"), "{error}");
}

/// A transformer block without its MLP: the head reads the class token.
#[test]
fn class_tokens_move_the_default_layer_before_the_last_attention() {
    let mut g = GraphBuilder::new("image", [3, 8, 8], 1);
    let he = GraphBuilder::he;
    let x = g.conv("stem", "image", 3, 6, 3, 2);
    let shape = g.ints("shape", &[0, 6, 16]);
    let x = g.node("Reshape", &[&x, &shape], "places");
    let x = g.push(NodeProto::new("Transpose", &[&x], "patches").with_ints("perm", &[0, 2, 1]));
    // The class token, repeated for each image as PyTorch's `expand` is exported.
    let token = he(&mut g, "token", &[1, 1, 6]);
    let size = g.node("Shape", &["image"], "size");
    let first = g.ints("first", &[0]);
    let n = g.push(NodeProto::new("Gather", &[&size, &first], "n").with_int("axis", 0));
    let rest = g.ints("rest", &[1, 6]);
    let target = g.push(NodeProto::new("Concat", &[&n, &rest], "target").with_int("axis", 0));
    let token = g.node("Expand", &[&token, &target], "tokens_of_class");
    let x = g.push(NodeProto::new("Concat", &[&token, &x], "tokens").with_int("axis", 1));
    let (scale, bias) = (he(&mut g, "scale", &[6]), he(&mut g, "bias", &[6]));
    let normed = g.push(NodeProto::new("LayerNormalization", &[&x, &scale, &bias], "norm1").with_int("axis", -1));
    let project = |g: &mut GraphBuilder, name: &str, x: &str| {
        let w = g.he(&format!("{name}.weight"), &[6, 6]);
        g.node("MatMul", &[x, &w], name)
    };
    let (q, k, v) = (project(&mut g, "q", &normed), project(&mut g, "k", &normed), project(&mut g, "v", &normed));
    let k = g.push(NodeProto::new("Transpose", &[&k], "kt").with_ints("perm", &[0, 2, 1]));
    let scores = g.node("MatMul", &[&q, &k], "scores");
    let weights = g.push(NodeProto::new("Softmax", &[&scores], "weights").with_int("axis", -1));
    let mixed = g.node("MatMul", &[&weights, &v], "mixed");
    let x = g.node("Add", &[&x, &mixed], "block");
    let x = g.push(NodeProto::new("LayerNormalization", &[&x, &scale, &bias], "norm").with_int("axis", -1));
    let index = g.constant(TensorProto {
        name: "zero".into(),
        dims: vec![],
        int64_data: vec![0],
        data_type: 7,
        ..Default::default()
    });
    let x = g.push(NodeProto::new("Gather", &[&x, &index], "class").with_int("axis", 1));
    let logits = g.linear("logits", &x, 6, 4);
    let classifier = analyse(&g.finish(&logits, "vit.onnx"));

    assert_eq!(classifier.default_layer.as_deref(), Some("norm1"));
    let layer = classifier.layer("auto").unwrap();
    assert_eq!(layer.layout, Layout::Tokens { prefix: 1, h: 4, w: 4 });
    assert_eq!(layer.info.shape, [6, 4, 4]);
    assert_eq!(classifier.linear_head, None);
    assert_eq!(classifier.batch, None);
}

#[test]
fn weights_are_drawn_by_the_seed() {
    let bytes = |seed: u64| {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], seed);
        graph.conv("conv", "image", 3, 64, 3, 1);
        graph.into_proto()
    };
    assert_eq!(bytes(3), bytes(3));
    assert_ne!(bytes(3), bytes(4));
    let weight = decode(&bytes(3).graph.unwrap().initializer[0]).unwrap().to_f32().unwrap();
    let variance = weight.iter().map(|x| x * x).sum::<f32>() / weight.len() as f32;
    assert!((variance * 27.0 / 2.0 - 1.0).abs() < 0.15, "He: 2 / 27, got {variance}");
}

/// Lengths of a float32 value's axes, −1 for open ones.
fn lengths(value: &ValueInfoProto) -> Vec<i64> {
    let Some(Type::TensorType(tensor)) = &value.r#type.as_ref().unwrap().value else {
        panic!("{} is no tensor", value.name)
    };
    assert_eq!(tensor.elem_type, i32::from(DataType::Float));
    let length = |dim: &Option<Dim>| match dim {
        Some(Dim::DimValue(length)) => *length,
        _ => -1,
    };
    tensor.shape.as_ref().unwrap().dim.iter().map(|dim| length(&dim.value)).collect()
}
