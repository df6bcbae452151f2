//! Verdicts from the command line: given, undone, spread, decided on; and kept whatever happens to their writer.

use crate::harness::Dir;
use ascan_store::annotations::Annotator;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The demo's scan, and the ids of its slices.
fn demo() -> (Dir, String, Vec<i64>) {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    let slices = dir.ascan(&["slice", "demo/scan", "--json"]).exits(0).json();
    let ids = slices["slices"].as_array().unwrap().iter().map(|slice| slice["id"].as_i64().unwrap()).collect();
    (dir, slices["id"].as_str().unwrap().to_owned(), ids)
}

fn mark(dir: &Dir, arguments: &[&str]) -> Value {
    let arguments = [&["mark", "demo/scan", "--json"], arguments].concat();
    dir.ascan(&arguments).exits(0).json()
}

fn verdicts(dir: &Dir) -> Value {
    dir.ascan(&["verdicts", "demo/scan", "--json"]).exits(0).json()
}

#[test]
fn marks_are_given_undone_and_listed() {
    let (dir, set, ids) = demo();
    let [first, second] = [ids[0].to_string(), ids[1].to_string()];
    assert!(dir.ascan(&["verdicts", "demo/scan"]).exits(0).stdout.contains("no verdicts yet"));
    let given = mark(&dir, &["--slice", &first, "spurious", "--note", "the ground", "--author", "anna"]);
    assert_eq!((&given["author"], &given["subject"]["slice"]["set"]), (&"anna".into(), &set.as_str().into()));
    mark(&dir, &["--slice", &second, "core", "--author", "anna"]);
    mark(&dir, &["--slice", &first, "core", "--author", "ben"]);
    mark(&dir, &["--images", "0-2,5", "noisy_label", "--author", "ben"]);

    let listed = verdicts(&dir);
    assert_eq!(listed["verdicts"].as_array().unwrap().len(), 3);
    assert_eq!(listed["disagreements"].as_array().unwrap().len(), 1, "{listed:#}");
    let text = dir.ascan(&["verdicts", "demo/scan"]).exits(0).stdout;
    for word in ["people disagree", "spurious, \"the ground\", by anna", "4 images: noisy_label, by ben", "UTC"] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }

    // Each call is a process: it undoes what the same author gave in an earlier one.
    let undo = |author: &str| dir.ascan(&["mark", "demo/scan", "--undo", "--author", author]);
    assert!(undo("ben").exits(0).stdout.starts_with("undone: 4 images"));
    assert!(undo("ben").exits(0).stdout.contains("core, by ben"));
    undo("ben").exits(1).says(&["ben has nothing to undo"]);
    assert!(verdicts(&dir)["disagreements"].as_array().unwrap().is_empty());
    mark(&dir, &["--redo", "--author", "ben"]);
    assert_eq!(verdicts(&dir)["disagreements"].as_array().unwrap().len(), 1);
    mark(&dir, &["--slice", &first, "--clear", "--author", "ben"]);
    assert_eq!(verdicts(&dir)["verdicts"].as_array().unwrap().len(), 1);

    // A verdict outlives its slices, and says so.
    dir.ascan(&["slice", "demo/scan", "--plugin", "confusion_matrix"]).exits(0);
    std::fs::remove_dir_all(dir.path().join("demo/scan/slices").join(&set)).unwrap();
    assert!(dir.ascan(&["verdicts", "demo/scan"]).exits(0).stdout.contains("its slice set is gone"));
}

#[test]
fn mistakes_in_a_mark_say_what_there_is() {
    let (dir, set, ids) = demo();
    let scan = |arguments: &[&str]| dir.ascan(&[&["mark", "demo/scan"], arguments].concat());
    let first = ids[0].to_string();
    scan(&["--slice", "99", "core"]).exits(2).says(&["unknown slice", "`99`", &first, &set]);
    scan(&["--slice", &first, "core", "--slices", "kmeans-x"]).exits(2).says(&["kmeans-x", &set]);
    scan(&["--slice", &first, "good"]).exits(2).says(&["good", "core", "spurious", "noisy_label"]);
    scan(&["--images", "nowhere.png", "core"]).exits(2).says(&["nowhere.png", "not an image of this scan"]);
    scan(&["--slice", &first]).exits(2);
    scan(&["core"]).exits(2);
    scan(&["--undo", "core"]).exits(2);
    scan(&["--slice", &first, "core", "--author", " "]).exits(2).says(&["author"]);
    assert!(!dir.path().join("demo/scan/annotations").exists(), "a mistake leaves nothing behind");
}

