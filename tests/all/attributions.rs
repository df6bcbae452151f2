//! Attribution methods on the golden nets, value by value, against pytorch-grad-cam, captum and formulas written out in
//! `tests/golden/make_attributions.py`.

use crate::golden::{attributor, files, maps, runtime};
use ascan_core::abi::EntryPoint;
use ascan_core::{ModelBackend, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// Method in the file, library, plugin and parameters; `layer` is put in where the method has one.
fn methods() -> Vec<(&'static str, EntryPoint, &'static str, Value)> {
    let cam: EntryPoint = ascan_cam::ascan_library;
    let gradient: EntryPoint = ascan_gradient::ascan_library;
    let attention: EntryPoint = ascan_attention::ascan_library;
    let unclipped = || json!({"relu": false, "layer": ""});
    vec![
        ("grad_cam", cam, "grad_cam", unclipped()),
        ("grad_cam_pp", cam, "grad_cam_pp", unclipped()),
        ("xgrad_cam", cam, "xgrad_cam", unclipped()),
        ("hires_cam", cam, "hires_cam", unclipped()),
        ("layer_cam", cam, "layer_cam", unclipped()),
        ("eigen_cam", cam, "eigen_cam", unclipped()),
        ("eigen_cam_centred", cam, "eigen_cam", json!({"relu": false, "layer": "", "centre": true})),
        ("eigen_grad_cam", cam, "eigen_grad_cam", unclipped()),
        ("score_cam", cam, "score_cam", unclipped()),
        ("ablation_cam", cam, "ablation_cam", unclipped()),
        ("attention_rollout", attention, "attention_rollout", json!({})),
        ("chefer", attention, "chefer", json!({})),
        ("saliency", gradient, "saliency", json!({})),
        ("input_x_gradient", gradient, "input_x_gradient", json!({})),
        ("lrp", gradient, "lrp", json!({"epsilon": 1e-9})), // as captum's
        ("lrp_gamma", gradient, "lrp", json!({"rule": "gamma_composite", "gamma": 0.25, "epsilon": 1e-9})),
        ("deep_lift", gradient, "deep_lift", json!({})),
        ("full_grad", gradient, "full_grad", json!({})),
        ("blur_ig", gradient, "blur_ig", json!({"n_steps": 8, "max_sigma_px": 3.0})),
        ("guided_ig", gradient, "guided_ig", json!({"n_steps": 12})),
        ("occlusion", ascan_perturbation::ascan_library, "occlusion", json!({"window_px": 8, "stride_px": 4})),
    ]
}

/// The reference maps, by `family/method`.
fn references() -> Vec<(String, Tensor)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = path.ancestors().map(|folder| folder.join("tests/golden/attributions.safetensors"));
    let bytes = std::fs::read(file.into_iter().find(|file| file.is_file()).expect("the golden files")).unwrap();
    let read = |(name, tensor): (&str, safetensors::tensor::TensorView)| {
        let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (name.to_owned(), Tensor::new(tensor.shape(), values).unwrap())
    };
    SafeTensors::deserialize(&bytes).unwrap().iter().map(read).collect()
}

#[test]
fn every_method_agrees_with_its_reference() {
    let burn = runtime(ascan_burn::ascan_library);
    let references = references();
    let (mut n_compared, mut failed) = (0, Vec::new());
    for family in files::families() {
        for export in family.exports.iter().filter(|export| export.exporter != "torchscript_bn") {
            let mut model: Option<Box<dyn ModelBackend>> = None;
            for (name, library, plugin, mut params) in methods() {
                let key = format!("{}/{name}", family.family);
                let Some((_, expected)) = references.iter().find(|(known, _)| *known == key) else { continue };
                if let Some(layer) = params.get_mut("layer") {
                    *layer = json!(export.layer);
                }
                let model = model.get_or_insert_with(|| burn.open(&family.open(&export.exporter)).unwrap());
                let got = maps(&*attributor(library, plugin, params), &**model, &family);
                assert_eq!(got.shape(), expected.shape(), "{}: {name}", export.file);
                let deviation = files::deviation(got.data(), expected.data());
                println!("{:28} {name:18} {deviation:.1e}", export.file);
                n_compared += 1;
                if deviation.is_nan() || deviation > 1e-3 {
                    failed.push(format!("{} {name}: {deviation:.1e}", export.file));
                }
            }
        }
    }
    assert!(failed.is_empty(), "beyond 1e-3 of the maximum: {failed:#?}");
    assert!(n_compared > 200, "{n_compared} maps compared");
}

/// DeepLIFT sums to the change of the logit on nets with ReLU6, SiLU, hard swish, gates, residuals and concatenations too.
#[test]
fn deep_lift_is_complete_on_real_architectures() {
    let burn = runtime(ascan_burn::ascan_library);
    let deep_lift = attributor(ascan_gradient::ascan_library, "deep_lift", json!({}));
    let mut n_checked = 0;
    for family in files::families() {
        let Some(export) = family.exports.first() else { continue };
        let model = burn.open(&family.open(&export.exporter)).unwrap();
        let images = family.tensor("images").view();
        let forward = model.forward(images, &[]).unwrap();
        let batch = ascan_core::AttributionBatch::new(images, &family.target_classes, &forward);
        match deep_lift.attribute(&*model, &batch, &ascan_core::Context::default()) {
            Ok(made) => {
                let delta = made.convergence_delta.unwrap().into_iter().fold(0.0f32, |max, d| max.max(d.abs()));
                println!("{:28} {delta:.1e}", export.file);
                assert!(delta < 1e-3, "{}: off by {delta}", export.file);
                n_checked += 1;
            }
            Err(error) => {
                println!("{:28} {error}", export.file);
                let transformer = ["convnext", "vit", "deit", "swin"].contains(&&*family.family);
                assert!(transformer && error.code() == ascan_core::ErrorCode::Unsupported, "{}: {error}", export.file);
            }
        }
    }
    assert!(n_checked >= 12, "{n_checked} families");
}
