//! A machine that fails: each step of a command's way to the disk fails once. What a command then says of itself is true, and
//! the same command again ends as if nothing had been.
//!
//! By default a few steps of each command fail, drawn by a seed; `ASCAN_ALL_FAULTS=1` has every step fail with every error.

use crate::desktop::copy;
use crate::harness::{Dir, Run};
use crate::small::fixture;
use ascan_store::annotations::{Annotations, Mark};
use ascan_store::testing::faults::{FAIL_AT, FAIL_WITH, FAILED};
use std::collections::BTreeMap;
use std::path::Path;

/// No space, input/output error, too many files, permission denied, try again, no memory.
const ERRORS: [i32; 6] = [28, 5, 24, 13, 11, 12];

/// Steps that fail in a short run.
const N_SHORT: u64 = 6;

fn is_long() -> bool {
    std::env::var_os("ASCAN_ALL_FAULTS").is_some()
}

/// What a command is to leave: every file with its bytes, but for what can be computed again, locks and logs of verdicts,
/// whose names are times.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["cache", "annotations"].contains(&name.as_str()) {
                    left.push(path);
                }
            } else if name.ends_with("summary.json") {
                found.insert(name, without_times(&std::fs::read(&path).unwrap()));
            } else if !name.ends_with(".lock") && !name.contains(".tmp-") {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A summary of a repair, without what differs from run to run: how long it took, and how much of it.
fn without_times(summary: &[u8]) -> Vec<u8> {
    let mut summary: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(summary).unwrap();
    ["seconds", "n_steps_now", "peak_rss_mib"].iter().for_each(|key| drop(summary.remove(*key)));
    serde_json::to_vec(&summary).unwrap()
}

/// The marks on the images of the scan.
fn marks(scan: &Path) -> Vec<Option<Mark>> {
    Annotations::read(scan).unwrap().marks(4)
}

/// Runs a command of which a step fails; `None` if it has fewer steps.
fn run_failing(dir: &Dir, arguments: &[&str], step: &str, error: i32) -> Option<Run> {
    let mut command = dir.command(arguments);
    command.env(FAIL_AT, step).env(FAIL_WITH, error.to_string());
    let run = Run::of(command.output().unwrap());
    assert!(!run.stderr.contains("panicked at"), "step {step}, error {error}:\n{}", run.stderr);
    run.stderr.contains(FAILED).then_some(run)
}

/// Has the steps of a command fail, each from the state that `prepare` left in the folders `scan` and `out`.
fn fails(name: &str, prepare: &[&[&str]], arguments: &[&str]) {
    fails_in(&fixture(), name, prepare, arguments);
}

/// The same in a folder that is there.
fn fails_in(dir: &Dir, name: &str, prepare: &[&[&str]], arguments: &[&str]) {
    prepare.iter().for_each(|arguments| drop(dir.ascan(arguments).exits(0)));
    let base = Dir::new();
    let kept = ["scan", "out"];
    let folder = |name: &str| dir.path().join(name);
    for name in kept.iter().filter(|name| folder(name).is_dir()) {
        copy(&folder(name), &base.path().join(name));
    }
    let reset = || {
        for name in kept {
            let _ = std::fs::remove_dir_all(folder(name));
            if base.path().join(name).is_dir() {
                copy(&base.path().join(name), &folder(name));
            }
        }
    };
    let state = || (files(&folder("scan")), files(&folder("out")), marks(&folder("scan")));
    let before = marks(&folder("scan"));
    dir.ascan(arguments).exits(0);
    let expected = state();

    // All steps from one on fail: where none does, the command has fewer.
    let has = |step: u64| {
        reset();
        run_failing(dir, arguments, &format!("{step}+"), ERRORS[0]).is_some()
    };
    let (mut n_steps, mut beyond) = (0, 1u64);
    while has(beyond) {
        (n_steps, beyond) = (beyond, 2 * beyond);
    }
    while beyond - n_steps > 1 {
        let middle = n_steps.midpoint(beyond);
        if has(middle) { n_steps = middle } else { beyond = middle }
    }
    assert!(n_steps > 3, "{name} has only {n_steps} steps");
    let stride = if is_long() { 1 } else { n_steps.div_ceil(N_SHORT) };
    let (mut n_injected, mut n_survived) = (0, 0);
    for error in &ERRORS[..if is_long() { ERRORS.len() } else { 1 }] {
        for step in (1..=n_steps).step_by(stride as usize) {
            for step in [step.to_string(), format!("{step}+")] {
                reset();
                let Some(run) = run_failing(dir, arguments, &step, *error) else { continue };
                n_injected += 1;
                if run.code == 0 {
                    n_survived += 1;
                    assert!(state() == expected, "{name}: success that is none at step {step}:\n{}", run.stderr);
                } else {
                    let now = marks(&folder("scan"));
                    assert!(now == before || now == expected.2, "{name}: other verdicts after step {step}");
                    dir.ascan(arguments).exits(0);
                    assert!(state() == expected, "{name}: other files after step {step} and a second run");
                }
            }
        }
    }
    println!("{name}: {n_steps} steps, {n_injected} failures, of which {n_survived} did no harm");
}

const SCAN: &[&str] = &["scan", "run.toml", "--out", "scan", "--quiet"];
const MARKS: [&[&str]; 2] = [
    &["mark", "scan", "--images", "0,2", "core", "--author", "ann"],
    &["mark", "scan", "--images", "1", "spurious", "--author", "ann"],
];

#[test]
fn a_scan_on_a_failing_machine() {
    fails("scan", &[], SCAN);
}

#[test]
fn slices_on_a_failing_machine() {
    fails("slice", &[SCAN], &["slice", "scan", "--set", "slicing.plugin=kmeans", "--set", "slicing.params.n_slices=2"]);
}

#[test]
fn a_verdict_on_a_failing_machine() {
    fails("mark", &[SCAN], MARKS[0]);
}

#[test]
fn a_spread_on_a_failing_machine() {
    fails("spread", &[SCAN, MARKS[0], MARKS[1]], &["spread", "scan"]);
    fails("spread again", &[SCAN, MARKS[0], &["spread", "scan", "--accept"], MARKS[1]], &["spread", "scan"]);
    fails("accept", &[SCAN, MARKS[0], &["spread", "scan"]], &["spread", "scan", "--accept", "--override", "0=1"]);
}

#[test]
fn exports_and_pages_on_a_failing_machine() {
    fails("export csv", &[SCAN], &["export", "scan", "--to", "csv", "-o", "out"]);
    fails("export npy", &[SCAN], &["export", "scan", "--to", "npy", "-o", "out"]);
    fails(
        "report",
        &[SCAN, &["report", "scan", "-o", "out/report.html"]],
        &["report", "scan", "-o", "out/report.html"],
    );
    fails("mosaic", &[SCAN], &["mosaic", "scan", "-o", "out/mosaic.png"]);
}

#[test]
fn a_repair_on_a_failing_machine() {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    copy(&dir.path().join("demo/review"), &dir.path().join("scan"));
    let repair = ["repair", "scan", "demo/demo.toml", "--out", "out", "--set", "repair.epochs=1", "--quiet"];
    fails_in(&dir, "repair", &[], &repair);
}
