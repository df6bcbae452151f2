//! Which output is that of the classes, and what it means.

use crate::support::{open, trunk};
use ascan_core::{OutputChoice, OutputKind};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::attribute_proto::AttributeType;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_onnx::proto::{AttributeProto, NodeProto, OperatorSetIdProto};
use ascan_onnx::{Classifier, Model, prepare};

/// [`trunk`], its mean `flat` `[n, 5]`, and what `heads` adds.
fn model(outputs: &[(&str, usize)], heads: impl FnOnce(&mut GraphBuilder)) -> Model {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let x = graph.global_average_pool("pool", &x);
    graph.flatten("flat", &x);
    heads(&mut graph);
    for (name, n) in outputs {
        graph.output(name, DataType::Float, &open([*n]));
    }
    Model::from_proto(graph.into_proto(), "model.onnx")
}

fn analyse(model: &Model) -> Classifier {
    Classifier::analyse(model, None, &OutputChoice::default()).unwrap()
}

fn with(model: &Model, name: Option<&str>, kind: Option<OutputKind>) -> Result<Classifier, ascan_core::Error> {
    Classifier::analyse(model, None, &OutputChoice { name: name.map(str::to_owned), kind, ..OutputChoice::default() })
}

#[test]
fn the_end_of_the_graph_says_what_the_output_means() {
    let ends =
        [("Softmax", OutputKind::Softmax), ("LogSoftmax", OutputKind::Softmax), ("Sigmoid", OutputKind::Sigmoid)];
    for (operator, kind) in ends {
        let model = model(&[("out", 4)], |graph| {
            let x = graph.linear("scores", "flat", 5, 4);
            graph.node(operator, &[&x], "out");
        });
        let found = analyse(&model);
        assert_eq!((found.kind, &*found.logits, &*found.output, found.n_classes), (kind, "scores", "out", 4));
        assert!(found.linear_head.is_some(), "{operator}");
        assert_eq!(found.notes.len(), usize::from(kind == OutputKind::Sigmoid), "{:?}", found.notes);
    }
    let plain = model(&[("scores", 4)], |graph| drop(graph.linear("scores", "flat", 5, 4)));
    assert_eq!(analyse(&plain).kind, OutputKind::Logits);
    // A net trained with sigmoids, exported without them.
    let asked = with(&plain, None, Some(OutputKind::Sigmoid)).unwrap();
    assert_eq!((asked.kind, &*asked.logits), (OutputKind::Sigmoid, "scores"));
    let error = with(&plain, None, Some(OutputKind::Softmax)).unwrap_err();
    assert_eq!(error.to_string(), "`model.output.kind`: is \"softmax\", but `scores` is given by Gemm");
    assert!(with(&plain, None, Some(OutputKind::Binary)).unwrap_err().to_string().contains("4 numbers an image"));
}

#[test]
fn one_number_becomes_two_logits() {
    for (end, shape) in [("Sigmoid", 2), ("Identity", 2), ("Squeeze", 1)] {
        let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
        let x = trunk(&mut graph, "image");
        let x = graph.global_average_pool("pool", &x);
        let x = graph.flatten("flat", &x);
        let x = graph.linear("score", &x, 5, 1);
        let axes = graph.ints("axes", &[1]);
        match end {
            "Squeeze" => graph.node(end, &[&x, &axes], "out"),
            _ => graph.node(end, &[&x], "out"),
        };
        graph.output("out", DataType::Float, &[None, Some(1)][..shape]);
        let model = Model::from_proto(graph.into_proto(), "model.onnx");
        let found = analyse(&model);
        assert_eq!((found.kind, found.n_classes), (OutputKind::Binary, 2), "{end}");
        assert!(found.notes[0].contains("two classes"), "{:?}", found.notes);
        let head = found.linear_head.as_ref().unwrap();
        assert_eq!((head.layer.as_str(), head.weight.shape()), ("relu2", &[2, 5][..]));
        assert!(head.weight.row(0).iter().zip(head.weight.row(1)).all(|(a, b)| *a == -b && *b != 0.0));
        let proto = prepare(&model, &found, &[], None).unwrap();
        let graph = proto.graph.as_ref().unwrap();
        let last = graph.node.last().unwrap();
        assert_eq!((&*last.op_type, &*last.output[0]), ("Concat", &*found.logits), "{end}");
        // What was prepared is a classifier of two logits.
        assert_eq!(analyse(&Model::from_proto(proto, "prepared.onnx")).n_classes, 2);
    }
}

