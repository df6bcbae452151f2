//! Times a method on a mapped table of raw f32: called by `benches/slicers.py`, which times the references.
//!
//! `cargo run --release -p ascan-projection --example on_table -- umap table.f32 20000 512 '{"n_dims": 8}' out.f32`

use ascan_core::abi::Library;
use ascan_core::testing::toy_slice_table;
use ascan_core::{Context, Kind, ParamMap, Result, SliceTable, Tensor};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [method, table, n, d, params, out, ..] = arguments.as_slice() else {
        panic!("usage: on_table METHOD TABLE N D PARAMS OUT [SEED]");
    };
    let seed = arguments.get(6).map_or(0, |seed| seed.parse().expect("a number"));
    let (n, d): (usize, usize) = (n.parse().expect("a number"), d.parse().expect("a number"));
    let mut toy = toy_slice_table(n, 1, 0);
    (toy.embeddings, toy.maps) = (Tensor::map([n, d], Path::new(table))?, Tensor::default());
    let table = SliceTable { maps: None, ..toy.view() };
    let params: ParamMap = serde_json::from_str(params).expect("parameters as a JSON object");
    let context = Context { n_threads: 2, seed, ..Context::default() };

    let entries = [ascan_density::ascan_library, ascan_partition::ascan_library, ascan_projection::ascan_library];
    let libraries = entries.map(|entry| Library::from_static(entry).expect("a library of this workspace"));
    let plugin = libraries.iter().flat_map(|library| library.plugins()).find(|plugin| plugin.name() == method);
    let plugin = plugin.expect("a method of these libraries");
    let start = Instant::now();
    let result = if plugin.kind() == Kind::Projector {
        let projection = plugin.projector(&params)?.fit(table.embeddings, &context)?;
        projection.project(table.embeddings, &context)?
    } else {
        let model = plugin.slicer(&params)?.fit(&table, &context)?;
        let membership = model.membership(&table, &context)?;
        let slices = ascan_core::slicer::assignment(&membership);
        Tensor::new([n, 1], slices.into_iter().map(|slice| slice as f32).collect())?
    };
    println!("{:.3} {}", start.elapsed().as_secs_f64(), peak_mib());
    let bytes: Vec<u8> = result.data().iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(out, bytes).expect("a writable file");
    Ok(())
}

/// Peak resident memory of this process, as Linux counts it; 0 elsewhere.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) / 1024
}
