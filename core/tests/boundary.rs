//! A plugin through the C tables is the plugin itself: same results, errors and panics as sentences.

use ascan_core::abi::Library;
use ascan_core::params::{ParamMap, Params, Problems};
use ascan_core::{Context, Error, Plugin, Reporter, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Mutex;

/// Cuts the first embedding axis at thresholds; misbehaves on demand.
#[derive(Clone)]
struct Thresholds(ThresholdParams);

#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
struct ThresholdParams {
    at: Vec<f32>,
    misbehave: String,
}

impl Default for ThresholdParams {
    fn default() -> Self {
        Self { at: vec![0.5], misbehave: String::new() }
    }
}

impl Params for ThresholdParams {
    const HELP: &'static [(&'static str, &'static str)] = &[("at", "where to cut"), ("misbehave", "how to fail")];

    fn check(&self, problems: &mut Problems) {
        problems.require(!self.at.is_empty(), "at", "must not be empty", "at = [0.5]");
    }
}

impl Plugin for Thresholds {
    const NAME: &'static str = "thresholds";
    const SUMMARY: &'static str = "cuts the first axis";
    type Params = ThresholdParams;

    fn new(params: ThresholdParams) -> Result<Self> {
        Ok(Self(params))
    }
}

impl Slicer for Thresholds {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        context.progress("fit", 0, table.n())?;
        context.warn(&format!("seed {} threads {}", context.seed, context.n_threads));
        match self.0.misbehave.as_str() {
            "panic" => panic!("on purpose, {} rows", table.n()),
            "param" => Err(Error::param("at", "too low", "raise it")),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

impl SliceModel for Thresholds {
    fn n_slices(&self) -> usize {
        self.0.at.len() + 1
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        if self.0.misbehave == "shape" {
            return Ok(Tensor::zeros([1, 1]));
        }
        let slices = (0..table.n()).map(|i| {
            let value = table.embeddings.row(i)[0];
            (!value.is_nan()).then(|| self.0.at.iter().filter(|&&at| value >= at).count())
        });
        Ok(slicer::one_hot(slices, self.n_slices()))
    }
}

ascan_core::export_library!(boundary: slicer Thresholds);

#[derive(Default)]
struct Recorder {
    messages: Mutex<Vec<String>>,
    stop: bool,
}

impl Reporter for Recorder {
    fn log(&self, _level: ascan_core::Level, message: &str) {
        self.messages.lock().unwrap().push(message.to_owned());
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        !self.stop
    }
}

fn params(value: Value) -> ParamMap {
    value.as_object().unwrap().clone()
}

fn fit(given: Value, recorder: &Recorder) -> Result<Tensor> {
    let library = Library::from_static(ascan_library).unwrap();
    let slicer = library.plugins()[0].slicer(&params(given))?;
    let embeddings = Tensor::new([3, 2], vec![0.1, 9.0, 0.6, 9.0, 0.9, 9.0]).unwrap();
    let probs = Tensor::zeros([3, 2]);
    let table = SliceTable {
        embeddings: embeddings.view(),
        labels: &[0, 1, -1],
        predicted_classes: &[0, 0, 0],
        probs: probs.view(),
        losses: &[0.0, 0.0, f32::NAN],
        maps: None,
    };
    let context = Context { seed: 7, n_threads: 3, reporter: recorder };
    slicer.fit(&table, &context)?.membership(&table, &context)
}

#[test]
fn results_and_context_cross() {
    let recorder = Recorder::default();
    let membership = fit(json!({"at": [0.5, 0.8]}), &recorder).unwrap();
    assert_eq!(slicer::assignment(&membership), [0, 1, 2]);
    assert_eq!(*recorder.messages.lock().unwrap(), ["seed 7 threads 3"]);
}

#[test]
fn defaults_and_problems_cross() {
    let library = Library::from_static(ascan_library).unwrap();
    let plugin = &library.plugins()[0];
    assert_eq!((plugin.name(), plugin.summary()), ("thresholds", "cuts the first axis"));
    let resolved = plugin.resolve(&params(json!({"at": [], "colour": 1}))).unwrap();
    let keys: Vec<_> = resolved.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["colour", "at"]);
    assert_eq!(resolved.params["misbehave"], "");
}

#[test]
fn errors_keep_their_key_and_hint() {
    let error = fit(json!({"misbehave": "param"}), &Recorder::default()).unwrap_err();
    assert_eq!(error.key(), Some("at"));
    assert_eq!(error.hint().as_deref(), Some("raise it"));
    assert_eq!(error.to_string(), "`at`: too low");
}

#[test]
fn a_panic_is_a_sentence() {
    let error = fit(json!({"misbehave": "panic"}), &Recorder::default()).unwrap_err();
    assert_eq!(error.to_string(), "plugin `thresholds`: crashed: on purpose, 3 rows");
}

#[test]
fn a_wrong_shape_is_the_plugins_fault() {
    let error = fit(json!({"misbehave": "shape"}), &Recorder::default()).unwrap_err();
    assert!(error.to_string().contains("shape [1, 1] instead of [3, 2]"), "{error}");
}

#[test]
fn a_request_to_stop_crosses() {
    let recorder = Recorder { stop: true, ..Recorder::default() };
    assert_eq!(fit(json!({}), &recorder), Err(Error::Cancelled));
}

#[test]
fn a_plugin_of_another_kind_is_refused() {
    let library = Library::from_static(ascan_library).unwrap();
    let error = library.plugins()[0].attributor(&ParamMap::new()).err().unwrap();
    assert_eq!(error.to_string(), "plugin `thresholds`: is of kind slicer, not attributor");
}

#[test]
fn a_file_that_is_no_library_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libnotes.so");
    std::fs::write(&path, "just some text\n").unwrap();
    let error = Library::load(&path).unwrap_err().to_string();
    assert!(error.contains("libnotes.so") && error.contains("cannot be loaded"), "{error}");
    let error = Library::load(&dir.path().join("libgone.so")).unwrap_err().to_string();
    assert!(error.contains("there is no such file"), "{error}");
}
