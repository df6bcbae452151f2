//! Logits, gradients, weight gradients and optimiser steps against PyTorch and TensorFlow, for a small net of each family.

#[path = "../../../tests/golden/golden.rs"]
mod golden;

use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::{ModelBackend, OpenModel};
use golden::{Export, Family};

fn open(request: &OpenModel) -> Box<dyn ModelBackend> {
    let library = Library::from_static(ascan_burn::ascan_library).unwrap();
    library.plugins()[0].backend(&ParamMap::new()).unwrap().open(request).unwrap()
}

/// Runs `check` on every file of every family; the first failure of each file is told, not only the first of all.
fn every_export(check: fn(&dyn ModelBackend, &Family, &Export)) {
    let families = golden::families();
    assert!(families.len() >= 17, "index.json lists the families");
    let mut failed = Vec::new();
    for family in &families {
        for export in &family.exports {
            let run = || check(&*open(&family.open(&export.exporter)), family, export);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                failed.push(export.file.as_str());
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[test]
fn logits_and_feature_maps() {
    every_export(golden::check_forward);
}

#[test]
fn gradients_of_logits() {
    every_export(golden::check_gradients);
}

#[test]
fn gradients_of_weights() {
    every_export(golden::check_weight_gradients);
}

#[test]
fn optimiser_steps() {
    let mut n_runs = 0;
    for family in golden::families() {
        for training in &family.training {
            golden::check_training(&*open(&family.open(training.exporter())), &family, training);
            n_runs += 1;
        }
    }
    assert_eq!(n_runs, 8, "two nets, two optimisers, batch norm frozen and trained");
}
