//! The laws of a [`Regularizer`].

use super::laws::{Laws, THREADS, context, reshaped, stopping, with_value};
use super::toy_data::{ToyBatch, toy_training_batch};
use crate::{RegularizedBatch, Regularizer, TrainingBatch, TrainingSet};

const N: usize = 6;

/// Checks a regularizer on small seeded batches. `make` makes a fresh one, without state.
///
/// # Panics
/// If the regularizer breaks a law of the contract, naming both.
pub fn check_regularizer(plugin: &str, make: &dyn Fn() -> Box<dyn Regularizer>) {
    let laws = Laws { plugin };
    let batches: Vec<ToyBatch> = (0..3).map(|i| toy_training_batch(N, i)).collect();
    let run = |seed, n_threads| -> Vec<RegularizedBatch> {
        let mut regularizer = make();
        batches
            .iter()
            .enumerate()
            .map(|(step, batch)| {
                let result = laws
                    .succeeds("prepare", || regularizer.prepare(&batch.view(step as u64), &context(seed, n_threads)));
                check_result(&laws, batch, &result);
                laws.succeeds("observe", || regularizer.observe(&[0.5; N]));
                result
            })
            .collect()
    };
    let first = run(0, 1);
    for n_threads in THREADS {
        for (again, first) in run(0, n_threads).iter().zip(&first) {
            let law = format!("same batches, seed and steps: same result ({n_threads} threads)");
            laws.same(&law, again.images.data(), first.images.data());
            laws.same(&law, &again.weights, &first.weights);
            laws.require(again == first, &law);
        }
    }
    run(1, 1);
    check_selection(&laws, make);
    check_restore(&laws, make, &batches);
    check_bad_batches(&laws, make, &batches[0]);
    laws.cancels("a preparation that is told to stop", || make().prepare(&batches[0].view(0), &stopping()));
    laws.call("observe of a wrong number of losses", || {
        let mut regularizer = make();
        regularizer.prepare(&batches[0].view(0), &context(0, 1))?;
        regularizer.observe(&[0.5; N + 1])
    })
    .ok();
}

fn check_selection(laws: &Laws, make: &dyn Fn() -> Box<dyn Regularizer>) {
    let toy = toy_training_batch(24, 7);
    let corrected: Vec<i32> = toy.labels.iter().enumerate().map(|(i, &l)| if i == 4 { -1 } else { l as i32 }).collect();
    let set = TrainingSet {
        labels: &toy.labels,
        spuriousness: Some(&toy.spuriousness),
        groups: Some(&toy.groups),
        predicted_classes: Some(&toy.predicted_classes),
        corrected_labels: Some(&corrected),
        label_probs: Some(&toy.spuriousness),
        disagreement: Some(&toy.spuriousness),
        epoch: 0,
    };
    for epoch in 0..2 {
        let set = TrainingSet { epoch, ..set };
        let select = |n_threads| laws.succeeds("select", || make().select(&set, &context(0, n_threads)));
        let first = select(1);
        laws.require(!first.rows.is_empty(), "a selection of a good set must not be empty");
        laws.require(first.rows.len() == first.labels.len(), "there must be a label a selected row");
        laws.require(first.rows.iter().all(|&row| row < 24), "selected rows must be images of the set");
        laws.require(first.labels.iter().all(|&label| label < 2), "selected labels must be classes");
        for n_threads in THREADS {
            laws.require(select(n_threads) == first, "same set, seed and epoch: same selection");
        }
    }
    laws.fails("select with too few rows of groups", || {
        make().select(&TrainingSet { groups: Some(&toy.groups[1..]), ..set }, &context(0, 1))
    });
    laws.call("select of an empty set", || {
        let none = TrainingSet {
            labels: &[],
            spuriousness: Some(&[]),
            groups: Some(&[]),
            predicted_classes: Some(&[]),
            corrected_labels: Some(&[]),
            label_probs: Some(&[]),
            disagreement: Some(&[]),
            epoch: 0,
        };
        make().select(&none, &context(0, 1))
    })
    .ok();
}