#[test]
fn marks_spread_and_are_reviewed() {
    let (dir, _, _) = demo();
    dir.ascan(&["spread", "demo/scan"]).exits(1).says(&["no marks", "ascan mark"]);
    // Mark by the planted ground: images on which the shortcut points the wrong way are spurious.
    dir.ascan(&["slice", "demo/scan", "--plugin", "confusion_matrix"]).exits(0);
    let slices = dir.ascan(&["slice", "demo/scan", "--plugin", "confusion_matrix", "--json"]).exits(0).json();
    for slice in slices["slices"].as_array().unwrap() {
        let cell = &slice["confusion"][0];
        let word = if cell["label"] == cell["predicted_class"] { "core" } else { "spurious" };
        mark(&dir, &["--slice", &slice["id"].to_string(), word]);
    }
    let spread = dir.ascan(&["spread", "demo/scan", "--json"]).exits(0).json();
    assert!(spread["check"]["auroc"].as_f64().unwrap() > 0.8, "{spread:#}");
    assert_eq!(spread["classes"].as_array().unwrap().len(), 2);
    assert_eq!(spread["review"]["accepted"], false);
    let files = std::fs::read_dir(dir.path().join("demo/scan/spread")).unwrap();
    let files: Vec<String> = files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    for (start, end) in [("spread", ".json"), ("spuriousness-", ".parquet"), ("review-", ".json")] {
        assert!(files.iter().any(|file| file.starts_with(start) && file.ends_with(end)), "{start} in {files:?}");
    }

    let reviewed = ["spread", "demo/scan", "--accept", "--threshold", "0.6", "--override", "0=1", "--override", "1=0"];
    let text = dir.ascan(&reviewed).exits(0).stdout;
    for word in ["AUROC", "held out", "accepted", "threshold 0.6", "2 decided by hand"] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let again = dir.ascan(&["spread", "demo/scan", "--override", "2=1", "--json"]).exits(0).json();
    assert_eq!(again["review"]["overrides"], serde_json::json!({"0": true, "1": false, "2": true}));
    assert_eq!(again["review"]["accepted"], true);
    dir.ascan(&["spread", "demo/scan", "--override", "100000=1"]).exits(2).says(&["100000"]);
    dir.ascan(&["spread", "demo/scan", "--threshold", "2"]).exits(2);
    dir.ascan(&["spread", "demo/scan", "--set", "spread.alpha=1"]).exits(2).says(&["alpha"]);

    // Other marks: a review says that it is of earlier ones, a new spread begins a new review.
    mark(&dir, &["--images", "3", "spurious"]);
    dir.ascan(&["spread", "demo/scan", "--accept"]).exits(0).says(&["other verdicts"]);
    let anew = dir.ascan(&["spread", "demo/scan", "--json"]).exits(0).json();
    assert_eq!(anew["review"]["accepted"], false);
}

#[test]
fn wrong_labels_are_found_decided_on_and_written() {
    let (dir, _, _) = demo();
    let manifest = dir.path().join("demo/data/metadata.csv");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let n_rows = text.lines().count();
    let mut run = dir.ascan(&["mislabels", "demo/scan"]).exits(0);
    assert!(run.stdout.contains("the model's own confidence"), "{}", run.stdout);
    run = dir.ascan(&["mislabels", "demo/scan", "--folds", "4"]).exits(0);
    assert!(run.stdout.contains("confident learning") && run.stdout.contains("by estimate"), "{}", run.stdout);
    let unseen = dir.ascan(&["mislabels", "demo/scan", "--unseen", "--json"]).exits(0).json();
    assert_eq!(unseen["basis"], "out_of_sample");
    dir.ascan(&["mislabels", "demo/scan", "--folds", "nothing"]).exits(2).says(&["nothing", "split"]);

    let (row, label) = (&unseen["candidates"][0]["row"], unseen["candidates"][0]["given"].as_i64().unwrap());
    let other = ["disc", "square"][1 - label as usize];
    dir.ascan(&["mislabels", "demo/scan", "--relabel", &format!("{row}={other}")]).exits(0);
    let kept = (row.as_i64().unwrap() + 1).to_string();
    dir.ascan(&["mislabels", "demo/scan", "--drop", &kept]).exits(0);
    dir.ascan(&["mislabels", "demo/scan", "--relabel", "0=cow"]).exits(2).says(&["cow", "disc", "square"]);
    assert_eq!(verdicts(&dir)["fixes"].as_array().unwrap().len(), 2);
    run = dir.ascan(&["mislabels", "demo/scan", "--write", "corrected.csv"]).exits(0);
    assert!(run.stdout.contains("1 relabelled, 1 dropped"), "{}", run.stdout);
    let corrected = std::fs::read_to_string(dir.path().join("corrected.csv")).unwrap();
    assert_eq!(corrected.lines().count(), n_rows - 1);
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), text, "the original stays as it is");
    let changed = corrected.lines().filter(|line| !text.lines().any(|other| other == *line)).count();
    assert_eq!(changed, 1, "one row has another label");
    dir.ascan(&["mislabels", "demo/scan", "--write", "demo/data/metadata.csv"]).exits(1).says(&["stays as it is"]);
}

/// Ids of the verdicts that `judge-forever` gave before it was killed: a moment after it had given so many.
fn given_before_a_kill(folder: &Path, n_verdicts: usize, moment: Duration) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_judge-forever"));
    let mut child = command.arg(folder).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map(|line| line.expect("a line"));
    let mut given: Vec<String> = lines.by_ref().take(n_verdicts).collect();
    std::thread::sleep(moment);
    child.kill().expect("a running child can be killed");
    // What it could still tell.
    given.extend(lines);
    child.wait().expect("a killed child ends");
    given
}

#[test]
fn every_verdict_that_was_given_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut given = Vec::new();
    for kill in 0..15u32 {
        given.extend(given_before_a_kill(dir.path(), 3, Duration::from_micros(u64::from(kill) * 211)));
        let annotations = Annotator::open(dir.path(), "reader").unwrap();
        let known: Vec<String> = annotations.history().iter().map(|verdict| verdict.id.to_string()).collect();
        let lost: Vec<&String> = given.iter().filter(|id| !known.contains(id)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert!(annotations.problems.is_empty(), "{:?}", annotations.problems);
        // One a kill, at most, was written and could not be told any more.
        assert!(known.len() <= given.len() + kill as usize + 1, "{} known, {} given", known.len(), given.len());
    }
    assert!(given.len() >= 45, "too few verdicts to interrupt: {}", given.len());
}
