//! The laws of an [`Attributor`].

use super::laws::{Laws, THREADS, context, reshaped, stopping, take, with_value};
use super::toy_backend::{ToyBackend, ToyHead};
use super::toy_data::toy_images;
use crate::{
    Attribution, AttributionBatch, Attributor, Capabilities, Context, ErrorCode, Forward, ModelBackend, ModelInfo,
    Requirements, Result, Tensor, TensorView,
};

const N: usize = 5;

/// Checks an attributor on toy networks: with a declared linear head, an undeclared one, and a hidden layer. It may say
/// of some of them that it does not explain such models (`Unsupported`), not of all.
///
/// # Panics
/// If the attributor breaks a law of the contract, naming both.
pub fn check_attributor(plugin: &str, attributor: &dyn Attributor) {
    let laws = Laws { plugin };
    let mut n_explained = 0;
    for head in [ToyHead::Linear, ToyHead::UndeclaredLinear, ToyHead::Hidden] {
        let mut backend = ToyBackend::new(head, 1);
        n_explained += u32::from(check_attributor_on(plugin, attributor, &mut backend));
    }
    laws.require(n_explained > 0, "an attributor explains at least a model with a linear head");
}

/// Checks an attributor on a model with gradients and three classes or more; whether it explains such a model at all.
///
/// # Panics
/// As [`check_attributor`].
pub fn check_attributor_on(plugin: &str, attributor: &dyn Attributor, backend: &mut dyn ModelBackend) -> bool {
    let laws = Laws { plugin };
    let requirements = laws.call("requirements", || attributor.requirements(backend.info()));
    if requirements.as_ref().is_err_and(|error| error.code() == ErrorCode::Unsupported) {
        return false;
    }
    let requirements = laws.succeeds("requirements", || requirements);
    let case = Case { laws: &laws, attributor, requirements: requirements.clone(), backend };
    case.check_result();
    case.check_bad_input();
    case.check_shared_gradients();
    if !requirements.gradients {
        check_forward_only(&laws, attributor, &requirements, backend);
    }
    true
}

struct Case<'a> {
    laws: &'a Laws<'a>,
    attributor: &'a dyn Attributor,
    requirements: Requirements,
    backend: &'a dyn ModelBackend,
}

