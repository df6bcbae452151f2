//! Logits and gradients against PyTorch and TensorFlow, for a small net of each family.

use super::golden_files::{self as golden, Export, Family, deviation};
use ascan_core::{ModelBackend, Runtime};

/// Runs `check` on every file of every family; all failures are told.
fn every_export(check: fn(&dyn ModelBackend, &Family, &Export)) {
    let Some(runtime) = super::runtime() else { return };
    let families = golden::families();
    assert!(families.len() >= 17, "index.json lists the families");
    let mut failed = Vec::new();
    for family in &families {
        for export in &family.exports {
            let run = || check(&*runtime.open(&family.open(&export.exporter)).expect("the net opens"), family, export);
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
    every_export(|model, family, export| {
        assert_eq!(model.info().no_gradients, None, "{}", export.file);
        golden::check_gradients(model, family, export);
        let wanted = [model.info().input.as_str(), export.layer.as_str()];
        let made = model.gradients(family.tensor("images").view(), &family.target_classes, &wanted).unwrap();
        for (got, name) in made.gradients.iter().zip(["input_gradient", "feature_gradient"]) {
            let deviation = deviation(got.data(), family.tensor(name).data());
            println!("{} {name}: {deviation:e}", export.file);
            assert!(deviation < 2e-5, "{}: {name} deviates by {deviation:e} of the maximum", export.file);
        }
    });
}
