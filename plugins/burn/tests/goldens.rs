//! Small nets of every family against PyTorch and Keras: forward, gradients, training.

#[path = "../../../tests/golden/golden.rs"]
#[allow(unused_qualifications)]
mod golden;

use ascan_burn::BurnBackend;
use ascan_core::ModelBackend;

fn open(family: &golden::Family, exporter: &str) -> Box<dyn ModelBackend> {
    let backend = BurnBackend::open(&family.open(exporter));
    Box::new(backend.unwrap_or_else(|error| panic!("{} of {exporter}: {error}", family.family)))
}

/// Runs a check on every export of every family, and reports all that fail.
fn on_every_export(check: fn(&dyn ModelBackend, &golden::Family, &golden::Export)) {
    let mut failed = Vec::new();
    let mut n = 0;
    for family in golden::families() {
        for export in &family.exports {
            n += 1;
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                check(open(&family, &export.exporter).as_ref(), &family, export);
            }));
            if outcome.is_err() {
                failed.push(export.file.clone());
            }
        }
    }
    println!("{n} files checked");
    assert!(failed.is_empty(), "these fail, reasons above: {}", failed.join(", "));
}

#[test]
fn logits_and_feature_maps() {
    on_every_export(golden::check_forward);
}

#[test]
fn gradients_of_input_and_layer() {
    on_every_export(golden::check_gradients);
}

#[test]
fn gradients_of_weights() {
    on_every_export(golden::check_weight_gradients);
}

#[test]
fn steps_of_the_optimisers() {
    let mut n = 0;
    for family in golden::families() {
        for training in &family.training {
            golden::check_training(open(&family, training.exporter()).as_ref(), &family, training);
            n += 1;
        }
    }
    assert!(n > 0, "there are goldens of training");
}
