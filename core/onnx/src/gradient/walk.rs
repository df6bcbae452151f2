//! The way back through a graph, node by node.

use super::absorb;
use super::file::assemble;
use super::flow::{Flow, Part};
use super::fold::fold;
use super::lookup::{lookup, no_rule};
use super::patterns;
use super::rules::{self, Pattern, Rule};
use super::shape::Shape;
use super::tape::{Known, Tape};
use crate::flat::Flat;
use crate::infer::Fact;
use crate::inline::reads;
use crate::model::Model;
use crate::operator::Operator;
use crate::prepare::live;
use crate::proto::tensor_proto::DataType;
use crate::proto::{ModelProto, NodeProto};
use ascan_core::{Error, Result};
use std::collections::{HashMap, HashSet};

/// Writes the gradients of `end` with respect to `sources` behind a prepared model, which also gives `layers`; see
/// [`super::gradient`].
pub(super) fn walk(
    prepared: &Model,
    layers: &[&str],
    sources: &[String],
    end: &str,
    of_class: bool,
) -> Result<ModelProto> {
    let flat = Flat::of(prepared, None)?;
    // Not 1: an axis of length 1 is repeated by broadcasting, and would hide what follows the batch.
    let batches = flat.batch.map_or([2, 3], |only| [only; 2]);
    let mut tape = Tape::new(prepared.opset(), known(&flat, batches)?);
    let refuse = |why: String| Error::unsupported(format!("{}: {why}", prepared.path.display()), FALL_BACK);
    let kept: HashSet<String> = sources.iter().cloned().chain([end.to_owned()]).collect();
    let given: HashSet<String> = kept.iter().cloned().chain(layers.iter().map(|&layer| layer.to_owned())).collect();
    let mut nodes = live(&flat.nodes, &given.iter().map(String::as_str).collect::<Vec<_>>());
    // An operator that stops every gradient is named before a shape that is missing behind it.
    sources.iter().try_for_each(|source| lookup(prepared, &nodes, source, end))?;
    let folded = fold(&tape, &mut nodes);
    let patterns = patterns::rewrite(&mut tape, &mut nodes, &given).map_err(refuse)?;
    tape.wanted = between(&tape, &nodes, sources, end);
    if let Some(source) = sources.iter().find(|source| !tape.wants(source)) {
        return Err(Error::unsupported(format!("`{end}` does not depend on `{source}`"), "choose another layer"));
    }
    absorb::absorb(&mut tape, &nodes, &kept).map_err(refuse)?;
    let (input, seed) = seed(&mut tape, end, of_class).map_err(refuse)?;
    tape.seed.clone_from(&seed);
    let sums = HashMap::from([(end.to_owned(), vec![Part::Whole(Flow::of(seed))])]);
    let gradients = Back { patterns, model: prepared, sums }.walk(&mut tape, &nodes, sources)?;
    for (first, i, name) in std::mem::take(&mut tape.more_outputs) {
        if let Some(node) = nodes.iter_mut().find(|node| node.output.first() == Some(&first)) {
            let len = node.output.len().max(i + 1);
            node.output.resize(len, String::new());
            node.output[i] = name;
        }
    }
    let mut outputs = vec![end.to_owned()];
    outputs.extend(layers.iter().filter(|&&name| name != end).map(|&name| name.to_owned()));
    outputs.extend(gradients);
    let added = folded.into_iter().chain(std::mem::take(&mut tape.constants));
    let constants = flat.extra.iter().cloned().chain(added).collect();
    nodes.append(&mut tape.nodes);
    let inputs = [flat.input.name.clone(), input];
    Ok(assemble(prepared, &tape, (nodes, constants), &inputs, &outputs, batches))
}

const FALL_BACK: &str = "use `backend = \"burn\"` or `\"auto\"`";

