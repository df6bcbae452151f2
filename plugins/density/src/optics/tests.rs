use super::*;
use crate::testing::{assign, golden, golden_table, numbers, planted_clusters_are_found, slices};
use ascan_core::testing::{check_slicer, toy_slice_table};
use ascan_core::{Params, Problems};
use ascan_math::points::Normalise;
use serde_json::Value;

fn optics(eps: f64, max_eps: f64, min_samples: usize) -> Optics {
    Optics::new(OpticsParams { eps, max_eps, min_samples, ..Default::default() }).unwrap()
}

#[test]
fn conforms() {
    for (eps, max_eps, min_samples) in [(0.0, 0.0, 10), (3.0, 5.0, 4)] {
        check_slicer("optics", &optics(eps, max_eps, min_samples));
    }
}

/// scikit-learn 1.9.1: the slices, the order, the distances.
#[test]
fn the_same_slices_as_scikit_learn() {
    let golden = golden();
    for expected in golden["optics"].as_array().unwrap() {
        let (eps, min_samples) =
            (expected["eps"].as_f64().unwrap(), expected["min_samples"].as_u64().unwrap() as usize);
        let table = golden_table(&golden, expected["table"].as_str().unwrap());
        let found = assign(&optics(eps, 0.0, min_samples), &table, 2);
        assert_eq!(found, slices(&expected["assignment"]), "{}, {min_samples}", expected["table"]);

        let points = points(&table.view(), Normalise::None).unwrap();
        let pool = pool("optics", &Context::default()).unwrap();
        let sq_core = core_distances(&points, min_samples, &pool, &Context::default()).unwrap();
        let order = order(&points, &sq_core, f32::MAX, |_, _| Ok(())).unwrap();
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
fn without_eps_planted_clusters_are_found() {
    let table = toy_slice_table(800, 8, 3);
    planted_clusters_are_found(&table, &assign(&optics(0.0, 0.0, 10), &table, 2));
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    OpticsParams { eps: 2.0, max_eps: 1.0, min_samples: 1, ..Default::default() }.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["max_eps", "min_samples"]);
}
