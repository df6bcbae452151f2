//! What the labels mean: names of outputs where people keep them, and folders that are numbers.

use crate::harness::Dir;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::{NodeProto, StringStringEntryProto};
use image::{Rgb, RgbImage};
use serde_json::Value;

/// A network that tells `n` shades of red apart: `−(x − k/n)²`, up to what all outputs share. Its metadata holds an entry.
fn shades(n: usize, metadata: Option<(&str, &str)>) -> Vec<u8> {
    let mut graph = GraphBuilder::new("image", [3, 8, 8], 0);
    let red = graph.floats("red", &[1, 3, 1, 1], &[1.0, 0.0, 0.0]);
    graph.push(NodeProto::new("Conv", &["image", &red], "conv"));
    graph.relu("map", "conv");
    graph.global_average_pool("pooled", "map");
    graph.flatten("flat", "pooled");
    let at = |k: usize| k as f32 / n as f32;
    let weight: Vec<f32> = (0..n).map(|k| 400.0 * at(k)).collect();
    let bias: Vec<f32> = (0..n).map(|k| -200.0 * at(k).powi(2)).collect();
    let (weight, bias) = (graph.floats("logits.weight", &[n, 1], &weight), graph.floats("bias", &[n], &bias));
    graph.push(NodeProto::new("Gemm", &["flat", &weight, &bias], "logits").with_int("transB", 1));
    let mut model = graph.finish("logits", "net.onnx");
    model
        .proto
        .metadata_props
        .extend(metadata.map(|(key, value)| StringStringEntryProto { key: key.to_owned(), value: value.to_owned() }));
    model.to_bytes()
}

/// The model in `m/`, and a folder of images for each output, in the order of the outputs: shade `k` is output `k`.
fn folders(names: &[&str], metadata: Option<(&str, &str)>) -> Dir {
    let dir = Dir::new();
    dir.write("m/net.onnx", shades(names.len(), metadata));
    for (k, name) in names.iter().enumerate() {
        let red = (k as f32 / names.len() as f32 * 255.0).round() as u8;
        for i in 0..8u8 {
            let mut png = Vec::new();
            let picture = RgbImage::from_fn(8, 8, |x, y| Rgb([red, (x as u8 * 20) ^ i, y as u8 * 9 + i]));
            picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
            dir.write(&format!("images/{name}/{i}.png"), png);
        }
    }
    dir
}

/// What `init` says, and the accuracy of the scan that it writes.
fn accuracy(dir: &Dir) -> (String, f64) {
    let said = dir.ascan(&["init", "m/net.onnx", "images", "--set", "slicing.params.n_slices=4"]).exits(0).stderr;
    let preset = ["--set", "model.preprocess.preset=unit"];
    let run = dir.ascan(&[&["scan", "scan.toml", "--out", "scan", "--json"][..], &preset].concat()).exits(0);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    (said, found["accuracy"].as_f64().unwrap())
}

