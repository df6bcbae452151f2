use super::*;
use crate::testing::inertia;
use ascan_core::testing::{Memory, ToyTable, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use ascan_math::points::Normalise;

fn kmeans(params: KMeansParams) -> KMeans {
    KMeans::new(params).unwrap()
}

fn k(n_slices: usize) -> KMeansParams {
    KMeansParams { n_slices, ..Default::default() }
}

/// Fits and assigns.
fn assign(params: KMeansParams, table: &ToyTable, context: &Context) -> Vec<i32> {
    let model = kmeans(params).fit(&table.view(), context).unwrap();
    slicer::assignment(&model.membership(&table.view(), context).unwrap())
}

#[test]
fn conforms() {
    for normalise in [Normalise::None, Normalise::L2] {
        check_slicer("kmeans", &kmeans(KMeansParams { normalise, ..k(7) }));
    }
}

#[test]
fn planted_clusters_are_found() {
    let table = toy_slice_table(500, 10, 3);
    let found = assign(k(5), &table, &Context::default());
    for i in 0..500 {
        for j in 0..i {
            assert_eq!(found[i] == found[j], table.planted[i] == table.planted[j], "images {i} and {j}");
        }
    }
}

/// scikit-learn 1.9.1, `KMeans(k, n_init=4, random_state=0)` on the same table.
#[test]
fn as_tight_as_scikit_learn() {
    let table = toy_slice_table(600, 10, 7);
    for (n_slices, theirs) in [(5, 5_835.578_19), (20, 4_575.899_77), (40, 3_834.668_90)] {
        let ours = inertia(&table, &assign(k(n_slices), &table, &Context::default()));
        assert!(ours < 1.01 * theirs, "k = {n_slices}: {ours}, scikit-learn {theirs}");
    }
}

#[test]
fn the_same_bits_at_any_number_of_threads_on_many_blocks() {
    let table = toy_slice_table(20_011, 6, 5);
    let at = |n_threads| {
        let context = Context { n_threads, ..Context::default() };
        kmeans(KMeansParams { n_init: 2, ..k(12) }).fit(&table.view(), &context).unwrap();
        assign(KMeansParams { n_init: 2, ..k(12) }, &table, &context)
    };
    let one = at(1);
    assert_eq!(at(2), one);
    assert_eq!(at(3), one);
}

#[test]
fn fewer_distinct_images_than_slices_give_fewer_slices_and_a_warning() {
    let table = toy_slice_table(30, 4, 0).rows(&[0, 1, 2, 0, 1, 2, 2, 2]);
    let memory = Memory::default();
    let context = Context { reporter: &memory, ..Context::default() };
    let model = kmeans(k(40)).fit(&table.view(), &context).unwrap();
    assert_eq!(model.n_slices(), 3);
    let warnings = memory.0.into_inner().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("3 slices instead of 40"), "{warnings:?}");
}

#[test]
fn only_directions_count_after_l2() {
    let mut table = toy_slice_table(200, 6, 1);
    let params = KMeansParams { normalise: Normalise::L2, ..k(5) };
    let before = assign(params.clone(), &table, &Context::default());
    for (i, row) in table.embeddings.data_mut().chunks_mut(6).enumerate() {
        row.iter_mut().for_each(|v| *v *= [0.25, 1.0, 8.0][i % 3]);
    }
    assert_eq!(assign(params, &table, &Context::default()), before);
}

/// One restart of Lloyd on a table whose seeds leave a cluster empty must still use every slice.
#[test]
fn no_slice_stays_empty_while_images_differ() {
    let table = toy_slice_table(300, 3, 11);
    for seed in 0..20 {
        let context = Context { seed, ..Context::default() };
        let assignment = assign(KMeansParams { n_init: 1, ..k(60) }, &table, &context);
        let mut used: Vec<i32> = assignment;
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), 60, "seed {seed}");
    }
}

#[test]
fn values_too_large_to_square_are_an_error() {
    let mut table = toy_slice_table(20, 3, 0);
    table.embeddings.data_mut()[4] = 1e30;
    let error = kmeans(k(2)).fit(&table.view(), &Context::default()).err().unwrap();
    assert_eq!(error.code(), ascan_core::ErrorCode::NotFinite);
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    KMeansParams { n_slices: 0, n_init: 0, max_iterations: 0, tolerance: f64::NAN, ..Default::default() }
        .check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_slices", "n_init", "max_iterations", "tolerance"]);
}
