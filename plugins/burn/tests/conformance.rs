//! The laws of a backend and of a trainer, and what is said about models that cannot be run.

use ascan_burn::{BurnBackend, BurnRuntime, claimed_operators};
use ascan_core::testing::{BackendExpectations, TrainerExpectations, check_backend, check_trainer, toy_images};
use ascan_core::{
    Error, InputGradientPenalty, ModelBackend, OpenModel, Optimizer, Plugin, Runtime, Tensor, Trainable,
    TrainerOptions, TrainingStep,
};
use ascan_onnx::Model;
use std::path::{Path, PathBuf};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(file)
}

fn open(path: &Path, n_threads: usize) -> BurnBackend {
    let request = OpenModel { n_threads, ..OpenModel::new(path) };
    BurnBackend::open(&request).expect("the golden net opens")
}

#[test]
fn a_backend_keeps_the_laws() {
    for file in ["resnet.torchscript_bn.onnx", "mobilenet_v2.dynamo.onnx", "vit.torchscript.onnx"] {
        let path = golden(file);
        let [c, h, w] = open(&path, 1).info().input_shape;
        let expectations = BackendExpectations::new(toy_images(3, [c, h, w], 1));
        check_backend("burn", &|n_threads| Box::new(open(&path, n_threads)), &expectations);
    }
}

#[test]
fn a_trainer_keeps_the_laws() {
    let path = golden("resnet.torchscript_bn.onnx");
    let info = open(&path, 1).info().clone();
    let expectations = TrainerExpectations {
        images: toy_images(4, info.input_shape, 2),
        labels: vec![0, 1, 2, 1],
        n_classes: info.n_classes,
        learning_rate: 1e-3,
    };
    check_trainer("burn", &|options, n_threads| open(&path, n_threads).trainer(options), &expectations);
}

#[test]
fn images_have_the_same_results_at_any_thread_count() {
    let path = golden("mobilenet_v2.torchscript.onnx");
    let one = open(&path, 1);
    let images = toy_images(5, one.info().input_shape, 3);
    let input = one.info().input.clone();
    let expected = one.gradients(images.view(), &[0; 5], &[&input]).unwrap();
    for n_threads in [2, 4] {
        assert_eq!(open(&path, n_threads).gradients(images.view(), &[0; 5], &[&input]).unwrap(), expected);
    }
}