#[test]
fn b1_folders_0_1_10() {
    let names: Vec<String> = (0..12).map(|k| k.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (said, right) = accuracy(&folders(&names, None));
    assert_eq!(right, 1.0);
    assert!(said.contains("the folders are numbers, and stand for the outputs of these numbers"), "{said}");
    // A folder that no output has the number of.
    let dir = folders(&["1", "2", "3"], None);
    dir.ascan(&["init", "m/net.onnx", "images"]).exits(0);
    dir.ascan(&["check", "scan.toml"]).exits(2).says(&[
        "label 3",
        "outside the model's outputs 0..2",
        "data.class_map",
    ]);
}

#[test]
fn b3_labels_txt_beside_the_model() {
    let names = ["robin", "crane", "sparrow"];
    for (file, text) in [
        ("m/labels.txt", "robin\ncrane\nsparrow\n"),
        ("m/labels.txt", "0 robin\n1 crane\n2 sparrow\n"),
        ("m/class_indices.json", r#"{"crane": 1, "robin": 0, "sparrow": 2}"#),
        ("m/config.json", r#"{"id2label": {"0": "robin", "1": "crane", "2": "sparrow"}}"#),
        ("images/classes.txt", "robin\ncrane\nsparrow\n"),
    ] {
        let dir = folders(&names, None);
        dir.write(file, text);
        let (said, right) = accuracy(&dir);
        assert_eq!(right, 1.0, "{file}: {said}");
        assert!(said.contains("data.class_map = \"name\""), "{file}: {said}");
    }
    // By order, which is what is left without names, a third is right, and it is told.
    let dir = folders(&names, None);
    dir.ascan(&["init", "m/net.onnx", "images"]).exits(0);
    let arguments = ["check", "scan.toml", "--try", "60", "--set", "model.preprocess.preset=unit"];
    dir.ascan(&arguments).exits(4).says(&["different orders"]);
}

#[test]
fn b4_names_in_the_metadata_of_the_model() {
    let names = ["robin", "crane", "sparrow"];
    for (key, value) in [
        ("names", "{0: 'robin', 1: 'crane', 2: 'sparrow'}"),
        ("id2label", r#"{"0": "robin", "1": "crane", "2": "sparrow"}"#),
        ("classes", "robin,crane,sparrow"),
    ] {
        let dir = folders(&names, Some((key, value)));
        let (said, right) = accuracy(&dir);
        assert_eq!(right, 1.0, "{key}: {said}");
        // A configuration written by hand needs no names either.
        dir.write(
            "own.toml",
            "[data]\nimages = \"images\"\n[model]\npath = \"m/net.onnx\"\npreprocess = { preset = \"unit\" }\n",
        );
        dir.ascan(&["check", "own.toml", "--try", "60"]).exits(0).prints(&["0 robin: 8", "1 crane: 8"]);
    }
}

#[test]
fn b5_loc_synset_mapping() {
    let dir = folders(&["n02134084", "n01440764", "n01443537"], None);
    dir.write(
        "images/LOC_synset_mapping.txt",
        "n02134084 ice bear, polar bear\nn01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n",
    );
    let (said, right) = accuracy(&dir);
    assert_eq!(right, 1.0, "{said}");
}

#[test]
fn b_a_folder_that_no_output_is_named_after_is_an_error_with_both_sides() {
    let dir = folders(&["robin", "crane", "heron"], Some(("names", "{0: 'robin', 1: 'crane', 2: 'sparrow'}")));
    dir.ascan(&["init", "m/net.onnx", "images"]).exits(0).says(&["2 labels are names of outputs", "1 are not"]);
    dir.ascan(&["check", "scan.toml"]).exits(2).says(&["no output is named heron", "robin, crane, sparrow"]);
    // Where no label is a name, their order is what is left; it is said that nothing confirms it.
    let dir = folders(&["x", "y", "z"], Some(("names", "{0: 'robin', 1: 'crane', 2: 'sparrow'}")));
    dir.ascan(&["init", "m/net.onnx", "images"]).exits(0).says(&["by their order, which nothing confirms"]);
}

#[test]
fn d_preprocessing_that_the_authors_publish_is_taken() {
    let dir = folders(&["robin", "crane", "sparrow"], Some(("names", "{0: 'robin', 1: 'crane', 2: 'sparrow'}")));
    dir.write(
        "m/preprocessor_config.json",
        r#"{"do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5], "image_processor_type":
           "ViTImageProcessor", "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"height": 8, "width": 8}}"#,
    );
    dir.ascan(&["init", "m/net.onnx", "images"]).exits(0).says(&["preprocessor_config.json beside the model"]);
    let written = std::fs::read_to_string(dir.path().join("scan.toml")).unwrap();
    for line in
        ["mean = [0.5, 0.5, 0.5]", "std = [0.25, 0.5, 0.5]", "interpolation = \"bicubic\"", "resize = \"squash\""]
    {
        assert!(written.contains(line), "`{line}` is not in\n{written}");
    }
    dir.ascan(&["check", "scan.toml"]).exits(0);
}

#[test]
fn names_that_the_user_gives_to_init_are_used_as_names() {
    // By the alphabet the crow would be output 0, and the table of the user says that it is the second.
    let dir = folders(&["tern", "crow"], None);
    dir.write("given.txt", "tern\ncrow\n");
    let init = ["init", "m/net.onnx", "images", "--set", "data.output_names=given.txt"];
    let said = dir.ascan(&[&init[..], &["--set", "slicing.params.n_slices=4"]].concat()).exits(0).stderr;
    assert!(
        said.contains("data.class_map = \"name\"") && said.contains("`data.output_names` names the outputs"),
        "{said}"
    );
    let unit = ["--set", "model.preprocess.preset=unit"];
    let run = dir.ascan(&[&["scan", "scan.toml", "--out", "scan", "--json"][..], &unit].concat()).exits(0);
    assert_eq!(run.json()["accuracy"], 1.0);
}
