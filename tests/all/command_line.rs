//! The commands of the README, as a new user types them, on the demo's data.

use crate::harness::Dir;

#[test]
fn the_demo_finds_what_it_planted() {
    let dir = Dir::new();
    let run = dir.ascan(&["demo", "-o", "demo"]).exits(0);
    assert!(run.stdout.starts_with("the worst group rose by "), "{}", run.stdout);
    assert!(run.stderr.contains("demo/report.html"), "{}", run.stderr);
    assert!(!run.stderr.contains(['\r', '\x1b']), "a bar is drawn into a pipe: {}", run.stderr);
    let slices = dir.ascan(&["slice", "demo/scan", "--json"]).exits(0).json();
    let report = std::fs::read_to_string(dir.path().join("demo/report.html")).unwrap();
    assert!(report.contains("disc → square"), "the report must call the classes by their names");
    // Slices are sorted by what they cost: the first is one of the planted groups, and the network fails on it.
    let worst = &slices["slices"][0];
    assert!(worst["accuracy"].as_f64().unwrap() < 0.35, "{worst:#}");
    assert_eq!(worst["needs_verdict"], true, "{worst:#}");
    let planted = ["shape=disc,ground=water", "shape=square,ground=sand"];
    let share = |group: &&str| worst["groups"][*group].as_f64().unwrap_or(0.0) / worst["size"].as_f64().unwrap();
    assert!(planted.iter().any(|group| share(group) >= 0.7), "{worst:#}");
}

#[test]
fn the_commands_of_the_readme_work() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    let init = ["init", "demo/shortcut.onnx", "demo/data/metadata.csv", "-o", "scan.toml"];
    dir.ascan(&init).exits(0);
    dir.ascan(&["check", "scan.toml"]).exits(0);
    dir.ascan(&["scan", "scan.toml", "--out", "scan", "--limit", "60"]).exits(0);
    let few = ["slice", "scan", "--set", "slicing.params.n_slices=3", "--json"];
    assert!(dir.ascan(&few).exits(0).json()["slices"].as_array().unwrap().len() <= 3);
    dir.ascan(&["slice", "scan", "--plugin", "confusion_matrix"]).exits(0);
    for plugin in ["kmeans", "gmm"] {
        let advise = ["slice", "scan", "--plugin", plugin, "--advise", "--set", "slicing.params.n_slices=8"];
        assert!(dir.ascan(&advise).exits(0).stdout.contains("\nat least "), "{plugin}");
    }
    dir.ascan(&["slice", "scan", "--plugin", "confusion_matrix", "--advise"]).exits(1).says(&["finds the number"]);
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    dir.ascan(&["mosaic", "scan", "-o", "mosaic.png"]).exits(0);
    for format in ["csv", "parquet", "json", "npy", "fiftyone", "hf"] {
        dir.ascan(&["export", "scan", "--to", format, "-o", format]).exits(0);
        assert!(std::fs::read_dir(dir.path().join(format)).unwrap().count() > 0, "{format} wrote nothing");
    }
    let kept = std::fs::read_dir(dir.path().join("scan/slices")).unwrap().count();
    assert!(kept >= 3, "slices must be kept side by side, found {kept}");
}

#[test]
fn a_scan_of_another_configuration_is_not_resumed() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    let other = ["scan", "demo/demo.toml", "--out", "demo/scan", "--set", "features.weighting=none"];
    dir.ascan(&other).exits(1).says(&["weighting"]);
}

#[test]
fn wrong_usage_exits_with_two() {
    let dir = Dir::new();
    dir.ascan(&["scam"]).exits(2).says(&["scam"]);
    dir.ascan(&["scan", "nowhere.toml", "--out", "scan"]).exits(2).says(&["nowhere.toml"]);
}
