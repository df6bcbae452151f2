//! Other questions than which class: several classes in an image, and quantities; from a model and a table to the report.

use crate::harness::Dir;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::NodeProto;
use image::{Rgb, RgbImage};
use serde_json::Value;

const SIDE: u32 = 24;
const N: u32 = 96;
/// Sides of the squares; a small one is what the network overlooks.
const LARGE: u32 = 8;
const SMALL: u32 = 4;
/// The preprocessing that these networks are made for.
const UNIT: &str = "model.preprocess.preset=unit";

/// What a picture holds: the sides of its red and of its blue square, 0 for none.
fn squares(i: u32) -> [u32; 2] {
    let red = [LARGE, 0, SMALL, 0][(i % 4) as usize];
    let blue = if i.is_multiple_of(3) { LARGE } else { 0 };
    [red, blue]
}

fn picture(i: u32) -> Vec<u8> {
    let shade = (i * 7 % 40) as u8;
    let mut picture = RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([0, shade + ((x * 5 + y * 3 + i) % 16) as u8, 0]));
    for (channel, side) in squares(i).into_iter().enumerate() {
        let (left, top) = ([2, 12][channel] + i % 3, [3, 11][channel] + i % 2);
        for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (left + x, top + y))) {
            picture.get_pixel_mut(x, y)[2 * channel] = 255;
        }
    }
    let mut png = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    png
}

