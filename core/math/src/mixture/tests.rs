use super::*;
use crate::points::Normalise;
use ascan_core::TensorView;
use ascan_core::testing::toy_slice_table;
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use rayon::ThreadPoolBuilder;
use serde_json::Value;

/// scikit-learn 1.9.1 and domino 0.1.5, by `tests/golden/make_mixtures.py`.
fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../tests/golden/mixtures.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < tolerance * b.abs().max(1.0), "{what}[{i}]: {a}, reference {b}");
    }
}

fn threads(n: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(n).build().unwrap()
}

fn points(view: TensorView) -> Points {
    let rows: Vec<usize> = (0..view.n_rows()).collect();
    Points::to_fit(view, &rows, Normalise::None).unwrap()
}

fn settings(covariance: Covariance) -> Settings {
    Settings { covariance, reg_covar: 1e-6, max_iterations: 100, tolerance: 1e-4 }
}

#[test]
fn as_scikit_learn_from_the_same_start() {
    let golden = golden();
    let table: Vec<f32> = numbers(&golden["table"]).into_iter().map(|v| v as f32).collect();
    let start: Vec<usize> = numbers(&golden["start"]).into_iter().map(|v| v as usize).collect();
    let (n, d, k) = (start.len(), 4, 3);
    let points = points(TensorView::new(&[n, d], &table).unwrap());
    let data = Data { points: &points, columns: &[] };
    let pool = threads(1);
    for theirs in golden["gmm"].as_array().unwrap() {
        let covariance: Covariance = serde_json::from_value(theirs["covariance"].clone()).unwrap();
        let fit = fit(data, Responsibilities::one_hot(&start, k), &settings(covariance), &pool, |_, _| Ok(())).unwrap();
        assert!(fit.converged);
        assert_eq!(fit.log_likelihoods.len() as u64, theirs["n_iter"].as_u64().unwrap(), "{covariance:?}");
        let (responsibilities, score) = fit.mixture.responsibilities(data, &pool);
        close("log-likelihood", &[fit.log_likelihood()], &numbers(&theirs["log_likelihood"]), 1e-6);
        close("score", &[score], &numbers(&theirs["score"]), 1e-6);
        close("bic", &[fit.mixture.bic(n, score)], &numbers(&theirs["bic"]), 1e-6);
        close("weights", &fit.mixture.weights, &numbers(&theirs["weights"]), 1e-5);
        close("means", &fit.mixture.gaussians.means(), &numbers(&theirs["means"]), 1e-5);
        let mut covariances = fit.mixture.gaussians.covariances().to_vec();
        if covariance == Covariance::Full {
            for matrix in covariances.chunks_exact_mut(d * d) {
                (0..d).for_each(|i| (i + 1..d).for_each(|j| matrix[i * d + j] = matrix[j * d + i]));
            }
        }
        close("covariances", &covariances, &numbers(&theirs["covariances"]), 1e-5);
        let head: Vec<f64> =
            (0..8).flat_map(|i| (0..k).map(move |c| (i, c))).map(|(i, c)| responsibilities.get(i, c)).collect();
        close("membership", &head, &numbers(&theirs["membership_head"]), 1e-5);
    }
}

/// With fewer components than clusters, so that none collapses to where rounding and regularisation decide.
#[test]
fn the_likelihood_never_falls() {
    for covariance in [Covariance::Full, Covariance::Diagonal, Covariance::Spherical] {
        let table = toy_slice_table(700, 6, 4);
        let points = points(table.embeddings.view());
        let classes = table.labels.clone();
        let columns = [
            Column { values: Values::Classes(&classes), n_classes: 2, weight: 1.0 },
            // γ = 1 and hard values: what is maximised is a likelihood. (Soft values and other γ have no such law.)
            Column { values: Values::Classes(&table.predicted_classes), n_classes: 2, weight: 1.0 },
        ];
        for columns in [&columns[..], &[]] {
            let start =
                Responsibilities::from_fn(700, 4, |row, component| if row * 7 % 4 == component { 0.6 } else { 0.05 });
            let settings = Settings { tolerance: 0.0, max_iterations: 60, reg_covar: 0.0, covariance };
            let fit = fit(Data { points: &points, columns }, start, &settings, &threads(1), |_, _| Ok(())).unwrap();
            let lls = &fit.log_likelihoods;
            assert!(lls[lls.len() - 1] > lls[0] + 0.1, "{covariance:?}: nothing was learned: {lls:?}");
            for pair in lls.windows(2) {
                assert!(pair[1] >= pair[0] - 1e-9, "{covariance:?}: {pair:?}");
            }
        }
    }
}