/// `loss(θ + h·u)` against the gradient along `u`, for the penalty's part of the loss.
#[test]
fn the_penalty_has_the_gradient_of_its_loss() {
    // A net without kinks: second derivatives through ReLU are noise.
    let path = golden("vit.torchscript.onnx");
    let backend = open(&path, 1);
    let [c, h, w] = backend.info().input_shape;
    let images = toy_images(2, [c, h, w], 4);
    let (labels, strength) = ([0, 1], 3.0);
    let mask: Vec<f32> = (0..2 * h * w).map(|i| (i % 7) as f32 / 6.0).collect();
    let penalty = InputGradientPenalty { mask: Tensor::new([2, h, w], mask.clone()).unwrap(), strength };
    let options =
        TrainerOptions { trainable: Trainable::All, optimizer: Optimizer::Sgd { momentum: 0.0 }, ..Default::default() };
    let step = |learning_rate, weights, penalty| TrainingStep {
        images: images.view(),
        labels: &labels,
        weights,
        learning_rate,
        penalty,
    };
    // Gradients with and without the cross-entropy's own part.
    let mut trainer = backend.trainer(&options).unwrap();
    let gradients = trainer.weight_gradients(&step(0.0, &[0.0, 0.0], Some(&penalty))).unwrap();
    let square: f64 = gradients.iter().flat_map(|(_, g)| g.data()).map(|&g| f64::from(g) * f64::from(g)).sum();
    assert!(square > 0.0);

    // The penalty itself, from input gradients of log p: ∂log p_y/∂x = Σ_k (δ_ky − p_k) ∂logit_k/∂x.
    let value = |model: &dyn ModelBackend| -> f64 {
        let input = model.info().input.clone();
        let n_classes = model.info().n_classes;
        let logits = model.forward(images.view(), &[]).unwrap().logits;
        let mut total = vec![0.0f64; images.data().len()];
        for class in 0..n_classes {
            let gradient = model.gradients(images.view(), &[class; 2], &[&input]).unwrap().gradients.remove(0);
            for i in 0..2 {
                let sum: f64 = logits.row(i).iter().map(|&l| f64::from(l).exp()).sum();
                let p = f64::from(logits.row(i)[class]).exp() / sum;
                let factor = f64::from(u8::from(labels[i] == class)) - p;
                let len = c * h * w;
                for (j, g) in gradient.row(i).iter().enumerate() {
                    total[i * len + j] += factor * f64::from(*g);
                }
            }
        }
        let masked = total.iter().enumerate().map(|(at, g)| {
            let (image, pixel) = (at / (c * h * w), at % (h * w));
            (g * f64::from(mask[image * h * w + pixel])).powi(2)
        });
        f64::from(strength) * masked.sum::<f64>() / 2.0
    };
    // Along the gradient itself the loss must change by |gradient|².
    let moved = |rate: f32| -> f64 {
        let mut trainer = backend.trainer(&options).unwrap();
        trainer.step(&step(rate, &[0.0, 0.0], Some(&penalty))).unwrap();
        let mut model = Model::load(&path).unwrap();
        model.set_weights(&trainer.weights().unwrap()).unwrap();
        let file = std::env::temp_dir().join(format!("ascan_burn_penalty_{}_{}.onnx", std::process::id(), rate > 0.0));
        model.save(&file).unwrap();
        let value = value(&open(&file, 1));
        std::fs::remove_file(&file).unwrap();
        value
    };
    // The step that should change the loss by a hundredth of it.
    let rate = (0.01 * value(&backend) / square) as f32;
    let slope = (moved(-rate) - moved(rate)) / (2.0 * f64::from(rate));
    assert!((slope - square).abs() < 0.02 * square, "the loss falls by {slope}, the gradient says {square}");
}

#[test]
fn a_missing_operator_is_named_before_anything_is_computed() {
    let mut model = Model::load(&golden("resnet.torchscript.onnx")).unwrap();
    let graph = model.proto.graph.as_mut().unwrap();
    let node = graph.node.iter_mut().find(|node| node.op_type == "Relu").unwrap();
    node.op_type = "Softwhatever".into();
    node.name = "odd one".into();
    let path = std::env::temp_dir().join(format!("ascan_burn_odd_{}.onnx", std::process::id()));
    model.save(&path).unwrap();
    let error = BurnBackend::open(&OpenModel::new(&path)).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    match &error {
        Error::UnsupportedOperator { operator, node, model, .. } => {
            assert_eq!((operator.as_str(), node.as_str()), ("Softwhatever", "odd one"));
            assert!(model.contains("ascan_burn_odd"), "{model}");
        }
        other => panic!("another error: {other}"),
    }
}

#[test]
fn an_absent_device_says_how_to_get_it() {
    let request =
        |device: &str| OpenModel { device: device.into(), ..OpenModel::new(golden("resnet.torchscript.onnx")) };
    let error = BurnBackend::open(&request("tpu")).unwrap_err();
    assert!(matches!(&error, Error::UnknownName { name, .. } if name == "tpu"), "{error}");
    if !cfg!(feature = "cuda") {
        let error = BurnBackend::open(&request("cuda")).unwrap_err();
        assert!(error.hint().unwrap_or_default().contains("--features"), "{error}");
    }
}

#[test]
fn the_plugin_lists_what_it_claims() {
    let claimed = claimed_operators();
    assert!(claimed.len() > 100, "{} operators", claimed.len());
    assert!(claimed.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each once");
    let detail = BurnRuntime::detail();
    assert!(claimed.iter().all(|(name, _)| detail.contains(name)));
    assert!(BurnRuntime.capabilities().gradients && BurnRuntime.capabilities().training);
}