/// What is known of every tensor.
fn known(flat: &Flat, batches: [usize; 2]) -> Result<HashMap<String, Known>> {
    let (small, large) = (flat.facts(batches[0])?, flat.facts(batches[1])?);
    // Shapes of one image may hide what follows the batch, but a value has to be the same there too.
    let single = if flat.batch.is_none() { flat.facts(1).ok() } else { None };
    let constants = flat.graph.initializer.iter().chain(&flat.extra).map(|tensor| tensor.name.as_str());
    let sparse = flat.graph.sparse_initializer.iter().filter_map(|tensor| tensor.values.as_ref());
    let given = flat.nodes.iter().flat_map(|node| node.output.iter().map(String::as_str));
    let names =
        constants.chain(sparse.map(|values| values.name.as_str())).chain(given).chain([flat.input.name.as_str()]);
    let fact = |name: &str| {
        let (a, b): (&Fact, &Fact) = (small.get(name)?, large.get(name)?);
        let shape = match (&a.shape, &b.shape) {
            (Some(a), Some(b)) if a.len() == b.len() => Some(Shape::new(a.clone(), b.clone())),
            _ => None,
        };
        let one = single.as_ref().and_then(|facts| facts.get(name));
        let value = a
            .value
            .clone()
            .filter(|value| b.value.as_ref() == Some(value) && one.is_none_or(|one| one.value.as_ref() == Some(value)));
        let counts = [a, b].iter().all(|fact| {
            fact.value.as_ref().is_some_and(|values| values.iter().enumerate().all(|(i, &value)| value == i as f64))
        });
        Some((name.to_owned(), Known { shape, elem: a.elem, image: a.image, value, counts }))
    };
    Ok(names.filter(|name| !name.is_empty()).filter_map(fact).collect())
}

/// The tensors that depend on the image and lie on a way from one of `sources` to `end`.
fn between(tape: &Tape, nodes: &[NodeProto], sources: &[String], end: &str) -> HashSet<String> {
    let mut down: HashSet<&str> = sources.iter().map(String::as_str).collect();
    for node in nodes {
        if reads(node).iter().any(|name| down.contains(name)) {
            down.extend(node.output.iter().map(String::as_str));
        }
    }
    let mut up = HashSet::from([end]);
    for node in nodes.iter().rev() {
        if node.op_type != "Shape" && node.output.iter().any(|name| up.contains(name.as_str())) {
            up.extend(reads(node));
        }
    }
    let both = down.into_iter().filter(|&name| up.contains(name) && tape.of_image(name));
    both.map(str::to_owned).collect()
}

/// The input that says what is differentiated, and the gradient of the end.
fn seed(tape: &mut Tape, end: &str, of_class: bool) -> Result<(String, String), String> {
    let shape = tape.shape(end)?;
    if !of_class {
        let name = tape.fresh("cotangent");
        tape.input(&name, shape, DataType::Float);
        return Ok((name.clone(), name));
    }
    let name = tape.fresh("target_class");
    let each = shape.map(|lengths| lengths[..1].to_vec());
    tape.input(&name, each.clone(), DataType::Int64);
    // No class: the one of the largest logit, the first of equals.
    let largest = NodeProto::new("ArgMax", &[end], "").with_int("axis", 1).with_int("keepdims", 0);
    let largest = tape.emit_as(largest, each.clone(), DataType::Int64);
    let zero = tape.ints(&[0]);
    let is_open = tape.compare("Less", &name, &zero)?;
    let class = tape.emit_as(NodeProto::new("Where", &[&is_open, &largest, &name], ""), each, DataType::Int64);
    tape.target_class = Some(class.clone());
    let depth = tape.ints(&[shape.length(1) as i64]);
    let values = tape.floats(&[2], vec![0.0, 1.0]);
    let one_hot = NodeProto::new("OneHot", &[&class, &depth, &values], "").with_int("axis", -1);
    Ok((name, tape.emit(one_hot, shape)))
}

