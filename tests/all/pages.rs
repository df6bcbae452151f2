//! What is made to be shown: pages and charts with their verdicts, and tables on a terminal.

use crate::harness::{Dir, Run};
use std::fs;

/// The demo, with two slices and five images judged.
fn judged() -> Dir {
    let dir = Dir::new();
    dir.ascan(&["demo", "--out", "demo", "--quiet"]).exits(0);
    let slices = dir.ascan(&["slice", "demo/scan", "--json"]).exits(0).json();
    let id = |i: usize| slices["slices"][i]["id"].to_string();
    let mark = |more: &[&str]| dir.ascan(&[&["mark", "demo/scan", "--author", "anna"], more].concat()).exits(0);
    mark(&["--slice", &id(0), "spurious", "--note", "the <water>, not the disc"]);
    mark(&["--slice", &id(1), "core"]);
    mark(&["--images", "0-4", "noisy_label", "--note", "swapped"]);
    dir
}

/// A line of a table has gaps between its columns, one of prose has none.
#[track_caller]
fn fits(run: &Run) {
    for line in run.stdout.lines().filter(|line| line.trim_start().contains("  ")) {
        assert!(line.chars().count() <= 80, "{} columns: {line}\nin:\n{}", line.chars().count(), run.stdout);
    }
}

#[test]
fn pages_charts_and_exports_carry_the_verdicts_in_one_style() {
    let dir = judged();
    dir.ascan(&["report", "demo/scan", "--output", "report.html"]).exits(0);
    dir.ascan(&["compare", "demo/scan", "demo/scan-after", "--out", "compare.html"]).exits(0);
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    // Everything up to the first rule of pages: the theme and what charts are drawn with.
    let theme =
        |text: &str| text.split(".chart .ring{fill:none}").next().unwrap().split("<style>").nth(1).unwrap().to_owned();
    let of_chart = theme(&read("demo/repair/loss.svg"));
    assert!(of_chart.contains("prefers-color-scheme:dark") && of_chart.contains("--spurious:"));
    for name in ["report.html", "compare.html", "demo/repair/accuracy.svg"] {
        assert_eq!(theme(&read(name)), of_chart, "{name}");
    }
    for name in ["report.html", "compare.html"] {
        let page = read(name);
        for words in [
            "<span class=\"mark spurious\">spurious</span>",
            "<span class=\"mark core\">core</span>",
            "the &lt;water&gt;, not the disc",
            "<td>5 images</td>",
            "<td>anna</td>",
        ] {
            assert!(page.contains(words), "`{words}` is not in {name}");
        }
    }
    dir.ascan(&["export", "demo/scan", "--to", "csv", "-o", "csv"]).exits(0);
    let samples = read("csv/samples.csv");
    assert!(samples.lines().next().unwrap().contains("verdict,verdict_comment,verdict_author,spuriousness"));
    assert!(
        samples.contains("noisy_label,swapped,anna") && samples.contains("spurious,\"the <water>, not the disc\",anna")
    );
    assert!(read("csv/slices.csv").contains("spurious,\"the <water>, not the disc\",anna"));
}

#[test]
fn tables_fit_a_terminal_and_call_classes_by_their_names() {
    let dir = judged();
    let run = |arguments: &[&str]| {
        let run = dir.ascan(arguments).exits(0);
        fits(&run);
        run
    };
    run(&["slice", "demo/scan"]).prints(&["disc → square", "evidence", "main known"]);
    run(&["mislabels", "demo/scan", "--folds", "3"]).prints(&["label → suggestion", "disc → square"]);
    run(&["compare", "demo/scan", "demo/scan-after"]).prints(&["worst known group", "disc"]);
    run(&["suggest", "demo/scan"]).prints(&["spurious"]);
    run(&["spread", "demo/scan"]);
    run(&["layers", "demo/shortcut.onnx"]).prints(&["<- auto"]);
    run(&["faithfulness", "demo/scan", "--images", "4", "--methods", "grad_cam,eigen_cam"]).prints(&["ROAD", "MiB"]);
    run(&["plugins"]).prints(&["kmeans", "regularizer"]);
    dir.ascan(&["mislabels", "demo/scan", "--relabel", "0=square"]).exits(0).prints(&["the label should be square"]);
    dir.ascan(&["verdicts", "demo/scan"]).exits(0).prints(&["the label should be square"]);
}
