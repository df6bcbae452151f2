//! A model's graph made ready for analysis: functions inlined, image input found, batch size settled.

use crate::branch;
use crate::constant::int_proto;
use crate::expand;
use crate::fused;
use crate::infer::{Conflict, Declared, Facts};
use crate::inline;
use crate::input::Input;
use crate::model::Model;
use crate::node::is_standard;
use crate::proto::{GraphProto, NodeProto, TensorProto};
use ascan_core::{Error, Result};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A graph without calls of functions, with its image input.
pub(crate) struct Flat<'m> {
    pub model: &'m Model,
    pub graph: &'m GraphProto,
    pub nodes: Cow<'m, [NodeProto]>,
    /// Constants added to the graph's own.
    pub extra: Vec<TensorProto>,
    pub input: Input,
    /// The only batch size that the graph can take; `None` if it takes any.
    pub batch: Option<usize>,
}

/// The nodes of a graph without calls of functions, and the constants that they read besides its own.
pub(crate) fn nodes(model: &Model) -> Result<(Cow<'_, [NodeProto]>, Vec<TensorProto>)> {
    let mut extra = Vec::new();
    let nodes = inline::nodes(&model.path, model.graph()?, &model.proto.functions)?;
    let nodes = fused::write_out(model.graph()?, nodes, model.opset(), &mut extra);
    let nodes = expand::attention(nodes, &mut extra);
    Ok((nodes, extra))
}

impl<'m> Flat<'m> {
    pub fn of(model: &'m Model, image_size: Option<[usize; 2]>) -> Result<Self> {
        let graph = model.graph()?;
        let (nodes, extra) = nodes(model)?;
        check_order(model, &nodes)?;
        let input = Input::find(model, graph, &nodes, image_size)?;
        let mut flat = Self { model, graph, nodes, extra, input, batch: None };
        flat.take_branches();
        flat.settle_batch()?;
        Ok(flat)
    }

    /// Takes the branch of each `If` whose condition is the same at any batch size that the graph can take; where one is in a
    /// branch, or follows from one, in several rounds.
    fn take_branches(&mut self) {
        let fixed = self.input.batch.unwrap_or(1);
        while self.nodes.iter().any(branch::is_choice) {
            let all: Vec<Facts> = (fixed..fixed + 3).filter_map(|batch| self.infer(batch).ok()).collect();
            let value = |facts: &Facts, name: &str| Some(*facts.get(name)?.value.as_ref()?.first()? != 0.0);
            let known: HashMap<String, bool> = self
                .nodes
                .iter()
                .filter(|node| branch::is_choice(node))
                .filter_map(|node| {
                    let name = node.input(0)?;
                    let first = value(all.first()?, name)?;
                    all.iter().all(|facts| value(facts, name) == Some(first)).then(|| (name.to_owned(), first))
                })
                .collect();
            drop(all);
            if !branch::take(self.nodes.to_mut(), &mut self.extra, |name| known.get(name).copied()) {
                return;
            }
        }
    }

    /// The graph with its input also as a tensor that a node gives, so that it can be a layer.
    pub fn with_input_as_layer(mut self) -> Self {
        let (input, layer) = (self.input.name.clone(), format!("{}/pixels", self.input.name));
        let nodes = self.nodes.to_mut();
        for node in nodes.iter_mut().filter(|node| inline::reads(node).contains(&input.as_str())) {
            inline::rename(node, &|name| if name == input { layer.clone() } else { name.to_owned() });
        }
        nodes.insert(0, NodeProto::new("Identity", &[&input], &layer));
        self
    }

