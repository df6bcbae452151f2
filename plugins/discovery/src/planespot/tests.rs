use super::*;
use ascan_core::metrics::ari;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use serde_json::Value;

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

/// scikit-learn 1.9.1 by the paper's formulas (`tests/golden/make_planespot.py`). Mixtures end in the optimum near their
/// start, and the starts differ: the criterion must be no worse than theirs, and most of what is found is the same.
#[test]
fn as_good_a_fit_as_by_scikit_learn_and_slices_as_important() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/planespot.json")).unwrap();
    let context = Context { n_threads: 2, ..Context::default() };
    for expected in golden["tables"].as_array().unwrap() {
        let numbers = |key: &str| -> Vec<f64> {
            expected[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let (labels, p) = (numbers("label"), numbers("p"));
        let n = labels.len();
        let mut table = toy_slice_table(n, 2, 0);
        table.embeddings = Tensor::new([n, 2], numbers("plane").into_iter().map(|v| v as f32).collect()).unwrap();
        for i in 0..n {
            table.labels[i] = labels[i] as i32;
            let (own, other) = (p[i] as f32, 1.0 - p[i] as f32);
            table.predicted_classes[i] = if own < 0.5 { 1 - table.labels[i] } else { table.labels[i] };
            let probs = if table.labels[i] == 0 { [own, other] } else { [other, own] };
            table.probs.data_mut()[i * 2..][..2].copy_from_slice(&probs);
        }
        let slicer = planespot(PlaneSpotParams { n_init: 5, ..Default::default() });

        let frame = Frame::of(table.embeddings.view());
        let confidences = algorithm::confidences(&table.view(), Confidence::Label);
        let space = frame.space(table.embeddings.view(), &confidences, 0.025);
        let points = Points::to_fit(space.view(), &(0..n).collect::<Vec<_>>(), Normalise::None).unwrap();
        let pool = pool("planespot", &context).unwrap();
        let data = Data { points: &points, columns: &[] };
        let fit = slicer.best(data, &pool, &context).unwrap();
        let bic = fit.mixture.bic(n, fit.mixture.responsibilities(data, &pool).1);
        let (their_bic, their_k) = (expected["bic"].as_f64().unwrap(), expected["n_components"].as_u64().unwrap());
        println!("BIC {bic} with {} components, theirs {their_bic} with {their_k}", fit.mixture.k());
        assert!(bic < their_bic + 0.01 * their_bic.abs(), "{bic}, scikit-learn {their_bic}");
        assert!(fit.mixture.k().abs_diff(their_k as usize) <= 2, "{} components, theirs {their_k}", fit.mixture.k());

        let model = slicer.fit(&table.view(), &context).unwrap();
        let found = slicer::assignment(&model.membership(&table.view(), &context).unwrap());
        let theirs: Vec<i32> = numbers("assignment").into_iter().map(|slice| slice as i32).collect();
        let agreement = ari(&found, &theirs);
        println!("ARI {agreement}");
        assert!(agreement > 0.9, "adjusted Rand index {agreement}");
        // The order of equals is open, so the importances are compared.
        let wrong = |i: usize| table.predicted_classes[i] != table.labels[i];
        let importance = |slice: i32| {
            let (mut size, mut errors) = (0.0f64, 0.0f64);
            for i in (0..n).filter(|&i| found[i] == slice) {
                size += 1.0;
                errors += f64::from(u8::from(wrong(i)));
            }
            errors * errors / size.max(1.0)
        };
        let ours: Vec<f64> = (0..model.n_slices() as i32).map(importance).collect();
        assert!(ours.is_sorted_by(|a, b| a >= b), "{ours:?}");
        let first = |importances: &[f64]| importances.iter().take(5).sum::<f64>();
        let (ours, theirs) = (first(&ours), first(&numbers("importance")));
        println!("the five most important: {ours:.2}, theirs {theirs:.2}");
        assert!((ours / theirs - 1.0).abs() < 0.1, "the five most important: {ours}, theirs {theirs}");
    }
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
