use super::algorithm::{Search, Sums};
use super::*;
use ascan_core::testing::{Memory, ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use serde::Deserialize;

fn spotlight(params: SpotlightParams) -> Spotlight {
    Spotlight::new(params).unwrap()
}

fn membership(params: SpotlightParams, table: &ToyTable) -> Tensor {
    let context = Context::default();
    let model = spotlight(params).fit(&table.view(), &context).unwrap();
    model.membership(&table.view(), &context).unwrap()
}

#[test]
fn conforms() {
    for normalise in [Normalise::Scale, Normalise::L2, Normalise::None] {
        check_slicer("spotlight", &spotlight(SpotlightParams { normalise, n_steps: 60, ..Default::default() }));
    }
}

/// `tests/golden/make_spotlight.py`
#[derive(Deserialize)]
struct Golden {
    min_weight: f64,
    table: Vec<Vec<f32>>,
    losses: Vec<f32>,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    n_steps: usize,
    n_run: usize,
    learning_rate: f64,
    spotlights: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    centre: Vec<f64>,
    log_precision: f64,
    total_weight: f64,
}

/// The published implementation (domino 0.1.5, torch 2.15.0, in f64): same start, same place after any number of steps,
/// spotlight after spotlight, until they are narrow.
#[test]
fn the_path_is_that_of_the_published_implementation() {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/spotlight.json")).unwrap();
    let rows: Vec<f32> = golden.table.concat();
    let pool = pool("spotlight", &Context::default()).unwrap();
    assert!(golden.runs.iter().any(|run| run.spotlights.iter().any(|spotlight| spotlight.total_weight < 24.0)));
    for run in golden.runs {
        let mut losses = golden.losses.clone();
        let settings =
            Settings { min_weight: golden.min_weight, learning_rate: run.learning_rate, n_steps: run.n_steps };
        for published in run.spotlights {
            let mut search = Search::new(Kernel::start(published.centre.len(), 1e-4f64.ln()), run.learning_rate);
            for step in 0..run.n_run {
                search.step(&rows, &losses, settings.min_weight, settings.width(step, losses.len()), &pool);
            }
            let kernel = search.kernel;
            let off = kernel.centre.iter().zip(&published.centre).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-3, "after {} steps: centre {:?}, not {:?}", run.n_run, kernel.centre, published.centre);
            let off = (kernel.log_precision - published.log_precision).abs();
            assert!(off < 1e-3, "after {} steps: {} not {}", run.n_run, kernel.log_precision, published.log_precision);
            let weights = kernel.weights(&rows, &pool);
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            assert!((total / published.total_weight - 1.0).abs() < 1e-3, "{total} not {}", published.total_weight);
            let brightest = weights.iter().copied().fold(0.0, f32::max);
            losses.iter_mut().zip(weights).for_each(|(loss, weight)| *loss *= 1.0 - weight / brightest);
        }
    }
}

/// Against central differences, at a place where the barrier is felt.
#[test]
fn the_gradient_is_the_slope() {
    let table = toy_slice_table(300, 6, 4);
    let pool = pool("spotlight", &Context::default()).unwrap();
    let kernel = Kernel { centre: vec![1.0, -0.5, 2.0, 0.3, 4.0, 0.0], log_precision: -3.0 };
    let objective =
        |kernel: &Kernel| Sums::of(table.embeddings.data(), &table.losses, kernel, &pool).objective(40.0, 200.0);
    let (_, gradient) = objective(&kernel);
    for (parameter, slope) in gradient.iter().enumerate() {
        let moved = |by: f64| {
            let mut kernel = kernel.clone();
            match kernel.centre.get_mut(parameter) {
                Some(value) => *value += by,
                None => kernel.log_precision += by,
            }
            objective(&kernel).0
        };
        let difference = (moved(0.02) - moved(-0.02)) / 0.04;
        assert!((difference - slope).abs() < 0.02 * slope.abs() + 1e-5, "{parameter}: {difference}, not {slope}");
    }
}

