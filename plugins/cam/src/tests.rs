use crate::params::{CamParams, EigenParams, SignedCamParams};
use crate::score_cam::ScoreCamParams;
use crate::{
    AblationCam, Cam, EigenCam, EigenGradCam, GradCam, GradCamPlusPlus, HiResCam, LayerCam, ScoreCam, XGradCam,
};
use ascan_core::testing::{ToyBackend, ToyHead, check_attributor, toy_images};
use ascan_core::{
    AttributionBatch, Attributor, Context, ErrorCode, Forward, Gradients, ModelBackend, ModelInfo, Plugin, Result,
    Tensor, TensorView,
};

/// Every method at a layer, by name.
fn methods(layer: &str, relu: bool) -> Vec<(&'static str, Box<dyn Attributor>)> {
    let params = || CamParams { layer: layer.into(), relu };
    let eigen = |centre| EigenParams { layer: layer.into(), relu, centre };
    vec![
        ("cam", Box::new(Cam::new(SignedCamParams { layer: layer.into(), relu }).unwrap())),
        ("grad_cam", Box::new(GradCam::new(params()).unwrap())),
        ("grad_cam_pp", Box::new(GradCamPlusPlus::new(params()).unwrap())),
        ("xgrad_cam", Box::new(XGradCam::new(params()).unwrap())),
        ("hires_cam", Box::new(HiResCam::new(params()).unwrap())),
        ("layer_cam", Box::new(LayerCam::new(params()).unwrap())),
        ("eigen_cam", Box::new(EigenCam::new(eigen(false)).unwrap())),
        ("eigen_grad_cam", Box::new(EigenGradCam::new(eigen(true)).unwrap())),
        ("score_cam", Box::new(score_cam(layer, relu, 0))),
        ("ablation_cam", Box::new(AblationCam::new(params()).unwrap())),
    ]
}

fn score_cam(layer: &str, relu: bool, internal_batch_size: usize) -> ScoreCam {
    ScoreCam::new(ScoreCamParams { layer: layer.into(), relu, internal_batch_size }).unwrap()
}

fn method(name: &str, relu: bool) -> Box<dyn Attributor> {
    methods("auto", relu).into_iter().find(|(known, _)| *known == name).unwrap().1
}

fn attribute(attributor: &dyn Attributor, backend: &dyn ModelBackend, classes: &[usize]) -> Tensor {
    let images = toy_images(classes.len(), backend.info().input_shape, 3);
    let forward = backend.forward(images.view(), &["features", "conv"]).unwrap();
    let batch = AttributionBatch::new(images.view(), classes, &forward);
    attributor.attribute(backend, &batch, &Context::default()).unwrap().maps
}

fn assert_close(what: &str, a: &[f32], b: &[f32], tolerance: f32) {
    let largest = b.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    assert!(largest > 0.0, "{what}: nothing to compare");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < tolerance * largest, "{what}: {a} {b}");
    }
}

#[test]
fn conforms() {
    for relu in [true, false] {
        for layer in ["auto", "conv"] {
            for (name, attributor) in methods(layer, relu) {
                // CAM itself explains the pooled layer alone.
                if name != "cam" || layer == "auto" {
                    check_attributor(name, &*attributor);
                }
            }
        }
    }
}

/// Where the head is linear no method asks for gradients, and all give what they give through gradients.
#[test]
fn closed_form_and_gradients_agree() {
    let (declared, undeclared) = (ToyBackend::new(ToyHead::Linear, 4), ToyBackend::new(ToyHead::UndeclaredLinear, 4));
    for (name, attributor) in methods("auto", false) {
        assert!(!attributor.requirements(declared.info()).unwrap().gradients, "{name}");
        if name == "cam" {
            let error = attributor.requirements(undeclared.info()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported);
            continue;
        }
        let a = attribute(&*attributor, &declared, &[0, 1, 2]);
        let b = attribute(&*attributor, &undeclared, &[0, 1, 2]);
        assert_close(name, a.data(), b.data(), 1e-5);
    }
}

/// The laws of a pool → linear head: CAM / (h·w) = Grad-CAM = HiResCAM = XGrad-CAM.
#[test]
fn at_a_pooled_layer_the_methods_are_one() {
    let backend = ToyBackend::new(ToyHead::Linear, 4);
    let grad_cam = attribute(&*method("grad_cam", false), &backend, &[0, 1, 2]);
    let cam = attribute(&*method("cam", false), &backend, &[0, 1, 2]);
    let cam: Vec<f32> = cam.data().iter().map(|v| v / 12.0).collect();
    assert_close("CAM", &cam, grad_cam.data(), 1e-6);
    for name in ["hires_cam", "xgrad_cam"] {
        let maps = attribute(&*method(name, false), &backend, &[0, 1, 2]);
        assert_close(name, maps.data(), grad_cam.data(), 1e-6);
    }
}

