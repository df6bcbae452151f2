//! A bench from its configuration to its files, in this process, with toy methods.

use super::*;
use ascan_config::bench::BenchConfig;
use ascan_core::params::NoParams;
use ascan_core::{Context, Plugin, Silent, SliceModel, SliceTable, Slicer, Tensor, slicer};
use std::cell::Cell;

/// Slices by cell of the confusion matrix of two classes.
struct ByCell;

impl Plugin for ByCell {
    const NAME: &'static str = "by_cell";
    const SUMMARY: &'static str = "for these tests";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Slicer for ByCell {
    fn fit(&self, table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        Ok(Box::new(Self))
    }
}

impl SliceModel for ByCell {
    fn n_slices(&self) -> usize {
        4
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        let cells = table.labels.iter().zip(table.predicted_classes).map(|(a, b)| Some((2 * a + b) as usize));
        Ok(slicer::one_hot(cells, 4))
    }
}

/// Fails, as one does that needs maps.
struct Failing;

impl Plugin for Failing {
    const NAME: &'static str = "failing";
    const SUMMARY: &'static str = "for these tests";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Slicer for Failing {
    fn fit(&self, _table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        context.warn("never seen");
        Err(Error::unsupported("there are no maps", ""))
    }
}

ascan_core::export_library!(ascan_bench_toys: slicer ByCell, slicer Failing);

fn host() -> PluginHost {
    PluginHost::with_static(&[ascan_library]).unwrap()
}

fn load(text: &str) -> std::result::Result<BenchConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.toml");
    std::fs::write(&file, text).unwrap();
    let shown = |errors: ascan_config::ConfigErrors| errors.to_string().replace(&*file.to_string_lossy(), "bench.toml");
    BenchConfig::load(&file, &[], &host(), true).map_err(shown)
}

const CONFIG: &str = "
[planted]
rare = [0.1]
correlation = [0.8]
noisy_label = []
n_tables = 2
n_rows = 1000
n_dims = 4

[cost]
rows = [1000, 100]
n_dims = 4

[slicers.cells]
plugin = \"by_cell\"

[slicers.failing]
max_rows = 100
";

#[test]
fn a_bench_writes_its_tables_and_does_nothing_twice() {
    let config = load(CONFIG).unwrap();
    let host = host();
    let folder = tempfile::tempdir().unwrap();
    let n_done = Cell::new(0);
    let work = |job: &Job| {
        n_done.set(n_done.get() + 1);
        job.work(&host)
    };
    let parts = Parts { planted: true, scans: true, cost: true };
    let run = || run(&config, &[], parts, &host, folder.path(), &work, &Silent).unwrap();
    let report = run();
    // Cells: 2 kinds, 2 sizes; failing: 2 kinds, the small size.
    assert_eq!(n_done.get(), 7);

    let rare = report.planted("cells", |table| table.kind == PlantedKind::Rare).unwrap();
    let correlated = report.planted("cells", |table| table.kind == PlantedKind::Correlation).unwrap();
    // Of the errors in class 1, about half lie in the slice: 0.45·0.1 to 0.05·0.9; of those of a cell off the
    // diagonal with 10 % of each class in the slice as many.
    for summary in [&rare, &correlated] {
        assert!((summary.precision_at_10 - 0.5).abs() < 0.2, "{summary:?}");
    }
    assert_eq!(report.planted("failing", |_| true), None);
    let markdown = std::fs::read_to_string(folder.path().join("table.md")).unwrap();
    assert!(markdown.contains("| cells | ") && markdown.contains("there are no maps"), "{markdown}");
    assert!(markdown.contains("| ARI | slices |") && !markdown.contains("more tries"), "only one method: {markdown}");
    let csv = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    assert!(csv.contains("cells,rare,0.1,") && csv.contains("cells,cost,1000,0,,fit_seconds,"), "{csv}");
    assert!(folder.path().join("results.json").is_file());

    let again = run();
    // What failed is tried again, and only that.
    assert_eq!(n_done.get(), 7 + 3);
    assert_eq!(again.to_markdown(), report.to_markdown());
}

#[test]
fn a_job_survives_its_way_to_a_child_and_back() {
    let config = load(CONFIG).unwrap();
    for job in planted_jobs(&config).iter().chain(&cost_jobs(&config)) {
        let request = serde_json::to_vec(job).unwrap();
        let mut reply = Vec::new();
        child::serve(&host(), &mut &request[..], &mut reply).unwrap();
        let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply.get("failed").is_some(), job.name == "failing", "{reply}");
    }
}

