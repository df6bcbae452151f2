use super::*;
use ascan_core::testing::{ToyBackend, ToyHead, check_attributor, toy_images};
use ascan_core::{Forward, Gradients, TensorView};

fn grad_cam(layer: &str, relu: bool) -> GradCam {
    GradCam::new(GradCamParams { layer: layer.into(), relu }).unwrap()
}

fn attribute(grad_cam: &GradCam, backend: &ToyBackend, classes: &[usize]) -> Tensor {
    let images = toy_images(classes.len(), backend.info().input_shape, 3);
    let forward = backend.forward(images.view(), &["features", "conv"]).unwrap();
    let batch = AttributionBatch::new(images.view(), classes, &forward);
    grad_cam.attribute(backend, &batch, &Context::default()).unwrap().maps
}

#[test]
fn conforms() {
    for relu in [true, false] {
        for layer in ["auto", "conv"] {
            check_attributor("grad_cam", &grad_cam(layer, relu));
        }
    }
}

#[test]
fn closed_form_and_gradients_agree() {
    let (declared, undeclared) = (ToyBackend::new(ToyHead::Linear, 4), ToyBackend::new(ToyHead::UndeclaredLinear, 4));
    let cam = grad_cam("auto", false);
    assert!(!cam.requirements(declared.info()).unwrap().gradients);
    assert!(cam.requirements(undeclared.info()).unwrap().gradients);
    let a = attribute(&cam, &declared, &[0, 1, 2]);
    let b = attribute(&cam, &undeclared, &[0, 1, 2]);
    let largest = a.data().iter().fold(0.0f32, |max, v| max.max(v.abs()));
    assert!(largest > 0.0);
    for (a, b) in a.data().iter().zip(b.data()) {
        assert!((a - b).abs() < 1e-6 * largest, "{a} {b}");
    }
}

/// Without clipping, maps of the pooled layer differ in their sums as the logits do (the bias cancels).
#[test]
fn the_map_of_a_linear_head_sums_to_the_logit() {
    let backend = ToyBackend::new(ToyHead::Linear, 4);
    let images = toy_images(2, backend.info().input_shape, 3);
    let forward = backend.forward(images.view(), &["features"]).unwrap();
    let maps = attribute(&grad_cam("auto", false), &backend, &[2, 2]);
    let sum = |i: usize| maps.row(i).iter().sum::<f32>();
    let logit = |i: usize| forward.logits.row(i)[2];
    assert!(((sum(1) - sum(0)) - (logit(1) - logit(0))).abs() < 1e-5);
}

#[test]
fn clipping_keeps_only_positive_evidence() {
    let backend = ToyBackend::new(ToyHead::Hidden, 4);
    let signed = attribute(&grad_cam("auto", false), &backend, &[0, 1, 2]);
    let clipped = attribute(&grad_cam("auto", true), &backend, &[0, 1, 2]);
    assert!(signed.data().iter().any(|v| *v < 0.0));
    let expected: Vec<f32> = signed.data().iter().map(|v| v.max(0.0)).collect();
    assert_eq!(clipped.data(), expected);
}

/// A backend of fixed numbers: two channels, 1 × 2, weights (mean gradients) 2 and −1.
struct Fixed(ModelInfo);

impl ModelBackend for Fixed {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn forward(&self, _images: TensorView, _layers: &[&str]) -> Result<Forward> {
        Ok(Forward { logits: Tensor::zeros([1, 3]), feature_maps: Vec::new() })
    }

    fn gradients(&self, _images: TensorView, _classes: &[usize], _names: &[&str]) -> Result<Gradients> {
        Ok(Gradients {
            logits: Tensor::zeros([1, 3]),
            gradients: vec![Tensor::new([1, 2, 1, 2], vec![1.0, 3.0, -2.0, 0.0])?],
            values: vec![Tensor::new([1, 2, 1, 2], vec![1.0, 2.0, 3.0, 0.5])?],
        })
    }
}

#[test]
fn a_map_worked_out_by_hand() {
    let backend = Fixed(ToyBackend::new(ToyHead::Hidden, 0).info().clone());
    let images = toy_images(1, backend.0.input_shape, 0);
    let forward = backend.forward(images.view(), &[]).unwrap();
    let batch = AttributionBatch::new(images.view(), &[0], &forward);
    let run = |relu| grad_cam("auto", relu).attribute(&backend, &batch, &Context::default()).unwrap().maps;
    assert_eq!(run(false).data(), [-1.0, 3.5]);
    assert_eq!(run(true).data(), [0.0, 3.5]);
}

#[test]
fn an_unknown_layer_lists_those_that_exist() {
    let backend = ToyBackend::new(ToyHead::Linear, 0);
    let error = grad_cam("layer4", true).requirements(backend.info()).unwrap_err();
    assert_eq!(error.to_string(), "unknown layer `layer4`");
    assert_eq!(error.hint().unwrap(), "available: conv, features");
}
