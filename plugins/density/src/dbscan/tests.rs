use super::*;
use crate::testing::{assign, golden, golden_table, planted_clusters_are_found, slices, table};
use ascan_core::testing::{check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use ascan_math::points::Normalise;

fn dbscan(eps: f64, min_samples: usize) -> Dbscan {
    Dbscan::new(DbscanParams { eps, min_samples, ..Default::default() }).unwrap()
}

#[test]
fn conforms() {
    for (eps, min_samples) in [(0.0, 10), (3.0, 4), (0.5, 1)] {
        check_slicer("dbscan", &dbscan(eps, min_samples));
    }
    check_slicer("dbscan", &Dbscan::new(DbscanParams { normalise: Normalise::L2, ..Default::default() }).unwrap());
}

/// scikit-learn 1.9.1, the numbers of the slices included.
#[test]
fn the_same_slices_as_scikit_learn() {
    let golden = golden();
    for expected in golden["dbscan"].as_array().unwrap() {
        let (eps, min_samples) = (expected["eps"].as_f64().unwrap(), expected["min_samples"].as_u64().unwrap());
        let table = golden_table(&golden, expected["table"].as_str().unwrap());
        let found = assign(&dbscan(eps, min_samples as usize), &table, 2);
        assert_eq!(found, slices(&expected["assignment"]), "{}, eps {eps}", expected["table"]);
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
    planted_clusters_are_found(&table, &assign(&dbscan(0.0, 10), &table, 2));
}

#[test]
fn a_new_image_joins_the_nearest_core_within_eps() {
    let fitted = table(vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0], 1);
    let new = table(vec![1.9, 3.2, 11.4, 9.2], 1);
    // Cores are 1 and 11.
    let context = Context::default();
    let model = dbscan(1.5, 3).fit(&fitted.view(), &context).unwrap();
    let membership = model.membership(&new.view(), &context).unwrap();
    assert_eq!(slicer::assignment(&membership), [0, -1, 1, -1]);
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    DbscanParams { eps: -1.0, min_samples: 0, ..Default::default() }.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["eps", "min_samples"]);
}
