//! The scan as a whole, on a model of two pixels.

use super::*;
use crate::features::FeatureRule;
use crate::question::Question;
use ascan_core::{
    Attribution, AttributionBatch, Attributor, Capabilities, Context, Error, Forward, Gradients, ModelBackend,
    ModelInfo, OpenModel, Requirements, Runtime, Silent, Tensor, TensorView,
};
use ascan_store::plan::{AttributionPlan, DataPlan, FeaturesPlan, ModelPlan, stored_map_size};
use ascan_store::testing::MemoryStorage;
use ascan_store::{Facts, ScanPlan, layout};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const N_ROWS: usize = 23;
const SHARD_ROWS: usize = 5;

/// Images whose first pixel makes something go wrong.
const UNREADABLE: f32 = 101.0;
const DECODER_PANICS: f32 = 102.0;
const NAN_LOGITS: f32 = 103.0;
const NAN_MAP: f32 = 104.0;
const NAN_FEATURES: f32 = 105.0;
const ATTRIBUTOR_FAILS: f32 = 106.0;
const BACKEND_PANICS: f32 = 107.0;
const EMPTY_MAP: f32 = 108.0;
const SLOW: f32 = 109.0;

/// Backward passes, of the one test that has some.
static N_GRADIENTS: AtomicUsize = AtomicUsize::new(0);

/// Logits are the two pixels; the feature map is the image and its square.
struct Toy(ModelInfo);

impl Runtime for Toy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn open(&self, _request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        Ok(Box::new(Toy(self.0.clone())))
    }
}

impl ModelBackend for Toy {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    /// −1 everywhere.
    fn gradients(&self, images: TensorView, _: &[usize], tensors: &[&str]) -> Result<Gradients> {
        assert_eq!(tensors, ["conv"]);
        N_GRADIENTS.fetch_add(1, Ordering::Relaxed);
        let slope = Tensor::new([images.n_rows(), 2], vec![-1.0; images.data().len()])?;
        Ok(Gradients { gradients: vec![slope], ..Gradients::default() })
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        assert_eq!(layers, ["conv"]);
        assert!(!images.data().contains(&BACKEND_PANICS), "the toy broke");
        let n = images.n_rows();
        let (mut logits, mut features) = (Vec::new(), Vec::new());
        for i in 0..n {
            let row = images.row(i);
            logits.extend(if row[0] == NAN_LOGITS { &[f32::NAN, 0.0] } else { row });
            features.extend(
                row.iter().copied().chain(row.iter().map(|v| if row[0] == NAN_FEATURES { f32::NAN } else { v * v })),
            );
        }
        let feature_map = Tensor::new([n, 2, 1, 2], features)?;
        Ok(Forward { logits: Tensor::new([n, 2], logits)?, feature_maps: vec![("conv".into(), feature_map)] })
    }
}

/// The map is the image.
struct ToyMap;

impl Attributor for ToyMap {
    fn requirements(&self, _info: &ModelInfo) -> Result<Requirements> {
        Ok(Requirements::default())
    }

    fn attribute(&self, _: &dyn ModelBackend, batch: &AttributionBatch, context: &Context) -> Result<Attribution> {
        context.warn("the toy is a toy");
        if batch.images.data().contains(&ATTRIBUTOR_FAILS) {
            return Err(Error::plugin("toy_map", "does not like this image", ""));
        }
        let mut maps = batch.images.data().to_vec();
        for map in maps.chunks_exact_mut(2) {
            match map[0] {
                NAN_MAP => map[1] = f32::NAN,
                EMPTY_MAP => map.fill(0.0),
                _ => {}
            }
        }
        Ok(Attribution { maps: Tensor::new([batch.images.n_rows(), 1, 2], maps)?, convergence_delta: None })
    }
}

/// The image turned over, from the gradient that the methods share.
struct ToySlope;

impl Attributor for ToySlope {
    fn requirements(&self, _info: &ModelInfo) -> Result<Requirements> {
        Ok(Requirements { gradients: true, gradients_of: vec!["conv".into()], ..Requirements::default() })
    }

