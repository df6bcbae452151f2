//! Training of a model of sigmoids: the loss and its gradient are those of binary cross-entropy.

use ascan_burn::BurnRuntime;
use ascan_core::{
    InputGradientPenalty, OpenModel, Optimizer, OutputKind, Runtime, Tensor, Trainable, TrainerOptions, TrainingStep,
};
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::{Model, proto::tensor_proto::DataType};
use std::path::PathBuf;

/// A net of three sigmoids in a file of its own.
fn net() -> PathBuf {
    let mut graph = GraphBuilder::new("image", [1, 4, 4], 3);
    let x = graph.conv("conv", "image", 1, 3, 3, 1);
    let x = graph.node("Sigmoid", &[&x], "soft");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let x = graph.linear("scores", &x, 3, 3);
    graph.node("Sigmoid", &[&x], "probs");
    graph.output("probs", DataType::Float, &[None, Some(3)]);
    let path = std::env::temp_dir().join(format!("ascan_sigmoid_{}.onnx", std::process::id()));
    Model::from_proto(graph.into_proto(), &path).save(&path).unwrap();
    path
}

fn images() -> Tensor {
    Tensor::new([2, 1, 4, 4], (0..32).map(|i| (i as f32 * 0.7).sin()).collect()).unwrap()
}

const LABELS: [usize; 2] = [0, 2];

/// Mean loss of the model in this file, and `Σ ‖∂ log p(label) / ∂x‖² / n`.
fn objective(path: &PathBuf) -> (f64, f64) {
    let backend = BurnRuntime.open(&OpenModel::new(path)).unwrap();
    assert_eq!(backend.info().output, OutputKind::Sigmoid);
    let images = images();
    let logits = backend.forward(images.view(), &[]).unwrap().logits;
    let loss = |i: usize| f64::from(OutputKind::Sigmoid.loss(logits.row(i), LABELS[i] as i32));
    let probs = |i: usize| OutputKind::Sigmoid.probs(logits.row(i));
    // ∂ log p / ∂z is the one-hot label less the sigmoids.
    let mut squares = 0.0;
    let slopes: Vec<Tensor> = (0..3)
        .map(|class| backend.gradients(images.view(), &[class; 2], &["image"]).unwrap().gradients.remove(0))
        .collect();
    for (i, label) in LABELS.into_iter().enumerate() {
        for at in 0..16 {
            let sum: f32 = (0..3)
                .map(|class| (f32::from(u8::from(class == label)) - probs(i)[class]) * slopes[class].row(i)[at])
                .sum();
            squares += f64::from(sum).powi(2);
        }
    }
    ((loss(0) + loss(1)) / 2.0, squares / 2.0)
}

#[test]
fn a_step_on_sigmoids_follows_binary_cross_entropy() {
    let path = net();
    let options = TrainerOptions {
        optimizer: Optimizer::Sgd { momentum: 0.0 },
        trainable: Trainable::Names(vec!["scores.weight".into()]),
        ..TrainerOptions::default()
    };
    let images = images();
    let mask = Tensor::new([2, 4, 4], vec![1.0; 32]).unwrap();
    let penalty = InputGradientPenalty { mask, strength: 2.0 };
    let whole = |path: &PathBuf| {
        let (loss, squares) = objective(path);
        (loss, loss + 2.0 * squares)
    };
    for penalty in [None, Some(&penalty)] {
        let mut trainer = BurnRuntime.open(&OpenModel::new(&path)).unwrap().trainer(&options).unwrap();
        let before = trainer.weights().unwrap().remove(0).1;
        let step =
            TrainingStep { images: images.view(), labels: &LABELS, weights: &[1.0; 2], learning_rate: 1.0, penalty };
        let outcome = trainer.step(&step).unwrap();
        let mean = outcome.losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / 2.0;
        assert!((mean - whole(&path).0).abs() < 1e-5);
        let after = trainer.weights().unwrap().remove(0).1;
        // The gradient that the step took, against differences of the loss.
        for at in [0, 4, 7] {
            let moved = |by: f32| {
                let mut values = before.data().to_vec();
                values[at] += by;
                let mut model = Model::load(&path).unwrap();
                let weight = Tensor::new(before.shape(), values).unwrap();
                model.set_weights(&[("scores.weight".into(), weight)]).unwrap();
                let other = path.with_extension(format!("{at}.onnx"));
                model.save(&other).unwrap();
                let found = whole(&other);
                std::fs::remove_file(&other).unwrap();
                if penalty.is_some() { found.1 } else { found.0 }
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            let taken = f64::from(before.data()[at] - after.data()[at]);
            assert!((slope - taken).abs() < 1e-3 * slope.abs().max(0.1), "{at}: {taken}, not {slope}");
        }
    }
    std::fs::remove_file(path).unwrap();
}
