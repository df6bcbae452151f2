use super::*;
use crate::points::testing::points;
use crate::pool;
use ascan_core::testing::toy_slice_table;
use ascan_core::{Context, Error, Tensor};
use serde_json::Value;

const SETTINGS: Settings =
    Settings { alpha: 0.2, kernel: Kernel::Rbf, gamma: None, n_neighbors: 10, max_iter: 100, tol: 1e-6, seed: 3 };

fn threads(n_threads: usize) -> ThreadPool {
    pool("label_spreading", &Context { n_threads, ..Context::default() }).unwrap()
}

fn run(points: &Points, labels: &[Option<usize>], n_labels: usize, settings: &Settings, n_threads: usize) -> Spread {
    let pool = threads(n_threads);
    let similarity = Similarity::new(points, settings, &pool, |_, _| Ok(())).unwrap();
    let is_rbf = similarity.kernel().0 == Kernel::Rbf;
    assert_eq!((is_rbf, similarity.kernel().1.is_some()), (settings.kernel != Kernel::Knn, is_rbf));
    similarity.spread(labels, n_labels, settings, |_, _| Ok(())).unwrap()
}

/// Planted clusters of a toy table.
const N_LABELS: usize = 5;

/// A table with every seventh row labelled by its planted cluster.
fn toy(n: usize) -> (Points, Vec<Option<usize>>, Vec<usize>) {
    let table = toy_slice_table(n, 5, 4);
    let labels = table.planted.iter().enumerate().map(|(i, &label)| (i % 7 == 0).then_some(label)).collect();
    (points(table.embeddings.view()), labels, table.planted)
}

/// scikit-learn 1.9.1, by `tests/golden/make_spreading.py`.
#[test]
fn the_same_shares_as_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/spreading.json")).unwrap();
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let table: Vec<f32> = numbers(&golden["table"]).into_iter().map(|v| v as f32).collect();
    let labels = golden["labels"].as_array().unwrap();
    let labels: Vec<Option<usize>> = labels.iter().map(|v| v.as_u64().map(|v| v as usize)).collect();
    let points = points(Tensor::new([labels.len(), table.len() / labels.len()], table).unwrap().view());
    for run_of in golden["runs"].as_array().unwrap() {
        let settings = Settings {
            alpha: run_of["alpha"].as_f64().unwrap(),
            kernel: serde_json::from_value(run_of["kernel"].clone()).unwrap(),
            gamma: run_of["gamma"].as_f64(),
            n_neighbors: run_of["n_neighbors"].as_u64().unwrap_or(1) as usize,
            max_iter: 1_000,
            tol: 1e-9,
            seed: 0,
        };
        let found = run(&points, &labels, 3, &settings, 2);
        assert!(found.converged, "{settings:?}");
        for (at, (ours, theirs)) in found.shares.iter().zip(numbers(&run_of["shares"])).enumerate() {
            assert!((ours - theirs).abs() < 1e-4, "{settings:?}: share {at} is {ours}, scikit-learn's {theirs}");
        }
    }
}

/// `F = (1 − α)(I − αS)⁻¹ Y`: the result does not change in another step.
#[test]
fn the_result_is_the_closed_form() {
    let (points, labels, _) = toy(300);
    let gamma = gamma(&points, 10, &threads(1));
    let kernel = |i: usize, j: usize| {
        if i == j { 0.0 } else { (-gamma * f64::from(crate::tiles::sq_distance(points.row(i), points.row(j)))).exp() }
    };
    let degrees: Vec<f64> = (0..300).map(|i| (0..300).map(|j| kernel(i, j)).sum()).collect();
    let matrix = faer::Mat::from_fn(300, 300, |i, j| {
        f64::from(u8::from(i == j)) - 0.9 * kernel(i, j) / (degrees[i] * degrees[j]).sqrt()
    });
    let own = faer::Mat::from_fn(300, N_LABELS, |i, label| f64::from(u8::from(labels[i] == Some(label))));
    use faer::linalg::solvers::Solve;
    let closed = matrix.partial_piv_lu().solve(&own);
    let settings = Settings { alpha: 0.9, tol: 1e-8, max_iter: 1_000, ..SETTINGS };
    let found = run(&points, &labels, N_LABELS, &settings, 2);
    for i in 0..300 {
        let sum: f64 = (0..N_LABELS).map(|label| closed[(i, label)]).sum();
        for label in 0..N_LABELS {
            let expected = closed[(i, label)] / sum;
            assert!((found.shares[i * N_LABELS + label] - expected).abs() < 1e-4, "row {i}: {expected}");
        }
    }
}

#[test]
fn most_rows_get_the_label_of_their_cluster() {
    let (points, labels, planted) = toy(800);
    for kernel in [Kernel::Rbf, Kernel::Knn] {
        let found = run(&points, &labels, N_LABELS, &Settings { kernel, ..SETTINGS }, 2);
        let best = |i: usize| {
            (0..N_LABELS)
                .max_by(|&a, &b| found.shares[i * N_LABELS + a].total_cmp(&found.shares[i * N_LABELS + b]))
                .unwrap()
        };
        let right = (0..800).filter(|&i| best(i) == planted[i]).count();
        assert!(right > 760, "{kernel:?}: {right} of 800");
        assert!((0..800).all(|i| (found.shares[i * N_LABELS..][..N_LABELS].iter().sum::<f64>() - 1.0).abs() < 1e-9));
    }
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let (points, labels, _) = toy(1_300);
    for kernel in [Kernel::Rbf, Kernel::Knn] {
        let settings = Settings { kernel, ..SETTINGS };
        let one = run(&points, &labels, N_LABELS, &settings, 1);
        for n_threads in [2, 5] {
            assert_eq!(run(&points, &labels, N_LABELS, &settings, n_threads), one);
        }
    }
}

#[test]
fn what_no_label_reaches_has_no_share() {
    // Two groups of three, so far apart that the kernel between them is zero.
    let points = points(Tensor::new([6, 1], vec![0.0, 1.0, 2.0, 1e4, 1e4 + 1.0, 1e4 + 2.0]).unwrap().view());
    let labels = [Some(1), None, None, None, None, None];
    for (kernel, gamma) in [(Kernel::Rbf, Some(1.0)), (Kernel::Knn, None)] {
        let found = run(&points, &labels, 2, &Settings { kernel, gamma, n_neighbors: 2, ..SETTINGS }, 1);
        assert_eq!(found.shares, [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]].concat());
    }
}

#[test]
fn little_is_enough_and_nothing_is_no_error() {
    for n in [0, 1, 2] {
        let points = points(Tensor::zeros([n, 2]).view());
        for kernel in [Kernel::Auto, Kernel::Knn] {
            let found = run(&points, &vec![None; n], 2, &Settings { kernel, ..SETTINGS }, 1);
            assert_eq!(found.shares, vec![0.0; 2 * n]);
        }
    }
}

#[test]
fn a_stop_is_heard() {
    let (points, labels, _) = toy(40);
    for kernel in [Kernel::Rbf, Kernel::Knn] {
        let settings = Settings { kernel, ..SETTINGS };
        let pool = threads(1);
        assert!(Similarity::new(&points, &settings, &pool, |_, _| Err(Error::Cancelled)).is_err());
        let similarity = Similarity::new(&points, &settings, &pool, |_, _| Ok(())).unwrap();
        assert!(similarity.spread(&labels, N_LABELS, &settings, |_, _| Err(Error::Cancelled)).is_err());
    }
}
