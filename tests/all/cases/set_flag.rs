//! `--set` works with every command, or is refused; it is never ignored.

use super::{init, with_model};
use crate::small::png;

#[test]
fn set_is_refused_where_it_would_change_nothing() {
    let dir = with_model();
    let nothing = "slicing.params.n_slices=3";
    let commands: [&[&str]; 14] = [
        &["report", "scan", "-o", "r.html"],
        &["mosaic", "scan", "-o", "m.png"],
        &["export", "scan", "--to", "npy", "-o", "e"],
        &["verdicts", "scan"],
        &["gallery", "scan", "-o", "g.png"],
        &["invert", "scan"],
        &["layers", "model.onnx"],
        &["compare", "a", "b"],
        &["review", "scan"],
        &["plugins"],
        &["completions", "bash"],
        &["man"],
        &["mark", "scan", "--slice", "1", "core"],
        &["spread", "scan", "--accept"],
    ];
    for command in commands {
        let run = dir.ascan(&[command, &["--set", nothing]].concat());
        run.exits(2).says(&["would change nothing", command[0]]);
    }
    // Commands that read a part of a configuration take that part.
    dir.ascan(&["slice", "scan", "--set", "data.root=x"]).exits(2).says(&["reads only [slicing], [projection], [run]"]);
}

#[test]
fn set_is_checked_by_init() {
    let dir = with_model();
    dir.write("imgs/cat/1.png", png(1));
    dir.write("imgs/dog/1.png", png(2));
    let wrong = [
        ("data.colums.path=x", "unknown key"),
        ("slicing.params.nslices=3", "is no setting"),
        ("data.columns", "is not KEY=VALUE"),
        ("data.images=other", "is said by MODEL and DATA"),
    ];
    for (set, told) in wrong {
        init(&dir, "imgs", &["--set", set]).exits(2).says(&[told]);
    }
    init(&dir, "imgs", &["--set", "slicing.params.n_slices=5", "--set", "model.preprocess.preset=tf"]).exits(0);
    let written = std::fs::read_to_string(dir.path().join("scan.toml")).unwrap();
    assert!(written.contains("n_slices = 5") && written.contains("preset = \"tf\""), "{written}");
}
