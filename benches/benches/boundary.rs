//! What a call across the plugin boundary costs, beside the same call in Rust.
//!
//! `cargo bench -p ascan-benches --bench boundary`

use ascan_baseline::ConfusionMatrix;
use ascan_benches::table;
use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::{Context, Plugin, Slicer};
use criterion::{Criterion, criterion_group, criterion_main};

fn call(criterion: &mut Criterion) {
    // A table so small that the call itself is what is measured.
    let table = table([4, 2]);
    let context = Context::default();
    let library = Library::from_static(ascan_baseline::ascan_library).expect("a library of this workspace");
    let foreign = library.plugins()[0].slicer(&ParamMap::new()).expect("no parameters");
    let native = ConfusionMatrix::new(Default::default()).expect("no parameters");
    let mut group = criterion.benchmark_group("fit of 4 rows");
    group.bench_function("native", |b| b.iter(|| native.fit(&table.view(), &context).expect("a fit").n_slices()));
    group.bench_function("foreign", |b| b.iter(|| foreign.fit(&table.view(), &context).expect("a fit").n_slices()));
    group.finish();
}

criterion_group!(benches, call);
criterion_main!(benches);
