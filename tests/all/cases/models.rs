//! Models as they are exported, through the program: what the output means, and maps of quantised and half-precision forms.

use crate::harness::{Dir, onnxruntime, workspace};
use crate::small::png;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use serde_json::Value;
use std::path::PathBuf;

/// A folder with images of two classes, and a model that `golden/make_exported.py` wrote.
fn with(name: &str) -> Dir {
    let dir = Dir::new();
    let model = workspace().join("tests/golden/exported").join(name);
    dir.write(name, std::fs::read(model).unwrap());
    for i in 0..4 {
        dir.write(&format!("images/{}/{i}.png", ["a", "b"][i % 2]), png(i as u8 * 50));
    }
    dir
}

fn config(dir: &Dir, model: &str, images: &str) {
    let text = format!(
        "[data]\nimages = \"{images}\"\n[model]\npath = \"{model}\"\npreprocess = {{ preset = \"unit\" }}\n\
         [slicing]\nplugin = \"confusion_matrix\"\n"
    );
    dir.write("s.toml", text);
}

/// A folder of the cases that people brought, copied; `None` where it is not here.
fn case(name: &str) -> Option<Dir> {
    let from: PathBuf = workspace().join("../shared/cases/public").join(name);
    if !from.is_dir() {
        println!("skipped: ../shared/cases/public/{name} is not here");
        return None;
    }
    let dir = Dir::new();
    for entry in walk(&from) {
        let inside = entry.strip_prefix(&from).unwrap().to_string_lossy().into_owned();
        dir.write(&inside, std::fs::read(&entry).unwrap());
    }
    Some(dir)
}

fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[test]
fn a1_one_sigmoid_output() {
    let dir = with("binary.onnx");
    dir.ascan(&["init", "binary.onnx", "images"]).exits(0).says(&["two classes"]);
    dir.ascan(&["check", "scan.toml"]).exits(0).prints(&["from the one number"]);
    if let Some(case) = case("A1_one_sigmoid_output") {
        for i in 0..4 {
            case.write(&format!("imgs/{}/{i}.png", ["df", "real"][i % 2]), png(i as u8 * 50));
        }
        case.ascan(&["init", "mesonet.onnx", "imgs", "-o", "s.toml"]).exits(0).says(&["two classes"]);
        case.ascan(&["check", "s.toml"]).exits(0).prints(&["0 df: 2, 1 real: 2"]);
    }
}

