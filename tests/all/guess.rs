//! On the real data sets: what `init` writes must load and plan without an edit.

use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_config::sections::{ClassMap, ClassNames};
use ascan_engine::guess::{Guess, Request, guess};
use ascan_engine::plan::RunPlan;
use std::path::{Path, PathBuf};

fn host() -> PluginHost {
    // An onnxruntime, which this machine may have or not, must not decide.
    let libraries = ascan_plugins::LIBRARIES.iter().filter(|(stem, _)| *stem != "ascan_ort");
    let entries: Vec<_> = libraries.map(|&(_, entry)| entry).collect();
    PluginHost::with_static(&entries).unwrap()
}

/// The folder with the real data, if it is here.
fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !shared.is_dir() {
        println!("skipped: ../shared/data is not here");
        return None;
    }
    Some(shared)
}

/// Guesses, loads what was written and compiles it.
fn plan(model: &str, data: &str) -> Option<(Guess, RunPlan)> {
    let shared = shared()?;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("scan.toml");
    let (model, data) = (shared.join(model), shared.join(data));
    let request = Request { model: &model, data: &data, chosen: &[], file: Some(&output) };
    let guess = guess(&request, &host()).unwrap();
    std::fs::write(&output, &guess.text).unwrap();
    let loaded = LoadedConfig::read(&output, &[]).unwrap();
    let plan = RunPlan::compile(loaded, &host()).unwrap_or_else(|errors| panic!("{errors}\n{}", guess.text));
    Some((guess, plan))
}

#[test]
fn waterbirds_with_groups_and_the_test_split() {
    let Some((guess, plan)) = plan("models/waterbirds_erm_mobilenetv2.onnx", "waterbirds_lite") else { return };
    assert_eq!(plan.images.len(), 1200);
    assert_eq!(plan.images.group_columns, ["y", "place"]);
    assert_eq!(plan.config.data.split.as_deref(), Some("2"));
    assert_eq!(plan.config.model.preprocess.preset.as_deref(), Some("tf"));
    assert!(guess.notes.iter().any(|note| note.contains("mask")), "{:?}", guess.notes);
    assert_eq!(plan.backend_name, "tract");
    assert_eq!(plan.backend_reason, "the fastest one");
    let text = plan.describe();
    for part in ["1200, metadata.csv", "split \"2\"", "y, place", "tract", "[1280, 7, 7]", "closed form", "n_slices=40"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert_eq!(plan.to_json()["images"]["n"], 1200);
}

#[test]
fn wordnet_folders_meet_the_thousand_outputs_through_the_table_beside_them() {
    let Some((_, plan)) = plan("models/mobilenet_v2_1.0_224_tf2ptq.onnx", "imagenette160") else { return };
    let ClassMap::Table(table) = &plan.config.data.class_map else { panic!("{:?}", plan.config.data.class_map) };
    assert_eq!((table.len(), table["n01440764"], table["n03888257"]), (10, 0, 701));
    assert!(
        matches!(&plan.config.data.output_names, Some(ClassNames::File(file)) if file.ends_with("imagenet_labels.txt"))
    );
    assert_eq!((plan.config.data.split.as_deref(), plan.images.len()), (Some("val"), 1000));
    assert!(plan.describe().contains("tench"), "{}", plan.describe());
}

#[test]
fn idx_files_find_their_labels_and_one_channel_its_preset() {
    let Some((_, plan)) = plan("mnist/mnist.onnx", "mnist/t10k-images-idx3-ubyte.gz") else { return };
    assert_eq!((plan.images.len(), plan.model.input_shape), (10_000, [1, 28, 28]));
    assert_eq!(plan.config.model.preprocess.preset.as_deref(), Some("raw"));
}

#[test]
fn an_archive_finds_the_manifest_beside_it() {
    let Some((_, plan)) = plan("models/resnet20_cifar10.onnx", "cifar10_jpeg/test.tar") else { return };
    assert_eq!(plan.images.len(), 10_000);
    assert_eq!(plan.config.model.preprocess.preset.as_deref(), Some("imagenet"));
    assert!(plan.truth.labels.iter().all(|&label| (0..10).contains(&label)));
}

#[test]
fn what_is_no_data_set_is_a_sentence() {
    let Some(shared) = shared() else { return };
    let model = shared.join("mnist/mnist.onnx");
    let guessed = |data: &str| {
        guess(&Request { model: &model, data: &shared.join(data), chosen: &[], file: None }, &host()).unwrap_err()
    };
    let missing = guessed("nothing");
    assert!(missing.to_string().contains("no such file or folder"), "{missing}");
    let other = guessed("README.md");
    assert!(other.hint().unwrap().contains("a table"), "{other}");
}
