//! Golden nets of every family: Grad-CAM and integrated gradients through burn against captum, logits on every engine.

#[path = "../golden/golden.rs"]
pub mod files;

use ascan_core::abi::{EntryPoint, Library};
use ascan_core::params::ParamMap;
use ascan_core::{AttributionBatch, Attributor, Context, ModelBackend, OpenModel, Runtime, Tensor};
use files::Family;
use serde_json::json;

pub fn runtime(entry: EntryPoint) -> Box<dyn Runtime> {
    Library::from_static(entry).unwrap().plugins()[0].backend(&ParamMap::new()).unwrap()
}

pub fn attributor(entry: EntryPoint, name: &str, params: serde_json::Value) -> Box<dyn Attributor> {
    let library = Library::from_static(entry).unwrap();
    let plugin = library.plugins().iter().find(|plugin| plugin.name() == name).unwrap();
    plugin.attributor(params.as_object().unwrap()).unwrap()
}

/// The attributor's maps of the golden images.
pub fn maps(attributor: &dyn Attributor, model: &dyn ModelBackend, family: &Family) -> Tensor {
    let images = family.tensor("images").view();
    let layers = attributor.requirements(model.info()).unwrap().layers;
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let forward = model.forward(images, &layers).unwrap();
    let batch = AttributionBatch::new(images, &family.target_classes, &forward);
    attributor.attribute(model, &batch, &Context::default()).unwrap().maps
}

/// Sum over the channels: `[n, c, h, w]` to `[n, h, w]`.
pub fn channel_sum(tensor: &Tensor) -> Tensor {
    let [n, c, h, w] = tensor.shape().try_into().unwrap();
    let mut sum = Tensor::zeros([n, h, w]);
    for (i, &v) in tensor.data().iter().enumerate() {
        sum.data_mut()[i / (c * h * w) * h * w + i % (h * w)] += v;
    }
    sum
}

#[test]
fn grad_cam_agrees_with_captum() {
    files::every_export(&*runtime(ascan_burn::ascan_library), &[], |model, family, export| {
        let grad_cam = attributor(ascan_cam::ascan_library, "grad_cam", json!({"layer": export.layer}));
        let maps = maps(&*grad_cam, model, family);
        files::assert_close(&format!("{}: Grad-CAM", export.file), &maps, family.tensor("grad_cam"), 1e-3);
    });
}

#[test]
fn integrated_gradients_agree_with_captum() {
    files::every_export(&*runtime(ascan_burn::ascan_library), &[], |model, family, export| {
        let n = family.ig_steps;
        // captum weighs the points of its trapezoid by 1/n, where the rule says 1/(n − 1)
        let captum = n as f32 / (n - 1) as f32;
        for (method, factor) in [("gauss_legendre", 1.0), ("trapezoid", captum)] {
            let golden = format!("ig_{method}");
            if !family.has(&golden) {
                continue;
            }
            let ig = attributor(
                ascan_gradient::ascan_library,
                "integrated_gradients",
                json!({"n_steps": n, "method": method, "baseline": "zero"}),
            );
            let mut expected = channel_sum(family.tensor(&golden));
            expected.data_mut().iter_mut().for_each(|v| *v *= factor);
            let maps = maps(&*ig, model, family);
            files::assert_close(&format!("{}: {golden}", export.file), &maps, &expected, 1e-3);
        }
    });
}

/// tract 0.23.9 takes the constant under the window attention of this export for f64 and says so when it opens.
const REFUSED_BY_TRACT: &str = "swin.dynamo.onnx";

#[test]
fn logits_and_feature_maps_on_tract() {
    let tract = runtime(ascan_tract::ascan_library);
    files::every_export(&*tract, &[REFUSED_BY_TRACT], files::check_forward);
}

#[test]
fn gradients_on_tract() {
    let tract = runtime(ascan_tract::ascan_library);
    // tract 0.23.9 simplifies a product on the way back of this family to another shape, and says so where it is asked before.
    const NO_WAY_BACK: [&str; 2] = ["convnext.torchscript.onnx", "convnext.dynamo.onnx"];
    files::every_export(&*tract, &[&[REFUSED_BY_TRACT][..], &NO_WAY_BACK].concat(), |model, family, export| {
        assert_eq!(model.info().no_gradients, None, "{}", export.file);
        files::check_gradients(model, family, export);
    });
    for family in files::families() {
        for export in family.exports.iter().filter(|export| NO_WAY_BACK.contains(&&*export.file)) {
            let model = tract.open(&OpenModel { gradients: true, ..family.open(&export.exporter) }).unwrap();
            assert!(!model.info().capabilities.gradients, "{}", export.file);
            let why = model.info().no_gradients.clone().unwrap();
            assert!(why.contains("tract cannot run this model"), "{why}");
        }
    }
}

#[test]
fn logits_and_feature_maps_on_onnxruntime() {
    let ort = runtime(ascan_ort::ascan_library);
    match ort.available() {
        Ok(()) => files::every_export(&*ort, &[], files::check_forward),
        Err(error) => println!("skipped: {error}"),
    }
}