#[test]
fn the_cluster_of_errors_is_found_first() {
    for normalise in [Normalise::Scale, Normalise::L2] {
        let table = toy_slice_table(500, 10, 3);
        let membership = membership(SpotlightParams { min_weight: 0.1, normalise, ..Default::default() }, &table);
        let members: Vec<usize> = (0..500).filter(|&i| membership.row(i)[0] > 0.0).collect();
        assert!(members.len() >= 50, "{} members", members.len());
        let wrong = members.iter().filter(|&&i| table.planted[i] == 4).count();
        assert!(
            wrong as f64 > 0.95 * members.len() as f64,
            "{wrong} of {} members are in the cluster of errors",
            members.len()
        );
    }
}

/// Where no image is far from the others there is noise: the light has an end.
#[test]
fn images_out_of_the_light_are_noise() {
    let table = toy_slice_table(500, 10, 3);
    let membership = membership(SpotlightParams { n_slices: 1, ..Default::default() }, &table);
    let assignment = slicer::assignment(&membership);
    let n_noise = assignment.iter().filter(|&&slice| slice == -1).count();
    assert!((300..=490).contains(&n_noise), "{n_noise}");
    let brightest = membership.data().iter().copied().fold(0.0, f32::max);
    assert_eq!(brightest, 1.0);
}

#[test]
fn images_without_a_label_weigh_nothing_and_are_members_where_they_lie() {
    let mut table = toy_slice_table(500, 10, 3);
    let params = SpotlightParams { min_weight: 0.1, ..Default::default() };
    // Every fifth image is in the cluster of errors: half of these lose their label.
    let hidden: Vec<usize> = (4..500).step_by(10).collect();
    for &i in &hidden {
        (table.labels[i], table.losses[i]) = (-1, f32::NAN);
    }
    let membership = membership(params, &table);
    let n_members = hidden.iter().filter(|&&i| membership.row(i)[0] > 0.0).count();
    assert!(n_members > 25, "{n_members} of 50");
}

#[test]
fn without_labels_there_is_nothing_to_light() {
    let mut table = toy_slice_table(20, 3, 0);
    table.losses.fill(f32::NAN);
    let error = spotlight(SpotlightParams::default()).fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.code(), ascan_core::ErrorCode::Unsupported);
}

#[test]
fn embeddings_too_large_for_the_published_start_point_at_the_parameter() {
    let mut table = toy_slice_table(20, 3, 0);
    table.embeddings.data_mut().iter_mut().for_each(|value| *value += 1e4);
    let params = SpotlightParams { normalise: Normalise::None, ..Default::default() };
    let error = spotlight(params).fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.key(), Some("normalise"));
    assert!(spotlight(SpotlightParams::default()).fit(&table.view(), &Context::default()).is_ok());
}

#[test]
fn a_light_that_stays_wide_says_which_knob_to_turn() {
    let memory = Memory::default();
    let context = Context { reporter: &memory, ..Context::default() };
    let params = SpotlightParams { n_slices: 1, n_steps: 5, ..Default::default() };
    spotlight(params).fit(&toy_slice_table(200, 4, 0).view(), &context).unwrap();
    let warnings = memory.0.into_inner().unwrap();
    assert!(warnings.len() == 1 && warnings[0].contains("`learning_rate`"), "{warnings:?}");
}

#[test]
fn the_same_bits_at_any_number_of_threads_on_many_blocks() {
    let table = toy_slice_table(5_003, 6, 5);
    let params = SpotlightParams { n_slices: 2, n_steps: 50, ..Default::default() };
    let at = |n_threads| {
        let context = Context { n_threads, ..Context::default() };
        let model = spotlight(params.clone()).fit(&table.view(), &context).unwrap();
        model.membership(&table.view(), &context).unwrap()
    };
    let one = at(1);
    assert_eq!(at(2), one);
    assert_eq!(at(3), one);
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    SpotlightParams { n_slices: 0, min_weight: 0.7, learning_rate: f64::NAN, n_steps: 0, ..Default::default() }
        .check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_slices", "min_weight", "learning_rate", "n_steps"]);
}
