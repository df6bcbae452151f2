//! One step of each optimiser and of each regularizer, against PyTorch on a small exported net.

use ascan_core::abi::Library;
use ascan_core::{
    Context, OpenModel, Optimizer, Regularizer, Runtime, Tensor, Trainable, Trainer, TrainerOptions, TrainingBatch,
    TrainingSet, TrainingStep,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file)
}

/// What `make_repair.py` wrote, as a batch.
struct Golden {
    json: Value,
    images: Tensor,
    masks: Tensor,
    spuriousness: Vec<f32>,
    labels: Vec<usize>,
    groups: Vec<i32>,
    predicted_classes: Vec<i32>,
}

impl Golden {
    fn read() -> Self {
        let json: Value = serde_json::from_str(&std::fs::read_to_string(golden("repair.json")).unwrap()).unwrap();
        let parts = |name: &str| -> Vec<f32> {
            json[name].as_array().unwrap().iter().map(|part| (part.as_f64().unwrap() / 1000.0) as f32).collect()
        };
        let ints = |name: &str| -> Vec<i64> {
            json[name].as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect()
        };
        let side = json["side"].as_u64().unwrap() as usize;
        let labels: Vec<usize> = ints("labels").into_iter().map(|label| label as usize).collect();
        let n = labels.len();
        let narrow = |values: Vec<i64>| values.into_iter().map(|value| value as i32).collect();
        Self {
            images: Tensor::new([n, 3, side, side], parts("images")).unwrap(),
            masks: Tensor::new([n, side, side], parts("masks")).unwrap(),
            spuriousness: parts("spuriousness"),
            groups: narrow(ints("groups")),
            predicted_classes: narrow(ints("predicted_classes")),
            labels,
            json,
        }
    }

    fn batch(&self) -> TrainingBatch<'_> {
        TrainingBatch {
            images: self.images.view(),
            labels: &self.labels,
            masks: Some(self.masks.view()),
            spuriousness: Some(&self.spuriousness),
            groups: Some(&self.groups),
            predicted_classes: Some(&self.predicted_classes),
            step: 0,
        }
    }

    fn set(&self) -> TrainingSet<'_> {
        TrainingSet {
            spuriousness: Some(&self.spuriousness),
            groups: Some(&self.groups),
            predicted_classes: Some(&self.predicted_classes),
            ..TrainingSet::new(&self.labels)
        }
    }

    fn trainer(&self, case: &Value) -> Box<dyn Trainer> {
        let backend = ascan_burn::BurnRuntime.open(&OpenModel::new(golden("repair.onnx"))).unwrap();
        let optimizer = match case["optimizer"].as_str().unwrap() {
            "sgd" => Optimizer::Sgd { momentum: 0.9 },
            _ => Optimizer::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
        };
        let train_batch_norm = case["train_batch_norm"].as_bool().unwrap();
        let options =
            TrainerOptions { optimizer, weight_decay: 0.01, trainable: Trainable::All, train_batch_norm, seed: 0 };
        backend.trainer(&options).unwrap()
    }

    /// Trains as a case says, and compares the weights with PyTorch's, each to 1e-4 of its largest value or of 1.
    fn check(&self, name: &str, regularizer: &mut dyn Regularizer) {
        let case = &self.json["cases"][name];
        let mut trainer = self.trainer(case);
        let context = Context::default();
        regularizer.select(&self.set(), &context).unwrap();
        for _ in 0..case["n_steps"].as_u64().unwrap() {
            let made = regularizer.prepare(&self.batch(), &context).unwrap();
            let step = TrainingStep {
                images: made.images.view(),
                labels: &made.labels,
                weights: &made.weights,
                learning_rate: self.json["rate"].as_f64().unwrap() as f32,
                penalty: made.penalty.as_ref(),
            };
            trainer.step(&step).unwrap();
        }
        let mut n_compared = 0;
        for (weight, values) in trainer.weights().unwrap() {
            let expected = case["weights"][&weight].as_array().unwrap_or_else(|| panic!("{name}: no weight {weight}"));
            for (value, expected) in values.data().iter().zip(expected) {
                let expected = expected.as_f64().unwrap();
                let far = (f64::from(*value) - expected).abs();
                assert!(far <= 1e-4 * expected.abs().max(1.0), "{name}: `{weight}` is {value}, in PyTorch {expected}");
                n_compared += 1;
            }
        }
        assert!(n_compared > 600, "{name}: only {n_compared} numbers were compared");
    }
}

fn regularizer(name: &str, params: Value) -> Box<dyn Regularizer> {
    let library = Library::from_static(ascan_regularization::ascan_library).unwrap();
    let plugin = library.plugins().iter().find(|plugin| plugin.name() == name).unwrap();
    plugin.regularizer(params.as_object().unwrap()).unwrap()
}

#[test]
fn a_step_under_each_regularizer_is_that_of_pytorch() {
    let golden = Golden::read();
    let corm = |clean_weight: f32| {
        let params = json!({"mode": "replace", "sigma": 0.0, "clean_weight": clean_weight});
        regularizer("corm", params)
    };
    golden.check("corm", &mut *corm(0.0));
    golden.check("corm_clean", &mut *corm(0.5));
    golden.check("erm", &mut *regularizer("erm", json!({})));
    golden.check("group_dro", &mut *regularizer("group_dro", json!({"eta": 0.5})));
    golden.check("jtt", &mut *regularizer("jtt", json!({"upweight": 5.0})));
    golden.check("rrr", &mut *regularizer("rrr", json!({"strength": 50000.0})));
}

#[test]
fn steps_of_each_optimiser_are_those_of_pytorch_with_batch_norm_frozen_and_trained() {
    let golden = Golden::read();
    for name in ["erm_sgd_frozen", "erm_sgd_trained", "erm_adam_w_frozen", "erm_adam_w_trained"] {
        golden.check(name, &mut *regularizer("erm", json!({})));
    }
}
