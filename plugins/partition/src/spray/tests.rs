use super::*;
use ascan_core::testing::{ToyTable, check_slicer, toy_slice_table};
use ascan_core::{ErrorCode, Params, Problems};
use serde_json::Value;

fn spray(params: SprayParams) -> Spray {
    Spray::new(params).unwrap()
}

fn assign(params: SprayParams, table: &ToyTable, n_threads: usize) -> Vec<i32> {
    let context = Context { n_threads, ..Context::default() };
    let model = spray(params).fit(&table.view(), &context).unwrap();
    slicer::assignment(&model.membership(&table.view(), &context).unwrap())
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// Adjusted Rand index, by its definition (Hubert & Arabie 1985).
fn adjusted_rand_index(a: &[i32], b: &[i32]) -> f64 {
    let pairs = |n: usize| (n * n.saturating_sub(1)) as f64 / 2.0;
    let count = |at: &dyn Fn(usize) -> (i32, i32)| -> f64 {
        let mut counts = std::collections::BTreeMap::new();
        (0..a.len()).for_each(|i| *counts.entry(at(i)).or_insert(0) += 1);
        counts.values().map(|&n| pairs(n)).sum()
    };
    let (both, of_a, of_b) = (count(&|i| (a[i], b[i])), count(&|i| (a[i], 0)), count(&|i| (0, b[i])));
    let expected = of_a * of_b / pairs(a.len());
    (both - expected) / ((of_a + of_b) / 2.0 - expected)
}

#[test]
fn conforms() {
    for params in
        [SprayParams::default(), SprayParams { n_slices: 7, side: 3, normalise: Normalise::None, ..Default::default() }]
    {
        check_slicer("spray", &spray(params));
    }
}

/// scikit-learn 1.9.1, `SpectralClustering(affinity="nearest_neighbors")` on the maps of
/// `tests/golden/make_density.py`.
#[test]
fn the_same_slices_as_scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/density.json")).unwrap();
    let n = golden["maps"]["n"].as_u64().unwrap() as usize;
    let mut table = toy_slice_table(n, 1, 0);
    table.maps = Tensor::new([n, 7, 7], numbers(&golden["maps"]["rows"])).unwrap();
    for expected in golden["spectral"].as_array().unwrap() {
        let size = |key: &str| expected[key].as_u64().unwrap() as usize;
        let params =
            SprayParams { n_slices: size("n_slices"), n_neighbors: size("n_neighbours"), ..Default::default() };
        let theirs: Vec<i32> = numbers(&expected["assignment"]).into_iter().map(|v| v as i32).collect();
        let ari = adjusted_rand_index(&assign(params.clone(), &table, 2), &theirs);
        assert!(ari > 0.999, "{params:?}: ARI {ari}");
    }
    // The eigengap finds the four places.
    let places: Vec<i32> = numbers(&golden["maps"]["place"]).into_iter().map(|v| v as i32).collect();
    let found = assign(SprayParams::default(), &table, 2);
    let ari = adjusted_rand_index(&found, &places);
    assert!(ari > 0.95, "ARI with the places {ari}");
}

#[test]
fn the_eigengap_counts_the_planted_places_and_new_maps_join_theirs() {
    let table = toy_slice_table(300, 2, 3);
    let model = spray(SprayParams::default()).fit(&table.view(), &Context::default()).unwrap();
    assert_eq!(model.n_slices(), 5);
    let assign = |table: &ToyTable| slicer::assignment(&model.membership(&table.view(), &Context::default()).unwrap());
    let (fitted, other) = (assign(&table), toy_slice_table(100, 2, 9));
    for (i, slice) in assign(&other).into_iter().enumerate() {
        let same = (0..300).find(|&j| table.planted[j] == other.planted[i]).unwrap();
        assert_eq!(slice, fitted[same], "image {i}");
    }
}

#[test]
fn the_same_slices_at_any_number_of_threads_on_many_blocks() {
    let table = toy_slice_table(2_003, 1, 5);
    let one = assign(SprayParams::default(), &table, 1);
    assert_eq!(assign(SprayParams::default(), &table, 3), one);
}

#[test]
fn a_table_without_maps_is_refused_with_what_to_do() {
    let table = toy_slice_table(20, 2, 0);
    let without = SliceTable { maps: None, ..table.view() };
    let error = spray(SprayParams::default()).fit(&without, &Context::default()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.hint().unwrap().contains("keep the maps"));
}

#[test]
fn maps_that_are_no_numbers_are_refused() {
    let mut table = toy_slice_table(20, 2, 0);
    table.maps.data_mut()[3] = f32::NAN;
    let error = spray(SprayParams::default()).fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::NotFinite);
}

#[test]
fn parameters_out_of_range_are_named() {
    let bad = SprayParams { n_slices: 999, max_slices: 1, n_neighbors: 0, side: 0, n_init: 0, ..Default::default() };
    let mut problems = Problems::default();
    bad.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_slices", "max_slices", "n_neighbors", "side", "n_init"]);
}
