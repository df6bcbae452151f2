//! A model made ready to run: operators checked, constants folded, batch normalisation merged.

pub(crate) mod ops;

use crate::value::{Float, Value};
use ascan_core::{Error, Result};
use ascan_onnx::proto::NodeProto;
use ascan_onnx::{Model, Operator};
use burn::tensor::Device;
use ops::{Call, Row, Run, fuse_batch_norm, row};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

#[derive(Debug)]
struct Node {
    proto: NodeProto,
    row: Row,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
}

/// A graph whose values have slots (numbers) instead of names.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    names: HashMap<String, usize>,
    constants: Vec<Option<Value>>,
    opset: i64,
    device: Device,
    path: PathBuf,
}

/// One node in a run.
pub struct Step<'a> {
    graph: &'a Graph,
    node: &'a Node,
    run: &'a Run,
}

/// Computes the outputs of a node from its inputs; the step has the node's kernel.
pub type Rule<'a, T> = dyn FnMut(&Step, Vec<Option<T>>) -> Result<Vec<T>> + 'a;

impl<'a> Step<'a> {
    /// The node.
    pub fn proto(&self) -> &'a NodeProto {
        &self.node.proto
    }

    /// What is known of its operator.
    pub(crate) fn row(&self) -> &'a Row {
        &self.node.row
    }

    /// Slots of its inputs.
    pub fn inputs(&self) -> &'a [Option<usize>] {
        &self.node.inputs
    }

    /// Slots of its outputs.
    pub fn outputs(&self) -> &'a [Option<usize>] {
        &self.node.outputs
    }

    /// Computes the node as it is.
    ///
    /// # Errors
    /// Whatever its kernel reports.
    pub fn compute(&self, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        self.graph.execute(self.node, self.run, inputs)
    }

    /// Computes the node with other attributes or outputs.
    ///
    /// # Errors
    /// Whatever its kernel reports.
    pub fn compute_as(&self, proto: &NodeProto, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        self.graph.execute_as(proto, self.node, self.run, inputs)
    }
}

/// How a graph is made ready.
#[derive(Debug, Default)]
pub struct Preparation<'a> {
    /// Constants that are fed anew at each run (weights under training), and so are not folded.
    pub live: &'a [String],
    /// Merge batch normalisation into the convolution before it, which removes the tensor between them.
    pub merge_batch_norm: bool,
}

/// What is known of every node's operator.
///
/// # Errors
/// `UnsupportedOperator` for the first node that cannot be executed.
pub(crate) fn rows(model: &Model) -> Result<Vec<Row>> {
    let missing = |node: &NodeProto, why: String| Error::UnsupportedOperator {
        operator: node.operator(),
        node: node.display_name().to_owned(),
        model: model.path.display().to_string(),
        why,
    };
    model.graph()?.node.iter().map(|node| row(node).map_err(|why| missing(node, why))).collect()
}

