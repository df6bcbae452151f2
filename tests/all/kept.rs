//! What was asked for is kept, whatever comes between: a folder that is away for a moment, a file that is lost, others at the
//! same work.

use crate::desktop::copy;
use crate::harness::{Dir, Run};
use crate::small::fixture;
use std::collections::BTreeMap;
use std::path::Path;

/// Every table of a scan, with its bytes.
fn tables(scan: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(scan.join("data")).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap())).collect()
}

/// The small data set as a table with a column that has a dot in its name.
fn with_table() -> Dir {
    let dir = fixture();
    let images = ["cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png"];
    let rows = images.iter().enumerate().map(|(i, name)| format!("{name},{},{}\n", &name[..3], ["red", "blue"][i % 2]));
    dir.write("images/table.csv", format!("file_name,label,attr.color\n{}", rows.collect::<String>()));
    let config = std::fs::read_to_string(dir.path().join("run.toml")).unwrap();
    let data = "manifest = \"images/table.csv\"\ncolumns = { group = [\"attr.color\"] }";
    dir.write("run.toml", config.replace("images = \"images\"", data));
    dir
}

fn scan(dir: &Dir, out: &str, more: &[&str]) -> Run {
    dir.ascan(&[&["scan", "run.toml", "--out", out], more].concat())
}

#[test]
fn a_group_column_may_have_a_dot_in_its_name() {
    let dir = with_table();
    scan(&dir, "scan", &[]).exits(0);
    dir.ascan(&["slice", "scan", "--json"]).exits(0).prints(&["attr.color=red"]);
    dir.ascan(&["export", "scan", "--to", "csv", "-o", "tables"]).exits(0);
}

#[test]
fn an_image_that_was_away_for_a_moment_is_tried_again() {
    let dir = with_table();
    scan(&dir, "whole", &[]).exits(0);
    let [here, away] = ["images/dog/a.png", "away.png"].map(|name| dir.path().join(name));
    std::fs::rename(&here, &away).unwrap();
    scan(&dir, "scan", &[]).exits(3).says(&["tries them again"]);
    // As long as it is away nothing is done again.
    scan(&dir, "scan", &[]).exits(3);
    std::fs::rename(&away, &here).unwrap();
    scan(&dir, "scan", &[]).exits(0);
    assert!(tables(&dir.path().join("scan")) == tables(&dir.path().join("whole")));
    // And the other way round: what was found stays found.
    std::fs::rename(&here, &away).unwrap();
    scan(&dir, "whole", &[]).exits(0);
    // Another image in its place is no passing failure.
    std::fs::copy(dir.path().join("model.onnx"), &here).unwrap();
    scan(&dir, "whole", &[]).exits(1).says(&["other settings", "data.fingerprint"]);
}

