//! Every plugin keeps the laws of its kind: the same body for the loaded library and for the static one.

use crate::harness::Dir;
use ascan_core::abi::{Library, LoadedPlugin};
use ascan_core::params::ParamMap;
use ascan_core::testing::{self, BackendExpectations, TrainerExpectations};
use ascan_core::{Kind, ModelBackend, OpenModel};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use ascan_plugins::LIBRARIES;
use std::path::PathBuf;

/// Where cargo puts the libraries: beside the test binary.
pub fn library_file(stem: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    folder.join(format!("{}{stem}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Checks the plugins of a library, loaded and linked.
fn check(stem: &str) {
    let entry = LIBRARIES.iter().find(|(known, _)| *known == stem).expect("a library of the workspace").1;
    let loaded = Library::load(&library_file(stem)).unwrap();
    let linked = Library::from_static(entry).unwrap();
    assert_eq!(loaded.plugins().len(), linked.plugins().len());
    for plugin in loaded.plugins().iter().chain(linked.plugins()) {
        check_plugin(plugin);
    }
}

fn check_plugin(plugin: &LoadedPlugin) {
    let name = plugin.name();
    let params = needed(plugin.kind(), name);
    let resolved = plugin.resolve(&params).unwrap();
    assert_eq!(resolved.problems, [], "the defaults of `{name}` must be good");
    let helped: Vec<_> = resolved.help.iter().map(|(key, _)| key.as_str()).collect();
    for key in resolved.params.keys() {
        assert!(helped.contains(&key.as_str()), "`{name}` has no help for `{key}`");
    }
    match plugin.kind() {
        Kind::Backend => check_backend(plugin),
        Kind::Attributor => check_attributor(plugin, &params),
        Kind::Slicer => testing::check_slicer(name, &*plugin.slicer(&params).unwrap()),
        Kind::Projector => testing::check_projector(name, &*plugin.projector(&params).unwrap()),
        Kind::Regularizer => testing::check_regularizer(name, &|| plugin.regularizer(&params).unwrap()),
    }
}

/// On the toy networks; methods for transformers on one.
fn check_attributor(plugin: &LoadedPlugin, params: &ParamMap) {
    let attributor = plugin.attributor(params).unwrap();
    if !matches!(plugin.name(), "attention_rollout" | "chefer") {
        return testing::check_attributor(plugin.name(), &*attributor);
    }
    let burn = Library::from_static(ascan_burn::ascan_library).unwrap().plugins()[0].backend(&ParamMap::new()).unwrap();
    let deit = crate::golden::files::families().into_iter().find(|family| family.family == "deit").unwrap();
    let mut model = burn.open(&deit.open("torchscript")).unwrap();
    assert!(testing::check_attributor_on(plugin.name(), &*attributor, &mut *model), "explains a transformer");
}

/// What a plugin cannot do without; for all but one that is nothing.
fn needed(kind: Kind, plugin: &str) -> ParamMap {
    let params = match (kind, plugin) {
        (Kind::Slicer, "process") => serde_json::json!({ "command": [env!("CARGO_BIN_EXE_nearest-mean")] }),
        (_, "process") => serde_json::json!({ "command": [env!("CARGO_BIN_EXE_first-columns")] }),
        _ => serde_json::json!({}),
    };
    params.as_object().cloned().unwrap_or_default()
}

fn check_backend(plugin: &LoadedPlugin) {
    let runtime = plugin.backend(&ParamMap::new()).unwrap();
    if let Err(error) = runtime.available() {
        println!("skipped: {error}");
        return;
    }
    let dir = Dir::new();
    let path = dir.path().join("model.onnx");
    let mut graph = GraphBuilder::new("input", [3, 12, 12], 3);
    let logits = layers(&mut graph, "input");
    graph.finish(&logits, &path).save(&path).unwrap();

    let open = |n_threads: usize| -> Box<dyn ModelBackend> {
        runtime.open(&OpenModel { n_threads, ..OpenModel::new(&path) }).unwrap()
    };
    let images = testing::toy_images(4, [3, 12, 12], 5);
    testing::check_backend(plugin.name(), &open, &BackendExpectations::new(images.clone()));
    if runtime.capabilities().training {
        let expectations = TrainerExpectations { images, labels: vec![0, 1, 2, 0], n_classes: 3, learning_rate: 0.05 };
        testing::check_trainer(plugin.name(), &|options, n_threads| open(n_threads).trainer(options), &expectations);
    }
}

/// Two convolutions and a linear head; gives the logits.
fn layers(graph: &mut GraphBuilder, input: &str) -> String {
    let conv = graph.conv("conv1", input, 3, 5, 3, 1);
    let relu = graph.relu("relu1", &conv);
    let conv = graph.conv("conv2", &relu, 5, 4, 3, 2);
    let relu = graph.relu("relu2", &conv);
    let pooled = graph.global_average_pool("pool", &relu);
    let flat = graph.flatten("flat", &pooled);
    graph.linear("head", &flat, 4, 3)
}

#[test]
fn a_graph_that_takes_two_images_only_runs_any_number_of_them() {
    let dir = Dir::new();
    let path = dir.path().join("two.onnx");
    let mut graph = GraphBuilder::empty(13, 3);
    graph.input("input", DataType::Float, &[2, 3, 12, 12].map(Some));
    // A constant of two images: no other number can be added to it.
    let one: Vec<f32> = (0..3 * 12 * 12).map(|i| (i as f32 * 0.3).sin()).collect();
    let shift = graph.floats("shift", &[2, 3, 12, 12], &[&one[..], &one].concat());
    let shifted = graph.node("Add", &["input", &shift], "shifted");
    let logits = layers(&mut graph, &shifted);
    graph.finish(&logits, &path).save(&path).unwrap();
    for entry in [ascan_ort::ascan_library, ascan_tract::ascan_library, ascan_burn::ascan_library] {
        let library = Library::from_static(entry).unwrap();
        let plugin = &library.plugins()[0];
        let runtime = plugin.backend(&ParamMap::new()).unwrap();
        if let Err(error) = runtime.available() {
            println!("skipped: {error}");
            continue;
        }
        let open = |n_threads: usize| -> Box<dyn ModelBackend> {
            runtime.open(&OpenModel { n_threads, ..OpenModel::new(&path) }).unwrap()
        };
        assert_eq!(open(1).info().preferred_batch, 2, "{}", plugin.name());
        let images = testing::toy_images(5, [3, 12, 12], 5);
        testing::check_backend(plugin.name(), &open, &BackendExpectations::new(images));
    }
}

macro_rules! conformance {
    ($($stem:ident,)+) => {$(
        #[test]
        fn $stem() {
            check(stringify!($stem));
        }
    )+};
}

ascan_plugins::libraries!(conformance);