impl Case<'_> {
    fn forward(&self, images: &Tensor) -> Forward {
        let layers: Vec<&str> = self.requirements.layers.iter().map(String::as_str).collect();
        self.laws.succeeds("a forward pass with the layers of `requirements`", || {
            self.backend.forward(images.view(), &layers)
        })
    }

    fn attribute(&self, images: &Tensor, target_classes: &[usize], context: &Context) -> Result<Attribution> {
        let forward = self.forward(images);
        let batch = AttributionBatch::new(images.view(), target_classes, &forward);
        self.laws.call("attribute", || self.attributor.attribute(self.backend, &batch, context))
    }

    fn check_result(&self) {
        let laws = self.laws;
        let [h, w] = self.requirements.map_size;
        let images = toy_images(N, self.backend.info().input_shape, 2);
        let classes = [0, 1, 2, 1, 0];
        let result = laws.succeeds("attribute", || self.attribute(&images, &classes, &context(0, 1)));
        laws.shape("the maps (as in `requirements`)", &result.maps, &[N, h, w]);
        laws.finite("the maps", &result.maps);
        if let Some(deltas) = &result.convergence_delta {
            let ok = deltas.len() == N && deltas.iter().all(|v| v.is_finite());
            laws.require(ok, "there must be one finite convergence delta an image");
        }
        for n_threads in THREADS {
            let again = laws.succeeds("attribute", || self.attribute(&images, &classes, &context(0, n_threads)));
            let law = format!("same images and seed, same maps ({n_threads} threads)");
            laws.same(&law, again.maps.data(), result.maps.data());
        }
        laws.succeeds("attribute with another seed", || self.attribute(&images, &classes, &context(1, 1)));

        let alone = laws.succeeds("attribute one image", || self.attribute(&take(&images, &[2]), &[2], &context(0, 1)));
        let law = "an image's map must not depend on the other images of the batch";
        laws.close(law, alone.maps.data(), result.maps.row(2), 1e-4);
        let twice = take(&images, &[3, 3]);
        let twice = laws.succeeds("attribute duplicates", || self.attribute(&twice, &[1, 1], &context(0, 1)));
        laws.close("equal images must have equal maps", twice.maps.row(0), twice.maps.row(1), 1e-5);

        if let Ok(empty) = self.attribute(&take(&images, &[]), &[], &context(0, 1)) {
            laws.shape("the maps of an empty batch", &empty.maps, &[0, h, w]);
        }
        laws.cancels("an attribution that is told to stop", || self.attribute(&images, &classes, &stopping()));
    }

    fn check_bad_input(&self) {
        let laws = self.laws;
        let context = context(0, 1);
        let images = toy_images(N, self.backend.info().input_shape, 2);
        let forward = self.forward(&images);
        let run = |images: TensorView, target_classes: &[usize], forward: &Forward| {
            self.attributor.attribute(self.backend, &AttributionBatch::new(images, target_classes, forward), &context)
        };
        laws.fails("attribute with too few target classes", || run(images.view(), &[0; N - 1], &forward));
        laws.fails("attribute of a class the model does not have", || run(images.view(), &[99; N], &forward));
        let flat = reshaped(&images, &[N, images.data().len() / N]);
        laws.fails("attribute of images of rank 2", || run(flat.view(), &[0; N], &forward));
        let fewer = self.forward(&take(&images, &[0, 1]));
        laws.fails("attribute with the forward pass of other images", || run(images.view(), &[0; N], &fewer));
        if !self.requirements.layers.is_empty() {
            let without = Forward { feature_maps: Vec::new(), ..forward.clone() };
            laws.fails("attribute without the layers of `requirements`", || run(images.view(), &[0; N], &without));
        }
        for value in [f32::NAN, f32::INFINITY] {
            let bad = with_value(&images, images.data().len() / N + 7, value);
            laws.fails(&format!("attribute of an image with {value}"), || self.attribute(&bad, &[0; N], &context));
        }
    }

    /// Gradients that are there already change nothing, and are used.
    fn check_shared_gradients(&self) {
        let names: Vec<&str> = self.requirements.gradients_of.iter().map(String::as_str).collect();
        if names.is_empty() {
            return;
        }
        let images = toy_images(N, self.backend.info().input_shape, 2);
        let classes = [0, 1, 2, 1, 0];
        let alone = self.laws.succeeds("attribute", || self.attribute(&images, &classes, &context(0, 1)));
        let made = self
            .laws
            .succeeds("the gradients of `requirements`", || self.backend.gradients(images.view(), &classes, &names));
        let gradients: Vec<(String, Tensor)> =
            names.iter().map(|&name| name.to_owned()).zip(made.gradients.iter().cloned()).collect();
        let forward = self.forward(&images);
        let run = |gradients: &[(String, Tensor)]| {
            let batch = AttributionBatch { gradients, ..AttributionBatch::new(images.view(), &classes, &forward) };
            self.laws.call("attribute with shared gradients", || {
                self.attributor.attribute(self.backend, &batch, &context(0, 1))
            })
        };
        let shared = self.laws.succeeds("attribute with shared gradients", || run(&gradients));
        self.laws.close("shared gradients give the same maps", shared.maps.data(), alone.maps.data(), 1e-5);
        let fewer: Vec<(String, Tensor)> =
            gradients.into_iter().map(|(name, gradient)| (name, take(&gradient, &[0, 1]))).collect();
        self.laws.fails("attribute with the gradients of other images", || run(&fewer));
    }
}

/// An attributor that says it needs no gradients, or not a layer, must work without.
fn check_forward_only(
    laws: &Laws,
    attributor: &dyn Attributor,
    requirements: &Requirements,
    backend: &mut dyn ModelBackend,
) {
    let info = ModelInfo { capabilities: Capabilities::default(), ..backend.info().clone() };
    let images = toy_images(N, info.input_shape, 2);
    let layers: Vec<&str> = requirements.layers.iter().map(String::as_str).collect();
    let forward = laws.succeeds("a forward pass", || backend.forward(images.view(), &layers));
    let batch = AttributionBatch::new(images.view(), &[0; N], &forward);
    let backend = ForwardOnly { backend, info };
    laws.succeeds("attribute without gradients, as `requirements` says", || {
        attributor.attribute(&backend, &batch, &context(0, 1))
    });
}

/// A backend without gradients.
struct ForwardOnly<'a> {
    backend: &'a mut dyn ModelBackend,
    info: ModelInfo,
}

impl ModelBackend for ForwardOnly<'_> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        self.backend.forward(images, layers)
    }
}
