use super::*;
use crate::testing::{golden, numbers, table};
use ascan_core::testing::{Memory, ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use ascan_math::points::Normalise;
use serde_json::Value;

fn hdbscan(params: HdbscanParams) -> Hdbscan {
    Hdbscan::new(params).unwrap()
}

fn fit(params: HdbscanParams, table: &ToyTable, context: &Context) -> Tensor {
    hdbscan(params).fit(&table.view(), context).unwrap().membership(&table.view(), context).unwrap()
}

/// The same slices, under whatever numbers, and the same noise.
fn same_slices(ours: &[i32], theirs: &[i32], what: &str) {
    let mut pairs: Vec<(i32, i32)> = ours.iter().copied().zip(theirs.iter().copied()).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let distinct = |side: fn(&(i32, i32)) -> i32| {
        let mut side: Vec<i32> = pairs.iter().map(side).collect();
        side.sort_unstable();
        side.dedup();
        side.len()
    };
    let one_to_one = distinct(|p| p.0) == pairs.len() && distinct(|p| p.1) == pairs.len();
    let noise = pairs.iter().all(|&(a, b)| (a < 0) == (b < 0));
    assert!(one_to_one && noise, "{what}: (ours, theirs) {pairs:?}");
}

#[test]
fn conforms() {
    let small = HdbscanParams { min_cluster_size: 5, ..Default::default() };
    for params in [
        HdbscanParams::default(),
        HdbscanParams { selection: Selection::Leaf, epsilon: 0.5, ..small.clone() },
        HdbscanParams { allow_single_cluster: true, normalise: Normalise::L2, min_samples: 1, ..small },
    ] {
        check_slicer("hdbscan", &hdbscan(params));
    }
}

/// hdbscan 0.8.44 on the tables of `tests/golden/make_density.py`: slices, strengths, and those of
/// new images by the rule of `approximate_predict`.
#[test]
fn the_same_slices_as_hdbscan() {
    let golden = golden();
    let context = Context { n_threads: 2, ..Context::default() };
    for expected in golden["hdbscan"].as_array().unwrap() {
        let name = expected["table"].as_str().unwrap();
        let columns = &golden["tables"][name];
        let rows = numbers(&columns["rows"]);
        let d = rows.len() / columns["n"].as_u64().unwrap() as usize;
        let size = |key: &str| expected[key].as_u64().unwrap_or(0) as usize;
        let params = HdbscanParams {
            min_cluster_size: size("min_cluster_size"),
            min_samples: size("min_samples"),
            selection: match expected["cluster_selection_method"].as_str() {
                Some("leaf") => Selection::Leaf,
                _ => Selection::Eom,
            },
            epsilon: expected["cluster_selection_epsilon"].as_f64().unwrap_or(0.0),
            allow_single_cluster: expected["allow_single_cluster"].as_bool().unwrap_or(false),
            normalise: Normalise::None,
        };
        let fitted = table(rows, d);
        let model = hdbscan(params.clone()).fit(&fitted.view(), &context).unwrap();
        let check = |which: &str, table: &ToyTable, assignment: &Value, strength: &Value| {
            let what = format!("{which} of {name}, {params:?}");
            let membership = model.membership(&table.view(), &context).unwrap();
            let theirs: Vec<i32> = numbers(assignment).into_iter().map(|v| v as i32).collect();
            same_slices(&slicer::assignment(&membership), &theirs, &what);
            for (i, strength) in numbers(strength).into_iter().enumerate() {
                let ours = membership.row(i).iter().sum::<f32>();
                assert!((ours - strength).abs() < 2e-4, "{what}: strength of image {i}: {ours}, not {strength}");
            }
        };
        check("images", &fitted, &expected["assignment"], &expected["strength"]);
        if expected.get("new_assignment").is_some() {
            let new = table(numbers(&columns["new"]), d);
            check("new images", &new, &expected["new_assignment"], &expected["new_strength"]);
        }
    }
}

#[test]
fn planted_clusters_are_found_and_what_is_far_from_them_is_noise() {
    let mut planted = toy_slice_table(1_000, 10, 3);
    planted.embeddings.data_mut()[..10].fill(50.0);
    let membership = fit(HdbscanParams::default(), &planted, &Context::default());
    let found = slicer::assignment(&membership);
    let mut expected: Vec<i32> = planted.planted.iter().map(|&cluster| cluster as i32).collect();
    expected[0] = -1;
    let inside = |i: &usize| found[*i] >= 0 || *i == 0;
    let (ours, theirs): (Vec<i32>, Vec<i32>) = (0..1_000).filter(inside).map(|i| (found[i], expected[i])).unzip();
    assert!(ours.len() > 900, "{} images are in a slice", ours.len());
    same_slices(&ours, &theirs, "planted");
}

/// Slices of a wide mutual reachability do not depend on which components meet first: more rows than one block.
#[test]
fn the_same_bits_at_any_number_of_threads_on_many_blocks() {
    let table = toy_slice_table(3_001, 6, 5);
    let at = |n_threads| fit(HdbscanParams::default(), &table, &Context { n_threads, ..Context::default() });
    let one = at(1);
    assert_eq!(at(2), one);
    assert_eq!(at(5), one);
}

/// Prim's algorithm on all pairs.
#[test]
fn the_tree_is_minimal() {
    for (n, k) in [(900, 3), (700, 40), (2, 1), (1, 0)] {
        let embeddings = toy_slice_table(n, 4, 9).embeddings;
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(embeddings.view(), &rows, Normalise::None).unwrap();
        let pool = pool("hdbscan", &Context { n_threads: 2, ..Context::default() }).unwrap();
        let neighbours = ascan_math::knn::graph(&points, k, &pool, |_, _| Ok(())).unwrap();
        let sq_core: Vec<f32> = (0..n).map(|i| core_distance(&neighbours, i, neighbours.k)).collect();
        let edges = spanning_tree::spanning_tree(&points, &neighbours, &sq_core, &pool, |_, _| Ok(())).unwrap();
        let mut ours: Vec<f32> = edges.iter().map(|edge| edge.sq_weight).collect();

        let weight = |i: usize, j: usize| {
            ascan_math::tiles::sq_distance(points.row(i), points.row(j)).max(sq_core[i]).max(sq_core[j])
        };
        let mut least = vec![f32::INFINITY; n];
        let mut outside: Vec<usize> = (1..n).collect();
        let mut theirs = Vec::new();
        let mut last = 0;
        while !outside.is_empty() {
            outside.iter().for_each(|&i| least[i] = least[i].min(weight(i, last)));
            let at = (0..outside.len()).min_by(|&a, &b| least[outside[a]].total_cmp(&least[outside[b]])).unwrap();
            last = outside.swap_remove(at);
            theirs.push(least[last]);
        }
        ours.sort_by(f32::total_cmp);
        theirs.sort_by(f32::total_cmp);
        assert_eq!(ours, theirs, "n = {n}, k = {k}");
    }
}

#[test]
fn no_slice_is_said_with_the_knob_to_turn() {
    let memory = Memory::default();
    let context = Context { reporter: &memory, ..Context::default() };
    let membership = fit(HdbscanParams::default(), &toy_slice_table(20, 4, 0), &context);
    assert_eq!(membership.shape(), [20, 0]);
    assert!(memory.0.lock().unwrap()[0].contains("lower `min_cluster_size`"));
}

#[test]
fn parameters_out_of_range_are_named() {
    let keys = |params: HdbscanParams| -> Vec<String> {
        let mut problems = Problems::default();
        params.check(&mut problems);
        problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect()
    };
    let bad = HdbscanParams { min_cluster_size: 1, min_samples: 9_999, epsilon: -1.0, ..Default::default() };
    assert_eq!(keys(bad), ["min_cluster_size", "min_samples", "epsilon"]);
    assert_eq!(keys(HdbscanParams { min_cluster_size: 5_000, ..Default::default() }), ["min_samples"]);
}
