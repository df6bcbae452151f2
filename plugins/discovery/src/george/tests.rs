use super::silhouette::silhouettes;
use super::*;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems};
use serde::Deserialize;

fn assign(params: GeorgeParams, table: &ToyTable, context: &Context) -> (usize, Vec<i32>) {
    let model = George::new(params).unwrap().fit(&table.view(), context).unwrap();
    (model.n_slices(), slicer::assignment(&model.membership(&table.view(), context).unwrap()))
}

#[test]
fn conforms() {
    for normalise in [Normalise::None, Normalise::L2] {
        let params = GeorgeParams { normalise, max_clusters: 4, min_size: 5, ..Default::default() };
        check_slicer("george", &George::new(params).unwrap());
    }
}

/// `tests/golden/make_george.py`
#[derive(Deserialize)]
struct Golden {
    table: Vec<Vec<f32>>,
    losses: Vec<f32>,
    labels: Vec<i32>,
    n_slices: usize,
    assignment: Vec<i32>,
}

fn golden() -> (Golden, ToyTable) {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/george.json")).unwrap();
    let n = golden.labels.len();
    let mut table = toy_slice_table(n, 3, 0);
    table.embeddings = Tensor::new([n, 3], golden.table.concat()).unwrap();
    (table.losses, table.labels) = (golden.losses.clone(), golden.labels.clone());
    (golden, table)
}

/// scikit-learn 1.9.1 under the published rules: of three knots at the edges of clouds, one has a high loss and enough images.
#[test]
fn the_partition_is_that_of_scikit_learn() {
    let (golden, table) = golden();
    for seed in 0..2 {
        let context = Context { seed, ..Context::default() };
        let (n_slices, ours) = assign(GeorgeParams { n_init: 10, ..Default::default() }, &table, &context);
        assert_eq!(n_slices, golden.n_slices, "seed {seed}");
        for i in 0..ours.len() {
            for j in 0..i {
                let theirs = golden.assignment[i] == golden.assignment[j];
                assert_eq!(ours[i] == ours[j], theirs, "seed {seed}: images {i} and {j}");
            }
        }
    }
}

#[test]
fn a_part_needs_loss_and_size() {
    let (golden, mut table) = golden();
    let params = || GeorgeParams { n_init: 10, ..Default::default() };
    let n = |params, table: &ToyTable| assign(params, table, &Context::default()).0;
    // 18 images of a knot with a high loss are enough where 15 are asked for.
    assert_eq!(n(GeorgeParams { min_size: 15, ..params() }, &table), golden.n_slices + 1);
    assert_eq!(n(GeorgeParams { min_share: 0.3, ..params() }, &table), golden.n_slices - 1);
    // Losses the other way round: only the knot that was at ease.
    table.losses.iter_mut().for_each(|loss| *loss = 3.0 - *loss);
    assert_eq!(n(params(), &table), golden.n_slices);
    table.losses.fill(f32::NAN);
    assert_eq!(n(params(), &table), golden.n_slices - 1, "without losses nothing is split");
}

/// scikit-learn 1.9.1: `silhouette_samples` of [[0, 0], [1, 0], [0, 2], [5, 5], [6, 5], [9, 0]]
#[test]
fn silhouettes_agree_with_scikit_learn() {
    let rows: [&[f32]; 6] = [&[0.0, 0.0], &[1.0, 0.0], &[0.0, 2.0], &[5.0, 5.0], &[6.0, 5.0], &[9.0, 0.0]];
    let pool = pool("george", &Context::default()).unwrap();
    let ours = silhouettes(&rows, &[vec![0, 0, 0, 1, 1, 2], vec![0, 1, 0, 1, 0, 1]], &pool);
    let theirs = [
        [0.798404946, 0.759832132, 0.662172794, 0.843826238, 0.828501415, 0.000000000],
        [0.137993319, -0.522921295, 0.244366570, -0.276289762, -0.361639098, 0.101694783],
    ];
    for (ours, theirs) in ours.iter().zip(theirs) {
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() < 1e-6, "{ours:?}, scikit-learn {theirs:?}");
        }
    }
}

#[test]
fn labels_are_never_mixed_and_unknown_ones_are_noise() {
    let mut table = toy_slice_table(200, 6, 1);
    table.labels[3] = -1;
    let (n_slices, assignment) = assign(GeorgeParams::default(), &table, &Context::default());
    assert_eq!(assignment[3], -1);
    for slice in 0..n_slices as i32 {
        let members = (0..200).filter(|&i| assignment[i] == slice);
        let labels: std::collections::BTreeSet<i32> = members.map(|i| table.labels[i]).collect();
        assert_eq!(labels.len(), 1, "slice {slice}");
    }
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let table = toy_slice_table(1_500, 6, 5);
    let params = GeorgeParams { max_clusters: 3, ..Default::default() };
    let at = |n_threads| assign(params.clone(), &table, &Context { n_threads, ..Context::default() });
    let one = at(1);
    assert_eq!(at(2), one);
    assert_eq!(at(3), one);
}

#[test]
fn without_labels_there_are_no_classes() {
    let mut table = toy_slice_table(20, 3, 0);
    table.labels.fill(-1);
    let george = George::new(GeorgeParams::default()).unwrap();
    let error = george.fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.code(), ascan_core::ErrorCode::Unsupported);
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    let zero =
        GeorgeParams { max_clusters: 1, n_splits: 1, min_share: -1.0, min_size: 0, n_init: 0, ..Default::default() };
    zero.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["max_clusters", "n_splits", "min_share", "min_size", "n_init"]);
}