    /// What is known of every tensor when `batch` images are given.
    pub fn facts(&self, batch: usize) -> Result<Facts<'_>> {
        self.infer(batch).map_err(|conflict| self.conflict(conflict))
    }

    fn infer(&self, batch: usize) -> Result<Facts<'_>, Conflict> {
        let constants = self.graph.initializer.iter().chain(&self.extra);
        let mut facts = Facts::of_constants(constants)?;
        facts.add_sparse(&self.graph.sparse_initializer);
        facts.believe(Declared::of(self.graph, &self.input.name), batch);
        facts.run(&self.nodes, self.model.opset(), &self.input.name, self.input.fact(batch))?;
        Ok(facts)
    }

    fn conflict(&self, conflict: Conflict) -> Error {
        let Conflict { node, operator, message } = conflict;
        Error::file(
            &self.model.path,
            format!("node `{node}` ({operator}): {message}"),
            "check the image size (`model.image_size`), and the file with `onnx.checker.check_model(…, full_check=True)`",
        )
    }

    /// Finds out whether the graph takes any batch size. Where only constant shapes of `Reshape`s stand in the way,
    /// opens them.
    fn settle_batch(&mut self) -> Result<()> {
        let fixed = self.input.batch.unwrap_or(1);
        if self.input.batch.is_none() && self.takes_any_batch(fixed) {
            return Ok(());
        }
        let reshapes = {
            let facts = self.facts(fixed)?;
            self.open_reshapes(&facts, fixed)
        };
        let closed = (self.nodes.clone(), self.extra.len());
        for (i, tensor) in reshapes {
            self.nodes.to_mut()[i].input[1].clone_from(&tensor.name);
            self.extra.push(tensor);
        }
        if !self.takes_any_batch(fixed) {
            self.nodes = closed.0;
            self.extra.truncate(closed.1);
            self.batch = Some(fixed);
        }
        Ok(())
    }

    /// Whether inference with two other batch sizes succeeds, and an output follows them.
    fn takes_any_batch(&self, fixed: usize) -> bool {
        let at = |batch: usize| {
            let facts = self.infer(batch).ok()?;
            let shape = |name: &str| facts.shape(name).map(<[usize]>::to_vec);
            Some(self.ends().map(shape).collect::<Vec<_>>())
        };
        let (a, b) = (fixed + 1, fixed + 2);
        let (Some(first), Some(second)) = (at(a), at(b)) else { return false };
        // A shape that is not known tells nothing; a rank that changes is a contradiction.
        let known = || first.iter().zip(&second).filter_map(|(x, y)| Some((x.as_ref()?, y.as_ref()?)));
        let follows =
            |(x, y): (&Vec<usize>, &Vec<usize>)| x.first() == Some(&a) && y.first() == Some(&b) && x[1..] == y[1..];
        known().all(|(x, y)| x.len() == y.len()) && known().any(follows)
    }

    /// The tensors at the end of the graph: its outputs, and the numbers of those that are dictionaries.
    fn ends(&self) -> impl Iterator<Item = &str> {
        let zipped = self.nodes.iter().filter(|node| node.op_type == "ZipMap").filter_map(|node| node.input(0));
        self.graph.output.iter().map(|output| output.name.as_str()).chain(zipped)
    }

    /// For each `Reshape` to a constant shape that begins with the batch size: the same shape, open at its beginning.
    fn open_reshapes(&self, facts: &Facts, fixed: usize) -> Vec<(usize, TensorProto)> {
        let constants: HashSet<&str> = self
            .graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .chain(
                self.nodes
                    .iter()
                    .filter(|node| node.op_type == "Constant")
                    .filter_map(|node| node.output.first().map(String::as_str)),
            )
            .collect();
        let open = |node: &NodeProto| {
            if node.op_type != "Reshape" || !is_standard(&node.domain) || !constants.contains(node.input(1)?) {
                return None;
            }
            let input = facts.get(node.input(0)?).filter(|fact| fact.image)?;
            let target = facts.get(node.input(1)?)?.value.as_ref()?;
            let mut target: Vec<i64> = target.iter().map(|&dim| dim as i64).collect();
            if target.first() != Some(&(fixed as i64)) {
                return None;
            }
            let from_input =
                input.shape.as_ref()?.first() == Some(&fixed) && node.attr_int("allowzero").unwrap_or(0) == 0;
            target[0] = match from_input {
                true => 0,
                false if !target.contains(&-1) => -1,
                false => return None,
            };
            Some(int_proto(&format!("{}/any_batch", node.output.first()?), &target))
        };
        self.nodes.iter().enumerate().filter_map(|(i, node)| Some((i, open(node)?))).collect()
    }

    /// Index of the node that gives each tensor.
    pub fn producers(&self) -> HashMap<&str, usize> {
        let mut producers = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            producers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), i)));
        }
        producers
    }
}

/// Refuses graphs that read a tensor before it is computed, or compute it twice: a walk through them might not end.
fn check_order(model: &Model, nodes: &[NodeProto]) -> Result<()> {
    let wrong = |node: &NodeProto, message: String| {
        let message = format!("node `{}` ({}) {message}", node.display_name(), node.operator());
        Error::file(&model.path, message, "the file is damaged: export or download the model again")
    };
    let mut open: HashSet<&str> = HashSet::new();
    for node in nodes {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if !open.insert(name) {
                return Err(wrong(node, format!("gives `{name}`, which another node gives too")));
            }
        }
    }
    for node in nodes {
        if let Some(name) = inline::reads(node).into_iter().find(|name| open.contains(name)) {
            return Err(wrong(node, format!("reads `{name}` before it is computed")));
        }
        for name in &node.output {
            open.remove(name.as_str());
        }
    }
    Ok(())
}
