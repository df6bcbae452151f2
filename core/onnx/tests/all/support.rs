//! Where the files are, and small helpers.

use ascan_onnx::Model;
use ascan_onnx::builder::GraphBuilder;
use ascan_onnx::proto::tensor_proto::DataType;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder of real data, or `None` with a line that says so.
pub fn data(folder: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: ../shared/data is not here");
    None
}

/// Two convolutions (`conv1`, `relu1`, `conv2`, `relu2`), global average pool, linear layer `logits`: 3 × 8 × 6 pixels, 4 classes.
pub fn tiny() -> Model {
    let mut graph = GraphBuilder::new("image", [3, 8, 6], 1);
    let x = trunk(&mut graph, "image");
    let x = graph.global_average_pool("pool", &x);
    let x = graph.flatten("flat", &x);
    let logits = graph.linear("logits", &x, 5, 4);
    graph.finish(&logits, "tiny.onnx")
}

/// The convolutions of [`tiny`]: gives `relu2`, `[n, 5, 4, 3]`.
pub fn trunk(graph: &mut GraphBuilder, image: &str) -> String {
    let x = graph.conv("conv1", image, 3, 4, 3, 1);
    let x = graph.batch_norm("bn1", &x, 4);
    let x = graph.relu("relu1", &x);
    let x = graph.conv("conv2", &x, 4, 5, 3, 2);
    graph.relu("relu2", &x)
}

/// Open batch, then these lengths.
pub fn open<const N: usize>(rest: [usize; N]) -> Vec<Option<usize>> {
    [None].into_iter().chain(rest.map(Some)).collect()
}

/// A model of this graph with the float32 output `name`.
pub fn with_output(mut graph: GraphBuilder, name: &str, shape: &[Option<usize>]) -> Model {
    graph.output(name, DataType::Float, shape);
    Model::from_proto(graph.into_proto(), "model.onnx")
}
