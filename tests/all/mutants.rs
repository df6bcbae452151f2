//! Scans and verdicts that somebody changed: damaged by a disk, or made to do harm. Whatever they hold, reading them ends soon,
//! with a result or an error.
//!
//! By default for some seconds; `ASCAN_FUZZ_INPUTS=100000` tries so many of each, from `ASCAN_FUZZ_SEED` on. A seed is named by
//! the message of a failure, and while it is tried by the file `ascan-NAME-seed` in the folder for temporary files.

use crate::desktop::copy;
use crate::harness::Dir;
use crate::small::fixture;
use ascan_core::guard::guarded;
use ascan_engine::slices::SliceSet;
use ascan_engine::spread::Spread;
use ascan_report::album::{Album, scanned};
use ascan_report::export::Review;
use ascan_report::mosaic::mosaic;
use ascan_report::report::report;
use ascan_store::Scan;
use ascan_store::annotations::Annotations;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What one reading may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Numbers of a seed: splitmix64 (Steele, Lea, Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Numbers that are at the end of something.
pub const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483647",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "1e308",
    "-0.0",
    "null",
];

/// Another form of some bytes.
pub fn mutant(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(7) {
            _ if bytes.is_empty() => return b"{}".to_vec(),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, (0..=random.below(8)).map(|_| random.next() as u8).collect::<Vec<_>>())),
            4 => {
                let end = (at + random.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            // A number in a text becomes another.
            _ => {
                let is_digit = |&at: &usize| bytes[at].is_ascii_digit() || bytes[at] == b'-';
                let Some(start) = (at..bytes.len()).find(is_digit) else { continue };
                let end = (start..bytes.len()).find(|at| !is_digit(at)).unwrap_or(bytes.len());
                let number = NUMBERS[random.below(NUMBERS.len())];
                drop(bytes.splice(start..end, number.bytes()));
            }
        }
    }
    bytes
}

/// Everything that is read of a scan, as far as it goes.
fn read_all(dir: &Path) {
    let _ = Annotations::read(dir).map(|annotations| {
        annotations.marks(4);
        (annotations.fixes().len(), annotations.disagreements().len(), annotations.basis().len())
    });
    let Ok(scan) = Scan::open(dir) else {
        let _ = Album::open_partial(dir).map(|album| album.table.n());
        return;
    };
    let _ = (scan.table().map(|table| table.n()), Spread::load(&scan).map(|spread| spread.map(|s| s.reviewed().len())));
    let sets = SliceSet::load_all(&scan).unwrap_or_default();
    let _ = Review::load(&scan, &sets);
    let Ok(album) = Album::open(scan) else { return };
    for set in &sets {
        let _ = report(&album.scene_of_set(set), set, &scanned(&album.scan, set)).map(|page| page.len());
        let _ = mosaic(&album.scene_of(&set.id, &set.slices), set).width();
    }
}

fn n_mutants() -> (u64, Duration) {
    match std::env::var("ASCAN_FUZZ_INPUTS").ok().and_then(|n| n.parse().ok()) {
        Some(n) => (n, Duration::MAX),
        None => (u64::MAX, Duration::from_secs(8)),
    }
}

/// Reads mutants of a scan until time is up.
fn hunt(name: &str, dir: &Path, mut change: impl FnMut(&mut Random)) {
    hunt_for(name, |random| {
        change(random);
        read_all(dir);
    });
}

/// Does something with one mutant after the other until time is up; what went wrong is told by its seed.
pub fn hunt_for(name: &str, mut attempt: impl FnMut(&mut Random)) {
    let (n, time) = n_mutants();
    let begin = Instant::now();
    let (mut n_tried, mut failures) = (0, Vec::new());
    let first: u64 = std::env::var("ASCAN_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first.saturating_add(n) {
        if begin.elapsed() > time || failures.len() > 20 {
            break;
        }
        if time == Duration::MAX {
            // What ends the whole process is named by what stays behind.
            let _ = std::fs::write(std::env::temp_dir().join(format!("ascan-{name}-seed")), seed.to_string());
        }
        let start = Instant::now();
        let read = guarded(
            || {
                attempt(&mut Random(seed));
                Ok(())
            },
            str::to_owned,
        );
        if let Err(panic) = read {
            failures.push(format!("seed {seed}: {panic}"));
        }
        if start.elapsed() > PATIENCE {
            failures.push(format!("seed {seed}: took {:?}", start.elapsed()));
        }
        n_tried += 1;
    }
    println!("{name}: {n_tried} mutants in {:.0?}, {} failures", begin.elapsed(), failures.len());
    assert!(n_tried > 20, "{name}: only {n_tried} mutants");
    assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
}

