use super::*;
use ascan_core::testing::{check_slicer, toy_slice_table};
use ascan_core::{Params, Problems};
use serde_json::Value;

/// domino 0.1.5, by `tests/golden/make_mixtures.py`.
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
        assert!((a - b).abs() < tolerance, "{what}[{i}]: {a}, published {b}");
    }
}

fn domino(params: DominoParams) -> Domino {
    Domino::new(params).unwrap()
}

#[test]
fn conforms() {
    check_slicer("domino", &domino(DominoParams::default()));
    check_slicer("domino", &domino(DominoParams { n_pca_components: 0, n_components: 7, ..Default::default() }));
    check_slicer(
        "domino",
        &domino(DominoParams { n_pca_components: 3, n_components: 2, n_slices: 2, ..Default::default() }),
    );
}

#[test]
fn as_the_published_mixture_from_the_same_start() {
    let golden = golden();
    let table: Vec<f32> = numbers(&golden["table"]).into_iter().map(|v| v as f32).collect();
    let labels: Vec<i32> = numbers(&golden["domino"]["labels"]).into_iter().map(|v| v as i32).collect();
    let probs: Vec<f32> =
        numbers(&golden["domino"]["p1"]).into_iter().flat_map(|p| [(1.0 - p) as f32, p as f32]).collect();
    let noise = numbers(&golden["domino"]["noise"]);
    let n = labels.len();
    let (shape, probs_shape) = ([n, 4], [n, 2]);
    let embeddings = TensorView::new(&shape, &table).unwrap();
    let probs = TensorView::new(&probs_shape, &probs).unwrap();
    let losses = vec![0.0; n];
    let table =
        SliceTable { embeddings, labels: &labels, predicted_classes: &labels, probs, losses: &losses, maps: None };
    let context = Context::default();
    let pool = pool("domino", &context).unwrap();
    let params = DominoParams { label_weight: 2.0, prediction_weight: 3.0, ..Default::default() };
    for theirs in golden["domino"]["fits"].as_array().unwrap() {
        let n_dims = theirs["n_pca_components"].as_u64().unwrap() as usize;
        let projection = (n_dims > 0).then(|| {
            let params = PcaParams { n_dims, ..PcaParams::default() };
            Pca::new(params).unwrap().fit(embeddings, &context).unwrap()
        });
        let projected = project(projection.as_deref(), embeddings, &context).unwrap();
        let rows: Vec<usize> = (0..n).collect();
        let view = projected.as_ref().map_or(embeddings, Tensor::view);
        let points = Points::to_fit(view, &rows, Normalise::None).unwrap();
        let mut noise = noise.iter().map(|v| 0.2 * v / 1000.0);
        let start = algorithm::start(&labels, probs, 6, || noise.next().unwrap());
        let columns = algorithm::columns(&table, 2, params.weights());
        let data = Data { points: &points, columns: &columns };
        let fit = mixture::fit(data, start, &params.settings(), &pool, |_, _| Ok(())).unwrap();
        assert_eq!(fit.log_likelihoods.len() as u64, theirs["n_iter"].as_u64().unwrap());
        close("log-likelihood", &[fit.log_likelihood()], &numbers(&theirs["log_likelihood"]), 1e-5);
        close("weights", &fit.mixture.weights, &numbers(&theirs["weights"]), 1e-4);
        for (column, name) in ["y_probs", "y_hat_probs"].into_iter().enumerate() {
            let ours: Vec<f64> = (0..6).flat_map(|c| fit.mixture.categoricals[column].probs(c)).copied().collect();
            close(name, &ours, &numbers(&theirs[name]), 1e-4);
        }
        let slices = algorithm::worst(&fit.mixture, 3);
        let theirs_slices: Vec<usize> = numbers(&theirs["slices"]).into_iter().map(|v| v as usize).collect();
        assert_eq!(slices, theirs_slices);
        let (responsibilities, _) = fit.mixture.responsibilities(data, &pool);
        let head: Vec<f64> = responsibilities.membership(&slices).data()[..60].iter().map(|&v| f64::from(v)).collect();
        close("membership", &head, &numbers(&theirs["membership_head"]), 1e-3);
    }
}

/// The model errs in one of five clusters: that cluster is the first slice.
#[test]
fn the_cluster_of_errors_leads() {
    let table = toy_slice_table(600, 8, 1);
    let other = toy_slice_table(300, 8, 2);
    let context = Context::default();
    let model = domino(DominoParams { n_slices: 1, n_components: 8, ..Default::default() })
        .fit(&table.view(), &context)
        .unwrap();
    let membership = model.membership(&other.view(), &context).unwrap();
    let found = ascan_core::slicer::assignment(&membership);
    let hits = found.iter().filter(|&&slice| slice == 0).count();
    let right = found.iter().zip(&other.planted).filter(|&(&slice, &planted)| slice == 0 && planted == 4).count();
    assert!(hits >= 20 && right == hits, "{right} of {hits} are in the cluster of errors");
}

#[test]
fn more_cells_than_components_start_from_the_heaviest() {
    // cells (0, 0): 3 images, (1, 1): 1, (2, 0): 2
    let labels = [0, 0, 0, 1, 2, 2];
    let probs: Vec<f32> =
        [0, 0, 0, 1, 0, 0].iter().flat_map(|&c| (0..3).map(move |j| f32::from(u8::from(j == c)))).collect();
    let start = algorithm::start(&labels, TensorView::new(&[6, 3], &probs).unwrap(), 2, || 0.0);
    let shares = |row| [start.get(row, 0), start.get(row, 1)];
    assert_eq!(shares(0), [1.0, 0.0]);
    assert_eq!(shares(4), [0.0, 1.0]);
    assert_eq!(shares(3), [0.5, 0.5], "an image of another cell is shared");
}

#[test]
fn without_labels_there_is_no_gap() {
    let mut table = toy_slice_table(30, 4, 0);
    table.labels.fill(-1);
    let error = domino(DominoParams::default()).fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.code(), ascan_core::ErrorCode::Unsupported);
    assert!(error.hint().unwrap().contains("gmm"));
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    DominoParams { n_slices: 30, label_weight: -1.0, confusion_noise: f64::NAN, reg_covar: -1.0, ..Default::default() }
        .check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_slices", "label_weight", "confusion_noise", "reg_covar"]);
}
