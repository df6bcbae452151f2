//! The laws of a [`ModelBackend`].

use super::explain;
use super::laws::{Laws, THREADS, reshaped, take, with_value};
use super::toy_data::ToyRng;
use crate::{ModelBackend, ModelInfo, Tensor};

/// What to check a backend on.
#[derive(Debug, Clone)]
pub struct BackendExpectations {
    /// `[n, c, h, w]` with at least two images that the model accepts.
    pub images: Tensor,
    /// `[n, n_classes]`, the logits of a reference for these images, where there is one.
    pub logits: Option<Tensor>,
    /// How far logits may be from the reference, as a share of the largest.
    pub tolerance: f32,
    /// Whether gradients are compared with differences of logits (needs a smooth enough model).
    pub check_gradients: bool,
}

impl BackendExpectations {
    /// Expectations without a reference.
    pub fn new(images: Tensor) -> Self {
        Self { images, logits: None, tolerance: 1e-4, check_gradients: true }
    }
}

/// Checks a backend on one model. `open` opens it with a number of threads.
///
/// # Panics
/// If the backend breaks a law of the contract, naming both.
pub fn check_backend(plugin: &str, open: &dyn Fn(usize) -> Box<dyn ModelBackend>, expectations: &BackendExpectations) {
    let laws = Laws { plugin };
    let backend = open(1);
    check_info(&laws, backend.as_ref(), expectations);
    check_forward(&laws, backend.as_ref(), open, expectations);
    check_bad_images(&laws, backend.as_ref(), &expectations.images);
    if backend.info().capabilities.gradients {
        check_gradients(&laws, backend.as_ref(), expectations);
        for layer in probed_layers(backend.info()) {
            explain::check_pass(&laws, backend.as_ref(), &expectations.images, layer);
            explain::check_pullback(&laws, backend.as_ref(), &expectations.images, layer);
            explain::check_forward_from(&laws, backend.as_ref(), &expectations.images, layer);
        }
        explain::check_relevance(&laws, backend.as_ref(), &expectations.images);
    } else {
        let images = take(&expectations.images, &[0]);
        laws.fails("gradients of a backend that declares none", || {
            backend.gradients(images.view(), &[0], &[&backend.info().input])
        });
    }
}

fn check_info(laws: &Laws, backend: &dyn ModelBackend, expectations: &BackendExpectations) {
    let info = backend.info();
    laws.require(info.n_classes > 0, "a classifier has at least one class");
    laws.require(info.preferred_batch > 0, "the preferred batch is at least one image");
    laws.require(
        expectations.images.shape()[1..] == info.input_shape,
        &format!("the input shape {:?} must be that of the images {:?}", info.input_shape, expectations.images.shape()),
    );
    if let Some(layer) = &info.default_layer {
        laws.require(
            info.layers.iter().any(|known| &known.name == layer),
            "the default layer must be one of the layers",
        );
    }
    if let Some(head) = &info.linear_head {
        let layer = info.layers.iter().find(|layer| layer.name == head.layer);
        let channels = layer.map(|layer| layer.shape[0]);
        laws.require(
            channels.is_some_and(|c| head.weight.shape() == [info.n_classes, c]),
            "the linear head must have weights [n_classes, c] of one of the layers",
        );
    }
}

/// The first and the last feature map stand for the rest, beside the default one.
fn probed_layers(info: &ModelInfo) -> Vec<&str> {
    let mut layers: Vec<&str> = info.layers.first().into_iter().chain(info.layers.last()).map(|l| &*l.name).collect();
    layers.extend(info.default_layer.as_deref());
    layers.dedup();
    layers
}