/// A scan with slices, verdicts and a spread.
fn judged() -> Dir {
    let dir = fixture();
    dir.ascan(&["scan", "run.toml", "--out", "scan", "--quiet"]).exits(0);
    dir.ascan(&["mark", "scan", "--images", "0,2", "core", "--note", "a"]).exits(0);
    dir.ascan(&["mark", "scan", "--slice", "0", "spurious"]).exits(0);
    dir.ascan(&["spread", "scan", "--accept"]).exits(0);
    dir
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn changed_scans_are_read_or_refused() {
    let dir = judged();
    let scan = dir.path().join("scan");
    let originals: Vec<(PathBuf, Vec<u8>)> =
        files(&scan).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    let mut changed: Option<usize> = None;
    hunt("scans", &scan, |random| {
        if let Some(before) = changed {
            std::fs::write(&originals[before].0, &originals[before].1).unwrap();
        }
        let i = random.below(originals.len());
        changed = Some(i);
        std::fs::write(&originals[i].0, mutant(&originals[i].1, random)).unwrap();
    });
}

/// Tables whose hashes were made right again: what is in them is read.
#[test]
fn crafted_tables_are_read_or_refused() {
    let dir = judged();
    let scan = dir.path().join("scan");
    let commit_file = scan.join("commits/00000.json");
    let commit: Value = serde_json::from_slice(&std::fs::read(&commit_file).unwrap()).unwrap();
    let tables = ["data/samples-00000.parquet", "data/features-00000.arrow"];
    let originals = tables.map(|name| std::fs::read(scan.join(name)).unwrap());
    hunt("tables", &scan, |random| {
        let i = random.below(2);
        let bytes = mutant(&originals[i], random);
        let mut commit = commit.clone();
        for file in commit["files"].as_array_mut().unwrap() {
            let at = tables.iter().position(|name| file["name"] == *name).unwrap();
            let bytes = if at == i { &bytes } else { &originals[at] };
            file["bytes"] = bytes.len().into();
            file["blake3"] = blake3::hash(bytes).to_hex().to_string().into();
            std::fs::write(scan.join(tables[at]), bytes).unwrap();
        }
        std::fs::write(&commit_file, commit.to_string()).unwrap();
    });
}

/// Logs whose checksums were made right again: what is in them is read.
#[test]
fn crafted_verdicts_are_read_or_refused() {
    let dir = judged();
    let scan = dir.path().join("scan");
    let log = files(&scan.join("annotations")).remove(0);
    let record = {
        let text = std::fs::read_to_string(&log).unwrap();
        let line = text.lines().next().unwrap();
        line.split_once("\"record\":").unwrap().1.strip_suffix('}').unwrap().to_owned()
    };
    hunt("verdicts", &scan, |random| {
        let lines = (0..=random.below(4)).flat_map(|_| {
            let record = mutant(record.as_bytes(), random);
            let sum = blake3::hash(&record).to_hex()[..16].to_owned();
            [&b"{\"blake3\":\""[..], sum.as_bytes(), b"\",\"record\":", &record, b"}\n"].concat()
        });
        std::fs::write(&log, lines.collect::<Vec<u8>>()).unwrap();
    });
}

/// What once went wrong, small.
#[test]
fn what_once_failed_does_not_fail_again() {
    let dir = judged();
    let scan = dir.path().join("scan");
    let attempt = |file: &str, from: &str, to: &str| {
        let copied = dir.path().join("changed");
        let _ = std::fs::remove_dir_all(&copied);
        copy(&scan, &copied);
        let path = files(&copied).into_iter().find(|path| path.to_string_lossy().ends_with(file)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` is not in {file}:\n{text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
        let start = Instant::now();
        guarded(
            || {
                read_all(&copied);
                Ok::<(), String>(())
            },
            str::to_owned,
        )
        .unwrap();
        assert!(start.elapsed() < PATIENCE, "{file}: {to}");
    };
    attempt("plan.json", "\"n_rows\": 4", "\"n_rows\": 100000000");
    attempt("plan.json", "\"n_rows\": 4", "\"n_rows\": 18446744073709551615");
    attempt("report.json", "\"typical\": [", "\"typical\": [ 4000000000,");
    attempt("report.json", "\"worst\": [", "\"worst\": [ 4000000000,");
}

/// What file managers leave behind is no part of a scan.
#[test]
fn stray_files_disturb_nothing() {
    let dir = judged();
    let scan = dir.path().join("scan");
    for folder in ["", "slices", "annotations", "spread", "data", "commits"] {
        for name in [".DS_Store", "Thumbs.db", "desktop.ini", "._anna-1.jsonl", "Icon\r"] {
            std::fs::write(scan.join(folder).join(name), b"\0stray\n").unwrap();
        }
    }
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    dir.ascan(&["mark", "scan", "--slice", "0", "core"]).exits(0);
    dir.ascan(&["spread", "scan"]).exits(0);
    dir.ascan(&["scan", "run.toml", "--out", "scan"]).exits(0);
    let told = dir.ascan(&["verdicts", "scan"]).exits(0);
    assert!(!told.stderr.contains("left out"), "{}", told.stderr);
    let user = crate::desktop::User::sits_down(Some(&scan), 1000, 700, true);
    assert!(!user.slice_ids().is_empty());
}