    fn attribute(&self, _: &dyn ModelBackend, batch: &AttributionBatch, _: &Context) -> Result<Attribution> {
        let n = batch.images.n_rows();
        let [(name, gradient)] = batch.gradients else { panic!("the gradient is not there: {:?}", batch.gradients) };
        assert_eq!((name.as_str(), gradient.n_rows()), ("conv", n));
        let maps = batch.images.data().iter().zip(gradient.data()).map(|(v, g)| v * g).collect();
        Ok(Attribution { maps: Tensor::new([n, 1, 2], maps)?, convergence_delta: Some(vec![0.5; n]) })
    }
}

/// Pixel 0 is 0.5, or what makes the row go wrong; pixel 1 tells the rows apart and makes every third one class 0.
#[derive(Default)]
struct ToyImages {
    wrong: BTreeMap<usize, f32>,
    loads: AtomicUsize,
    uneven: bool,
}

impl Images for ToyImages {
    fn facts(&self, row: usize) -> Facts {
        Facts {
            uri: format!("{row}.png"),
            label: self.label(row),
            groups: vec![(row % 2).to_string()],
            ..Default::default()
        }
    }

    fn label(&self, row: usize) -> i32 {
        if row == 1 { -1 } else { 1 }
    }

    fn truth(&self, _: usize) -> &[f32] {
        &[]
    }

    fn load(&self, row: usize) -> Result<Vec<f32>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        if self.uneven {
            std::thread::sleep(Duration::from_millis((row as u64 * 7) % 5));
        }
        let second = if row.is_multiple_of(3) { 0.25 } else { 1.0 + row as f32 };
        let first = self.wrong.get(&row).copied().unwrap_or(0.5);
        if first == UNREADABLE {
            return Err(Error::file("/a/folder/of/this/machine.png", "is not an image", ""));
        }
        assert!(first != DECODER_PANICS, "bad pixels");
        if first == SLOW {
            std::thread::sleep(Duration::from_millis(1500));
        }
        Ok(vec![first, second])
    }
}

fn plan(batch_size: usize) -> ScanPlan {
    ScanPlan {
        format: layout::FORMAT,
        data: DataPlan { n_rows: N_ROWS, group_columns: vec!["odd".into()], ..Default::default() },
        model: ModelPlan { n_classes: 2, input_shape: [1, 1, 2], backend: "toy".into(), ..Default::default() },
        attribution: AttributionPlan {
            map_size: [1, 2],
            stored_map_size: stored_map_size([1, 2]),
            ..Default::default()
        },
        features: FeaturesPlan {
            settings: ascan_config::sections::FeaturesSection { layer: "conv".into(), ..Default::default() },
            layer_shape: [2, 1, 2],
            n_dims: 2,
            source_hash: None,
        },
        batch_size,
        shard_rows: SHARD_ROWS,
        ..Default::default()
    }
}

/// One run of a scan in memory.
struct Bench {
    images: ToyImages,
    plan: ScanPlan,
    n_threads: usize,
    target: Target,
    attributors: Vec<&'static dyn Attributor>,
    gradients_of: Vec<String>,
    storage: MemoryStorage,
}

impl Bench {
    fn new(wrong: &[(usize, f32)]) -> Self {
        Self {
            images: ToyImages { wrong: wrong.iter().copied().collect(), ..Default::default() },
            plan: plan(2),
            n_threads: 2,
            target: Target::Predicted,
            attributors: vec![&ToyMap],
            gradients_of: Vec::new(),
            storage: MemoryStorage::default(),
        }
    }

    fn run(&self) -> Result<ScanSummary> {
        self.run_with(&self.storage, &Silent)
    }

    fn run_with(&self, storage: &MemoryStorage, reporter: &dyn Reporter) -> Result<ScanSummary> {
        let job = Job {
            runtime: &Toy(ModelInfo::default()),
            open: OpenModel::new("toy.onnx"),
            attributors: self.attributors.clone(),
            gradients_of: self.gradients_of.clone(),
            images: &self.images,
            layers: vec!["conv".into()],
            target: self.target,
            question: Question::Class { n_classes: 2 },
            scores: None,
            rule: FeatureRule::new(&self.plan.features.settings).unwrap(),
            n_threads: self.n_threads,
            plan: &self.plan,
        };
        let dir = tempfile::tempdir().unwrap();
        run_job(&job, &RunConfig::default(), dir.path(), Box::new(storage.clone()), reporter)
    }

