//! What the program says to other programs: `--progress json`, `ascan arrays`, `ascan verdicts --by-image`.

use crate::harness::Dir;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Every line of standard error as JSON.
fn lines(stderr: &str) -> Vec<Value> {
    stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn progress_notes_and_errors_are_json_where_asked() {
    let dir = Dir::new();
    let demo = dir.ascan(&["--progress", "json", "demo", "-o", "demo"]).exits(0);
    let told = lines(&demo.stderr);
    let of = |kind: &str| told.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<_>>();
    let progress = of("progress");
    let is_done = |line: &Value| line["stage"] == "scan" && line["done"] == 400 && line["total"] == 400;
    assert!(progress.iter().any(is_done), "{}", demo.stderr);
    assert!(
        of("message").iter().any(|line| line["text"].as_str().unwrap().starts_with("planted: ")),
        "{}",
        demo.stderr
    );

    let typo = dir.ascan(&["slice", "demo/scan", "--set", "slicing.params.n_slice=3", "--progress", "json"]).exits(2);
    let error = lines(&typo.stderr).pop().unwrap();
    assert_eq!((&error["type"], &error["key"]), (&"error".into(), &"slicing.params.n_slice".into()), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("n_slices") && error["errors"].as_array().unwrap().len() == 1);
    let nowhere = dir.ascan(&["mosaic", "nowhere", "-o", "m.png", "--progress", "json"]).exits(1);
    let error = lines(&nowhere.stderr).pop().unwrap();
    assert!(error["message"].as_str().unwrap().contains("holds no scan") && error["hint"].is_string(), "{error}");
}

/// Who was told of progress and is killed leaves nothing behind that runs on.
#[test]
fn it_stops_when_nobody_listens_any_more() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    let scan = ["--progress", "json", "scan", "demo/demo.toml", "--out", "scan", "--set", "run.shard_rows=16"];
    let mut command = dir.command(&[&scan[..], &["--threads", "1"]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains(r#""type":"progress""#)));
    drop(told);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    dir.ascan(&scan).exits(0);
}

#[test]
fn arrays_are_laid_out_for_others_to_map() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    let laid_out = |array: &str| dir.ascan(&["arrays", "demo/scan", array, "--json"]).exits(0).json();
    let read = |array: &Value| std::fs::read(dir.path().join(array["file"].as_str().unwrap())).unwrap();
    let (embeddings, maps) = (laid_out("embeddings"), laid_out("grad_cam"));
    assert_eq!((&embeddings["shape"], &embeddings["dtype"]), (&serde_json::json!([400, 48]), &"float32".into()));
    assert_eq!(maps["shape"], serde_json::json!([400, 8, 8]));
    // The same numbers as the export's, behind its header.
    dir.ascan(&["export", "demo/scan", "--to", "npy", "-o", "npy"]).exits(0);
    for (array, name) in [(&embeddings, "embeddings.npy"), (&maps, "attributions.npy")] {
        let (bytes, exported) = (read(array), std::fs::read(dir.path().join("npy").join(name)).unwrap());
        assert!(!bytes.is_empty() && exported.ends_with(&bytes) && exported.len() - bytes.len() < 256, "{name}");
    }
    dir.ascan(&["arrays", "demo/scan", "lime"]).exits(1).says(&["unknown array `lime`", "embeddings, grad_cam"]);
}

#[test]
fn verdicts_are_told_image_by_image() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    dir.ascan(&["mark", "demo/scan", "spurious", "--images", "3,5"]).exits(0);
    dir.ascan(&["mark", "demo/scan", "core", "--images", "5"]).exits(0);
    dir.ascan(&["mark", "demo/scan", "core", "--slice", "2"]).exits(0);
    let told = dir.ascan(&["verdicts", "demo/scan", "--by-image", "--json"]).exits(0).json();
    let verdict = |row: usize| told["verdict"][row].clone();
    assert_eq!(told["verdict"].as_array().unwrap().len(), 400);
    assert_eq!(verdict(5), "core");
    assert!(
        verdict(3) == "spurious" || verdict(3) == "core",
        "the slice that was marked last may hold it: {}",
        verdict(3)
    );
    let sets = told["slices"].as_object().unwrap();
    assert_eq!(sets.values().next().unwrap(), &serde_json::json!({ "2": "core" }));
    assert_eq!(told["spuriousness"], serde_json::json!([]));
    dir.ascan(&["verdicts", "demo/scan", "--by-image"]).exits(0).prints(&["image", "core"]);
}
