//! Integrated gradients through burn on a model of your own, to set beside `torch_ig.py`.
//!
//! `ASCAN_BENCH_MODEL=resnet18.onnx cargo bench -p ascan-benches --bench burn`

use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::testing::toy_images;
use ascan_core::{AttributionBatch, Context, OpenModel};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;

fn integrated_gradients(criterion: &mut Criterion) {
    let Some(path) = std::env::var_os("ASCAN_BENCH_MODEL") else {
        println!("skipped: set ASCAN_BENCH_MODEL to an ONNX classifier (torch_ig.py writes a ResNet-18)");
        return;
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let burn = Library::from_static(ascan_burn::ascan_library).expect("a library of this workspace");
    let runtime = burn.plugins()[0].backend(&ParamMap::new()).expect("no parameters");
    let backend = runtime.open(&OpenModel { n_threads, ..OpenModel::new(path) }).expect("a model that burn can run");

    let methods = Library::from_static(ascan_gradient::ascan_library).expect("a library of this workspace");
    let params: ParamMap = json!({ "n_steps": 32 }).as_object().cloned().unwrap_or_default();
    let plugin =
        methods.plugins().iter().find(|plugin| plugin.name() == "integrated_gradients").expect("a plugin of it");
    let method = plugin.attributor(&params).expect("good parameters");
    let images = toy_images(1, backend.info().input_shape, 0);
    let forward = backend.forward(images.view(), &[]).expect("a forward pass");
    let batch = AttributionBatch::new(images.view(), &[0], &forward);
    let context = Context { n_threads, ..Context::default() };

    let mut group = criterion.benchmark_group("integrated gradients, 32 steps");
    group.sample_size(10);
    group.bench_function("burn", |b| b.iter(|| method.attribute(&*backend, &batch, &context).expect("an attribution")));
    group.finish();
}

criterion_group!(benches, integrated_gradients);
criterion_main!(benches);