    fn scan(&self) -> Scan {
        Scan::open_in(Path::new("scan"), Box::new(self.storage.clone())).unwrap()
    }
}

fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let bench = Bench::new(&[]);
    bench.run().unwrap();
    bench.storage.all()
}

#[test]
fn every_row_has_what_the_model_says() {
    let bench = Bench::new(&[(4, EMPTY_MAP)]);
    let summary = bench.run().unwrap();
    let table = bench.scan().table().unwrap();
    assert_eq!(table.n(), N_ROWS);
    assert_eq!(table.uris[22], "22.png");
    for i in 0..N_ROWS {
        assert_eq!(table.predicted_classes[i], i32::from(i % 3 != 0 && i != 4), "{i}");
        assert_eq!(table.target_classes[i], table.predicted_classes[i]);
    }
    // Weights 0.5/3.5 and 3/3.5 over (0.5, 3) and (0.25, 9).
    assert_eq!(table.embeddings.row(2), [9.25 / 3.5, 27.125 / 3.5]);
    assert_eq!(table.maps.row(2), [0.5, 3.0]);
    assert!(table.attribution_empty[4]);
    assert_eq!(table.embeddings.row(4), [(EMPTY_MAP + 5.0) / 2.0, (EMPTY_MAP * EMPTY_MAP + 25.0) / 2.0]);
    assert!(table.losses[1].is_nan());
    assert!((table.losses[2] - (1.0 + (-2.5f32).exp()).ln()).abs() < 1e-6);

    // 22 rows have a label; 0, 3, …, 21 and 4 are wrong.
    assert_eq!(summary.accuracy, Some(13.0 / 22.0));
    assert_eq!(summary.group_accuracy, BTreeMap::from([("odd=0".into(), 7.0 / 12.0), ("odd=1".into(), 6.0 / 10.0)]));
    assert_eq!(summary.worst_group_accuracy, Some(7.0 / 12.0));
    assert_eq!((summary.n, summary.n_failed, summary.n_resumed, summary.n_attribution_empty), (23, 0, 0, 1));
    assert!(summary.seconds.contains_key("forward") && summary.seconds.contains_key("total"));
}

