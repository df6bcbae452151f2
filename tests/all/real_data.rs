//! The four configurations of `app/docs/configuration.md` on real images and models.

use crate::harness::{Dir, shared_data, workspace};
use ascan_core::{Context, Plugin, Projector};
use ascan_math::trustworthiness::trustworthiness;
use ascan_projection::{Umap, UmapParams};
use ascan_store::Scan;
use serde_json::Value;

/// A folder with `data` in it, as the documented configurations expect, and the configuration of this name.
pub fn prepare(config: &str) -> Option<Dir> {
    let data = shared_data()?;
    let dir = Dir::new();
    std::os::unix::fs::symlink(data, dir.path().join("data")).expect("a link to the data");
    let page = std::fs::read_to_string(workspace().join("app/docs/configuration.md")).expect("the page");
    let head = format!("```toml\n# {config}\n");
    let block = page.split(&head).nth(1).unwrap_or_else(|| panic!("the page has no {config}"));
    dir.write(config, block.split("```").next().expect("a block"));
    Some(dir)
}

fn scan(dir: &Dir, config: &str, more: &[&str]) -> Value {
    let arguments = [&["scan", config, "--out", "scan", "--json"], more].concat();
    dir.ascan(&arguments).exits(0).json()
}

#[track_caller]
fn close(found: &Value, expected: f64, tolerance: f64) {
    let found = found.as_f64().unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= tolerance, "expected {expected} ± {tolerance}, found {found}");
}

/// Group accuracies of the biased model, as measured with onnxruntime and Pillow.
const WATERBIRDS: [(&str, f64); 4] =
    [("y=0,place=0", 0.957), ("y=0,place=1", 0.573), ("y=1,place=0", 0.761), ("y=1,place=1", 0.970)];

#[test]
fn waterbirds_landbirds_on_water_are_a_slice() {
    let Some(dir) = prepare("waterbirds.toml") else { return };
    let summary = scan(&dir, "waterbirds.toml", &[]);
    assert_eq!((&summary["n"], &summary["n_failed"]), (&1200.into(), &0.into()));
    assert_eq!(summary["layer"], "conv34_relu6");
    for (group, accuracy) in WATERBIRDS {
        close(&summary["group_accuracy"][group], accuracy, 0.002);
    }

    let slices = dir.ascan(&["slice", "scan", "--json"]).exits(0).json();
    let found = slices["slices"].as_array().unwrap().iter().any(|slice| {
        let size = slice["size"].as_f64().unwrap();
        let landbirds_on_water = slice["groups"]["y=0,place=1"].as_f64().unwrap_or(0.0);
        size >= 30.0 && landbirds_on_water >= 0.9 * size && slice["accuracy"].as_f64().unwrap() < 0.65
    });
    assert!(found, "no slice of landbirds on water in {slices:#}");

    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(!report.contains("http://") && !report.contains("https://"), "the report must not need a network");
    dir.ascan(&["mosaic", "scan", "-o", "mosaic.png"]).exits(0);
    image::open(dir.path().join("mosaic.png")).expect("a picture");
}

/// umap-learn 0.5.12 on the same features, mean of five seeds, by `tests/golden/layout_of_waterbirds.py`; scikit-learn 1.9.1 gives
/// ours the same trustworthiness.
#[test]
fn a_layout_of_waterbirds_is_as_trustworthy_as_umap_learns() {
    let Some(dir) = prepare("waterbirds.toml") else { return };
    scan(&dir, "waterbirds.toml", &["--no-slice"]);
    let table = Scan::open(&dir.path().join("scan")).unwrap().table().unwrap();
    for (n_dims, theirs) in [(2, 0.8318), (8, 0.8644)] {
        let umap = Umap::new(UmapParams { n_dims, ..Default::default() }).unwrap();
        let (embeddings, context) = (table.embeddings.view(), Context { n_threads: 2, ..Context::default() });
        let layout = umap.fit(embeddings, &context).unwrap().project(embeddings, &context).unwrap();
        let ours = trustworthiness(embeddings, layout.view(), 15);
        println!("{n_dims} dimensions: {ours:.4}, umap-learn {theirs}");
        assert!(ours > theirs - 0.01, "{n_dims} dimensions: {ours}, umap-learn {theirs}");
    }
}

#[test]
fn waterbirds_agree_on_every_backend() {
    let Some(dir) = prepare("waterbirds.toml") else { return };
    for backend in ["tract", "burn", "ort"] {
        let out = format!("scan-{backend}");
        let set = format!("model.backend={backend}");
        let run = dir.ascan(&["scan", "waterbirds.toml", "--out", &out, "--set", &set, "--json", "--no-slice"]);
        if backend == "ort" && run.code != 0 && run.stderr.contains("no onnxruntime library") {
            println!("skipped: no onnxruntime on this machine");
            continue;
        }
        let summary = run.exits(0).json();
        assert_eq!(summary["backend"], backend);
        for (group, accuracy) in WATERBIRDS {
            close(&summary["group_accuracy"][group], accuracy, 0.002);
        }
    }
}

#[test]
fn imagenette_meets_the_outputs_of_imagenet_through_a_class_map() {
    let Some(dir) = prepare("imagenette.toml") else { return };
    let summary = scan(&dir, "imagenette.toml", &[]);
    assert_eq!(summary["n"], 1000);
    // onnxruntime 1.32 and Pillow 13: 74.8 % among all thousand outputs, 99.4 % among the ten classes alone.
    close(&summary["accuracy"], 0.748, 0.002);
}

#[test]
fn cifar10_is_read_from_its_archive() {
    let Some(dir) = prepare("cifar10.toml") else { return };
    let summary = scan(&dir, "cifar10.toml", &[]);
    assert_eq!(summary["n"], 10_000);
    close(&summary["accuracy"], 0.810, 0.005);
}

#[test]
fn mnist_is_read_from_idx_files() {
    let Some(dir) = prepare("mnist.toml") else { return };
    let summary = scan(&dir, "mnist.toml", &[]);
    assert_eq!(summary["n"], 10_000);
    close(&summary["accuracy"], 0.989, 0.001);
}
