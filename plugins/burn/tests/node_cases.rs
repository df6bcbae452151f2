//! ONNX's own conformance cases, run through the interpreter.

use ascan_burn::{Graph, Preparation, Value};
use ascan_core::{Error, Result};
use ascan_onnx::Model;
use ascan_onnx::proto::TensorProto;
use burn::tensor::Device;
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn cases() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/onnx_node_tests");
    let mut cases = Vec::new();
    for kind in ["node", "simple", "pytorch-converted"] {
        let folder = fs::read_dir(root.join(kind)).ok()?;
        cases.extend(folder.flatten().map(|entry| entry.path()).filter(|path| path.join("model.onnx").exists()));
    }
    cases.sort();
    Some(cases)
}

fn tensors(folder: &Path, kind: &str) -> Vec<TensorProto> {
    (0..)
        .map_while(|i| fs::read(folder.join(format!("{kind}_{i}.pb"))).ok())
        .map(|bytes| TensorProto::decode(&bytes[..]).expect("a tensor"))
        .collect()
}

fn value(tensor: &TensorProto) -> Result<Value> {
    Value::from_constant(&ascan_onnx::decode(tensor)?, &Device::flex())
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Float(float) => float.to_vec().into_iter().map(f64::from).collect(),
        Value::Ints(ints) => ints.data.iter().map(|&value| value as f64).collect(),
    }
}

/// The first difference of more than onnxruntime's own tolerances.
fn difference(got: &Value, expected: &Value) -> Option<String> {
    if got.shape() != expected.shape() {
        return Some(format!("shape {:?} instead of {:?}", got.shape(), expected.shape()));
    }
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 + 1e-3 * b.abs();
    let (got, expected) = (numbers(got), numbers(expected));
    let wrong = got.iter().zip(&expected).position(|(&a, &b)| !close(a, b))?;
    Some(format!("value {wrong} is {} instead of {}", got[wrong], expected[wrong]))
}

fn run(case: &Path) -> Result<Vec<String>> {
    let model = Model::load(&case.join("model.onnx"))?;
    let graph = Graph::new(&model, &Device::flex(), &Preparation::default())?;
    let proto = model.graph()?;
    let initialized: Vec<&str> = proto.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs = proto.input.iter().filter(|input| !initialized.contains(&input.name.as_str()));
    let slots: Vec<usize> = inputs.map(|input| graph.slot(&input.name).expect("every input has a slot")).collect();
    let wanted: Vec<usize> =
        proto.output.iter().map(|output| graph.slot(&output.name).expect("every output has a slot")).collect();
    let mut problems = Vec::new();
    for set in (0..).map(|k| case.join(format!("test_data_set_{k}"))).take_while(|set| set.exists()) {
        let feeds = slots.iter().copied().zip(tensors(&set, "input"));
        let feeds = feeds.map(|(slot, tensor)| Ok((slot, value(&tensor)?))).collect::<Result<Vec<_>>>()?;
        let outputs = graph.run(&graph.run_state(), feeds, &wanted, &mut |_, value| value)?;
        let expected = tensors(&set, "output");
        assert!(!expected.is_empty(), "{} has no expected outputs", set.display());
        for (got, expected) in outputs.iter().zip(&expected) {
            problems.extend(difference(got, &value(expected)?));
        }
    }
    Ok(problems)
}

#[test]
fn every_case_whose_operators_are_claimed_passes() {
    let Some(cases) = cases() else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    let mut passed = 0;
    for case in &cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match std::panic::catch_unwind(|| run(case)) {
            Ok(Ok(problems)) if problems.is_empty() => passed += 1,
            Ok(Ok(problems)) => failed.push(format!("{name}: {}", problems.join("; "))),
            Ok(Err(Error::UnsupportedOperator { operator, why, .. })) => {
                *skipped.entry(format!("{operator} ({why})")).or_default() += 1;
            }
            Ok(Err(error)) => failed.push(format!("{name}: {error}")),
            Err(_) => failed.push(format!("{name}: panicked")),
        }
    }
    let n_skipped: usize = skipped.values().sum();
    println!(
        "{} cases run, {n_skipped} skipped: {}",
        passed + failed.len(),
        skipped.keys().cloned().collect::<Vec<_>>().join(", ")
    );
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
    assert!(passed >= 200, "only {passed} cases run");
}
