use super::*;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};

fn planespot(params: PlaneSpotParams) -> PlaneSpot {
    PlaneSpot::new(params).unwrap()
}

fn few() -> PlaneSpotParams {
    PlaneSpotParams { min_components: 2, max_components: 8, ..Default::default() }
}

#[test]
fn conforms() {
    check_slicer("planespot", &planespot(PlaneSpotParams::default()));
    check_slicer(
        "planespot",
        &planespot(PlaneSpotParams { confidence: Confidence::PredictedClass, n_init: 2, ..few() }),
    );
}

/// A plane of four blobs; in the blob at the origin every second image is wrong.
fn blobs() -> ToyTable {
    let mut table = toy_slice_table(800, 2, 3);
    for i in 0..800 {
        let blob = i % 4;
        // What the toy table planted is taken away, its noise stays.
        let planted = table.planted[i];
        for j in 0..2 {
            let moved = 12.0 * [blob % 2, blob / 2][j] as f32 - if planted == j { 8.0 } else { 0.0 };
            table.embeddings.data_mut()[i * 2 + j] += moved;
        }
        let wrong = blob == 0 && i % 8 == 0;
        table.labels[i] = 1;
        table.predicted_classes[i] = i32::from(!wrong);
        let p = if wrong { 0.2 } else { 0.9 };
        table.probs.data_mut()[i * 2..][..2].copy_from_slice(&[1.0 - p, p]);
        table.planted[i] = blob;
    }
    table
}

#[test]
fn the_criterion_finds_the_number_and_errors_lead() {
    let table = blobs();
    let context = Context::default();
    let model = planespot(few()).fit(&table.view(), &context).unwrap();
    let found = slicer::assignment(&model.membership(&table.view(), &context).unwrap());
    assert_eq!(model.n_slices(), 4);
    let first: Vec<usize> = (0..800).filter(|&i| found[i] == 0).collect();
    assert_eq!(first, (0..800).step_by(4).collect::<Vec<_>>());
}

#[test]
fn importance_is_errors_times_their_share() {
    let mut table = toy_slice_table(12, 2, 0);
    table.labels = vec![0; 12];
    // component 0: 2 of 8 wrong (n·e² = 0.5); 1: 1 of 1 (1.0); 2: 0 of 2; 3: no image
    table.predicted_classes = vec![1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1];
    table.labels[11] = -1;
    let assignment = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2];
    assert_eq!(algorithm::by_importance(&assignment, 4, &table.view()), [1, 0, 2, 3]);
}

#[test]
fn the_space_is_a_square_and_the_weighted_confidence() {
    let plane = [0.0, 5.0, 10.0, 5.0, 5.0, 5.0];
    let plane = TensorView::new(&[3, 2], &plane).unwrap();
    let space = Frame::of(plane).space(plane, &[1.0, 0.5, 0.0], 0.5);
    assert_eq!(space.data(), [0.0, 0.0, 0.5, 1.0, 0.0, 0.25, 0.5, 0.0, 0.0]);
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    PlaneSpotParams {
        min_components: 5,
        max_components: 4,
        n_init: 0,
        confidence_weight: f64::NAN,
        ..Default::default()
    }
    .check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["max_components", "confidence_weight", "n_init"]);
}