#[test]
fn a_table_larger_than_one_that_failed_is_not_tried() {
    let mut config = load(CONFIG).unwrap();
    config.slicers.get_mut("failing").unwrap().max_rows = 1_000;
    let jobs = cost_jobs(&config);
    let failed: Vec<JobResult> = jobs
        .iter()
        .filter(|job| matches!(job.task, Task::Slicer { n_rows: 100, .. }) && job.name == "failing")
        .map(|job| JobResult { job: job.clone(), outcome: None, error: Some("no".into()) })
        .collect();
    let not_tried: Vec<&Job> = jobs.iter().filter(|job| too_slow(job, &failed).is_some()).collect();
    assert_eq!(not_tried.len(), 1);
    assert!(not_tried[0].name == "failing" && matches!(not_tried[0].task, Task::Slicer { n_rows: 1_000, .. }));
}

#[test]
fn the_exponent_is_the_slope_of_the_logarithms() {
    let points = |p: f64| [1e3, 1e4, 1e5].map(|n: f64| (n, 1e-4 * n.powf(p)));
    for p in [1.0, 1.5] {
        assert!((results::exponent(&points(p)).unwrap() - p).abs() < 1e-9);
    }
    // Too quick to tell.
    assert_eq!(results::exponent(&[(1e3, 1e-4), (1e4, 0.1)]), None);
}

#[test]
fn every_error_of_a_configuration_is_shown_with_its_place() {
    let text = "
[planted]
rare = [0.02, 0.5]
n_rows = 1000
[cost]
row = 3
[slicers.cells]
plugin = \"by_cel\"
[slicers.failing]
params = { k = 3 }
[scans.birds]
variants = [\"plane\"]
[slicer]
";
    let expected = r#"error: `planted.rare`: must be between 0.01 and 0.1, got 0.5
 --> bench.toml:3:8
  |
3 | rare = [0.02, 0.5]
  |        ^^^^^^^^^^^

error: `planted.n_rows`: a slice of 0.02 of its class has 10 of 1000 rows, too few to judge
 --> bench.toml:4:10
  |
4 | n_rows = 1000
  |          ^^^^
  |
  = hint: use 2500 rows or more, or leave out the rarest slices

error: unknown key `row` in [cost]
 --> bench.toml:6:1
  |
6 | row = 3
  | ^^^
  |
  = hint: did you mean `rows`? available: n_dims, rows

error: unknown slicer `by_cel`
 --> bench.toml:8:10
  |
8 | plugin = "by_cel"
  |          ^^^^^^^^
  |
  = hint: did you mean `by_cell`? available: by_cell, failing

error: unknown key `k` in [slicers.failing.params]
  --> bench.toml:10:12
   |
10 | params = { k = 3 }
   |            ^
   |
   = hint: there are none

error: `scans.birds.config`: the run configuration is missing
  --> bench.toml:11:8
   |
11 | [scans.birds]
   |        ^^^^^
   |
   = hint: config = "waterbirds.toml"

error: `scans.birds.variants`: expected one of `weighted`, `unnormalised`, `plain`, `reverse`, `both`, `with_prediction`, got `plane`
  --> bench.toml:12:12
   |
12 | variants = ["plane"]
   |            ^^^^^^^^^
   |
   = hint: the default is ["weighted","unnormalised","plain","reverse","both","with_prediction"]

error: unknown section `slicer`
  --> bench.toml:13:2
   |
13 | [slicer]
   |  ^^^^^^
   |
   = hint: did you mean `slicers`? available: run, planted, cost, projection, slicers, projectors, scans"#;
    assert_eq!(load(text).unwrap_err(), expected);
    let missing = load("[slicers.cells]\nplugin = \"by_cell\"\n[scans.birds]\nconfig = \"birds.toml\"\n").unwrap_err();
    assert!(missing.contains("cannot read the configuration") && missing.contains("--> bench.toml:4:10"), "{missing}");
    assert!(load("[planted]\n").unwrap_err().contains("no slicer is named"));
}

#[test]
fn other_numbers_of_slices_are_told() {
    use super::tables::more_tries;
    assert_eq!(more_tries([4.0, 4.0].into_iter()), "");
    assert_eq!(more_tries(std::iter::empty()), "");
    assert!(more_tries([25.0, 4.0].into_iter()).contains("4 to 25 slices"));
}
