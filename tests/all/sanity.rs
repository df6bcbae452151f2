//! Never wrong in silence: what a scan, and a few images before it, give reason to doubt.

use crate::desktop::demo;
use crate::harness::Dir;

/// The images on which the demo's network is right: on the others it fails, as it should, and other preprocessing looks better.
const TRAIN: [&str; 2] = ["--set", "data.split=train"];

/// The demo's configuration, with its model and its images where they are.
fn config() -> (Dir, String) {
    let dir = Dir::new();
    let demo = demo().join("demo");
    (dir, demo.join("demo.toml").to_string_lossy().into_owned())
}

#[test]
fn a_sound_configuration_is_tried_and_found_sound() {
    let (dir, config) = config();
    let run = dir.ascan(&["check", &config, "--try", "120", TRAIN[0], TRAIN[1]]).exits(0);
    run.prints(&["tried on 120 images", "unit", "(configured)", "% right", "raw"]);
}

#[test]
fn another_preprocessing_that_does_clearly_better_is_named_with_its_line() {
    let (dir, config) = config();
    let run = dir
        .ascan(&["check", &config, "--try", "200", TRAIN[0], TRAIN[1], "--set", "model.preprocess.preset=raw"])
        .exits(4);
    run.says(&["with `unit`", "with `raw`", "set `[model.preprocess]` to preset = "]);
}

#[test]
fn labels_in_another_order_than_the_outputs_are_told_before_and_after_a_scan() {
    let (dir, config) = config();
    let swapped = "data.class_map={ disc = 1, square = 0 }";
    dir.ascan(&["check", &config, "--try", "200", "--set", swapped, TRAIN[0], TRAIN[1]])
        .exits(4)
        .says(&["different orders", "data.class_map"]);
    // A scan goes on: it is the user who knows. Its report says it too.
    dir.ascan(&["scan", &config, "--out", "scan", "--set", swapped, "--set", "run.n_tried=64", TRAIN[0], TRAIN[1]])
        .exits(0)
        .says(&["different orders"]);
    dir.ascan(&["report", "scan", "-o", "r.html"]).exits(0);
    let report = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    assert!(report.contains("Doubtful.") && report.contains("different orders"));
    // One in the right order has none of this.
    dir.ascan(&["scan", &config, "--out", "sound", TRAIN[0], TRAIN[1]]).exits(0);
    dir.ascan(&["report", "sound", "-o", "s.html"]).exits(0);
    assert!(!std::fs::read_to_string(dir.path().join("s.html")).unwrap().contains("Doubtful."));
}

#[test]
fn init_tries_what_it_guesses() {
    let (dir, _) = config();
    let demo = demo().join("demo");
    let (model, data) = (demo.join("shortcut.onnx"), demo.join("data"));
    let run = dir.ascan(&["init", &model.to_string_lossy(), &data.to_string_lossy(), "-o", "s.toml"]).exits(0);
    run.says(&["images are right", "preprocess"]);
}

#[test]
fn a_scan_tries_its_configuration_unless_told_not_to() {
    let (dir, config) = config();
    let scan = |out: &str, n: &str| {
        let raw = ["--set", "model.preprocess.preset=raw", "--set", n, TRAIN[0], TRAIN[1]];
        dir.ascan(&[&["scan", &config, "--out", out, "--no-slice"][..], &raw].concat())
    };
    // Under this one the network says the same of everything: no scan to build upon.
    scan("tried", "run.n_tried=64").exits(1).says(&["trained with", "exactly the same of all"]);
    let run = scan("untried", "run.n_tried=0").exits(1).says(&["exactly the same of all"]);
    assert!(!run.stderr.contains("trained with"));
}