/// One backward pass per batch serves all methods; each has its maps, and the first one weights the features.
#[test]
fn several_methods_share_one_backward_pass() {
    let mut bench = Bench::new(&[]);
    bench.attributors = vec![&ToyMap, &ToySlope, &ToySlope];
    bench.gradients_of = vec!["conv".into()];
    let also = |name: &str| AttributionPlan { name: name.into(), ..bench.plan.attribution.clone() };
    bench.plan.also = vec![also("slope"), also("again")];
    let summary = bench.run().unwrap();
    // Shards of 5, 5, 5, 5 and 3 rows, two rows per batch.
    assert_eq!(N_GRADIENTS.load(Ordering::Relaxed), 4 * 3 + 2);
    let (scan, single) = (bench.scan(), Bench::new(&[]));
    single.run().unwrap();
    let (table, single) = (scan.table().unwrap(), single.scan().table().unwrap());
    assert_eq!((&table.embeddings, &table.maps), (&single.embeddings, &single.maps));
    let slope = scan.part(0, ascan_store::Part::Also(0)).unwrap();
    assert_eq!(slope.row(2), [-0.5, -3.0], "row 2 is 0.5, 3");
    assert_eq!(table.convergence_delta.unwrap(), [0.5; N_ROWS], "of the first method that has one");
    // Pairs: turned over twice, and the same.
    let agreement = table.agreement.unwrap();
    assert!(agreement.iter().all(|v| (v + 1.0 / 3.0).abs() < 1e-6), "{agreement:?}");
    assert_eq!((summary.n_disputed, single.agreement), (N_ROWS, None));
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_timing() {
    let expected = undisturbed();
    for n_threads in [1, 2, 4] {
        let mut bench = Bench::new(&[]);
        bench.n_threads = n_threads;
        bench.images.uneven = true;
        bench.run().unwrap();
        assert_eq!(bench.storage.all(), expected, "{n_threads} threads");
    }
}

#[test]
fn a_scan_killed_at_any_write_ends_with_the_same_bytes() {
    let expected = undisturbed();
    let n_writes = expected.len();
    for breaks_after in [false, true] {
        for k in 0..n_writes {
            let bench = Bench::new(&[]);
            let broken = bench.run_with(&bench.storage.breaking(k, breaks_after), &Silent);
            assert!(broken.unwrap_err().to_string().contains("the store broke down"), "write {k}");
            let n_committed = bench.storage.all().keys().filter(|name| name.starts_with("commits/")).count();
            let summary = bench.run().unwrap();
            assert_eq!(bench.storage.all(), expected, "broken at write {k}");
            assert_eq!(summary.n_resumed, (n_committed * SHARD_ROWS).min(N_ROWS));
        }
    }
}

#[test]
fn what_is_done_is_not_done_again() {
    let bench = Bench::new(&[]);
    bench.run().unwrap();
    assert_eq!(bench.images.loads.swap(0, Ordering::Relaxed), N_ROWS);
    let summary = bench.run().unwrap();
    assert_eq!((bench.images.loads.load(Ordering::Relaxed), summary.n_resumed), (0, N_ROWS));

    bench.storage.blobs.lock().unwrap().remove("commits/00002.json");
    bench.run().unwrap();
    assert_eq!(bench.images.loads.load(Ordering::Relaxed), SHARD_ROWS);
}

#[test]
fn a_bad_image_costs_only_itself() {
    let wrong = [
        (2, UNREADABLE),
        (3, DECODER_PANICS),
        (6, NAN_LOGITS),
        (8, NAN_MAP),
        (9, NAN_FEATURES),
        (12, ATTRIBUTOR_FAILS),
        (16, BACKEND_PANICS),
        (22, UNREADABLE),
    ];
    for batch_size in [1, 2, 4] {
        let mut bench = Bench::new(&wrong);
        bench.plan.batch_size = batch_size;
        let summary = bench.run().unwrap();
        let table = bench.scan().table().unwrap();
        let failed: Vec<usize> = (0..N_ROWS).filter(|&i| table.errors[i].is_some()).collect();
        assert_eq!(failed, wrong.map(|(row, _)| row));
        for (row, reason) in [
            (2, "is not an image"),
            (3, "plugin `the decoder`: panicked: bad pixels"),
            (6, "the vector of logits holds a value that is not finite (NaN or infinity)"),
            (8, "the attribution map holds a value that is not finite (NaN or infinity)"),
            (9, "the feature map holds a value that is not finite (NaN or infinity)"),
            (12, "plugin `toy_map`: does not like this image"),
            (16, "plugin `the backend`: panicked: the toy broke"),
        ] {
            assert_eq!(table.errors[row].as_deref(), Some(reason));
        }
        assert_eq!((summary.n_failed, summary.failed.len()), (8, 8));
        assert_eq!(summary.failed[0], FailedImage { uri: "2.png".into(), reason: "is not an image".into() });
        // What the neighbours in the batch hold is what they hold without the bad images.
        let clean = Bench::new(&[]);
        clean.run().unwrap();
        let clean = clean.scan().table().unwrap();
        for i in table.valid_rows() {
            assert_eq!(table.embeddings.row(i), clean.embeddings.row(i));
        }
    }
}

#[test]
fn a_plugin_that_always_fails_ends_the_scan() {
    for (wrong, message) in [(ATTRIBUTOR_FAILS, "does not like"), (BACKEND_PANICS, "panicked: the toy broke")] {
        let rows: Vec<_> = (0..N_ROWS).map(|row| (row, wrong)).collect();
        let bench = Bench::new(&rows);
        let error = bench.run().unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(bench.images.loads.load(Ordering::Relaxed) < N_ROWS);
    }
    // Few images, all of them bad.
    let mut bench = Bench::new(&[(0, ATTRIBUTOR_FAILS)]);
    bench.plan.data.n_rows = 1;
    assert!(bench.run().is_err());
    // Images that cannot be read are not the plugin's fault.
    let rows: Vec<_> = (0..N_ROWS).map(|row| (row, UNREADABLE)).collect();
    assert_eq!(Bench::new(&rows).run().unwrap().n_failed, N_ROWS);
}

#[test]
fn the_explained_class_can_be_the_label_or_any_output() {
    let mut bench = Bench::new(&[]);
    bench.target = Target::Label;
    bench.run().unwrap();
    let table = bench.scan().table().unwrap();
    assert_eq!(table.target_classes[0], 1);
    // Row 1 has no label.
    assert_eq!((table.labels[1], table.target_classes[1]), (-1, table.predicted_classes[1]));

    assert_eq!(Target::new("1", 2), Ok(Target::Class(1)));
    assert!(Target::new("2", 2).unwrap_err().to_string().contains("an output below 2, got \"2\""));
}

/// Stops after a number of rows and keeps what it was told.
#[derive(Default)]
struct Stopping {
    after: u64,
    said: Mutex<Vec<String>>,
}

impl Reporter for Stopping {
    fn log(&self, _level: Level, message: &str) {
        self.said.lock().unwrap().push(message.to_owned());
    }

    fn progress(&self, _stage: &str, done: u64, total: u64) -> bool {
        assert_eq!(total, N_ROWS as u64);
        done < self.after
    }
}

#[test]
fn a_stop_keeps_complete_shards_and_the_next_run_goes_on() {
    for after in [0, 1, 8, 22] {
        let bench = Bench::new(&[]);
        let stopping = Stopping { after, ..Default::default() };
        assert_eq!(bench.run_with(&bench.storage, &stopping).unwrap_err(), Error::Cancelled);
        let scan = bench.scan();
        assert!(!scan.is_complete() && scan.n_rows_done() >= (after as usize / SHARD_ROWS) * SHARD_ROWS);
        bench.run().unwrap();
        assert_eq!(bench.storage.all(), undisturbed());
    }
}

#[test]
fn what_takes_very_long_is_named() {
    let bench = Bench::new(&[(9, SLOW)]);
    let reporter = Stopping { after: u64::MAX, ..Default::default() };
    bench.run_with(&bench.storage, &reporter).unwrap();
    let said = reporter.said.lock().unwrap();
    let slow: Vec<_> = said.iter().filter(|text| text.starts_with("nothing has come back")).collect();
    assert!(slow.len() == 1 && slow[0].contains("from `9.png` to `9.png`"), "{said:?}");
}

#[test]
fn what_plugins_say_is_said_once() {
    let bench = Bench::new(&[]);
    let reporter = Stopping { after: u64::MAX, ..Default::default() };
    bench.run_with(&bench.storage, &reporter).unwrap();
    assert_eq!(*reporter.said.lock().unwrap(), ["the toy is a toy"]);
}

#[test]
fn a_damaged_shard_is_named_and_mended() {
    let bench = Bench::new(&[]);
    bench.run().unwrap();
    bench.storage.blobs.lock().unwrap().get_mut("data/samples-00001.parquet").unwrap()[40] ^= 1;
    let reporter = Stopping { after: u64::MAX, ..Default::default() };
    bench.run_with(&bench.storage, &reporter).unwrap();
    assert!(
        reporter.said.lock().unwrap()[0].starts_with("data/samples-00001.parquet was changed after it was written")
    );
    assert_eq!(bench.storage.all(), undisturbed());
}

#[test]
fn a_model_that_does_not_open_ends_the_scan() {
    struct Closed;
    impl Runtime for Closed {
        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
        fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
            Err(Error::file(&request.path, "is empty", ""))
        }
    }
    let bench = Bench::new(&[]);
    let job = Job {
        runtime: &Closed,
        open: OpenModel::new("toy.onnx"),
        attributors: vec![&ToyMap],
        images: &bench.images,
        layers: vec![],
        gradients_of: vec![],
        target: Target::Predicted,
        question: Question::Class { n_classes: 2 },
        scores: None,
        rule: FeatureRule::new(&bench.plan.features.settings).unwrap(),
        n_threads: 4,
        plan: &bench.plan,
    };
    let dir = tempfile::tempdir().unwrap();
    let result = run_job(&job, &RunConfig::default(), dir.path(), Box::new(bench.storage.clone()), &Silent);
    assert_eq!(result.unwrap_err().to_string(), "toy.onnx: is empty");
}