impl Graph {
    /// Makes a model ready.
    ///
    /// # Errors
    /// `UnsupportedOperator` for the first node that cannot be executed, before anything is computed.
    pub fn new(model: &Model, device: &Device, preparation: &Preparation) -> Result<Self> {
        let mut graph = Self {
            nodes: Vec::new(),
            names: HashMap::new(),
            constants: Vec::new(),
            opset: model.opset(),
            device: device.clone(),
            path: model.path.clone(),
        };
        let proto = model.graph()?;
        let rows = rows(model)?;
        for input in &proto.input {
            graph.slot_for(&input.name);
        }
        for tensor in &proto.initializer {
            let slot = graph.slot_for(&tensor.name);
            graph.constants[slot] = Some(Value::from_constant(&ascan_onnx::decode(tensor)?, device)?);
        }
        for (node, row) in proto.node.iter().zip(rows) {
            let mut slots = |names: &[String]| -> Vec<Option<usize>> {
                names.iter().map(|name| (!name.is_empty()).then(|| graph.slot_for(name))).collect()
            };
            let (inputs, outputs) = (slots(&node.input), slots(&node.output));
            let mut proto = node.clone();
            // Values of constants are kept once, in their slot.
            if !matches!(Operator::of(node), Some(Operator::Constant | Operator::ConstantOfShape)) {
                proto.attribute.retain(|attribute| attribute.t.is_none());
            }
            graph.nodes.push(Node { proto, row, inputs, outputs });
        }
        let live: HashSet<usize> = preparation.live.iter().filter_map(|name| graph.names.get(name).copied()).collect();
        graph.fold_constants(&live)?;
        let outputs: HashSet<usize> =
            proto.output.iter().filter_map(|output| graph.names.get(&output.name).copied()).collect();
        if preparation.merge_batch_norm {
            graph.merge_batch_norm(&outputs, &live)?;
        }
        // Constants that nothing reads after folding and merging are dropped.
        let read: HashSet<usize> = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten().copied()).collect();
        for (slot, constant) in graph.constants.iter_mut().enumerate() {
            if !(read.contains(&slot) || outputs.contains(&slot)) {
                *constant = None;
            }
        }
        Ok(graph)
    }

    fn slot_for(&mut self, name: &str) -> usize {
        if let Some(&slot) = self.names.get(name) {
            return slot;
        }
        self.constants.push(None);
        self.names.insert(name.to_owned(), self.constants.len() - 1);
        self.constants.len() - 1
    }

    /// The slot of a tensor, if the graph computes it.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Tensors besides `from` that have to be fed to compute `to` from `from`.
    pub fn beside(&self, from: usize, to: usize) -> Vec<usize> {
        let mut behind = HashSet::from([from]);
        for node in &self.nodes {
            if node.inputs.iter().flatten().any(|slot| behind.contains(slot)) {
                behind.extend(node.outputs.iter().flatten());
            }
        }
        let mut needed = HashSet::from([to]);
        let mut beside = Vec::new();
        for node in self.nodes.iter().rev() {
            if !node.outputs.iter().flatten().any(|slot| needed.contains(slot) && *slot != from) {
                continue;
            }
            for &slot in node.inputs.iter().flatten() {
                let known = slot == from || self.constants[slot].is_some();
                if known || !needed.insert(slot) || behind.contains(&slot) {
                    continue;
                }
                // It is fed, so nothing before it matters.
                needed.remove(&slot);
                if !beside.contains(&slot) {
                    beside.push(slot);
                }
            }
        }
        beside
    }

    /// What the kernels of one run share.
    pub fn run_state(&self) -> Run {
        Run { device: self.device.clone(), opset: self.opset, batch_norm: None }
    }

    /// The value of a constant.
    pub fn constant(&self, slot: usize) -> Option<&Value> {
        self.constants[slot].as_ref()
    }

    fn execute(&self, node: &Node, run: &Run, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        self.execute_as(&node.proto, node, run, inputs)
    }

    /// The node with other attributes or outputs.
    fn execute_as(&self, proto: &NodeProto, node: &Node, run: &Run, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let mut call = Call { node: proto, run, inputs };
        (node.row.kernel)(&mut call).map_err(|error| match error {
            Error::UnsupportedOperator { operator, node, why, .. } => {
                Error::UnsupportedOperator { operator, node, model: self.path.display().to_string(), why }
            }
            Error::Shape { what, expected, got } => {
                Error::Shape { what: format!("node `{}`: {what}", node.proto.display_name()), expected, got }
            }
            other => other,
        })
    }

    /// Computes what depends on constants alone, once and for all.
    fn fold_constants(&mut self, live: &HashSet<usize>) -> Result<()> {
        let run = self.run_state();
        let nodes = std::mem::take(&mut self.nodes);
        for node in nodes {
            let known = |slot: &usize| self.constants[*slot].is_some() && !live.contains(slot);
            let makes_live = node.outputs.iter().flatten().any(|slot| live.contains(slot));
            if makes_live && Operator::of(&node.proto) == Some(Operator::Constant)
                || node.inputs.iter().flatten().all(known)
            {
                let inputs =
                    node.inputs.iter().map(|slot| slot.and_then(|slot| self.constants[slot].clone())).collect();
                let outputs = self.execute(&node, &run, inputs)?;
                for (slot, value) in node.outputs.iter().zip(outputs) {
                    if let Some(slot) = *slot {
                        self.constants[slot] = Some(value);
                    }
                }
            } else {
                self.nodes.push(node);
            }
        }
        Ok(())
    }

    fn constant_floats(&self, slot: Option<usize>) -> Option<Vec<f32>> {
        match self.constants[slot?].as_ref()? {
            Value::Float(values) => Some(values.to_vec()),
            Value::Ints(_) => None,
        }
    }

    /// `BatchNormalization(Conv(x))` becomes one `Conv`: of new weights where they are constant, and of weights that
    /// are scaled at each run where they are trained.
    fn merge_batch_norm(&mut self, kept: &HashSet<usize>, live: &HashSet<usize>) -> Result<()> {
        let mut readers: HashMap<usize, usize> = HashMap::new();
        for slot in self.nodes.iter().flat_map(|node| node.inputs.iter().flatten()) {
            *readers.entry(*slot).or_default() += 1;
        }
        let mut at = 0;
        while at < self.nodes.len() {
            let Some(conv) = self.mergeable(at, &readers, kept) else {
                at += 1;
                continue;
            };
            let weights = self.nodes[conv].inputs.iter().chain(&self.nodes[at].inputs[1..]).flatten();
            let merged = if weights.clone().any(|slot| live.contains(slot)) {
                None
            } else {
                let Some(merged) = self.merged(conv, at)? else {
                    at += 1;
                    continue;
                };
                Some(merged)
            };
            let norm = self.nodes.remove(at);
            let gone = self.nodes[conv].outputs[0];
            self.names.retain(|_, slot| Some(*slot) != gone);
            let n_constants = self.constants.len();
            let node = &mut self.nodes[conv];
            node.outputs = norm.outputs;
            match merged {
                Some((weight, bias)) => {
                    self.constants.extend([Some(Value::Float(weight)), Some(Value::Float(bias))]);
                    node.inputs.truncate(1);
                    node.inputs.extend([Some(n_constants), Some(n_constants + 1)]);
                }
                None => {
                    (node.proto, node.row) = fuse_batch_norm(&node.proto, &norm.proto);
                    node.inputs.resize(3, None);
                    node.inputs.extend(&norm.inputs[1..5]);
                }
            }
        }
        Ok(())
    }

    /// The convolution before the batch normalisation at `at`, if the weights of both are constants and nothing else
    /// reads the tensor between them.
    fn mergeable(&self, at: usize, readers: &HashMap<usize, usize>, kept: &HashSet<usize>) -> Option<usize> {
        let norm = &self.nodes[at];
        if Operator::of(&norm.proto) != Some(Operator::BatchNormalization)
            || norm.outputs.iter().skip(1).any(Option::is_some)
        {
            return None;
        }
        let between = (*norm.inputs.first()?)?;
        let made_by =
            |node: &Node| node.outputs == [Some(between)] && Operator::of(&node.proto) == Some(Operator::Conv);
        let index = self.nodes[..at].iter().position(made_by)?;
        let is_constant = |slot: &Option<usize>| slot.is_none_or(|slot| self.constants[slot].is_some());
        let all_constant = self.nodes[index].inputs[1..].iter().chain(&norm.inputs[1..]).all(is_constant);
        let alone = readers.get(&between) == Some(&1) && !kept.contains(&between);
        (all_constant && alone && norm.inputs.len() == 5).then_some(index)
    }

    /// The weights of a convolution with the batch normalisation merged into them.
    fn merged(&self, conv: usize, norm: usize) -> Result<Option<(Float, Float)>> {
        let (conv, norm) = (&self.nodes[conv], &self.nodes[norm]);
        let parameters: Option<Vec<Vec<f32>>> =
            (1..5).map(|i| self.constant_floats(norm.inputs.get(i).copied().flatten())).collect();
        let weight_slot = conv.inputs.get(1).copied().flatten();
        let (Some(parameters), Some(mut weight)) = (parameters, self.constant_floats(weight_slot)) else {
            return Ok(None);
        };
        let bias = match conv.inputs.get(2).copied().flatten() {
            None => vec![0.0; parameters[0].len()],
            slot => match self.constant_floats(slot) {
                Some(bias) => bias,
                None => return Ok(None),
            },
        };
        let [scale, shift, mean, variance] = &parameters[..] else { return Ok(None) };
        let epsilon = f64::from(norm.proto.attr_float("epsilon").unwrap_or(1e-5));
        let factors: Vec<f64> = scale
            .iter()
            .zip(variance)
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let per_channel = weight.len() / factors.len().max(1);
        for (row, &factor) in weight.chunks_exact_mut(per_channel.max(1)).zip(&factors) {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        }
        let bias: Vec<f32> = (0..factors.len())
            .map(|i| ((f64::from(bias[i]) - f64::from(mean[i])) * factors[i] + f64::from(shift[i])) as f32)
            .collect();
        let shape = weight_slot.and_then(|slot| self.constant(slot)).map(Value::shape).unwrap_or_default();
        let n = bias.len();
        Ok(Some((Float::new(weight, &shape, &self.device)?, Float::new(bias, &[n], &self.device)?)))
    }

    /// Computes the tensors `wanted` from those in `feeds`.
    ///
    /// `visit` sees every value that is made or fed and may replace it. Each value is dropped after its last use.
    ///
    /// # Errors
    /// Whatever the kernels report.
    pub fn run(
        &self,
        run: &Run,
        feeds: Vec<(usize, Value)>,
        wanted: &[usize],
        visit: &mut dyn FnMut(usize, Value) -> Value,
    ) -> Result<Vec<Value>> {
        let walk = Walk { lift: &Value::clone, visit, rule: &mut |step, inputs| step.compute(inputs) };
        self.walk(run, feeds, wanted, walk)
    }

    /// [`Self::run`] on other things than plain values, or with another rule to compute a node.
    ///
    /// # Errors
    /// Whatever the kernels, or the rule, report.
    pub fn walk<T: Clone>(&self, run: &Run, feeds: Vec<(usize, T)>, wanted: &[usize], walk: Walk<T>) -> Result<Vec<T>> {
        let Walk { lift, visit, rule } = walk;
        let mut values: HashMap<usize, T> = HashMap::new();
        for (slot, value) in feeds {
            values.insert(slot, visit(slot, value));
        }
        // Nodes that matter, found from the end, and the last one that reads each value.
        let mut needed: HashSet<usize> = wanted.iter().copied().collect();
        let mut last_reader: HashMap<usize, usize> = HashMap::new();
        let mut schedule = Vec::new();
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if !node.outputs.iter().flatten().any(|slot| needed.contains(slot) && !values.contains_key(slot)) {
                continue;
            }
            schedule.push(at);
            for &slot in node.inputs.iter().flatten() {
                needed.insert(slot);
                last_reader.entry(slot).or_insert(at);
            }
        }
        let kept: HashSet<usize> = wanted.iter().copied().collect();
        for at in schedule.into_iter().rev() {
            let node = &self.nodes[at];
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for (i, slot) in node.inputs.iter().enumerate() {
                let Some(slot) = *slot else {
                    inputs.push(None);
                    continue;
                };
                let again = node.inputs[i + 1..].contains(&Some(slot));
                let done = last_reader.get(&slot) == Some(&at) && !kept.contains(&slot) && !again;
                let value = if done { values.remove(&slot) } else { values.get(&slot).cloned() };
                inputs.push(value.or_else(|| self.constants[slot].as_ref().map(lift)));
            }
            let outputs = rule(&Step { graph: self, node, run }, inputs)?;
            for (slot, value) in node.outputs.iter().zip(outputs) {
                if let Some(slot) = slot.filter(|slot| needed.contains(slot)) {
                    values.insert(slot, visit(slot, value));
                }
            }
        }
        let found = |&slot: &usize| values.get(&slot).cloned().or_else(|| self.constants[slot].as_ref().map(lift));
        wanted
            .iter()
            .map(|slot| {
                found(slot).ok_or_else(|| {
                    Error::file(&self.path, "a tensor is used that nothing computes", "export the model again")
                })
            })
            .collect()
    }
}

/// What a walk through a graph does, on values of type `T`.
pub struct Walk<'a, T> {
    /// A constant of the model as a `T`.
    pub lift: &'a dyn Fn(&Value) -> T,
    /// Sees every value that is made or fed and may replace it.
    pub visit: &'a mut dyn FnMut(usize, T) -> T,
    /// Computes the outputs of a node.
    pub rule: &'a mut Rule<'a, T>,
}
