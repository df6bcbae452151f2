//! Nodes of older versions of ONNX's operators, written as those of version 13.

use crate::constant::{float_proto, int_proto};
use crate::flat::Flat;
use crate::infer::Facts;
use crate::model::Model;
use crate::node::is_standard;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::{ModelProto, NodeProto, TensorProto};
use ascan_core::{Error, Result};

/// The version that is written.
const UPGRADED: i64 = 13;

/// A prepared model with all nodes of version 13 of ONNX's operators, or of its own if that is newer.
///
/// # Errors
/// `UnsupportedOperator`, with the node, where version 13 has nothing that does the same.
pub(crate) fn upgrade(mut prepared: Model) -> Result<Model> {
    let opset = prepared.opset();
    if opset >= UPGRADED {
        return Ok(prepared);
    }
    let (nodes, constants) = {
        let flat = Flat::of(&prepared, None)?;
        let facts = flat.facts(flat.batch.unwrap_or(2))?;
        let (mut nodes, mut constants) = (Vec::with_capacity(flat.nodes.len()), flat.extra.clone());
        for node in flat.nodes.iter() {
            let refuse = |why: String| Error::UnsupportedOperator {
                operator: node.operator(),
                node: node.display_name().to_owned(),
                model: prepared.path.display().to_string(),
                why: format!(
                    "its form of version {opset} cannot be written in version {UPGRADED} for a gradient: {why}"
                ),
            };
            let form = Form { node, opset, facts: &facts, constants: &mut constants };
            nodes.extend(form.newer().map_err(refuse)?);
        }
        (nodes, constants)
    };
    let ModelProto { graph, opset_import, functions, .. } = &mut prepared.proto;
    functions.clear();
    if let Some(graph) = graph {
        graph.node = nodes;
        graph.initializer.extend(constants);
    }
    opset_import.iter_mut().filter(|set| is_standard(&set.domain)).for_each(|set| set.version = UPGRADED);
    Ok(prepared)
}

/// A node of an older version.
struct Form<'a> {
    node: &'a NodeProto,
    opset: i64,
    facts: &'a Facts<'a>,
    constants: &'a mut Vec<TensorProto>,
}

