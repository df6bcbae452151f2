//! Nodes between the form in which engines take images and give results, and the file's own form.

use crate::classifier::Classifier;
use crate::constant::{byte_proto, float_proto, int_proto};
use crate::infer::Fact;
use crate::inline::{reads, rename};
use crate::input::{Form, Input};
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};
use ascan_core::OutputKind;

/// `QuantizeLinear` exists from this version of ONNX's operators on.
const QUANTIZE_SINCE: i64 = 10;

/// Nodes, and the constants that they read.
#[derive(Default)]
pub(crate) struct Adapter {
    pub nodes: Vec<NodeProto>,
    pub constants: Vec<TensorProto>,
    last: String,
    steps: usize,
}

impl Adapter {
    fn from(tensor: &str) -> Self {
        Self { last: tensor.to_owned(), ..Self::default() }
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// Adds a node that reads the last tensor; `finish` names what the last one gives.
    fn step(&mut self, base: &str, make: impl FnOnce(&str, &str) -> NodeProto) {
        self.steps += 1;
        let next = format!("{base}/step_{}", self.steps);
        self.nodes.push(make(&self.last, &next));
        self.last = next;
    }

    /// Names the last tensor. Without a step nothing was changed.
    fn finish(mut self, name: &str) -> Self {
        if let Some(node) = self.nodes.last_mut() {
            node.output[0] = name.to_owned();
            node.name = name.to_owned();
        }
        self
    }
}

/// From float32 images `[n, c, h, w]` under the input's name to what the file's nodes read; they are made to read it.
pub(crate) fn image(input: &Input, opset: i64, nodes: &mut [NodeProto]) -> Adapter {
    let name = input.name.as_str();
    let [c, h, w] = input.shape.map(|dim| dim as i64);
    let mut adapter = Adapter::from(name);
    let transposed = |x: &str, y: &str| NodeProto::new("Transpose", &[x], y).with_ints("perm", &[0, 2, 3, 1]);
    if matches!(input.form, Form::Nhwc | Form::Hwc) {
        adapter.step(name, transposed);
    }
    let lengths = match input.form {
        Form::Nchw | Form::Nhwc => None,
        Form::Chw => Some(vec![c, h, w]),
        Form::Hwc => Some(vec![h, w, c]),
        Form::Nhw => Some(vec![0, h, w]),
    };
    if let Some(lengths) = lengths {
        let shape = adapter.constant(int_proto(&format!("{name}/shape"), &lengths));
        adapter.step(name, |x, y| NodeProto::new("Reshape", &[x, &shape], y));
    }
    match input.elem {
        DataType::Float => {}
        // Whole numbers from 0 to 255, through which gradients pass as they do through any quantisation.
        DataType::Uint8 if opset >= QUANTIZE_SINCE => {
            let one = adapter.constant(float_proto(&format!("{name}/one"), &[], &[1.0]));
            let zero = adapter.constant(byte_proto(&format!("{name}/zero"), 0));
            adapter.step(name, |x, y| NodeProto::new("QuantizeLinear", &[x, &one, &zero], y));
        }
        elem => {
            if elem == DataType::Uint8 {
                let half = adapter.constant(float_proto(&format!("{name}/half"), &[], &[0.5]));
                adapter.step(name, |x, y| NodeProto::new("Add", &[x, &half], y));
            }
            adapter.step(name, |x, y| NodeProto::new("Cast", &[x], y).with_int("to", elem as i64));
        }
    }
    if adapter.nodes.is_empty() {
        return adapter;
    }
    let own = format!("{name}/as_in_file");
    rename_in(nodes, name, &own);
    adapter.finish(&own)
}

/// From the file's logits to float32 `[n, n_classes]` under their name: what [`OutputKind`] says where one number is asked
/// for. Then all numbers of the output are a layer beside them.
pub(crate) fn logits(classifier: &Classifier, fact: &Fact, nodes: &mut [NodeProto]) -> Adapter {
    let name = classifier.logits.as_str();
    let own = format!("{name}/as_in_file");
    let mut adapter = Adapter::from(&own);
    let n = classifier.n_scores;
    if fact.elem.is_some_and(|elem| elem != DataType::Float) {
        adapter.step(name, |x, y| NodeProto::new("Cast", &[x], y).with_int("to", DataType::Float as i64));
    }
    let shape = fact.shape.as_deref().unwrap_or_default();
    let asks_for_one = classifier.n_classes != n || classifier.scores().is_some();
    if shape.len() != 2 {
        // A single image has no axis whose length could be kept.
        let first = if shape.len() == 1 && n > 1 { 1 } else { 0 };
        let shape = adapter.constant(int_proto(&format!("{name}/shape"), &[first, n as i64]));
        adapter.step(name, |x, y| NodeProto::new("Reshape", &[x, &shape], y));
    }
    if let Some(scores) = classifier.scores() {
        let shape = adapter.constant(int_proto(&format!("{name}/scores_shape"), &[0, n as i64, 1, 1]));
        adapter.nodes.push(NodeProto::new("Reshape", &[&adapter.last, &shape], &scores));
    }
    // Numbers alone, no vectors and matrices: a trainer must not take what is added here for weights of the model.
    if asks_for_one && n > 1 {
        let class = classifier.class as i64;
        let [from, to, axis] = [("from", class), ("to", class + 1), ("axis", 1)]
            .map(|(part, value)| adapter.constant(int_proto(&format!("{name}/{part}"), &[value])));
        adapter.step(name, |x, y| NodeProto::new("Slice", &[x, &from, &to, &axis], y));
    }
    if asks_for_one && classifier.kind != OutputKind::Regression {
        if classifier.threshold_logit != 0.0 {
            let least = adapter.constant(float_proto(&format!("{name}/least"), &[], &[classifier.threshold_logit]));
            adapter.step(name, |x, y| NodeProto::new("Sub", &[x, &least], y));
        }
        let halves = [("absent", -0.5), ("present", 0.5)].map(|(part, factor)| {
            let (half, factor) =
                (format!("{name}/{part}"), float_proto(&format!("{name}/{part}_factor"), &[], &[factor]));
            let factor = adapter.constant(factor);
            adapter.nodes.push(NodeProto::new("Mul", &[&adapter.last, &factor], &half));
            half
        });
        adapter.step(name, |_, y| NodeProto::new("Concat", &[&halves[0], &halves[1]], y).with_int("axis", 1));
    }
    if adapter.nodes.is_empty() {
        return adapter;
    }
    rename_in(nodes, name, &own);
    adapter.finish(name)
}

/// Makes a layer of another type a float32 tensor that lies on the way to the logits: a gradient with respect to it is then
/// one of the model's. No number changes: what follows reads it back in its own type.
pub(crate) fn layer(name: &str, elem: DataType, nodes: &mut Vec<NodeProto>) {
    let Some(at) = nodes.iter().position(|node| node.output.iter().any(|output| output == name)) else { return };
    let (own, read) = (format!("{name}/as_in_file"), format!("{name}/as_read"));
    let (before, after) = nodes.split_at_mut(at + 1);
    rename_in(&mut before[at..], name, &own);
    rename_in(after, name, &read);
    let there = NodeProto::new("Cast", &[&own], name).with_int("to", DataType::Float as i64);
    let back = NodeProto::new("Cast", &[name], &read).with_int("to", elem as i64);
    nodes.splice(at + 1..at + 1, [there, back]);
}

fn rename_in(nodes: &mut [NodeProto], old: &str, new: &str) {
    let change = |name: &str| if name == old { new.to_owned() } else { name.to_owned() };
    for node in nodes {
        if node.output.iter().any(|name| name == old) || reads(node).contains(&old) {
            rename(node, &change);
        }
    }
}
