use super::*;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems};
use serde_json::Value;

fn dbscan(eps: f64, min_samples: usize) -> Dbscan {
    Dbscan::new(DbscanParams { eps, min_samples, ..Default::default() }).unwrap()
}

fn optics(eps: f64, max_eps: f64, min_samples: usize) -> Optics {
    Optics::new(OpticsParams { eps, max_eps, min_samples, ..Default::default() }).unwrap()
}

fn assign(slicer: &dyn Slicer, table: &ToyTable, n_threads: usize) -> Vec<i32> {
    let context = Context { n_threads, ..Context::default() };
    let model = slicer.fit(&table.view(), &context).unwrap();
    slicer::assignment(&model.membership(&table.view(), &context).unwrap())
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/density.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn slices(value: &Value) -> Vec<i32> {
    numbers(value).into_iter().map(|v| v as i32).collect()
}

/// A table of `tests/golden/make_density.py`.
fn table(golden: &Value, name: &str) -> ToyTable {
    let columns = &golden["tables"][name];
    let n = columns["n"].as_u64().unwrap() as usize;
    let rows = numbers(&columns["rows"]);
    ToyTable { embeddings: Tensor::new([n, rows.len() / n], rows).unwrap(), ..toy_slice_table(n, 1, 0) }
}

#[test]
fn dbscan_conforms() {
    for (eps, min_samples) in [(0.0, 10), (3.0, 4), (0.5, 1)] {
        check_slicer("dbscan", &dbscan(eps, min_samples));
    }
    check_slicer("dbscan", &Dbscan::new(DbscanParams { normalise: Normalise::L2, ..Default::default() }).unwrap());
}

#[test]
fn optics_conforms() {
    for (eps, max_eps, min_samples) in [(0.0, 0.0, 10), (3.0, 5.0, 4)] {
        check_slicer("optics", &optics(eps, max_eps, min_samples));
    }
}

/// scikit-learn 1.9.1, the numbers of the slices included.
#[test]
fn the_same_slices_as_scikit_learn_dbscan() {
    let golden = golden();
    for expected in golden["dbscan"].as_array().unwrap() {
        let (eps, min_samples) = (expected["eps"].as_f64().unwrap(), expected["min_samples"].as_u64().unwrap());
        let table = table(&golden, expected["table"].as_str().unwrap());
        let found = assign(&dbscan(eps, min_samples as usize), &table, 2);
        assert_eq!(found, slices(&expected["assignment"]), "{}, eps {eps}", expected["table"]);
    }
}

/// scikit-learn 1.9.1: the slices, the order, the distances.
#[test]
fn the_same_slices_as_scikit_learn_optics() {
    let golden = golden();
    for expected in golden["optics"].as_array().unwrap() {
        let (eps, min_samples) =
            (expected["eps"].as_f64().unwrap(), expected["min_samples"].as_u64().unwrap() as usize);
        let table = table(&golden, expected["table"].as_str().unwrap());
        let found = assign(&optics(eps, 0.0, min_samples), &table, 2);
        assert_eq!(found, slices(&expected["assignment"]), "{}, {min_samples}", expected["table"]);

        let points = points(&table.view(), Normalise::None).unwrap();
        let pool = pool("optics", &Context::default()).unwrap();
        let sq_core = core_distances(&points, min_samples, &pool, &Context::default()).unwrap();
        let order = optics::order(&points, &sq_core, f32::MAX, |_, _| Ok(())).unwrap();
        assert_eq!(order.rows.iter().map(|&row| row as i32).collect::<Vec<_>>(), slices(&expected["ordering"]));
        let same = |ours: &[f32], theirs: &Value| {
            for (ours, theirs) in ours.iter().zip(numbers(theirs)) {
                let ours = if ours.is_finite() { ours.sqrt() } else { -1.0 };
                assert!((ours - theirs).abs() < 2e-4, "{ours}, {theirs}");
            }
        };
        same(&sq_core, &expected["core"]);
        same(&order.sq_reachability, &expected["reachability"]);
    }
}

#[test]
fn the_same_slices_at_any_number_of_threads_on_many_blocks() {
    let table = toy_slice_table(2_003, 3, 5);
    let slicer = dbscan(0.7, 5);
    let one = assign(&slicer, &table, 1);
    assert!(one.contains(&-1) && one.contains(&1));
    assert_eq!(assign(&slicer, &table, 2), one);
    assert_eq!(assign(&slicer, &table, 5), one);
}

#[test]
fn without_eps_planted_clusters_are_found() {
    let table = toy_slice_table(800, 8, 3);
    for found in [assign(&dbscan(0.0, 10), &table, 2), assign(&optics(0.0, 0.0, 10), &table, 2)] {
        assert!(found.iter().filter(|&&slice| slice < 0).count() < 160, "a fifth is noise");
        for (slice, planted) in found.iter().zip(&table.planted).filter(|(slice, _)| **slice >= 0) {
            let first = found.iter().position(|other| other == slice).unwrap();
            assert_eq!(table.planted[first], *planted);
        }
        assert_eq!(found.iter().max(), Some(&4));
    }
}

#[test]
fn a_new_image_joins_the_nearest_core_within_eps() {
    let fitted = ToyTable {
        embeddings: Tensor::new([6, 1], vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0]).unwrap(),
        ..toy_slice_table(6, 1, 0)
    };
    let new =
        ToyTable { embeddings: Tensor::new([4, 1], vec![1.9, 3.2, 11.4, 9.2]).unwrap(), ..toy_slice_table(4, 1, 0) };
    // Cores are 1 and 11.
    let context = Context::default();
    let model = dbscan(1.5, 3).fit(&fitted.view(), &context).unwrap();
    let membership = model.membership(&new.view(), &context).unwrap();
    assert_eq!(slicer::assignment(&membership), [0, -1, 1, -1]);
}

#[test]
fn parameters_out_of_range_are_named() {
    let keys = |problems: Problems| -> Vec<String> {
        problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect()
    };
    let mut problems = Problems::default();
    DbscanParams { eps: -1.0, min_samples: 0, ..Default::default() }.check(&mut problems);
    OpticsParams { eps: 2.0, max_eps: 1.0, min_samples: 1, ..Default::default() }.check(&mut problems);
    assert_eq!(keys(problems), ["eps", "min_samples", "max_eps", "min_samples"]);
}
