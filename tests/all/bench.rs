//! `ascan bench slicers`, with its children.

use crate::harness::{Dir, workspace};
use std::fs;

/// The committed example, made small: every method of it, one table of each kind, and one of cost.
#[test]
fn the_example_of_the_benches_runs_and_goes_on_where_it_was() {
    let dir = Dir::new();
    let config = workspace().join("benches/slicers.toml");
    let config = config.to_str().expect("a path in UTF-8");
    let small = ["planted.n_tables=1", "planted.rare=[0.1]", "planted.correlation=[0.8]", "planted.noisy_label=[0.3]"];
    let smaller = ["planted.n_rows=600", "planted.n_dims=8", "cost.rows=[200, 400]", "cost.n_dims=8"];
    let sets: Vec<&str> = small.iter().chain(&smaller).flat_map(|set| ["--set", set]).collect();
    let arguments = [&["bench", "slicers", config, "--out", "bench", "--only", "planted,cost"][..], &sets].concat();
    let printed = dir.ascan(&arguments).exits(0).stdout;
    for line in printed.lines().filter(|line| line.contains("  ")) {
        assert!(line.chars().count() <= 80, "{line}\nin:\n{printed}");
    }
    let bench = dir.path().join("bench");
    let first = fs::read_to_string(bench.join("table.md")).expect("a table");
    for method in ["| kmeans |", "| confusion_matrix |", "| pca (projector) |"] {
        assert!(first.contains(method), "no {method} in\n{first}");
    }
    let results: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.join("results.json")).expect("results")).expect("JSON");
    let kmeans =
        results["results"].as_array().expect("results").iter().find(|result| result["job"]["name"] == "kmeans");
    let measured = &kmeans.expect("k-means")["outcome"]["measured"][0];
    if cfg!(target_os = "linux") {
        assert!(measured["peak_mib"].as_f64().expect("a peak") > 1.0, "{measured:#}");
    }
    image::open(bench.join("quality.png")).expect("a picture");
    assert!(bench.join("cost.svg").is_file());

    // Every time is one that was measured before: nothing was done again.
    dir.ascan(&arguments).exits(0);
    assert_eq!(fs::read_to_string(bench.join("table.md")).expect("a table"), first);
}

#[test]
fn a_child_that_is_killed_by_its_time_is_one_line_of_the_results() {
    let dir = Dir::new();
    dir.write(
        "bench.toml",
        "[run]\ntime_limit_secs = 1\n[cost]\nrows = [400000]\nn_dims = 256\n[slicers.kmeans]\nmax_rows = 400000\n",
    );
    let run = dir.ascan(&["bench", "slicers", "bench.toml", "--out", "bench", "--only", "cost"]).exits(0);
    assert!(run.stdout.contains("took longer than 1 s"), "{}", run.stdout);
}

#[test]
fn a_wrong_bench_exits_with_two() {
    let dir = Dir::new();
    dir.write("bench.toml", "[slicers.kmean]\n");
    dir.ascan(&["bench", "slicers", "bench.toml", "--out", "bench"]).exits(2).says(&["unknown slicer", "kmeans"]);
}
