use super::*;
use ascan_core::testing::{check_regularizer, toy_training_batch};

fn corm(mode: Mode, sigma: f32, clean_weight: f32) -> Corm {
    Corm::new(CormParams { mode, sigma, clean_weight }).unwrap()
}

fn prepare(mut corm: Corm, batch: &TrainingBatch) -> RegularizedBatch {
    corm.prepare(batch, &Context::default()).unwrap()
}

#[test]
fn conforms() {
    for (mode, clean_weight) in [(Mode::Add, 1.0), (Mode::Replace, 0.0), (Mode::Mix, 0.0), (Mode::Mix, 0.5)] {
        check_regularizer("corm", &|| Box::new(corm(mode, 0.25, clean_weight)));
    }
}

#[test]
fn noise_stays_in_its_region() {
    let toy = toy_training_batch(4, 1);
    let mut masks = Tensor::zeros([4, 6, 5]);
    masks.data_mut().iter_mut().step_by(2).for_each(|m| *m = 1.0);
    // All core: the region is where the mask is not.
    let batch = TrainingBatch { masks: Some(masks.view()), spuriousness: Some(&[0.0; 4]), ..toy.view(0) };
    for mode in [Mode::Add, Mode::Replace, Mode::Mix] {
        let made = prepare(corm(mode, 0.25, 0.0), &batch);
        for (i, (after, before)) in made.images.data().iter().zip(toy.images.data()).enumerate() {
            // Planes of 30 values begin at an even place.
            assert_eq!(after == before, i % 2 == 0, "{mode:?} {i}");
        }
    }
}

#[test]
fn noise_has_the_deviation_that_was_asked_for() {
    let n = 40;
    let grey = Tensor::new([n, 3, 6, 5], vec![0.5; n * 90]).unwrap();
    let toy = toy_training_batch(n, 1);
    let (masks, spurious) = (Tensor::new([n, 6, 5], vec![1.0; n * 30]).unwrap(), vec![1.0; n]);
    let batch =
        TrainingBatch { images: grey.view(), masks: Some(masks.view()), spuriousness: Some(&spurious), ..toy.view(3) };
    for mode in [Mode::Add, Mode::Replace] {
        let made = prepare(corm(mode, 0.1, 0.0), &batch);
        let values = made.images.data();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!((mean - 0.5).abs() < 0.006 && (variance.sqrt() - 0.1).abs() < 0.005, "{mean} {variance}");
    }
    let first = prepare(corm(Mode::Add, 0.1, 0.0), &batch);
    assert_ne!(prepare(corm(Mode::Add, 0.1, 0.0), &TrainingBatch { step: 4, ..batch }), first, "drawn anew each step");
}

#[test]
fn a_mixed_region_is_that_of_another_image_and_each_lends_once() {
    let n = 7;
    let colours: Vec<f32> = (0..n).flat_map(|i| vec![i as f32 / n as f32; 90]).collect();
    let images = Tensor::new([n, 3, 6, 5], colours).unwrap();
    let toy = toy_training_batch(n, 1);
    let (mut masks, spurious) = (Tensor::zeros([n, 6, 5]), vec![1.0; n]);
    masks.data_mut().chunks_exact_mut(30).for_each(|mask| mask[..12].fill(1.0));
    let batch = TrainingBatch {
        images: images.view(),
        masks: Some(masks.view()),
        spuriousness: Some(&spurious),
        ..toy.view(0)
    };
    let made = prepare(corm(Mode::Mix, 0.25, 0.0), &batch);
    let mut lenders = Vec::new();
    for (own, image) in images.data().chunks_exact(90).zip(made.images.data().chunks_exact(90)) {
        for (plane, own) in image.chunks_exact(30).zip(own.chunks_exact(30)) {
            assert!(plane[..12].iter().all(|value| *value == image[0]), "one image lends all planes");
            assert_eq!(plane[12..], own[12..]);
        }
        assert_ne!(image[0], own[0], "never the image itself");
        lenders.push((image[0] * n as f32).round() as usize);
    }
    lenders.sort_unstable();
    assert_eq!(lenders, (0..n).collect::<Vec<_>>());
}

#[test]
fn the_clean_term_has_its_weight() {
    let toy = toy_training_batch(3, 2);
    let made = prepare(corm(Mode::Add, 0.25, 0.5), &toy.view(0));
    assert_eq!(made.weights, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(made.sources, [0, 1, 2, 0, 1, 2]);
    assert_eq!(made.images.view().rows(0..3), toy.images.data());
    assert_eq!(made.labels, [toy.labels.clone(), toy.labels].concat());
}