/// Wider than a stripe and with chunks that are not full: the products by stripes against the definition.
#[test]
fn densities_are_those_of_the_definition() {
    let (n, d, k) = (300, 37, 2);
    let table = toy_slice_table(n, d, 8);
    let points = points(table.embeddings.view());
    let data = Data { points: &points, columns: &[] };
    let assignment: Vec<usize> = (0..n).map(|i| i % k).collect();
    for covariance in [Covariance::Full, Covariance::Diagonal, Covariance::Spherical] {
        let settings = Settings { max_iterations: 1, ..settings(covariance) };
        let fit = fit(data, Responsibilities::one_hot(&assignment, k), &settings, &threads(1), |_, _| Ok(())).unwrap();
        let gaussians = &fit.mixture.gaussians;
        let (means, covariances) = (gaussians.means(), gaussians.covariances());
        let mut out = vec![0.0; k * CHUNK];
        let last = (n - 1) / CHUNK;
        // Of weight 1, so that the logarithm is that of the density alone.
        let weights = vec![1.0; k];
        gaussians.log_densities(&points, last, &weights, &mut gaussians.scratch(), &mut out);
        for component in 0..k {
            let matrix = Mat::from_fn(d, d, |i, j| match covariance {
                Covariance::Full => covariances[component * d * d + i.max(j) * d + i.min(j)],
                _ if i != j => 0.0,
                Covariance::Diagonal => covariances[component * d + i],
                Covariance::Spherical => covariances[component],
            });
            let inverse = matrix.partial_piv_lu().inverse();
            for row in [last * CHUNK, n - 1] {
                let x: Vec<f64> =
                    (0..d).map(|j| f64::from(table.embeddings.row(row)[j]) - means[component * d + j]).collect();
                let form: f64 =
                    (0..d).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| x[i] * inverse[(i, j)] * x[j]).sum();
                let expected = -0.5 * (form + matrix.determinant().ln() + d as f64 * std::f64::consts::TAU.ln());
                let ours = out[component * CHUNK + row % CHUNK];
                assert!((ours - expected).abs() < 1e-3, "{covariance:?}: {ours}, by definition {expected}");
            }
        }
    }
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let table = toy_slice_table(20_011, 5, 6);
    let points = points(table.embeddings.view());
    let columns = [
        Column { values: Values::Classes(&table.labels), n_classes: 2, weight: 2.0 },
        Column { values: Values::Probs(table.probs.view()), n_classes: 2, weight: 2.0 },
    ];
    for covariance in [Covariance::Full, Covariance::Diagonal, Covariance::Spherical] {
        let at = |n_threads| {
            let settings = Settings { max_iterations: 5, ..settings(covariance) };
            let data = Data { points: &points, columns: &columns };
            let fit = fit_from_kmeans(data, 7, 2, 3, &settings, &threads(n_threads), |_, _| Ok(())).unwrap();
            let (responsibilities, score) = fit.mixture.responsibilities(data, &threads(n_threads));
            (score.to_bits(), responsibilities.membership(&[0, 1, 2, 3, 4, 5, 6]))
        };
        let one = at(1);
        assert!(at(2) == one && at(3) == one, "{covariance:?}");
    }
}

#[test]
fn unknown_classes_say_nothing() {
    let table = toy_slice_table(400, 3, 2);
    let points = points(table.embeddings.view());
    let unknown = vec![-1; 400];
    let fit_with = |columns: &[Column]| {
        let data = Data { points: &points, columns };
        let fit = fit_from_kmeans(data, 5, 1, 0, &settings(Covariance::Diagonal), &threads(1), |_, _| Ok(())).unwrap();
        fit.mixture.weights
    };
    let column = Column { values: Values::Classes(&unknown), n_classes: 2, weight: 4.0 };
    assert_eq!(fit_with(&[column]), fit_with(&[]));
}
