//! Logits, gradients, weight gradients and optimiser steps against PyTorch and TensorFlow, for a small net of each family.

#[path = "../../../tests/golden/golden.rs"]
mod golden;

use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::{ModelBackend, Runtime};
use golden::{Export, Family};

fn burn() -> Box<dyn Runtime> {
    let library = Library::from_static(ascan_burn::ascan_library).unwrap();
    library.plugins()[0].backend(&ParamMap::new()).unwrap()
}

fn every_export(check: fn(&dyn ModelBackend, &Family, &Export)) {
    golden::every_export(&*burn(), &[], check);
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
            golden::check_training(&*burn().open(&family.open(training.exporter())).unwrap(), &family, training);
            n_runs += 1;
        }
    }
    assert_eq!(n_runs, 8, "two nets, two optimisers, batch norm frozen and trained");
}