/// Without clipping, maps of the pooled layer differ in their sums as the logits do (the bias cancels).
#[test]
fn the_map_of_a_linear_head_sums_to_the_logit() {
    let backend = ToyBackend::new(ToyHead::Linear, 4);
    let images = toy_images(2, backend.info().input_shape, 3);
    let forward = backend.forward(images.view(), &["features"]).unwrap();
    let maps = attribute(&*method("grad_cam", false), &backend, &[2, 2]);
    let sum = |i: usize| maps.row(i).iter().sum::<f32>();
    let logit = |i: usize| forward.logits.row(i)[2];
    assert!(((sum(1) - sum(0)) - (logit(1) - logit(0))).abs() < 1e-5);
}

#[test]
fn clipping_keeps_only_positive_evidence() {
    let backend = ToyBackend::new(ToyHead::Hidden, 4);
    for name in ["grad_cam", "hires_cam", "ablation_cam", "eigen_grad_cam"] {
        let signed = attribute(&*method(name, false), &backend, &[0, 1, 2]);
        let clipped = attribute(&*method(name, true), &backend, &[0, 1, 2]);
        assert!(signed.data().iter().any(|v| *v < 0.0), "{name}");
        let expected: Vec<f32> = signed.data().iter().map(|v| v.max(0.0)).collect();
        assert_eq!(clipped.data(), expected, "{name}");
    }
}

#[test]
fn score_cam_weighs_channels_by_shares() {
    let backend = ToyBackend::new(ToyHead::Hidden, 4);
    let images = toy_images(3, backend.info().input_shape, 3);
    let forward = backend.forward(images.view(), &["features"]).unwrap();
    let batch = AttributionBatch::new(images.view(), &[0, 1, 2], &forward);
    let map = forward.feature_map("features").unwrap();
    let weights = |size| score_cam("auto", true, size).weights(&backend, &batch, map, &Context::default()).unwrap();
    for weights in weights(0) {
        assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)));
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    for size in [1, 3, 100] {
        assert_eq!(weights(size), weights(0), "the size of calls changes nothing");
    }
}

/// A backend of fixed numbers: two channels, 1 × 2.
struct Fixed(ModelInfo);

impl ModelBackend for Fixed {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn forward(&self, _images: TensorView, layers: &[&str]) -> Result<Forward> {
        let map = Tensor::new([1, 2, 1, 2], vec![1.0, 2.0, 3.0, 0.5])?;
        let feature_maps = layers.iter().map(|layer| ((*layer).to_owned(), map.clone())).collect();
        Ok(Forward { logits: Tensor::zeros([1, 3]), feature_maps })
    }

    fn gradients(&self, _images: TensorView, _classes: &[usize], _names: &[&str]) -> Result<Gradients> {
        let gradients = vec![Tensor::new([1, 2, 1, 2], vec![1.0, 3.0, -2.0, 0.0])?];
        Ok(Gradients { logits: Tensor::zeros([1, 3]), gradients, values: Vec::new() })
    }
}

/// Each formula worked out by hand for A = [1 2 | 3 0.5], g = [1 3 | −2 0].
#[test]
fn maps_worked_out_by_hand() {
    let backend = Fixed(ToyBackend::new(ToyHead::Hidden, 0).info().clone());
    let maps = |name: &str| attribute(&*method(name, false), &backend, &[0]).into_data();
    // mean slopes 2 and −1
    assert_eq!(maps("grad_cam"), [-1.0, 3.5]);
    assert_eq!(maps("hires_cam"), [-5.0, 6.0]);
    assert_eq!(maps("layer_cam"), [1.0, 6.0]);
    // w = 1/(2 + 1·3) + 3/(2 + 3·3) and 0
    let w = 1.0 / 5.0 + 3.0 / 11.0;
    assert_close("grad_cam_pp", &maps("grad_cam_pp"), &[w, 2.0 * w], 1e-6);
    // w = (1·1 + 2·3)/3 and (3·−2)/3.5
    let (a, b) = (7.0 / 3.0, -6.0 / 3.5);
    assert_close("xgrad_cam", &maps("xgrad_cam"), &[a + 3.0 * b, 2.0 * a + 0.5 * b], 1e-6);
}

#[test]
fn an_unknown_layer_lists_those_that_exist() {
    let backend = ToyBackend::new(ToyHead::Linear, 0);
    for (name, attributor) in methods("layer4", true) {
        let error = attributor.requirements(backend.info()).unwrap_err();
        assert_eq!(error.to_string(), "unknown layer `layer4`", "{name}");
        assert_eq!(error.hint().unwrap(), "available: conv, features");
    }
}