/// A network that sums red and blue: `weight · mean(colour) + bias`, then what `end` adds.
fn network(weight: [[f32; 2]; 2], bias: [f32; 2], n: usize, end: &str) -> Vec<u8> {
    let mut graph = GraphBuilder::new("image", [3, SIDE as usize, SIDE as usize], 0);
    let kernel = graph.floats("kernel", &[2, 3, 1, 1], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    graph.push(NodeProto::new("Conv", &["image", &kernel], "colours"));
    graph.relu("map", "colours");
    graph.global_average_pool("pooled", "map");
    graph.flatten("flat", "pooled");
    let rows: Vec<f32> = weight[..n].iter().flatten().copied().collect();
    let (weight, bias) = (graph.floats("weight", &[n, 2], &rows), graph.floats("bias", &[n], &bias[..n]));
    graph.push(NodeProto::new("Gemm", &["flat", &weight, &bias], "scores").with_int("transB", 1));
    let output = if end.is_empty() { "scores".to_owned() } else { graph.node(end, &["scores"], "output") };
    let model = graph.finish(&output, "net.onnx");
    model.to_bytes()
}

/// A folder with pictures, a model and a table with these columns.
fn set(model: Vec<u8>, header: &str, row: impl Fn(u32) -> String) -> Dir {
    let dir = Dir::new();
    dir.write("net.onnx", model);
    let mut table = format!("image,{header}\n");
    for i in 0..N {
        dir.write(&format!("{i:02}.png"), picture(i));
        table += &format!("{i:02}.png,{}\n", row(i));
    }
    dir.write("data.csv", table);
    dir
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn several() -> Dir {
    // 64 of 576 pixels: 60 / 9 - 3 > 0; 16 of them: 60 / 36 - 3 < 0.
    let model = network([[60.0, 0.0], [0.0, 60.0]], [-3.0, -3.0], 2, "Sigmoid");
    set(model, "red,blue", |i| squares(i).map(|side| u32::from(side > 0).to_string()).join(","))
}

#[test]
fn several_classes_in_an_image_from_init_to_the_report() {
    let dir = several();
    dir.ascan(&["init", "net.onnx", "data.csv", "--set", "slicing.params.n_slices=4", "--set", UNIT]).exits(0).says(&[
        "model.output.kind = \"multi_label\"",
        "model.output.class = \"red\"",
        "have several classes",
    ]);
    dir.ascan(&["check", "scan.toml"]).exits(0).prints(&["2 classes", "asked: red or no red"]);
    let found = json(&dir.ascan(&["scan", "scan.toml", "--out", "scan", "--json"]).exits(0).stdout);
    // Every fourth image has a small red square, which is overlooked.
    let n = f64::from(N);
    assert_eq!(found["accuracy"], 0.75);
    let [red, blue] = [&found["classes"][0], &found["classes"][1]];
    assert_eq!(
        (&red["name"], red["n_present"].as_f64(), red["n_predicted"].as_f64()),
        (&"red".into(), Some(n / 2.0), Some(n / 4.0))
    );
    // scikit-learn: f1_score = 2 · 24 / (48 + 24), precision 1, recall 0.5; the ranking is right, so its precision is 1.
    assert!((red["f1"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12 && red["recall"] == 0.5 && red["precision"] == 1.0);
    assert!((red["average_precision"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{red}");
    assert_eq!((&blue["f1"], &blue["n_present"]), (&1.0.into(), &32.into()));

    let slices = json(&dir.ascan(&["slice", "scan", "--json"]).exits(0).stdout);
    let worst = &slices["slices"][0];
    assert_eq!(worst["accuracy"], 0.0, "{worst}");
    dir.ascan(&["report", "scan", "-o", "r.html"]).exits(0);
    let page = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("red → no red"), "the error is not named");
    assert!(page.contains("Average precision"), "the classes have no figures");
    let worst = worst["id"].to_string();
    dir.ascan(&["mark", "scan", "--slice", &worst, "spurious", "--note", "the small ones"]).exits(0);
    dir.ascan(&["spread", "scan"]).exits(0);
    dir.ascan(&["mosaic", "scan", "-o", "m.png"]).exits(0);
    dir.ascan(&["mislabels", "scan", "--write", "c.csv"]).exits(1).says(&["one label per image"]);
    // A repair trains the one class, and the file that it writes has both.
    dir.write("repair.toml", "[repair]\nplugin = \"erm\"\nepochs = 1\n");
    let code = dir.ascan(&["repair", "scan", "repair.toml", "--out", "fixed"]).code;
    assert!([0, 4].contains(&code), "{code}");
    let repaired = ascan_onnx::Model::load(&dir.path().join("fixed/model.onnx")).unwrap();
    let outputs: Vec<&str> = repaired.graph().unwrap().output.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(outputs, ["output"]);
    let weight = |model: &ascan_onnx::Model| -> Vec<f32> {
        let tensor = model.graph().unwrap().initializer.iter().find(|tensor| tensor.name == "weight").unwrap();
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        if tensor.raw_data.is_empty() {
            tensor.float_data.clone()
        } else {
            tensor.raw_data.chunks(4).map(float).collect()
        }
    };
    let own = ascan_onnx::Model::load(&dir.path().join("net.onnx")).unwrap();
    let (before, after) = (weight(&own), weight(&repaired));
    // The other class is not trained: weight decay alone touches it.
    assert!(before[..2] != after[..2] && after[2] == 0.0 && (after[3] / before[3] - 1.0).abs() < 0.02, "{after:?}");
}

#[test]
fn another_class_is_asked_for_by_name_and_a_threshold_moves_the_answer() {
    let dir = several();
    dir.ascan(&["init", "net.onnx", "data.csv", "--set", "slicing.params.n_slices=4", "--set", UNIT]).exits(0);
    let scan = |out: &str, sets: &[&str]| {
        let mut arguments = vec!["scan", "scan.toml", "--out", out, "--json"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        dir.ascan(&arguments)
    };
    assert_eq!(json(&scan("blue", &["model.output.class=blue"]).exits(0).stdout)["accuracy"], 1.0);
    // sigmoid(60 / 36 - 3) = 0.209: from 0.2 on the small squares are seen.
    let found = json(&scan("low", &["model.output.threshold=0.2"]).exits(0).stdout);
    assert_eq!((&found["accuracy"], &found["classes"][0]["f1"]), (&1.0.into(), &1.0.into()));
    scan("x", &["model.output.class=green"]).exits(2).says(&["green", "red", "blue"]);
    scan("x", &["model.output.class=7"]).exits(2).says(&["has 2 numbers"]);
    scan("x", &["model.output.tolerance=0.5"]).exits(2).says(&["does not apply", "regression"]);
    scan("x", &["model.output.kind=softmax", "model.output.class=auto"]).exits(2).says(&["is given by"]);
}

#[test]
fn a_column_of_lists_is_read_and_classes_meet_by_name() {
    let model = network([[60.0, 0.0], [0.0, 60.0]], [-3.0, -3.0], 2, "");
    let dir = set(model, "label", |i| {
        let names: Vec<&str> =
            ["red", "blue"].into_iter().zip(squares(i)).filter(|(_, side)| *side > 0).map(|(name, _)| name).collect();
        names.join("|")
    });
    dir.write("labels.txt", "red\nblue\n");
    dir.ascan(&["init", "net.onnx", "data.csv", "--set", UNIT]).exits(0).says(&[
        "label_list",
        "multi_label",
        "labels.txt",
    ]);
    let found = json(&dir.ascan(&["scan", "scan.toml", "--out", "scan", "--json"]).exits(0).stdout);
    assert_eq!((&found["classes"][0]["name"], &found["classes"][0]["recall"]), (&"red".into(), &0.5.into()));
}

#[test]
fn a_quantity_from_init_to_the_report() {
    // The area of the red square; where there is a blue one, 40 pixels too many.
    let model = network([[576.0, 360.0], [0.0, 0.0]], [0.0, 0.0], 1, "");
    let dir = set(model, "target", |i| (squares(i)[0].pow(2)).to_string());
    dir.ascan(&["init", "net.onnx", "data.csv", "--set", UNIT]).exits(0).says(&["model.output.kind = \"regression\""]);
    dir.ascan(&["check", "scan.toml"]).exits(0).prints(&["a quantity", "right within ±", "96 quantities"]);
    let set = ["--set", "model.output.tolerance=3", "--set", "slicing.params.n_slices=4"];
    let found =
        json(&dir.ascan(&[&["scan", "scan.toml", "--out", "scan", "--json"][..], &set].concat()).exits(0).stdout);
    assert!((found["accuracy"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{found}");
    // 40 pixels off on a third of the images; the labels 64, 0, 16, 0 have the variance 1088 - 400.
    let quantity = &found["quantity"];
    let close = |key: &str, expected: f64| (quantity[key].as_f64().unwrap() - expected).abs() < 1e-3 * expected;
    assert!(close("mean_absolute_error", 40.0 / 3.0), "{quantity}");
    assert!(close("root_mean_squared_error", (1600.0f64 / 3.0).sqrt()), "{quantity}");
    assert!(close("r2", 1.0 - (1600.0 / 3.0) / (4352.0 / 4.0 - 400.0)), "{quantity}");
    let slices = json(&dir.ascan(&["slice", "scan", "--json"]).exits(0).stdout);
    let worst = &slices["slices"][0];
    assert_eq!(worst["accuracy"], 0.0, "{worst}");
    dir.ascan(&["report", "scan", "-o", "r.html"]).exits(0);
    let page = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(page.contains("too high") && page.contains("within ±3"), "the answers are not named");
    dir.ascan(&["mark", "scan", "--slice", &worst["id"].to_string(), "spurious"]).exits(0);
    dir.ascan(&["spread", "scan"]).exits(0);
    dir.ascan(&["mosaic", "scan", "-o", "m.png"]).exits(0);
    for command in ["repair", "faithfulness", "suggest", "mislabels"] {
        let arguments: &[&str] =
            if command == "repair" { &["repair", "scan", "scan.toml", "--out", "fixed"] } else { &[command, "scan"] };
        dir.ascan(arguments).exits(1).says(&["asks for a quantity"]);
    }
}

#[test]
fn a_quantity_that_is_no_better_than_the_mean_is_told() {
    let model = network([[50.0, 0.0], [0.0, 0.0]], [100.0, 0.0], 1, "");
    let dir = set(model, "target", |i| (squares(i)[0].pow(2)).to_string());
    dir.ascan(&["init", "net.onnx", "data.csv", "--set", UNIT]).exits(0);
    dir.ascan(&["scan", "scan.toml", "--out", "scan"]).exits(0).says(&["no better than the mean of the labels"]);
    let text = set(network([[1.0, 0.0], [0.0, 0.0]], [0.0; 2], 1, ""), "target", |i| format!("{}x", squares(i)[0]));
    text.ascan(&["init", "net.onnx", "data.csv", "--set", UNIT]).exits(0);
    text.ascan(&["check", "scan.toml", "--set", "model.output.kind=regression"]).exits(2).says(&["is no number"]);
}