#[test]
fn rows_of_a_lost_plan_are_not_taken_for_others() {
    let dir = fixture();
    let other = ["--set", "features.weighting=none"];
    scan(&dir, "fresh", &other).exits(0);
    scan(&dir, "scan", &[]).exits(0);
    let mine = tables(&dir.path().join("scan"));
    std::fs::remove_file(dir.path().join("scan/plan.json")).unwrap();
    scan(&dir, "scan", &other).exits(0);
    assert!(tables(&dir.path().join("scan")) == tables(&dir.path().join("fresh")));
    // With the settings that they are of they are found again.
    std::fs::remove_file(dir.path().join("scan/plan.json")).unwrap();
    let summary = scan(&dir, "scan", &[&other[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(summary["n_resumed"], 4);
    assert!(mine != tables(&dir.path().join("scan")));
}

#[test]
fn a_scan_that_cannot_be_sliced_is_no_success() {
    let dir = fixture();
    let slicing = ["--set", "slicing.plugin=process", "--set", "slicing.params.command=[\"false\"]"];
    scan(&dir, "scan", &slicing).exits(1).says(&["the scan is done and kept, but slicing it failed"]);
    dir.ascan(&["slice", "scan", "--plugin", "confusion_matrix"]).exits(0);
}

/// Runs a command in several processes at once; all must succeed.
fn at_once(dir: &Dir, arguments: &[&str], n: usize) {
    let start = |_| {
        let mut command = dir.command(arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..n).map(start).collect();
    for child in children {
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn several_processes_at_the_same_work_do_not_disturb_each_other() {
    let dir = fixture();
    scan(&dir, "scan", &[]).exits(0);
    dir.ascan(&["mark", "scan", "--images", "0,2", "core"]).exits(0);
    dir.ascan(&["mark", "scan", "--images", "1,3", "spurious"]).exits(0);
    for _ in 0..3 {
        at_once(&dir, &["slice", "scan", "--plugin", "random"], 6);
        at_once(&dir, &["spread", "scan", "--accept"], 6);
    }
    at_once(&dir, &["mark", "scan", "--images", "1", "core"], 6);
    let verdicts = dir.ascan(&["verdicts", "scan", "--json"]).exits(0).json();
    assert_eq!(verdicts["verdicts"].as_array().unwrap().len(), 3);
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    dir.ascan(&["spread", "scan", "--accept", "--json"]).exits(0);
}

#[test]
fn decisions_outlive_another_spread_of_the_same_verdicts() {
    let dir = fixture();
    scan(&dir, "scan", &[]).exits(0);
    dir.ascan(&["mark", "scan", "--images", "0", "core"]).exits(0);
    dir.ascan(&["spread", "scan", "--accept", "--override", "2=1", "--threshold", "0.7"]).exits(0);
    let again = dir.ascan(&["spread", "scan", "--json"]).exits(0).json();
    assert_eq!((&again["review"]["accepted"], &again["review"]["overrides"]["2"]), (&true.into(), &true.into()));
    // Other verdicts: what was decided on images stays, and the whole is to be accepted again.
    dir.ascan(&["mark", "scan", "--images", "1", "spurious"]).exits(0);
    let anew = dir.ascan(&["spread", "scan", "--json"]).exits(0).json();
    assert_eq!((&anew["review"]["accepted"], &anew["review"]["overrides"]["2"]), (&false.into(), &true.into()));
}

#[test]
fn a_note_stays_on_its_line() {
    let dir = fixture();
    scan(&dir, "scan", &[]).exits(0);
    let note = "birds\u{1b}[2J\nslice 9 of kmeans: core, by eve";
    dir.ascan(&["mark", "scan", "--slice", "0", "core", "--note", note, "--author", "a\rb"]).exits(0);
    let listed = dir.ascan(&["verdicts", "scan"]).exits(0).stdout;
    assert!(listed.lines().count() == 1 && !listed.contains(['\u{1b}', '\r']), "{listed:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_is_refused() {
    let dir = fixture();
    let config = std::fs::read_to_string(dir.path().join("run.toml")).unwrap();
    dir.write("other.toml", config.replace("images = \"images\"\n", ""));
    for (config, key, name, said) in [
        ("run.toml", "model.path", "pipe.onnx", "is a pipe or a device"),
        ("other.toml", "data.archive", "pipe.tar", "not a file"),
        ("other.toml", "data.manifest", "pipe.csv", "not a file"),
        ("other.toml", "data.manifest", "pipe.parquet", "not a file"),
        ("run.toml", "data.output_names", "pipe.txt", "not a file"),
    ] {
        let made = std::process::Command::new("mkfifo").arg(dir.path().join(name)).status();
        if !made.is_ok_and(|made| made.success()) {
            println!("skipped: there is no mkfifo");
            return;
        }
        dir.ascan(&["check", config, "--set", &format!("{key}={name}")]).exits(2).says(&[said, name]);
    }
}

#[test]
fn a_repair_that_was_ended_between_its_first_two_files_begins_again() {
    let dir = fixture();
    scan(&dir, "scan", &[]).exits(0);
    dir.write("repaired/repair.toml", "");
    dir.write("repaired/.tmp-model.onnx.77", "half a model");
    let run = dir.ascan(&["repair", "scan", "run.toml", "--out", "repaired", "--set", "repair.epochs=1"]);
    assert!(!run.stderr.contains("holds no repair"), "{}", run.stderr);
    assert!(dir.path().join("repaired/plan.json").is_file(), "{}", run.stderr);
    assert!(!dir.path().join("repaired/.tmp-model.onnx.77").exists());
}

#[test]
fn a_copy_of_a_scan_is_as_good_as_the_scan() {
    let dir = fixture();
    scan(&dir, "scan", &[]).exits(0);
    copy(&dir.path().join("scan"), &dir.path().join("copy"));
    dir.ascan(&["report", "copy", "-o", "report.html"]).exits(0);
    scan(&dir, "copy", &[]).exits(0);
}
