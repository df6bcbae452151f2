use crate::flow::{Flow, mean_over_heads};
use ascan_core::testing::{ToyBackend, ToyHead};
use ascan_core::{AttentionInfo, Attributor, ErrorCode, ModelBackend, Tensor};

fn info(n_prefix_tokens: usize) -> AttentionInfo {
    AttentionInfo { name: "attention".into(), n_heads: 2, n_tokens: n_prefix_tokens + 2, n_prefix_tokens, grid: [1, 2] }
}

/// Two layers by hand: rows of the product of (I + B₂)(I + B₁), columns of the places.
#[test]
fn layers_multiply_from_the_left() {
    let first = [0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0];
    let second = [1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0];
    let mut flow = Flow::new(3);
    flow.layer(1.0, &first);
    flow.layer(1.0, &second);
    // row 0 of (I + B₂) is [2, 0, 3]; times (I + B₁) = [[1, 1, 2], [0, 1, 1], [0.5, 0, 1]] is [3.5, 2, 7]
    assert_eq!(flow.at_places(&info(1)), [2.0, 7.0]);
}

#[test]
fn without_a_class_token_places_are_averaged() {
    let mut flow = Flow::new(2);
    flow.layer(0.0, &[0.25, 0.75, 0.5, 0.5]);
    assert_eq!(flow.at_places(&info(0)), [0.375, 0.625]);
}

#[test]
fn heads_are_averaged_image_by_image() {
    let tensor = Tensor::new([2, 2, 2, 2], (0..16).map(|v| v as f32).collect()).unwrap();
    let data = tensor.data();
    let mean = |i| mean_over_heads(&tensor, i, &info(0), |at| f64::from(data[at]));
    assert_eq!(mean(1).unwrap(), [10.0, 11.0, 12.0, 13.0]);
    assert!(mean(2).is_err());
}

#[test]
fn a_model_without_attention_is_refused_with_a_way_out() {
    let backend = ToyBackend::new(ToyHead::Linear, 0);
    for plugin in [&crate::AttentionRollout as &dyn Attributor, &crate::Chefer] {
        let error = plugin.requirements(backend.info()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.hint().unwrap().contains("grad_cam"), "{error}");
    }
}