#[test]
fn a3_sigmoid_head() {
    let Some(case) = case("A3_sigmoid_head_five_outputs") else { return };
    // The case's own picture is not among its files: any will do for what probabilities are.
    case.write("flat/a.png", png(9));
    config(&case, "b_sig5.onnx", "flat");
    case.ascan(&["check", "s.toml"]).exits(0).prints(&["a sigmoid for each class"]);
    // What the maps of a random picture show is another matter: this method always finds something.
    case.ascan(&["scan", "s.toml", "--out", "scan", "--no-slice", "--set", "attribution.plugin=saliency"]).exits(0);
    case.ascan(&["export", "scan", "--to", "csv", "--out", "e"]).exits(0);
    let table = std::fs::read_to_string(case.path().join("e/samples.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let confidence = rows[0].iter().position(|name| *name == "confidence").unwrap();
    // Five softmaxed numbers between 0 and 1 are all near 0.2.
    assert!(rows[1][confidence].parse::<f64>().unwrap() > 0.4, "{table}");
}

#[test]
fn a5_several_outputs() {
    let Some(case) = case("A5_first_of_nine_outputs") else { return };
    case.write("flat/a.png", png(9));
    config(&case, "fr_age.onnx", "flat");
    case.ascan(&["check", "s.toml"])
        .exits(0)
        .prints(&["the model has 9 outputs", "`model.output.name` chooses another"]);
    let other = ["check", "s.toml", "--set", "model.output.name=nothing"];
    case.ascan(&other).exits(2).says(&["nothing", "available"]);
}

#[test]
fn a6_zipmap() {
    let dir = with("zipmap.onnx");
    config(&dir, "zipmap.onnx", "images");
    dir.ascan(&["check", "s.toml", "--set", "data.class_map={ a = 0, b = 1 }"]).exits(0).prints(&["4 classes"]);
    if let Some(case) = case("A6_zipmap_tail") {
        case.ascan(&["init", "gtsrb_zipmap.onnx", "gtsrb", "-o", "s.toml"]).exits(0);
        case.ascan(&["check", "s.toml"]).exits(0).prints(&["43 classes"]);
    }
}

#[test]
fn b1_and_d1_traffic_signs() {
    let Some(case) = case("B1_folders_0_1_10") else { return };
    case.ascan(&["init", "gtsrb.onnx", "gtsrb", "-o", "s.toml"]).exits(0).says(&["preprocess.preset = \"unit\""]);
    let run = case.ascan(&["scan", "s.toml", "--out", "scan", "--json", "--no-slice"]).exits(0);
    assert!(json(&run.stdout)["accuracy"].as_f64().unwrap() > 0.7, "{}", run.stdout);
}

#[test]
fn c1_quantised_models_have_maps() {
    for name in ["qdq.onnx", "dynamic.onnx", "bytes.onnx"] {
        let dir = with(name);
        config(&dir, name, "images");
        let preset = if name == "bytes.onnx" { "raw" } else { "unit" };
        let preset = format!("model.preprocess.preset={preset}");
        let classes = "data.class_map={ a = 0, b = 1 }";
        let run =
            dir.ascan(&["scan", "s.toml", "--out", "scan", "--json", "--set", classes, "--set", &preset]).exits(0);
        assert_eq!(json(&run.stdout)["n_attribution_empty"], 0, "{name}");
    }
    if let Some(case) = case("C1_qdq_all_maps_empty") {
        config(&case, "gtsrb_qdq.onnx", "gtsrb");
        let found = json(&case.ascan(&["scan", "s.toml", "--out", "scan", "--json"]).exits(0).stdout);
        let (empty, n) = (found["n_attribution_empty"].as_f64().unwrap(), found["n"].as_f64().unwrap());
        assert!(empty < 0.1 * n, "{empty} of {n} maps are empty");
    }
}

#[test]
fn c3_half_precision_has_maps_at_its_default_layer() {
    let dir = with("half.onnx");
    config(&dir, "half.onnx", "images");
    let classes = ["--set", "data.class_map={ a = 0, b = 1 }"];
    dir.ascan(&[&["scan", "s.toml", "--out", "scan"][..], &classes].concat()).exits(0);
    if let Some(case) = case("C3_fp16_default_layer") {
        (0..3).for_each(|i| drop(case.write(&format!("flat/{i}.png"), png(i * 60))));
        let maps = |model: &str| {
            config(&case, model, "flat");
            case.ascan(&["scan", "s.toml", "--out", model.trim_end_matches(".onnx"), "--no-slice"]).exits(0);
            let scan = ascan_store::Scan::open(&case.path().join(model.trim_end_matches(".onnx"))).unwrap();
            scan.table().unwrap().maps
        };
        let (float, half) = (maps("b_gap2.onnx"), maps("b_gap2_fp16.onnx"));
        let largest = float.data().iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let off = float.data().iter().zip(half.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 0.05 * largest, "{off} of {largest}");
    }
}

/// A net that ends in a recurrent layer: only onnxruntime runs that, and nothing differentiates it.
#[test]
fn m1_a_model_without_gradients_gets_a_method_that_only_runs_it() {
    if onnxruntime().is_none() {
        return;
    }
    let dir = with("float.onnx");
    let mut graph = GraphBuilder::empty(17, 3);
    graph.input("image", DataType::Float, &[None, Some(3), Some(16), Some(16)]);
    let x = graph.conv("conv", "image", 3, 8, 3, 2);
    let x = graph.relu("map", &x);
    let rows = graph.ints("rows", &[0, 8, -1]);
    let x = graph.node("Reshape", &[&x, &rows], "columns");
    let x = graph.push(NodeProto::new("Transpose", &[&x], "sequence").with_ints("perm", &[2, 0, 1]));
    let (w, r) = (graph.he("w", &[1, 24, 8]), graph.he("r", &[1, 24, 6]));
    let lstm = NodeProto::new("LSTM", &[&x, &w, &r], "all").with_int("hidden_size", 6);
    graph.push(NodeProto { output: vec![String::new(), "last".into()], ..lstm });
    let first = graph.ints("first", &[0]);
    let x = graph.node("Squeeze", &["last", &first], "state");
    let logits = graph.linear("logits", &x, 6, 2);
    graph.finish(&logits, dir.path().join("lstm.onnx")).save(&dir.path().join("lstm.onnx")).unwrap();
    let said = dir.ascan(&["init", "lstm.onnx", "images", "-o", "s.toml"]).exits(0);
    let said = said.says(&["attribution.plugin = \"eigen_cam\"", "LSTM", "no rule for this operator"]);
    assert!(!said.stderr.contains("shape"), "{}", said.stderr);
    dir.ascan(&["scan", "s.toml", "--out", "scan", "--set", "slicing.plugin=kmeans"]).exits(0);
    // What the user asks for is refused for the same reason, with what to do.
    dir.ascan(&["check", "s.toml", "--set", "attribution.plugin=grad_cam"]).exits(2).says(&["LSTM", "eigen_cam"]);
}
