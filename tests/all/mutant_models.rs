//! Models that somebody changed: damaged by a disk, or made to do harm. Whatever they hold, opening and running one ends soon,
//! with numbers or an error. onnxruntime is left out: it is another project's, and runs outside of every guard.
//!
//! By default for some seconds; `ASCAN_FUZZ_INPUTS=100000` runs so many. A seed is named by the message of a failure.

use crate::golden::runtime;
use crate::mutants::{NUMBERS, Random, hunt_for, mutant};
use ascan_core::{OpenModel, Runtime, Tensor};
use ascan_onnx::Operator;
use ascan_onnx::proto::{AttributeProto, ModelProto, NodeProto, TensorProto};
use prost::Message;
use std::path::{Path, PathBuf};

/// Small nets of the forms that people bring.
fn nets() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/exported");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "onnx"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn number(random: &mut Random) -> i64 {
    match random.below(3) {
        0 => random.below(9) as i64 - 2,
        1 => 1 << random.below(34),
        _ => NUMBERS[random.below(NUMBERS.len())].parse().unwrap_or(i64::MIN),
    }
}

fn change_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    let n = attribute.ints.len();
    match random.below(6) {
        0 if n > 0 => attribute.ints[random.below(n)] = number(random),
        1 => attribute.ints.push(number(random)),
        2 => attribute.ints.truncate(random.below(n)),
        3 => attribute.f = f32::from_bits(random.next() as u32),
        4 => attribute.s = mutant(&attribute.s.clone(), random),
        _ => attribute.i = number(random),
    }
}

fn change_tensor(tensor: &mut TensorProto, random: &mut Random) {
    let n = tensor.dims.len();
    match random.below(6) {
        0 if n > 0 => tensor.dims[random.below(n)] = number(random),
        1 => tensor.dims.push(number(random)),
        2 => drop(tensor.dims.pop()),
        3 => tensor.data_type = random.below(24) as i32,
        4 => tensor.raw_data.truncate(random.below(tensor.raw_data.len())),
        _ => {
            // Another number among the values, which may be a shape or an axis.
            let at = random.below(tensor.raw_data.len().saturating_sub(8)) & !7;
            if let Some(bytes) = tensor.raw_data.get_mut(at..at + 8) {
                bytes.copy_from_slice(&number(random).to_le_bytes());
            }
        }
    }
}

/// A node that reads or does something else.
fn change_node(nodes: &mut Vec<NodeProto>, random: &mut Random) {
    let n = nodes.len();
    if n == 0 {
        return;
    }
    let (at, other) = (random.below(n), random.below(n));
    let name = nodes[other].output.first().cloned().unwrap_or_default();
    let node = &mut nodes[at];
    let n_inputs = node.input.len();
    match random.below(8) {
        0 => node.op_type = format!("{:?}", Operator::ALL[random.below(Operator::ALL.len())]),
        1 if n_inputs > 0 => node.input[random.below(n_inputs)] = name,
        2 => node.input.push(name),
        3 => node.input.truncate(random.below(n_inputs)),
        4 => drop(nodes.remove(at)),
        5 => nodes.swap(at, other),
        _ if node.attribute.is_empty() => node.attribute.clear(),
        _ => {
            let which = random.below(node.attribute.len());
            change_attribute(&mut node.attribute[which], random);
        }
    }
}

/// Another form of a model: of its bytes, or of what they say.
fn another(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(mut model) = ModelProto::decode(bytes).ok().filter(|_| random.below(4) > 0) else {
        return mutant(bytes, random);
    };
    let Some(graph) = &mut model.graph else { return mutant(bytes, random) };
    for _ in 0..=random.below(3) {
        match random.below(4) {
            0 if !graph.initializer.is_empty() => {
                let which = random.below(graph.initializer.len());
                change_tensor(&mut graph.initializer[which], random);
            }
            1 if random.below(4) == 0 => {
                if let Some(set) = model.opset_import.first_mut() {
                    set.version = number(random);
                }
            }
            _ => change_node(&mut graph.node, random),
        }
    }
    model.encode_to_vec()
}

/// Opens a model, and asks it for everything that a scan does. Whatever is no panic is an answer.
fn ask(runtime: &dyn Runtime, path: &Path) {
    let mut request = OpenModel::new(path);
    request.gradients = true;
    let Ok(model) = runtime.open(&request) else { return };
    let info = model.info().clone();
    let [c, h, w] = info.input_shape;
    let len = c * h * w;
    // What a changed model may ask for in earnest is bounded; a test has no need of it.
    if len > 1 << 20 {
        return;
    }
    let Ok(image) = Tensor::new([1, c, h, w], (0..len).map(|i| (i % 251) as f32 / 255.0).collect()) else { return };
    let layers: Vec<&str> = info.default_layer.iter().map(String::as_str).collect();
    let _ = model.forward(image.view(), &layers);
    if info.capabilities.gradients {
        let _ = model.gradients(image.view(), &[0], &layers);
    }
}

#[test]
fn changed_models_run_or_are_refused() {
    let (nets, dir) = (nets(), tempfile::tempdir().unwrap());
    let engines = [runtime(ascan_burn::ascan_library), runtime(ascan_tract::ascan_library)];
    let path = dir.path().join("model.onnx");
    hunt_for("models", |random| {
        let net = &nets[random.below(nets.len())];
        std::fs::write(&path, another(net, random)).unwrap();
        engines.iter().for_each(|engine| ask(&**engine, &path));
    });
}
