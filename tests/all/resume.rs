//! A scan that is killed and resumed is the scan that was never killed, byte for byte.

use crate::harness::Dir;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Every table of a scan, with its bytes.
fn tables(scan: &Path) -> BTreeMap<String, Vec<u8>> {
    ["data", "commits"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(scan.join(folder)).expect("a folder of the scan"))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.strip_prefix(scan).unwrap().display().to_string(), std::fs::read(&path).expect("a table")))
        .collect()
}

/// A data set and a model that keep a scan busy for a moment.
fn fixture() -> Dir {
    let dir = Dir::new();
    dir.ascan(&["demo", "-o", "demo", "--quiet"]).exits(0);
    dir
}

fn scan<'a>(out: &'a str, threads: &'a str) -> [&'a str; 9] {
    let shards = "run.shard_rows=32";
    ["scan", "demo/demo.toml", "--out", out, "--set", shards, "--no-slice", "--threads", threads]
}

#[test]
fn killed_twenty_times_it_ends_with_the_same_bytes() {
    let dir = fixture();
    let begin = Instant::now();
    dir.ascan(&scan("whole", "2")).exits(0);
    let whole = begin.elapsed();
    let expected = tables(&dir.path().join("whole"));
    assert!(expected.len() >= 20, "too few tables to interrupt: {:?}", expected.keys());

    for kill in 0..20u32 {
        // Spread over the whole run, at moments that differ from run to run.
        let jitter = begin.elapsed().subsec_nanos() % 1000;
        let moment = whole.mul_f64((f64::from(kill) + f64::from(jitter) / 1000.0) / 20.0);
        let mut child = dir.start(&scan("killed", "2"));
        std::thread::sleep(moment.max(Duration::from_millis(5)));
        child.kill().expect("a running child can be killed");
        child.wait().expect("a killed child ends");
        dir.ascan(&scan("killed", "2")).exits(0);
        assert!(tables(&dir.path().join("killed")) == expected, "other bytes after a kill at {moment:?}");
        std::fs::remove_dir_all(dir.path().join("killed")).expect("the scan can be removed");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let dir = fixture();
    dir.ascan(&scan("one", "1")).exits(0);
    let expected = tables(&dir.path().join("one"));
    for threads in ["2", "4"] {
        dir.ascan(&scan(threads, threads)).exits(0);
        assert!(tables(&dir.path().join(threads)) == expected, "other bytes with {threads} threads");
    }
}