fn check_forward(
    laws: &Laws,
    backend: &dyn ModelBackend,
    open: &dyn Fn(usize) -> Box<dyn ModelBackend>,
    expectations: &BackendExpectations,
) {
    let info = backend.info();
    let images = &expectations.images;
    let n = images.n_rows();
    let layers = probed_layers(info);
    let forward = laws.succeeds("forward", || backend.forward(images.view(), &layers));
    laws.shape("the logits", &forward.logits, &[n, info.n_classes]);
    laws.finite("the logits", &forward.logits);
    let order: Vec<&str> = forward.feature_maps.iter().map(|(name, _)| &**name).collect();
    laws.require(order == layers, "feature maps must come as they were asked for, in that order");
    for (name, map) in &forward.feature_maps {
        let [c, h, w] = laws.succeeds("layer", || info.layer(name)).shape;
        laws.shape(&format!("the feature map `{name}`"), map, &[n, c, h, w]);
        laws.finite("a feature map", map);
    }
    if let Some(logits) = &expectations.logits {
        laws.close("logits must match the reference", forward.logits.data(), logits.data(), expectations.tolerance);
    }
    if let Some(head) = &info.linear_head {
        check_linear_head(laws, backend, images, &head.layer, &head.weight);
    }

    for n_threads in THREADS {
        let again = open(n_threads);
        let logits = laws.succeeds("forward", || again.forward(images.view(), &layers)).logits;
        let law = format!("logits must not depend on the number of threads ({n_threads})");
        laws.close(&law, logits.data(), forward.logits.data(), 1e-5);
    }
    let again = laws.succeeds("forward", || backend.forward(images.view(), &layers)).logits;
    laws.same("the same images must have the same logits again", again.data(), forward.logits.data());
    let none = laws.succeeds("forward without layers", || backend.forward(images.view(), &[])).logits;
    laws.close("logits must not depend on the layers asked for", none.data(), forward.logits.data(), 1e-5);
    for i in 0..n {
        let alone = laws.succeeds("forward of one image", || backend.forward(take(images, &[i]).view(), &[])).logits;
        let law = "an image's logits must not depend on the other images of the call";
        laws.close(law, alone.data(), forward.logits.row(i), 1e-4);
    }
    let twice = laws.succeeds("forward of duplicates", || backend.forward(take(images, &[1, 0, 1]).view(), &[])).logits;
    laws.close("equal images must have equal logits", twice.row(0), twice.row(2), 1e-5);
    if let Ok(empty) = laws.call("forward of no images", || backend.forward(take(images, &[]).view(), &layers)) {
        laws.shape("the logits of no images", &empty.logits, &[0, info.n_classes]);
    }
}

/// Differences of logits between two images must be those of the pooled features times the head's weights.
fn check_linear_head(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor, layer: &str, weight: &Tensor) {
    let forward = laws.succeeds("forward", || backend.forward(take(images, &[0, 1]).view(), &[layer]));
    let Some(map) = forward.feature_map(layer) else { return };
    let [_, c, h, w] = map.view().dims("feature map", "[n, c, h, w]").unwrap_or_default();
    let pooled: Vec<f64> = map
        .data()
        .chunks((h * w).max(1))
        .map(|values| values.iter().map(|&v| f64::from(v)).sum::<f64>() / (h * w) as f64)
        .collect();
    let expected: Vec<f32> = (0..weight.n_rows())
        .map(|class| (0..c).map(|k| f64::from(weight.row(class)[k]) * (pooled[c + k] - pooled[k])).sum::<f64>() as f32)
        .collect();
    let got: Vec<f32> = forward.logits.row(1).iter().zip(forward.logits.row(0)).map(|(b, a)| b - a).collect();
    laws.close("the linear head must give the logits", &got, &expected, 1e-3);
}

fn check_bad_images(laws: &Laws, backend: &dyn ModelBackend, images: &Tensor) {
    let [n, c, h, w] = images.view().dims("images", "[n, c, h, w]").unwrap_or_default();
    for shape in [vec![n, c * h * w], vec![n * c, h, w], vec![n, c, 1, h * w], vec![1, n, c, h, w]] {
        // Another arrangement of the same pixels; one that happens to be the right one is no mistake.
        if shape != images.shape() {
            let bad = reshaped(images, &shape);
            laws.fails(&format!("forward of images {shape:?}"), || backend.forward(bad.view(), &[]));
        }
    }
    laws.fails("forward for a layer that does not exist", || backend.forward(images.view(), &["no such layer"]));

    let bad = with_value(images, 3, f32::NAN);
    if let Ok(forward) = laws.call("forward of an image with NaN", || backend.forward(bad.view(), &[])) {
        laws.shape("the logits", &forward.logits, &[n, backend.info().n_classes]);
        let good = laws.succeeds("forward", || backend.forward(images.view(), &[]));
        let law = "a bad image must not disturb the others of the call";
        laws.close(law, forward.logits.row(1), good.logits.row(1), 1e-4);
    }
}

