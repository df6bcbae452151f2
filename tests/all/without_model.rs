//! Vectors of one's own: a scan without a model.

use crate::desktop::User;
use crate::harness::Dir;
use ascan_desktop::command::ListCommand;
use std::fmt::Write as _;

/// Two clusters of six dimensions for the demo's 400 test pictures, as `.npy`: by class, far apart.
fn vectors(n: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 6), }}\n");
    let mut bytes = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    for row in 0..n {
        let centre = if row < n / 2 { 4.0 } else { -4.0 };
        let value = |at: usize| centre + ((row * 7 + at * 13) % 11) as f32 / 11.0;
        bytes.extend((0..6).flat_map(|at| value(at).to_le_bytes()));
    }
    bytes
}

/// A configuration of the demo's test pictures and these vectors.
fn configured(n: usize) -> Dir {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    dir.write("emb.npy", vectors(n));
    let mut text = String::from("[data]\nmanifest = \"demo/data/metadata.csv\"\nsplit = \"test\"\n");
    writeln!(text, "[features]\nsource = \"emb.npy\"\n[slicing]\nplugin = \"kmeans\"\nparams = {{ n_slices = 2 }}")
        .unwrap();
    dir.write("emb.toml", text);
    dir
}

#[test]
fn vectors_give_slices_mosaic_and_window_without_a_model() {
    let dir = configured(400);
    dir.ascan(&["check", "emb.toml"])
        .exits(0)
        .prints(&["400 images", "vectors of 6 dimensions without predictions, no model"]);
    let scan = dir.ascan(&["scan", "emb.toml", "--out", "scan", "--json"]).exits(0);
    assert_eq!(scan.json()["n"], 400);
    assert!(scan.json()["accuracy"].is_null() && scan.stderr.contains("no accuracy"), "{}", scan.stderr);
    // The set is in the order of the table: discs first, so the clusters are the classes.
    let slices = dir.ascan(&["slice", "scan", "--json"]).exits(0).json();
    assert_eq!(slices["slices"].as_array().unwrap().len(), 2);
    assert!(slices["nmi_group"].as_f64().unwrap() > 0.99, "{slices:#}");
    for slicer in ["domino", "spotlight", "confusion_matrix"] {
        dir.ascan(&["slice", "scan", "--plugin", slicer]).exits(1).says(&[" needs l", "no image has"]);
    }
    for slicer in ["gmm", "hdbscan"] {
        dir.ascan(&["slice", "scan", "--plugin", slicer]).exits(0);
    }
    dir.ascan(&["mosaic", "scan", "-o", "mosaic.png"]).exits(0);
    // Nothing is lit, and nothing is in the dark.
    let mosaic = image::open(dir.path().join("mosaic.png")).unwrap().into_rgb8();
    let n_bright = mosaic.pixels().filter(|pixel| pixel.0.iter().max() > Some(&150)).count();
    assert!(n_bright * 4 > (mosaic.width() * mosaic.height()) as usize, "{n_bright} bright pixels");
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(report.contains("no model, so there are no maps"));
    for view in ["mosaic", "detail", "scatter", "image"] {
        let file = format!("{view}.png");
        dir.ascan(&["review", "scan", "--view", view, "--screenshot", &file]).exits(0);
        assert!(dir.path().join(file).metadata().unwrap().len() > 10_000, "{view}");
    }
    let user = User::sits_down(Some(&dir.path().join("scan")), 1280, 800, true);
    user.does(ListCommand::Select(Some(0)));
    assert!(user.shows("What do most of these images share?") && !user.shows("What is lit"), "{}", user.labels());
    assert!(!user.shows("Ask the model"), "there is none: {}", user.labels());
    for format in ["csv", "parquet", "json", "npy", "fiftyone", "hf"] {
        dir.ascan(&["export", "scan", "--to", format, "-o", format]).exits(0);
    }
    dir.ascan(&["mark", "scan", "spurious", "--slice", "0"]).exits(0);
    dir.ascan(&["mark", "scan", "core", "--slice", "1"]).exits(0);
    dir.ascan(&["spread", "scan", "--accept"]).exits(0);
    // A second run finds everything done.
    assert_eq!(dir.ascan(&["scan", "emb.toml", "--out", "scan", "--json"]).exits(0).json()["n_resumed"], 400);
    for asks_the_model in [
        &["repair", "scan", "scan/scan.toml", "--out", "repair"][..],
        &["faithfulness", "scan"],
        &["suggest", "scan"],
        &["invert", "scan"],
    ] {
        dir.ascan(asks_the_model).exits(1).says(&["this scan was made of vectors without one", "[model]"]);
    }
}

#[test]
fn vectors_that_do_not_fit_are_refused_at_their_key() {
    let dir = configured(399);
    dir.ascan(&["scan", "emb.toml", "--out", "scan"]).exits(2).says(&[
        "has 399 rows, and the data set has 400 images",
        "emb.toml:5:10",
        "`path`",
    ]);
    dir.write("emb.npy", "no array");
    dir.ascan(&["scan", "emb.toml", "--out", "scan"]).exits(2).says(&["is no array of NumPy", "column `embedding`"]);
    let both = ["check", "emb.toml", "--set", "model.path=demo/shortcut.onnx"];
    dir.ascan(&both).exits(2).says(&["`features.source` is set, and so is `model.path`"]);
    dir.ascan(&["check", "emb.toml", "--set", "features.source=gone.npy"]).exits(2).says(&["there is no such file"]);
}
