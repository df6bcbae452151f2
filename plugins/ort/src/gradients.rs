//! Gradients of logits: the model with its backward pass, written as ONNX and run as any other.

use crate::engine::Compiled;
use crate::opened::Opened;
use ascan_core::{Error, Forward, Pass, PassRequest, Result, Tensor};
use ascan_onnx::calls;

/// In place of a class: the one that the pass predicts; see [`ascan_onnx::Seed::TargetClass`].
const PREDICTED: i64 = -1;

/// The model with some of its layers, and its gradients with respect to some tensors.
pub(crate) struct Sources {
    /// What the gradients, which are the last outputs, are of.
    names: Vec<String>,
    graph: Compiled,
}

impl Sources {
    /// The graph that gives these layers and gradients, which is made if there is none yet.
    fn with<'s>(opened: &Opened, all: &'s mut Vec<Self>, layers: &[&str], names: &[&str]) -> Result<&'s mut Self> {
        let gives = |kept: &Self| {
            let outputs = &kept.graph.outputs[..kept.first_gradient()];
            layers.iter().all(|&layer| outputs.iter().any(|known| known == layer))
                && names.iter().all(|&name| kept.names.iter().any(|known| known == name))
        };
        if let Some(at) = all.iter().position(gives) {
            return Ok(&mut all[at]);
        }
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        let graph = opened.engine.compile_file(&opened.known.file(layers, &names)?)?;
        all.push(Self { names: names.into_iter().map(str::to_owned).collect(), graph });
        let last = all.len() - 1;
        Ok(&mut all[last])
    }

    fn first_gradient(&self) -> usize {
        self.graph.outputs.len() - self.names.len()
    }
}

/// See [`ascan_core::ModelBackend::pass`]; the request is a checked one.
pub(crate) fn pass(opened: &Opened, all: &mut Vec<Sources>, request: &PassRequest) -> Result<Pass> {
    let (known, images) = (&opened.known, request.images);
    let info = &known.info;
    let n = images.n_rows();
    let name = |&name: &&str| if name == info.input { Ok(info.input.as_str()) } else { Ok(info.tensor(name)?.0) };
    let layers = request.layers.iter().map(name).collect::<Result<Vec<_>>>()?;
    let names = request.gradients_of.iter().map(name).collect::<Result<Vec<_>>>()?;
    let sources = Sources::with(opened, all, &layers, &names)?;
    // Where each tensor asked for stands among the outputs.
    let place = |all: &[String], name: &str| all.iter().position(|one| one == name);
    let outputs = &sources.graph.outputs;
    let lacking = || Error::shape("outputs of the gradient", "every tensor asked for", outputs.len());
    let of_layers = layers.iter().map(|&name| Some((name, place(outputs, name)?)));
    let of_gradients = names.iter().map(|&name| Some((name, sources.first_gradient() + place(&sources.names, name)?)));
    let asked = of_layers.chain(of_gradients).collect::<Option<Vec<_>>>().ok_or_else(lacking)?;

    let graph = &mut sources.graph;
    let order = graph.inputs.clone();
    // One image at a time is fastest on the CPU, and makes a result independent of its batch.
    let size = known.classifier.batch.unwrap_or(1);
    let shape = [&[size][..], &info.input_shape].concat();
    let mut logits = Vec::with_capacity(n * info.n_classes);
    let mut found: Vec<Vec<f32>> = vec![Vec::new(); asked.len()];
    for (call, (n_rows, values)) in calls(images, size).enumerate() {
        let class = |row: usize| request.target_classes[(call * size + row).min(n - 1)];
        let classes: Vec<i64> = (0..size).map(|row| class(row).map_or(PREDICTED, |class| class as i64)).collect();
        let inputs = [graph.floats(&shape, &values)?, graph.integers(&classes)?];
        let outputs = graph.run(order.iter().map(String::as_str).zip(inputs).collect())?;
        logits.extend_from_slice(&graph.read(&outputs[0])?.1[..n_rows * info.n_classes]);
        for (&(name, at), found) in asked.iter().zip(&mut found) {
            let (shape, data) = graph.read(&outputs[at])?;
            if name == info.input {
                found.extend_from_slice(&data[..n_rows * images.row_len()]);
            } else {
                let plain = known.classifier.to_plain(name, &shape, data)?;
                found.extend_from_slice(plain.view().rows(0..n_rows));
            }
        }
    }
    let tensors = asked.iter().zip(found).map(|(&(name, _), data)| known.collect(name, n, data));
    let mut tensors = tensors.collect::<Result<Vec<Tensor>>>()?.into_iter();
    let mut named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).zip(&mut tensors).collect();
    let feature_maps = named(request.layers);
    let forward = Forward { logits: Tensor::new([n, info.n_classes], logits)?, feature_maps };
    Ok(Pass { forward, gradients: named(request.gradients_of) })
}