#[test]
fn names_of_a_zip_map_are_those_of_the_classes() {
    let mut model = model(&[], |graph| {
        let x = graph.linear("scores", "flat", 5, 3);
        let probs = graph.node("Softmax", &[&x], "probs");
        let names = AttributeProto {
            name: "classlabels_strings".into(),
            r#type: AttributeType::Strings.into(),
            strings: ["stop", "yield", "60"].map(|name| name.as_bytes().to_vec()).to_vec(),
            ..Default::default()
        };
        let mut zip = NodeProto { domain: "ai.onnx.ml".into(), ..NodeProto::new("ZipMap", &[&probs], "loss") };
        zip.attribute.push(names);
        graph.push(zip);
        graph.push(NodeProto::new("ArgMax", &[&probs], "classLabel").with_int("axis", 1));
        graph.output("classLabel", DataType::Int64, &[None, Some(1)]);
        graph.output("loss", DataType::Undefined, &[None]);
    });
    model.proto.opset_import.push(OperatorSetIdProto { domain: "ai.onnx.ml".into(), version: 2 });
    let found = analyse(&model);
    assert_eq!((&*found.output, &*found.logits, found.kind), ("loss", "scores", OutputKind::Softmax));
    assert_eq!(found.class_names, ["stop", "yield", "60"]);
    assert_eq!(found.batch, None, "an output of unknown shape does not hold the batch");
    let text = &found.notes[0];
    assert!(text.contains("`classLabel` [n, 1] (the class itself); `loss` (3 classes by name)"), "{text}");
}

#[test]
fn of_several_outputs_the_classes_are_taken_and_all_are_listed() {
    // An embedding before its logits.
    let embedding = model(&[("flat", 5), ("scores", 3)], |graph| drop(graph.linear("scores", "flat", 5, 3)));
    let found = analyse(&embedding);
    assert_eq!((&*found.output, found.n_classes), ("scores", 3));
    let text = "the model has 2 outputs: `flat` [n, 5] (5 logits or features); `scores` [n, 3] (3 logits or features); \
                `scores` is the one explained (`model.output.name` chooses another)";
    assert_eq!(found.notes, [text]);
    assert_eq!(with(&embedding, Some("flat"), None).unwrap().n_classes, 5);
    let error = with(&embedding, Some("score"), None).unwrap_err();
    assert_eq!(error.to_string(), "unknown output `score`");
    assert!(error.hint().unwrap().contains("flat, scores"));

    // An auxiliary head on an earlier layer, listed first.
    let aux = model(&[("early", 3), ("late", 3)], |graph| {
        let x = graph.global_average_pool("pool1", "relu1");
        let x = graph.flatten("flat1", &x);
        graph.linear("early", &x, 4, 3);
        graph.linear("late", "flat", 5, 3);
    });
    let found = analyse(&aux);
    assert_eq!((&*found.output, found.default_layer.as_deref()), ("late", Some("relu2")));

    // A box beside the classes, with more behind it, named or not.
    for name in ["bbox_pred", "output_2"] {
        let boxes = model(&[(name, 4), ("scores", 3)], |graph| {
            let x = graph.linear("places", "flat", 5, 4);
            let x = graph.relu("places/relu", &x);
            graph.node("Sigmoid", &[&x], name);
            graph.linear("scores", "flat", 5, 3);
        });
        assert_eq!(analyse(&boxes).output, "scores", "{name}");
    }
}

#[test]
fn models_of_another_kind_are_named() {
    let complaint = |model: &Model| with(model, None, None).unwrap_err().to_string();
    let places = model(&[("landmarks", 10)], |graph| drop(graph.linear("landmarks", "flat", 5, 10)));
    assert!(complaint(&places).contains("gives places or measures, and no classes"), "{}", complaint(&places));

    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let shape = graph.ints("shape", &[0, 15, 4]);
    graph.node("Reshape", &[&x, &shape], "boxes");
    let shape = graph.ints("shape2", &[0, 30, 2]);
    graph.node("Reshape", &[&x, &shape], "scores");
    graph.output("boxes", DataType::Float, &open([15, 4]));
    graph.output("scores", DataType::Float, &open([30, 2]));
    let message = complaint(&Model::from_proto(graph.into_proto(), "ssd.onnx"));
    assert!(message.contains("finds objects (a detector)") && message.contains("`boxes` [n, 15, 4]"), "{message}");

    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let shape = graph.ints("shape", &[0, 12, 5]);
    graph.node("Reshape", &[&x, &shape], "letters");
    graph.output("letters", DataType::Float, &open([12, 5]));
    let message = complaint(&Model::from_proto(graph.into_proto(), "text.onnx"));
    assert!(message.contains("gives sequences"), "{message}");
}
