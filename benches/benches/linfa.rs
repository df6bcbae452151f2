//! linfa-clustering's methods beside the slicers of the same name, on identical seeded tables: what writing them here buys.
//!
//! `cargo bench -p ascan-benches --bench linfa`

use ascan_core::abi::Library;
use ascan_core::testing::{ToyTable, toy_slice_table};
use ascan_core::{Context, Slicer, slicer};
use ascan_plugins::LIBRARIES;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linfa::DatasetBase;
use linfa::traits::{Fit, Transformer};
use linfa_clustering::{Dbscan, GaussianMixtureModel, KMeans, Optics};
use ndarray::{Array2, ArrayView2};
use serde_json::{Value, json};

/// `[n, d]`: small, because the time of OPTICS grows with the square of n.
const SIZE: [usize; 2] = [4_000, 16];
const N_SLICES: usize = 5;
const N_ITERATIONS: usize = 20;
const EPS: f32 = 5.0;
const MIN_SAMPLES: usize = 10;

/// The slicer of ours with this name.
fn ours(name: &str, params: &Value) -> Box<dyn Slicer> {
    let libraries =
        LIBRARIES.iter().map(|&(_, entry)| Library::from_static(entry).expect("a library of this workspace"));
    let plugin = libraries.flat_map(|library| library.plugins().to_vec()).find(|plugin| plugin.name() == name);
    plugin.expect("a slicer of this workspace").slicer(params.as_object().expect("a table")).expect("good parameters")
}

/// Fits on two threads, and assigns.
fn assign(slicer: &dyn Slicer, table: &ToyTable) -> Vec<i32> {
    let context = Context { n_threads: 2, ..Context::default() };
    let fitted = slicer.fit(&table.view(), &context);
    let membership = fitted.and_then(|model| model.membership(&table.view(), &context));
    slicer::assignment(&membership.expect("a membership"))
}

fn beside(criterion: &mut Criterion) {
    let table = toy_slice_table(SIZE[0], SIZE[1], 0);
    let rows: Array2<f32> =
        ArrayView2::from_shape((SIZE[0], SIZE[1]), table.embeddings.data()).expect("its shape").to_owned();
    let dataset = DatasetBase::from(rows.clone());
    let means = json!({ "n_slices": N_SLICES, "n_init": 1, "max_iterations": N_ITERATIONS });
    let density = json!({ "eps": EPS, "min_samples": MIN_SAMPLES });

    // Both must do the same before it says anything how long they take.
    let slices = assign(&*ours("dbscan", &density), &table);
    let theirs = Dbscan::params(MIN_SAMPLES).tolerance(EPS).transform(&rows).expect("a clustering");
    let differing = slices.iter().zip(&theirs).filter(|(a, b)| (**a < 0) != b.is_none()).count();
    assert_eq!(differing, 0, "images are noise to one and not to the other");

    let mut group = criterion.benchmark_group("linfa");
    group.sample_size(10);
    let mut pair = |name: &str, params: &Value, linfa: &dyn Fn()| {
        let slicer = ours(name, params);
        group.bench_function(BenchmarkId::new(name, "ours"), |b| b.iter(|| assign(&*slicer, &table)));
        group.bench_function(BenchmarkId::new(name, "linfa"), |b| b.iter(linfa));
    };
    pair("kmeans", &means, &|| {
        let model = KMeans::params(N_SLICES).n_runs(1).max_n_iterations(N_ITERATIONS as u64).fit(&dataset);
        model.expect("a fit").transform(&rows);
    });
    pair("gmm", &means, &|| {
        let model =
            GaussianMixtureModel::params(N_SLICES).n_runs(1).max_n_iterations(N_ITERATIONS as u64).fit(&dataset);
        linfa::traits::Predict::predict(&model.expect("a fit"), &rows);
    });
    pair("dbscan", &density, &|| {
        Dbscan::params(MIN_SAMPLES).tolerance(EPS).transform(&rows).expect("a clustering");
    });
    pair("optics", &density, &|| {
        Optics::params(MIN_SAMPLES).tolerance(f32::INFINITY).transform(rows.view()).expect("an order");
    });
    group.finish();
}

criterion_group!(benches, beside);
criterion_main!(benches);
