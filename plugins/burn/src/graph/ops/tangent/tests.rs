//! A derivative along a direction is the gradient's product with it, for every net that there is.

use super::*;
use crate::graph::Preparation;
use crate::graph::ops::Row;
use ascan_core::OutputChoice;
use ascan_onnx::{Classifier, Model, Operator, prepare};
use burn::tensor::{Device, TensorData};
use std::path::{Path, PathBuf};

fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|name| name == "onnx")).collect();
    files.sort();
    files
}

fn wave(shape: &[usize], phase: f32) -> Vec<f32> {
    (0..shape.iter().product()).map(|i| (i as f32 * 0.7 + phase).sin()).collect()
}

/// The derivative of a mix of the logits along a direction: forwards, and as gradient · direction.
fn both_ways(file: &Path, merge_batch_norm: bool) -> Result<(f64, f64)> {
    let original = Model::load(file)?;
    let classifier = Classifier::analyse(&original, None, &OutputChoice::default())?;
    let model = Model::from_proto(prepare(&original, &classifier, &[], None)?, file);
    let device = Device::flex();
    let graph = Graph::new(&model, &device, &Preparation { live: &[], merge_batch_norm })?;
    let info = classifier.model_info("test", ascan_core::Capabilities::default(), 1);
    let shape = [&[classifier.batch.unwrap_or(2)][..], &info.input_shape].concat();
    let slot = |name: &str| graph.slot(name).expect("the graph has it");
    let (input, logits) = (slot(&info.input), slot(&info.logits));
    let (pixels, direction) = (wave(&shape, 0.0), wave(&shape, 1.0));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let state = graph.run_state();

    let value = Value::Float(Float::new(pixels.clone(), &shape, &device)?);
    let tangent = Some(Float::new(direction.clone(), &shape, &device)?);
    let forwards = run(&graph, &state, vec![(input, Dual { value, tangent })], &[logits])?.remove(0);
    let tangent = forwards.tangent.expect("the logits depend on the image");
    let mix = wave(&tangent.shape(), 2.0);
    let forwards = dot(&tangent.to_vec(), &mix);

    let six = Float::new(pixels, &shape, &device)?.six().autodiff().require_grad();
    let leaf = six.clone();
    let fed = vec![(input, Value::Float(Float::from_six(six, shape.len())))];
    let Value::Float(output) = graph.run(&state, fed, &[logits], &mut |_, value| value)?.remove(0) else {
        panic!("logits are floats");
    };
    let dims = output.clone().six().dims();
    let mix = Tensor::from_data(TensorData::new(mix, dims), &device);
    let gradients = output.six().mul(mix).sum().backward();
    let gradient = Float::from_six(leaf.grad(&gradients).expect("it is tracked"), shape.len()).into_vec();
    Ok((forwards, dot(&gradient, &direction)))
}

#[test]
fn forwards_and_backwards_agree_on_every_golden_net() {
    let files = goldens();
    assert!(files.len() > 30, "only {} nets", files.len());
    for file in files {
        for merged in [false, true] {
            let (forwards, backwards) = both_ways(&file, merged).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            let far = (forwards - backwards).abs();
            assert!(far <= 2e-4 * backwards.abs().max(1e-6), "{file:?}: {forwards} forwards, {backwards} backwards");
        }
    }
}

/// A slope is that of its function.
#[test]
fn slopes_are_those_of_their_functions() {
    let device = Device::flex();
    let run = Run { device: device.clone(), opset: 17, batch_norm: None };
    let mut n_slopes = 0;
    for operator in Operator::ALL.iter().map(|operator| operator.name()) {
        let proto = NodeProto::new(operator, &["x"], "y");
        let Ok(Row { kernel, tangent: Tangent::Slope(slope), .. }) = crate::graph::ops::row(&proto) else { continue };
        n_slopes += 1;
        let at = |points: &[f32]| -> Vec<f32> {
            let x = Value::Float(Float::new(points.to_vec(), &[points.len()], &device).unwrap());
            let mut call = crate::graph::ops::Call { node: &proto, run: &run, inputs: vec![Some(x)] };
            match kernel(&mut call).unwrap().remove(0) {
                Value::Float(y) => y.into_vec(),
                Value::Ints(_) => panic!("{operator} gives floats"),
            }
        };
        // Away from kinks; above 0 where the function is only there.
        let points: &[f32] =
            if matches!(operator, "Log" | "Sqrt") { &[0.3, 0.9, 1.7, 2.6] } else { &[-1.7, -0.4, 0.3, 0.8, 1.6, 2.4] };
        let h = 1e-2;
        let shifted = |by: f32| at(&points.iter().map(|x| x + by).collect::<Vec<_>>());
        // Five points: the error is of the fourth order in h.
        let (a, b, c, d) = (shifted(-2.0 * h), shifted(-h), shifted(h), shifted(2.0 * h));
        let (x, y) = (points.to_vec(), at(points));
        let [x, y] = [x, y].map(|values| Float::new(values, &[points.len()], &device).unwrap().six());
        let slopes = slope(&Node { proto: &proto, run: &run }, x, y);
        for (i, slope) in Float::from_six(slopes, 1).into_vec().into_iter().enumerate() {
            let expected = (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * h);
            let far = (slope - expected).abs();
            assert!(far < 1e-3 * expected.abs().max(1.0), "{operator} at {}: {slope}, not {expected}", points[i]);
        }
    }
    assert!(n_slopes > 20, "only {n_slopes} slopes");
}
