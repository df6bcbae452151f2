use crate::blur_ig::BlurIgParams;
use crate::expected_gradients::ExpectedGradientsParams;
use crate::guided_ig::GuidedIgParams;
use crate::lrp::{LrpParams, LrpRule};
use crate::smooth_grad::SmoothGradParams;
use crate::{BlurIg, DeepLift, ExpectedGradients, FullGrad, GuidedIg, InputXGradient, Lrp, Saliency, SmoothGrad};
use ascan_core::params::NoParams;
use ascan_core::testing::{ToyBackend, ToyHead, check_attributor, toy_images};
use ascan_core::{Attribution, AttributionBatch, Attributor, Context, ModelBackend, Plugin};

fn attribute(attributor: &dyn Attributor, head: ToyHead) -> Attribution {
    let backend = ToyBackend::new(head, 3);
    let images = toy_images(3, backend.info().input_shape, 9);
    let forward = backend.forward(images.view(), &[]).unwrap();
    let batch = AttributionBatch::new(images.view(), &[0, 1, 2], &forward);
    attributor.attribute(&backend, &batch, &Context::default()).unwrap()
}

fn blur_ig(n_steps: usize) -> BlurIg {
    BlurIg::new(BlurIgParams { n_steps, max_sigma_px: 3.0, ..Default::default() }).unwrap()
}

fn guided_ig(n_steps: usize, max_distance: f64) -> GuidedIg {
    GuidedIg::new(GuidedIgParams { n_steps, max_distance, ..Default::default() }).unwrap()
}

fn lrp(rule: LrpRule) -> Lrp {
    Lrp::new(LrpParams { rule, ..Default::default() }).unwrap()
}

#[test]
fn conforms() {
    check_attributor("saliency", &Saliency::new(NoParams {}).unwrap());
    check_attributor("input_x_gradient", &InputXGradient::new(NoParams {}).unwrap());
    let smooth = SmoothGradParams { n_samples: 4, ..Default::default() };
    check_attributor("smooth_grad", &SmoothGrad::new(smooth).unwrap());
    let expected = ExpectedGradientsParams { n_samples: 5, ..Default::default() };
    check_attributor("expected_gradients", &ExpectedGradients::new(expected).unwrap());
    check_attributor("blur_ig", &blur_ig(5));
    check_attributor("guided_ig", &guided_ig(5, 0.02));
    check_attributor("full_grad", &FullGrad);
    check_attributor("deep_lift", &DeepLift::new(Default::default()).unwrap());
    check_attributor("lrp", &lrp(LrpRule::Epsilon));
    check_attributor("lrp", &lrp(LrpRule::GammaComposite));
}

/// The deltas of methods that promise a sum are small with enough steps, and tell when there are too few.
#[test]
fn paths_are_complete() {
    let worst = |attributor: &dyn Attributor| {
        let delta = attribute(attributor, ToyHead::Hidden).convergence_delta.unwrap();
        delta.iter().fold(0.0f32, |max, delta| max.max(delta.abs()))
    };
    assert!(worst(&blur_ig(200)) < 0.01, "{}", worst(&blur_ig(200)));
    assert!(worst(&blur_ig(1)) > worst(&blur_ig(200)));
    let guided = worst(&guided_ig(1000, 0.001));
    assert!(guided < 0.02 && worst(&guided_ig(50, 0.02)) > guided, "{guided} {}", worst(&guided_ig(50, 0.02)));
    let deep_lift = DeepLift::new(Default::default()).unwrap();
    assert!(worst(&deep_lift) < 1e-4, "{}", worst(&deep_lift));
    let many = ExpectedGradientsParams { n_samples: 4000, ..Default::default() };
    assert!(worst(&ExpectedGradients::new(many).unwrap()) < 0.15);
}

/// Without noise SmoothGrad is saliency, whatever the number of samples.
#[test]
fn smooth_grad_without_noise_is_saliency() {
    let params = SmoothGradParams { n_samples: 3, noise_level: 0.0, ..Default::default() };
    let smooth = attribute(&SmoothGrad::new(params).unwrap(), ToyHead::Hidden).maps;
    let saliency = attribute(&Saliency::new(NoParams {}).unwrap(), ToyHead::Hidden).maps;
    for (a, b) in smooth.data().iter().zip(saliency.data()) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

/// What LRP's map misses of the logit is what the head's bias takes: its share of the logit.
#[test]
fn lrp_loses_to_biases_alone() {
    let backend = ToyBackend::new(ToyHead::Linear, 3);
    let empty = ascan_core::Tensor::zeros([1, 3, 8, 6]);
    // The convolution of the toy has no bias: the logits of nothing are the head's.
    let bias = backend.forward(empty.view(), &[]).unwrap().logits;
    let result = attribute(&lrp(LrpRule::Epsilon), ToyHead::Linear);
    for (class, delta) in result.convergence_delta.unwrap().into_iter().enumerate() {
        assert!((delta + bias.data()[class]).abs() < 1e-3, "{delta} {}", bias.data()[class]);
    }
}
