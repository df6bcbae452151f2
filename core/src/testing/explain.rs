//! The laws of a [`ModelBackend`] that has gradients: what explanations ask for beside them.

use super::laws::{Laws, take};
use crate::metrics::argmax;
use crate::{Error, ErrorCode, ModelBackend, PassRequest, RelevanceRule, Result, Tensor, TensorView};

/// One pass gives what a forward pass and the gradients of predicted and of given classes give.
pub fn check_pass(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor, layer: &str) {
    let (info, images) = (backend.info(), take(images, &[0, 1]));
    let forward = laws.succeeds("forward", || backend.forward(images.view(), &[layer]));
    // One image with the class that is predicted, one with another.
    let predicted = [0, 1].map(|i| argmax(forward.logits.row(i)));
    let classes = [predicted[0], (predicted[1] + 1) % info.n_classes];
    let names = [layer, info.input.as_str()];
    let gradients = laws.succeeds("gradients", || backend.gradients(images.view(), &classes, &names)).gradients;
    let target_classes = [None, Some(classes[1])];
    let request =
        PassRequest { images: images.view(), layers: &[layer], target_classes: &target_classes, gradients_of: &names };
    let pass = laws.succeeds("a pass", || backend.pass(&request));
    laws.close("a pass gives the logits of forward", pass.forward.logits.data(), forward.logits.data(), 1e-5);
    let order: Vec<&str> = pass.forward.feature_maps.iter().chain(&pass.gradients).map(|(name, _)| &**name).collect();
    laws.require(order == [layer, layer, names[1]], "maps and gradients of a pass come as they were asked for");
    let map = forward.feature_maps[0].1.data();
    laws.close("a pass gives the maps of forward", pass.forward.feature_maps[0].1.data(), map, 1e-5);
    for ((_, made), expected) in pass.gradients.iter().zip(&gradients) {
        laws.shape("the gradient of a pass", made, expected.shape());
        laws.close("a pass gives the gradients of its target classes", made.data(), expected.data(), 1e-6);
    }
    let without =
        laws.succeeds("a pass without gradients", || backend.pass(&PassRequest { gradients_of: &[], ..request }));
    laws.close("a pass needs no gradients", without.forward.logits.data(), forward.logits.data(), 1e-5);
    laws.fails("a pass with too few classes", || {
        backend.pass(&PassRequest { target_classes: &target_classes[1..], ..request })
    });
    laws.fails("a pass for a class that does not exist", || {
        backend.pass(&PassRequest { target_classes: &[None, Some(info.n_classes)], ..request })
    });
    laws.fails("a pass for a layer that does not exist", || {
        backend.pass(&PassRequest { layers: &["no such layer"], ..request })
    });
}

/// With the gradient of the logit as cotangent, what is pulled back is the gradient of the logit, as far as the image
/// reaches the logits through this layer alone; with any cotangent, it is linear in it.
pub fn check_pullback(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor, layer: &str) {
    let images = take(images, &[0, 1]);
    let pull = |cotangent: &Tensor, scale: f32| {
        laws.succeeds("pullback", || {
            backend.pullback(images.view(), layer, &mut |map: TensorView| {
                laws.shape("the cotangent", cotangent, map.shape());
                Tensor::new(map.shape(), cotangent.data().iter().map(|v| v * scale).collect())
            })
        })
    };
    let input = backend.info().input.as_str();
    let classes = [0, 0];
    let result = laws.succeeds("gradients", || backend.gradients(images.view(), &classes, &[input, layer]));
    let (once, thrice) = (pull(&result.gradients[1], 1.0), pull(&result.gradients[1], 3.0));
    laws.shape("what is pulled back", &once, images.shape());
    let triple: Vec<f32> = once.data().iter().map(|v| v * 3.0).collect();
    laws.close("a pullback is linear in its cotangent", thrice.data(), &triple, 1e-4);
    if backend.info().linear_head_of(layer).is_some() {
        let law = "the pullback of the logit's gradient is the input gradient";
        laws.close(law, once.data(), result.gradients[0].data(), 1e-3);
    }
    let mut seen = None;
    let stopped = laws.call("pullback with a cotangent that fails", || {
        backend.pullback(images.view(), layer, &mut |map: TensorView| {
            seen = Some(map.to_tensor());
            Err(Error::NotFinite { what: "cotangent".into() })
        })
    });
    let kept = matches!(&stopped, Err(error) if error.code() == ErrorCode::NotFinite);
    laws.require(kept, "the error of a cotangent is the error of the pullback");
    if let Some(map) = seen {
        laws.close("a cotangent is asked with the feature map", map.data(), result.values[1].data(), 1e-4);
    }
    laws.fails("pullback with a cotangent of another shape", || {
        backend.pullback(images.view(), layer, &mut |_: TensorView| Ok(Tensor::zeros([1, 2])))
    });
    laws.fails("pullback from a layer that does not exist", || {
        backend.pullback(images.view(), "no such layer", &mut |map: TensorView| Ok(map.to_tensor()))
    });
}

/// With its own feature map, an image has its own logits; in any order and number.
pub fn check_forward_from(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor, layer: &str) {
    let images = take(images, &[0, 1]);
    let forward = laws.succeeds("forward", || backend.forward(images.view(), &[layer]));
    let map = &forward.feature_maps[0].1;
    let image_of = [1, 0, 0];
    let maps = take(map, &image_of);
    let run = |maps: &Tensor, image_of: &[usize]| -> Result<Tensor> {
        backend.forward_from(images.view(), layer, maps.view(), image_of)
    };
    let logits = laws.succeeds("forward_from", || run(&maps, &image_of));
    let expected = take(&forward.logits, &image_of);
    laws.shape("the logits of forward_from", &logits, expected.shape());
    laws.close("an image's own feature map gives its own logits", logits.data(), expected.data(), 1e-4);
    laws.fails("forward_from an image that is not there", || run(&maps, &[1, 0, 2]));
    laws.fails("forward_from maps without their images", || run(&maps, &[1, 0]));
    laws.fails("forward_from a layer that does not exist", || {
        backend.forward_from(images.view(), "no such layer", maps.view(), &image_of)
    });
}

/// DeepLIFT is complete, and nothing changes nothing; a rule that a model cannot be given is an error that says why.
pub fn check_relevance(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor) {
    let images = take(images, &[0, 1]);
    let baselines = take(&images, &[1, 0]);
    let run = |baselines: &Tensor, classes: &[usize]| {
        let rule = RelevanceRule::DeepLift { baselines: baselines.view() };
        laws.call("relevance", || backend.relevance(images.view(), classes, &rule))
    };
    let relevance = match run(&baselines, &[0, 0]) {
        Ok(relevance) => relevance,
        Err(error) => {
            laws.require(
                error.code() == ErrorCode::Unsupported,
                "a backend has rules of relevance, or says that it has not",
            );
            return;
        }
    };
    laws.shape("the relevance", &relevance, images.shape());
    let logits = laws.succeeds("forward", || backend.forward(images.view(), &[])).logits;
    let sums: Vec<f32> = (0..2).map(|i| relevance.row(i).iter().sum()).collect();
    let change = logits.row(0)[0] - logits.row(1)[0];
    laws.close("DeepLIFT sums to the change of the logit", &sums, &[change, -change], 1e-3);
    let none = laws.succeeds("relevance", || run(&images, &[0, 0]));
    laws.require(none.data().iter().all(|v| *v == 0.0), "an image explained against itself has no relevance");
    laws.fails("relevance with too few classes", || run(&baselines, &[0]));
    laws.fails("relevance with too few baselines", || run(&take(&images, &[0]), &[0, 0]));
}
