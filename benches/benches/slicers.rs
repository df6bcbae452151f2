//! Slicers and projectors side by side on identical seeded tables.
//!
//! `cargo bench -p ascan-benches --bench slicers`

use ascan_benches::{SIZES, name, table};
use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::{Context, Kind};
use ascan_plugins::LIBRARIES;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;

/// Parameters that differ from the defaults.
fn params(plugin: &str) -> ParamMap {
    let params = match plugin {
        // 20 clusters, 20 iterations, one start: the sizes of the published comparison.
        "kmeans" => json!({ "n_slices": 20, "max_iterations": 20, "n_init": 1, "tolerance": 0.0 }),
        _ => json!({}),
    };
    params.as_object().cloned().unwrap_or_default()
}

fn methods(criterion: &mut Criterion) {
    let context = Context { n_threads: 2, ..Context::default() };
    let mut group = criterion.benchmark_group("fit");
    group.sample_size(10);
    for size in SIZES {
        let table = table(size);
        for &(_, entry) in LIBRARIES {
            for plugin in Library::from_static(entry).expect("a library of this workspace").plugins() {
                let id = BenchmarkId::new(plugin.name(), name(size));
                let params = params(plugin.name());
                match plugin.kind() {
                    Kind::Slicer => {
                        let slicer = plugin.slicer(&params).expect("good parameters");
                        // One that needs what these tables lack, as maps or a command, says so and is left out.
                        if let Err(error) = slicer.fit(&table.view(), &context) {
                            println!("fit/{}: {error}", plugin.name());
                            continue;
                        }
                        group.bench_function(id, |b| b.iter(|| slicer.fit(&table.view(), &context).expect("a fit")));
                    }
                    Kind::Projector => {
                        let projector = plugin.projector(&params).expect("good parameters");
                        let embeddings = table.embeddings.view();
                        group.bench_function(id, |b| b.iter(|| projector.fit(embeddings, &context).expect("a fit")));
                    }
                    _ => {}
                }
            }
        }
    }
    group.finish();
}

criterion_group!(benches, methods);
criterion_main!(benches);