fn check_gradients(laws: &Laws, backend: &dyn ModelBackend, expectations: &BackendExpectations) {
    let info = backend.info();
    let images = take(&expectations.images, &[0, 1]);
    let classes = [0, info.n_classes - 1];
    let mut names = vec![info.input.as_str()];
    names.extend(info.default_layer.as_deref());
    let result = laws.succeeds("gradients", || backend.gradients(images.view(), &classes, &names));
    let forward = laws.succeeds("forward", || backend.forward(images.view(), &names[1..]));
    laws.close("gradients come with the logits of forward", result.logits.data(), forward.logits.data(), 1e-4);
    laws.require(
        result.gradients.len() == names.len() && result.values.len() == names.len(),
        "there must be a gradient and a value for each tensor asked for",
    );
    laws.shape("the input gradient", &result.gradients[0], images.shape());
    laws.close("the value of the input is the images", result.values[0].data(), images.data(), 1e-6);
    for (i, (_, map)) in forward.feature_maps.iter().enumerate() {
        laws.shape("a layer gradient", &result.gradients[i + 1], map.shape());
        laws.close("the value of a layer is its feature map", result.values[i + 1].data(), map.data(), 1e-4);
    }
    for gradient in &result.gradients {
        laws.finite("a gradient", gradient);
    }
    let alone = laws.succeeds("gradients of one image", || {
        backend.gradients(take(&images, &[1]).view(), &classes[1..], &names[..1])
    });
    let law = "an image's gradient must not depend on the other images of the call";
    laws.close(law, alone.gradients[0].data(), result.gradients[0].row(1), 1e-3);
    if expectations.check_gradients {
        check_against_differences(laws, backend, &images, &classes, &result.gradients[0]);
    }
    if let (Some(head), [_, layer, ..]) = (&info.linear_head, &names[..])
        && head.layer == *layer
    {
        let gradient = &result.gradients[1];
        let area = gradient.shape()[2..].iter().product::<usize>();
        for (i, &class) in classes.iter().enumerate() {
            let expected: Vec<f32> =
                head.weight.row(class).iter().flat_map(|&v| std::iter::repeat_n(v / area as f32, area)).collect();
            laws.close("the layer gradient of a linear head is weight / (h·w)", gradient.row(i), &expected, 1e-3);
        }
    }

    laws.fails("gradients with too few classes", || backend.gradients(images.view(), &classes[1..], &names));
    let beyond = [0, info.n_classes];
    laws.fails("gradients of a class that does not exist", || backend.gradients(images.view(), &beyond, &names));
    laws.fails("gradients of a tensor that does not exist", || {
        backend.gradients(images.view(), &classes, &["no such tensor"])
    });
}

/// `(logit(x + εv) − logit(x − εv)) / 2ε = ∇logit · v` for a random direction, best of a few ε
/// (large ones cross kinks, small ones drown in rounding).
fn check_against_differences(
    laws: &Laws,
    backend: &dyn ModelBackend,
    images: &Tensor,
    classes: &[usize],
    gradient: &Tensor,
) {
    let mut rng = ToyRng::new(5);
    // Along the gradient, with some noise: a random direction alone has a product near zero.
    let direction: Vec<f32> = (0..images.n_rows())
        .flat_map(|i| {
            let row = gradient.row(i);
            let scale = row.iter().fold(1e-12f32, |max, v| max.max(v.abs()));
            row.iter().map(|v| v / scale + 0.1 * rng.normal()).collect::<Vec<f32>>()
        })
        .collect();
    let shifted = |epsilon: f32| {
        let mut images = images.clone();
        images.data_mut().iter_mut().zip(&direction).for_each(|(x, v)| *x += epsilon * v);
        laws.succeeds("forward", || backend.forward(images.view(), &[])).logits
    };
    let n_values = images.view().row_len();
    for (i, &class) in classes.iter().enumerate() {
        let v = &direction[i * n_values..(i + 1) * n_values];
        let expected: f64 = gradient.row(i).iter().zip(v).map(|(g, v)| f64::from(*g) * f64::from(*v)).sum();
        let error = [1e-1f32, 1e-2, 1e-3, 1e-4]
            .into_iter()
            .map(|epsilon| {
                let (up, down) = (shifted(epsilon).row(i)[class], shifted(-epsilon).row(i)[class]);
                let got = (f64::from(up) - f64::from(down)) / (2.0 * f64::from(epsilon));
                (got - expected).abs() / expected.abs().max(1e-6)
            })
            .fold(f64::INFINITY, f64::min);
        laws.require(
            error < 0.03,
            &format!("the input gradient must agree with differences of logits (relative error {error:.3})"),
        );
    }
}