/// A fresh one that is given the state of another goes on as that one does.
fn check_restore(laws: &Laws, make: &dyn Fn() -> Box<dyn Regularizer>, batches: &[ToyBatch]) {
    let mut first = make();
    for (step, batch) in batches[..2].iter().enumerate() {
        laws.succeeds("prepare", || first.prepare(&batch.view(step as u64), &context(0, 1)));
        laws.succeeds("observe", || first.observe(&[0.1, 0.9, 0.4, 2.0, 0.3, 1.0]));
    }
    let state = laws.succeeds("state", || first.state());
    let mut second = make();
    laws.succeeds("restore", || second.restore(&state));
    let last = |regularizer: &mut Box<dyn Regularizer>| {
        laws.succeeds("prepare", || regularizer.prepare(&batches[2].view(2), &context(0, 1)))
    };
    laws.require(last(&mut second) == last(&mut first), "a restored regularizer must go on as the first one does");
    laws.fails("restoring what is no state", || make().restore(&[f32::NAN; 5]));
}

fn check_result(laws: &Laws, batch: &ToyBatch, result: &RegularizedBatch) {
    let m = result.labels.len();
    let [n, c, h, w] = batch.images.view().dims("images", "[n, c, h, w]").unwrap_or_default();
    laws.shape("the images", &result.images, &[m, c, h, w]);
    let in_range = |values: &[f32]| values.iter().all(|v| (0.0..=1.0).contains(v));
    laws.require(in_range(result.images.data()), "the images must stay in [0, 1]");
    laws.require(result.weights.len() == m && result.sources.len() == m, "there must be a weight and a source a row");
    laws.require(result.weights.iter().all(|w| *w >= 0.0 && w.is_finite()), "weights must be numbers ≥ 0");
    laws.require(result.sources.iter().all(|&source| source < n), "sources must be images of the batch");
    if let Some(penalty) = &result.penalty {
        laws.shape("the mask of the penalty", &penalty.mask, &[m, h, w]);
        laws.require(in_range(penalty.mask.data()), "the mask of the penalty must lie in [0, 1]");
        laws.require(penalty.strength >= 0.0 && penalty.strength.is_finite(), "the strength must be a number ≥ 0");
    }
}

fn check_bad_batches(laws: &Laws, make: &dyn Fn() -> Box<dyn Regularizer>, batch: &ToyBatch) {
    let prepare = |batch: &TrainingBatch| make().prepare(batch, &context(0, 1));
    let good = batch.view(0);
    let nan = with_value(&batch.images, 3, f32::NAN);
    laws.fails("prepare of images with NaN", || prepare(&TrainingBatch { images: nan.view(), ..good }));
    let flat = reshaped(&batch.images, &[N, batch.images.data().len() / N]);
    laws.fails("prepare of images of rank 2", || prepare(&TrainingBatch { images: flat.view(), ..good }));
    laws.fails("prepare with too few labels", || prepare(&TrainingBatch { labels: &good.labels[1..], ..good }));

    // Columns that a method does not use may be missing or anything; a result must be a good one all the same.
    let short = toy_training_batch(N - 1, 0);
    let fewer = short.view(0);
    let none = TrainingBatch { masks: None, spuriousness: None, groups: None, predicted_classes: None, ..good };
    let empty = toy_training_batch(0, 0);
    for (what, bad) in [
        ("masks", TrainingBatch { masks: fewer.masks, ..good }),
        ("spuriousness", TrainingBatch { spuriousness: fewer.spuriousness, ..good }),
        ("groups", TrainingBatch { groups: fewer.groups, ..good }),
        ("predicted_classes", TrainingBatch { predicted_classes: fewer.predicted_classes, ..good }),
    ] {
        laws.fails(&format!("prepare with too few rows of {what}"), || prepare(&bad));
    }
    if let Ok(result) = laws.call("prepare without masks, spuriousness and groups", || prepare(&none)) {
        check_result(laws, batch, &result);
    }
    if let Ok(result) = laws.call("prepare of an empty batch", || prepare(&empty.view(0))) {
        check_result(laws, &empty, &result);
    }
    let one = toy_training_batch(1, 0);
    if let Ok(result) = laws.call("prepare of one image", || prepare(&one.view(0))) {
        check_result(laws, &one, &result);
    }
}
