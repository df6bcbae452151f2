//! Gradients of logits: the model with its backward pass, written as ONNX and run as any other.

use crate::engine::Compiled;
use crate::opened::Opened;
use ascan_core::backend::check_gradients;
use ascan_core::{Gradients, Result, Tensor, TensorView};
use ascan_onnx::{Seed, calls, gradient};

/// The model with its gradients with respect to some tensors.
pub(crate) struct Sources {
    names: Vec<String>,
    graph: Compiled,
}

/// See [`ascan_core::ModelBackend::gradients`].
pub(crate) fn gradients(
    opened: &Opened,
    graphs: &mut Vec<Sources>,
    images: TensorView,
    target_classes: &[usize],
    with_respect_to: &[&str],
) -> Result<Gradients> {
    let info = &opened.info;
    let n = check_gradients(info, images, target_classes, with_respect_to)?;
    let name = |&name: &&str| if name == info.input { Ok(info.input.as_str()) } else { Ok(info.tensor(name)?.0) };
    let asked = with_respect_to.iter().map(name).collect::<Result<Vec<_>>>()?;
    let gives = |kept: &Sources| asked.iter().all(|&name| kept.names.iter().any(|known| known == name));
    let at = match graphs.iter().position(gives) {
        Some(at) => at,
        None => {
            let mut names = asked.clone();
            names.sort_unstable();
            names.dedup();
            let proto = gradient(&opened.model, &opened.classifier, &names, Seed::TargetClass)?;
            let graph = opened.engine.compile(proto)?;
            graphs.push(Sources { names: names.into_iter().map(str::to_owned).collect(), graph });
            graphs.len() - 1
        }
    };
    let Sources { names, graph } = &mut graphs[at];
    // One image at a time is fastest on the CPU, and makes a result independent of its batch.
    let size = opened.classifier.batch.unwrap_or(1);
    let shape = [&[size][..], &info.input_shape].concat();
    let mut logits = Vec::with_capacity(n * info.n_classes);
    let mut found: Vec<[Vec<f32>; 2]> = vec![[Vec::new(), Vec::new()]; asked.len()];
    for (call, (n_rows, values)) in calls(images, size).enumerate() {
        let class = |row: usize| target_classes[(call * size + row).min(n - 1)] as i64;
        let classes: Vec<i64> = (0..size).map(class).collect();
        let inputs = [graph.floats(&shape, &values)?, graph.integers(&classes)?];
        let order = graph.inputs.clone();
        let outputs = graph.run(order.iter().map(String::as_str).zip(inputs).collect())?;
        logits.extend_from_slice(&graph.read(&outputs[0])?.1[..n_rows * info.n_classes]);
        let first_gradient = outputs.len() - names.len();
        let plain = |name: &str, at: usize| -> Result<Tensor> {
            let (shape, data) = graph.read(&outputs[at])?;
            if name == info.input {
                Tensor::new(shape, data.to_vec())
            } else {
                opened.classifier.to_plain(name, &shape, data)
            }
        };
        for (&name, [gradients, own_values]) in asked.iter().zip(&mut found) {
            let index = names.iter().position(|known| known == name).unwrap_or_default();
            gradients.extend_from_slice(plain(name, first_gradient + index)?.view().rows(0..n_rows));
            // The input's own value is what was given.
            if name == info.input {
                own_values.extend_from_slice(&values[..n_rows * images.row_len()]);
            } else {
                let before = names[..index].iter().filter(|known| **known != info.input).count();
                own_values.extend_from_slice(plain(name, 1 + before)?.view().rows(0..n_rows));
            }
        }
    }
    let mut result = Gradients { logits: Tensor::new([n, info.n_classes], logits)?, ..Gradients::default() };
    for (&name, [gradients, values]) in asked.iter().zip(found) {
        result.gradients.push(opened.collect(name, n, gradients)?);
        result.values.push(opened.collect(name, n, values)?);
    }
    Ok(result)
}