impl Form<'_> {
    /// The nodes of version 13 that do the same.
    fn newer(mut self) -> Result<Vec<NodeProto>, String> {
        let node = self.node;
        if !is_standard(&node.domain) {
            return Ok(vec![node.clone()]);
        }
        if node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
            return Err("it holds a graph".to_owned());
        }
        Ok(vec![match node.op_type.as_str() {
            "Squeeze" | "Unsqueeze" | "ReduceSum" => self.with_inputs(&[(1, "axes")])?,
            "Split" => self.with_inputs(&[(1, "split")])?,
            "Clip" if self.opset < 11 => self.with_inputs(&[(1, "min"), (2, "max")])?,
            "Pad" if self.opset < 11 => self.with_inputs(&[(1, "pads"), (2, "value")])?,
            "Slice" if self.opset < 10 => self.with_inputs(&[(1, "starts"), (2, "ends"), (3, "axes")])?,
            "TopK" if self.opset < 10 => self.with_inputs(&[(1, "k")])?,
            "Softmax" | "LogSoftmax" | "Hardmax" => return self.over_rest(),
            "Dropout" => match node.output.get(1).is_some_and(|mask| !mask.is_empty()) {
                true => return Err("its mask is read".to_owned()),
                false => NodeProto { op_type: "Identity".into(), attribute: vec![], ..self.reading(&[0]) },
            },
            "Upsample" | "Resize" if self.opset < 11 => self.resize()?,
            "BatchNormalization" if node.attr_int("spatial").unwrap_or(1) == 0 => {
                return Err("`spatial = 0` normalises each place".to_owned());
            }
            "BatchNormalization" => self.without(&["spatial"]),
            "Scatter" => NodeProto { op_type: "ScatterElements".into(), ..node.clone() },
            _ => node.clone(),
        }])
    }

    fn without(&self, attributes: &[&str]) -> NodeProto {
        let mut node = self.node.clone();
        node.attribute.retain(|attribute| !attributes.contains(&attribute.name.as_str()));
        node
    }

    /// The node with some of its inputs alone.
    fn reading(&self, inputs: &[usize]) -> NodeProto {
        let input = inputs.iter().filter_map(|&i| self.node.input.get(i).cloned()).collect();
        NodeProto { input, ..self.node.clone() }
    }

    fn constant(&mut self, tensor: impl FnOnce(&str) -> TensorProto, what: &str) -> String {
        let tensor = tensor(&format!("{}/{what}", self.node.output.first().map_or("", String::as_str)));
        let name = tensor.name.clone();
        self.constants.push(tensor);
        name
    }

    /// The node with attributes as inputs of these places, where it has them.
    fn with_inputs(&mut self, places: &[(usize, &str)]) -> Result<NodeProto, String> {
        let names: Vec<&str> = places.iter().map(|&(_, name)| name).collect();
        let mut node = self.without(&names);
        let is_float = self.facts.get(&node.input[0]).is_some_and(|fact| fact.elem == Some(DataType::Float));
        for &(place, name) in places {
            let given = self.node.attribute.iter().find(|attribute| attribute.name == name);
            let input = match given.map(|given| (given.r#type(), given)) {
                None => continue,
                Some((AttributeType::Ints, given)) => self.constant(|full| int_proto(full, &given.ints), name),
                Some((AttributeType::Int, given)) => self.constant(|full| int_proto(full, &[given.i]), name),
                Some((AttributeType::Float, given)) if is_float => {
                    self.constant(|full| float_proto(full, &[], &[given.f]), name)
                }
                Some(_) => return Err(format!("`{name}` is of another type than expected")),
            };
            let len = node.input.len().max(place + 1);
            node.input.resize(len, String::new());
            node.input[place] = input;
        }
        Ok(node)
    }

    /// A softmax over the axis given and all behind it, as one.
    fn over_rest(self) -> Result<Vec<NodeProto>, String> {
        let node = self.node;
        let Some(shape) = self.facts.shape(&node.input[0]) else { return Err("its shape is not known".to_owned()) };
        let axis = node.attr_int("axis").unwrap_or(1).rem_euclid(shape.len().max(1) as i64) as usize;
        let plain = self.without(&["axis"]);
        if shape[axis + 1..].iter().all(|&length| length == 1) {
            return Ok(vec![plain.with_int("axis", axis as i64)]);
        }
        let [lengths, flat, made] = ["shape", "flat", "over_rest"].map(|what| format!("{}/{what}", node.output[0]));
        let inner = NodeProto { name: made.clone(), input: vec![flat.clone()], output: vec![made.clone()], ..plain };
        Ok(vec![
            NodeProto::new("Shape", &[&node.input[0]], &lengths),
            NodeProto::new("Flatten", &[&node.input[0]], &flat).with_int("axis", axis as i64),
            inner.with_int("axis", -1),
            NodeProto::new("Reshape", &[&made, &lengths], &node.output[0]),
        ])
    }

    /// Up to version 10 places were counted from the corner of the first pixel, and the nearest was the one before.
    fn resize(&mut self) -> Result<NodeProto, String> {
        let scales = match self.node.input(1) {
            Some(name) => name.to_owned(),
            None => {
                let Some(scales) = self.node.attr_floats("scales") else { return Err("it has no scales".to_owned()) };
                self.constant(|full| float_proto(full, &[scales.len()], scales), "scales")
            }
        };
        let known = self.facts.get(&scales).and_then(|fact| fact.value.clone());
        let given = || self.node.attr_floats("scales").map(|scales| scales.iter().map(|&s| f64::from(s)).collect());
        let grows = known.or_else(given).is_some_and(|scales: Vec<f64>| scales.iter().all(|&scale| scale >= 1.0));
        let mode = self.node.attr_string("mode").unwrap_or("nearest").to_owned();
        if mode == "nearest" && !grows {
            return Err("it makes a map smaller, or its scales are not known".to_owned());
        }
        let mut node = NodeProto { op_type: "Resize".into(), ..self.without(&["scales"]) };
        node.input = vec![self.node.input[0].clone(), String::new(), scales];
        let node = node.with_string("coordinate_transformation_mode", "asymmetric");
        Ok(if mode == "nearest" { node.with_string("nearest_mode", "floor") } else { node })
    }
}
