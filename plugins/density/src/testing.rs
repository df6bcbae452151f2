//! The tables of `tests/golden/make_density.py`, and what else tests of several methods need.

use ascan_core::testing::{ToyTable, toy_slice_table};
use ascan_core::{Context, Slicer, Tensor, slicer};
use serde_json::Value;

/// Fits and assigns.
pub fn assign(slicer: &dyn Slicer, table: &ToyTable, n_threads: usize) -> Vec<i32> {
    let context = Context { n_threads, ..Context::default() };
    let model = slicer.fit(&table.view(), &context).unwrap();
    slicer::assignment(&model.membership(&table.view(), &context).unwrap())
}

/// All that the script wrote.
pub fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/density.json")).unwrap()
}

/// A list of numbers.
pub fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// A list of slices.
pub fn slices(value: &Value) -> Vec<i32> {
    numbers(value).into_iter().map(|v| v as i32).collect()
}

/// A table of these embeddings; the other columns do not matter.
pub fn table(embeddings: Vec<f32>, d: usize) -> ToyTable {
    let n = embeddings.len() / d;
    ToyTable { embeddings: Tensor::new([n, d], embeddings).unwrap(), ..toy_slice_table(n, 1, 0) }
}

/// A table of the script.
pub fn golden_table(golden: &Value, name: &str) -> ToyTable {
    let columns = &golden["tables"][name];
    let rows = numbers(&columns["rows"]);
    let d = rows.len() / columns["n"].as_u64().unwrap() as usize;
    table(rows, d)
}

/// Asserts that each slice lies in one planted cluster, that each cluster has one, and that a fifth is noise at most.
pub fn planted_clusters_are_found(table: &ToyTable, found: &[i32]) {
    assert!(found.iter().filter(|&&slice| slice < 0).count() < 160, "a fifth is noise");
    for (slice, planted) in found.iter().zip(&table.planted).filter(|(slice, _)| **slice >= 0) {
        let first = found.iter().position(|other| other == slice).unwrap();
        assert_eq!(table.planted[first], *planted);
    }
    assert_eq!(found.iter().max(), Some(&4));
}
