//! Logits and gradients against PyTorch and TensorFlow, for a small net of each family.

use super::golden_files::{self as golden, Export, Family, deviation};
use ascan_core::ModelBackend;

fn every_export(check: fn(&dyn ModelBackend, &Family, &Export)) {
    if let Some(runtime) = super::runtime() {
        golden::every_export(&runtime, &[], check);
    }
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