/// The state of the way back.
struct Back<'m> {
    model: &'m Model,
    patterns: HashMap<String, Pattern>,
    /// What has been contributed to the gradient of each tensor so far.
    sums: HashMap<String, Vec<Part>>,
}

impl Back<'_> {
    /// Goes back through all nodes; returns the tensors with the gradients of `sources`.
    fn walk(mut self, tape: &mut Tape, nodes: &[NodeProto], sources: &[String]) -> Result<Vec<String>> {
        let mut done: HashMap<&String, Option<Flow>> = HashMap::new();
        for node in nodes.iter().rev() {
            let fail = |why: String| no_rule(self.model, node, &why);
            let mut flows = Vec::with_capacity(node.output.len());
            for name in &node.output {
                let parts = self.sums.remove(name).unwrap_or_default();
                let flow = tape.total(name, parts).map_err(fail)?;
                if sources.contains(name) {
                    done.insert(name, flow.clone());
                }
                flows.push(flow);
            }
            let leads_on = node.input.iter().any(|name| tape.wants(name));
            if !leads_on || flows.iter().all(Option::is_none) {
                continue;
            }
            let parts = self.parts(tape, node, &flows).map_err(fail)?;
            for (i, part) in parts {
                if tape.wants(&node.input[i]) {
                    self.sums.entry(node.input[i].clone()).or_default().push(part);
                }
            }
            for (name, tensor) in std::mem::take(&mut tape.beside) {
                self.sums.entry(name).or_default().push(Part::Whole(Flow::of(tensor)));
            }
        }
        let mut outputs = Vec::with_capacity(sources.len());
        for source in sources {
            let fail = |why: String| Error::unsupported(format!("the gradient of `{source}`: {why}"), FALL_BACK);
            let flow = match done.remove(source) {
                Some(flow) => flow,
                None => tape.total(source, self.sums.remove(source).unwrap_or_default()).map_err(fail)?,
            };
            outputs.push(self.output(tape, source, flow).map_err(fail)?);
        }
        Ok(outputs)
    }

    /// What a node contributes to the gradients of its inputs.
    fn parts(&self, tape: &mut Tape, node: &NodeProto, flows: &[Option<Flow>]) -> Result<super::flow::Parts, String> {
        let first = flows.first().and_then(Option::as_ref);
        if let (Some(&pattern), Some(flow)) = (self.patterns.get(&node.output[0]), first) {
            let g = tape.plain(flow)?;
            return rules::pattern(tape, node, pattern, &g);
        }
        let rule = Operator::of(node).and_then(rules::of).ok_or("there is no rule for this operator")?;
        match (rule, first) {
            (Rule::Steps, _) => Ok(vec![]),
            (Rule::Plain(rule), Some(flow)) => {
                let g = tape.plain(flow)?;
                rule(tape, node, &g)
            }
            (Rule::Carrying(rule), Some(flow)) => rule(tape, node, flow),
            (Rule::Several(rule), _) => {
                let mut plain = Vec::with_capacity(flows.len());
                for flow in flows {
                    plain.push(flow.as_ref().map(|flow| tape.plain(flow)).transpose()?);
                }
                rule(tape, node, &plain)
            }
            // A gradient of another output than the first, which no rule of one output knows.
            (Rule::Plain(_) | Rule::Carrying(_), None) => Err("another output than the first is read".to_owned()),
        }
    }

    /// The output `gradient/SOURCE`: zero where only step functions lead on.
    fn output(&self, tape: &mut Tape, source: &str, flow: Option<Flow>) -> Result<String, String> {
        let shape = tape.shape(source)?;
        let gradient = match flow {
            Some(flow) => {
                let plain = tape.plain(&flow)?;
                tape.expand(&plain, &shape)?
            }
            None => tape.zeros(source)?,
        };
        let name = tape.fresh(&format!("gradient/{source}"));
        tape.input(&name, shape, DataType::Float);
        tape.nodes.push(NodeProto::new("Identity", &[&gradient], &name));
        Ok(name)
    }
}
