//! What the model follows, which slices to judge first, and verdicts and images of a second scan.

use crate::harness::Dir;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Level, Reporter};
use ascan_engine::reliance::Reliance;
use ascan_engine::slices::SliceSet;
use ascan_store::Scan;
use serde_json::Value;
use std::sync::Mutex;

/// The demo: `scan` of the test split, `review` of another, by the model that has learnt the ground.
fn demo() -> Dir {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    dir
}

fn verdicts(dir: &Dir, scan: &str) -> Vec<Value> {
    dir.ascan(&["verdicts", scan, "--json"]).exits(0).json()["verdicts"].as_array().unwrap().clone()
}

/// As the file has them: `0-4,9`.
fn rows(verdict: &Value) -> String {
    let subject = verdict["subject"].as_object().unwrap().values().next().unwrap();
    subject["rows"].as_str().unwrap().to_owned()
}

#[test]
fn slices_come_with_what_they_follow_and_proposals_can_be_accepted() {
    let dir = demo();
    let told = dir.ascan(&["suggest", "demo/scan", "--json"]).exits(0).json();
    assert!(told["n_passes"].as_u64().unwrap() < 60);
    let suggestions = told["suggestions"].as_array().unwrap();
    let weights: Vec<f64> = suggestions.iter().map(|one| one["weight"].as_f64().unwrap()).collect();
    assert!(weights.len() > 3 && weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
    for one in suggestions {
        let object = &one["reliance"]["object"];
        let figure = |name: &str| object[name].as_f64().unwrap();
        assert!((1..=20).contains(&object["n"].as_u64().unwrap()), "{one:#}");
        assert!(figure("low") <= figure("mean") && figure("mean") <= figure("high"), "{one:#}");
        let expected = match one["proposal"].as_str() {
            Some("spurious") => figure("high") < 0.5,
            Some("core") => figure("low") > 0.5,
            _ => figure("low") <= 0.5 && figure("high") >= 0.5,
        };
        assert!(expected, "{one:#}");
    }
    assert!(verdicts(&dir, "demo/scan").is_empty(), "nothing is given unasked");
    // The same question has the same answer.
    assert_eq!(dir.ascan(&["suggest", "demo/scan", "--json"]).exits(0).json(), told);

    let first = suggestions[0]["slice"].to_string();
    dir.ascan(&["mark", "demo/scan", "--slice", &first, "core", "--author", "anna"]).exits(0);
    let text = dir.ascan(&["suggest", "demo/scan", "--accept"]).exits(0).stdout;
    // Headings go on in the next line, and reasons stand below their slice.
    assert!(text.contains("follows the") && text.contains("\n    where images exchange"), "{text}");
    let n_proposed = suggestions[1..].iter().filter(|one| !one["proposal"].is_null()).count();
    let given = verdicts(&dir, "demo/scan");
    let by = |author: &str| given.iter().filter(|verdict| verdict["author"] == author).count();
    assert_eq!((by("anna"), by("suggested")), (1, n_proposed));
    dir.ascan(&["suggest", "demo/scan", "--slices", "none"]).exits(2).says(&["none"]);
}

#[test]
fn what_speaks_against_a_result_is_said() {
    let dir = demo();
    // The images that the network was trained on: its errors hardly show.
    let trained = ["scan", "demo/demo.toml", "--out", "trained", "--set", "data.split=train"];
    dir.ascan(&trained)
        .exits(0)
        .says(&["note: the model is right on 99 % of these images", "errors show no group here"]);
    let unseen = dir.ascan(&["scan", "demo/demo.toml", "--out", "unseen"]).exits(0);
    assert!(!unseen.stderr.contains("errors show no group"), "{}", unseen.stderr);
    // Verdicts by lot, whatever the image shows.
    for (kind, mark) in ["core", "spurious"].iter().enumerate() {
        let rows = (0..400).filter(|row| row * 37 % 101 % 2 == kind);
        let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
        dir.ascan(&["mark", "demo/scan", mark, "--images", &rows.join(",")]).exits(0);
    }
    dir.ascan(&["spread", "demo/scan"])
        .exits(0)
        .says(&["warning: verdicts that were held out", "no better than chance"]);
}

/// Stops whoever asks after this many images, and hears what is said.
struct Stop {
    after: u64,
    heard: Mutex<String>,
}

impl Reporter for Stop {
    fn log(&self, _level: Level, message: &str) {
        self.heard.lock().unwrap().push_str(message);
    }

    fn progress(&self, _stage: &str, done: u64, _total: u64) -> bool {
        done < self.after
    }
}

#[test]
fn what_the_model_has_said_is_kept_when_it_is_stopped() {
    let dir = demo();
    let scan = Scan::open(&dir.path().join("demo/scan")).unwrap();
    let set = SliceSet::load(&scan, None).unwrap();
    let host = PluginHost::discover(&[]);
    let ask = |after: u64| {
        let reporter = Stop { after, heard: Mutex::default() };
        let context = Context { seed: 0, n_threads: 2, reporter: &reporter };
        let found = Reliance::of_scan(&scan, &set, &host, &context);
        (found, reporter.heard.into_inner().unwrap())
    };
    let (stopped, _) = ask(45);
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    let begun = Reliance::kept(&scan, &set.id).expect("some slices were asked about");
    assert_eq!((begun.slices.len(), begun.left.len()), (2, set.slices.len() - 2), "{begun:?}");
    let (whole, heard) = ask(u64::MAX);
    let whole = whole.unwrap();
    assert!(whole.left.is_empty() && whole.slices.len() == set.slices.len(), "{whole:?}");
    let n_images: usize = set.slices.iter().map(|slice| slice.size.min(20)).sum();
    assert!(heard.starts_with(&format!("asking the model about {} images", n_images - 40)), "{heard}");
    assert_eq!(ask(0).1, "", "nothing is asked twice");
    // At one go it is the same.
    std::fs::remove_dir_all(dir.path().join("demo/scan/cache")).unwrap();
    let once = ask(u64::MAX).0.unwrap();
    assert_eq!(once.slices.len(), whole.slices.len());
    for (once, twice) in once.slices.iter().zip(&whole.slices) {
        // The last digit of a number may not survive its file.
        let differ = |a: f64, b: f64| (a - b).abs() > 1e-12;
        assert!(once.slice == twice.slice && !differ(once.object.mean, twice.object.mean), "{once:?} {twice:?}");
    }
}

#[test]
fn verdicts_are_carried_to_another_scan_of_the_same_model() {
    let dir = demo();
    dir.ascan(&["slice", "demo/scan", "-p", "kmeans", "--per-class", "label"]).exits(0);
    let slices = dir.ascan(&["slice", "demo/scan", "-p", "kmeans", "--per-class", "label", "--json"]).exits(0).json();
    let ids: Vec<String> = slices["slices"].as_array().unwrap().iter().map(|slice| slice["id"].to_string()).collect();
    dir.ascan(&["mark", "demo/review", "--from", "demo/scan"]).exits(1).says(&["no verdict on a slice"]);
    for (id, mark) in ids.iter().zip(["spurious", "core", "spurious"]) {
        dir.ascan(&["mark", "demo/scan", "--slice", id, mark, "--note", "the ground"]).exits(0);
    }
    dir.ascan(&["mark", "demo/scan", "--images", "0", "core"]).exits(0);
    let own = verdicts(&dir, "demo/scan");
    // To itself: each slice comes back as it is.
    let told = dir.ascan(&["mark", "demo/scan", "--from", "demo/scan", "--json"]).exits(0);
    told.says(&["1 verdicts on single images were not carried"]);
    let carried = &verdicts(&dir, "demo/scan")[own.len()..];
    for (before, after) in own.iter().zip(carried) {
        assert_eq!(rows(before), rows(after));
    }
    // To another: fewer or more images, but of the verdict's kind and with its origin.
    let before = verdicts(&dir, "demo/review").len();
    dir.ascan(&["mark", "demo/review", "--from", "demo/scan"]).exits(0);
    let there = verdicts(&dir, "demo/review");
    let new = &there[before..];
    assert!(!new.is_empty() && new.iter().all(|verdict| !rows(verdict).is_empty()), "{there:#?}");
    let note = new[0]["judgement"].to_string();
    assert!(note.contains("the ground (from slice "), "{note}");

    dir.ascan(&["scan", "demo/demo.toml", "--out", "other", "--set", "attribution.plugin=eigen_cam", "--quiet"])
        .exits(0);
    dir.ascan(&["mark", "other", "--from", "demo/scan"]).exits(1).says(&["differ in model, attribution or features"]);
}

#[test]
fn a_second_scan_is_trained_on_too() {
    let dir = demo();
    let repair = |out: &str, also: &[&str]| {
        let base = ["repair", "demo/review", "demo/demo.toml", "--out", out, "--json", "--set", "repair.epochs=1"];
        dir.ascan(&[&base[..], also].concat())
    };
    let n_of = |run: crate::harness::Run| run.json()["n_training"].as_u64().unwrap();
    let alone = n_of(repair("alone", &["--set", "repair.check=false"]).exits(0));
    let both = n_of(repair("both", &["--set", "repair.check=false", "--also", "demo/scan"]).exits(0));
    // The demo's test split is as large as its review split.
    assert_eq!(both, 2 * alone);
    repair("same", &["--also", "demo/review"]).exits(1).says(&["is a scan of the same images"]);
    repair("other", &["--also", "demo/scan-after"]).exits(1).says(&["is a scan by another model"]);
}

#[test]
fn a_shortcut_is_planted_into_real_pictures() {
    let dir = demo();
    let plant = |class: &str| {
        dir.ascan(&[
            "bench",
            "plant",
            "demo/demo.toml",
            "--cue",
            "border",
            "--class",
            class,
            "--per-class",
            "40",
            "--out",
            "planted",
        ])
    };
    let said = plant("disc").exits(0).stdout;
    assert!(said.contains("of 80 images have the mark"), "{said}");
    let table = std::fs::read_to_string(dir.path().join("planted/metadata.csv")).unwrap();
    assert!(table.starts_with("filename,label,split,planted,mask\n") && table.lines().count() == 81);
    plant("triangle").exits(1).says(&["triangle", "disc"]);
}
