//! A scan that moved: what is read from it needs neither the model nor the images.

use crate::desktop::{copy, demo, scan};
use crate::harness::Dir;
use std::path::Path;

/// A copy of the demo's scan whose configuration names a model and images that are gone.
fn moved() -> Dir {
    let dir = Dir::new();
    copy(&demo().join("demo/scan"), &dir.path().join("scan"));
    let config = dir.path().join("scan/scan.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let gone = text.replace(&demo().to_string_lossy().into_owned(), "/gone");
    assert_ne!(gone, text);
    std::fs::write(config, gone).unwrap();
    dir
}

#[test]
fn slices_verdicts_spreading_labels_and_tables_need_no_images() {
    let dir = moved();
    dir.ascan(&["slice", "scan", "--plugin", "gmm"]).exits(0);
    dir.ascan(&["mark", "scan", "--slice", "0", "core"]).exits(0);
    dir.ascan(&["spread", "scan", "--accept"]).exits(0);
    dir.ascan(&["mislabels", "scan"]).exits(0);
    dir.ascan(&["export", "scan", "--to", "csv", "-o", "tables"]).exits(0);
    dir.ascan(&["report", "scan", "-o", "report.html"]).exits(0);
    // A data set of images is nothing without them.
    for format in ["hf", "fiftyone"] {
        dir.ascan(&["export", "scan", "--to", format, "-o", "set"]).exits(1);
        assert!(!Path::new(&dir.path().join("set/metadata.jsonl")).exists());
    }
    // What needs the model says so.
    dir.ascan(&["suggest", "scan"]).exits(1).says(&["gone"]);
}

#[test]
fn verdicts_of_two_people_are_merged() {
    let (dir, _) = scan();
    copy(&dir.path().join("scan"), &dir.path().join("other"));
    dir.ascan(&["mark", "scan", "--slice", "0", "core", "--author", "anna"]).exits(0);
    dir.ascan(&["mark", "other", "--slice", "1", "spurious", "--author", "ben"]).exits(0);
    let run = dir.ascan(&["verdicts", "scan", "--merge", "other"]).exits(0).says(&["1 new"]);
    run.prints(&["by anna", "by ben"]);
    dir.ascan(&["verdicts", "scan", "--merge", "other"]).exits(0).says(&["0 new"]);
}
