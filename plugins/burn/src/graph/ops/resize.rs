//! `Resize` and `Upsample`: every mode is linear along each axis, so each axis is one matrix product.

use super::{Call, floats};
use crate::value::{Float, Ints, MAX_RANK, Value, resolve_axis};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_proto::DataType;
use burn::tensor::{Tensor, TensorData};

pub(super) fn modes_are_known(node: &NodeProto) -> Option<String> {
    let unknown = |name: &str, default: &str, known: &[&str]| {
        let mode = node.attr_string(name).unwrap_or(default).to_owned();
        (!known.contains(&mode.as_str())).then(|| format!("{name} `{mode}`"))
    };
    unknown("mode", "nearest", &["nearest", "linear", "cubic"])
        .or_else(|| {
            let known = [
                "half_pixel",
                "half_pixel_symmetric",
                "pytorch_half_pixel",
                "align_corners",
                "asymmetric",
                "tf_half_pixel_for_nn",
                "tf_crop_and_resize",
            ];
            unknown("coordinate_transformation_mode", "half_pixel", &known)
        })
        .or_else(|| {
            let known = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
            unknown("nearest_mode", "round_prefer_floor", &known)
        })
}

/// How one axis is resized.
struct Axis<'a> {
    length: usize,
    output: usize,
    scale: f64,
    transform: &'a str,
    /// Part of the axis that is kept, in [0, 1], for `tf_crop_and_resize`.
    roi: (f64, f64),
}

impl Axis<'_> {
    /// Place in the input of an output index.
    fn place(&self, index: usize) -> f64 {
        let (x, length) = (index as f64, self.length as f64);
        let width = self.scale * length;
        match self.transform {
            "align_corners" if self.output == 1 => 0.0,
            "align_corners" => x * (length - 1.0) / (self.output as f64 - 1.0),
            "asymmetric" => x / self.scale,
            "pytorch_half_pixel" if self.output == 1 => -0.5,
            "tf_half_pixel_for_nn" => (x + 0.5) / self.scale,
            "tf_crop_and_resize" => {
                let (start, end) = self.roi;
                let place = match self.output {
                    1 => (end - start) * (length - 1.0) / 2.0,
                    output => x * (end - start) * (length - 1.0) / (output as f64 - 1.0),
                };
                place + start * (length - 1.0)
            }
            "half_pixel_symmetric" => {
                let offset = length / 2.0 * (1.0 - self.output as f64 / width);
                offset + (x + 0.5) / self.scale - 0.5
            }
            _ => (x + 0.5) / self.scale - 0.5,
        }
    }

    /// Whether an output index lies outside what `tf_crop_and_resize` may read.
    fn is_outside(&self, index: usize) -> bool {
        let place = self.place(index);
        self.transform == "tf_crop_and_resize" && (place < 0.0 || place > self.length as f64 - 1.0)
    }

    fn nearest(&self, mode: &str) -> Vec<i64> {
        let index = |i: usize| {
            let place = self.place(i);
            let index = match mode {
                "floor" => place.floor(),
                "ceil" => place.ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                _ => (place - 0.5).ceil(),
            };
            (index as i64).clamp(0, self.length as i64 - 1)
        };
        (0..self.output).map(index).collect()
    }

    /// `[output, length]`: weights of the input's elements for each output.
    fn weights(&self, kernel: impl Fn(f64) -> f64, radius: f64, antialias: bool, exclude_outside: bool) -> Vec<f32> {
        let mut matrix = vec![0.0; self.output * self.length];
        let scale = if antialias { self.scale.min(1.0) } else { 1.0 };
        for (i, row) in matrix.chunks_exact_mut(self.length).enumerate() {
            let place = self.place(i);
            let base = place.floor();
            let first = (-radius / scale).floor() as i64 + 1;
            let taps: Vec<(i64, f64)> = (first..=1 - first)
                .map(|tap| (base as i64 + tap, kernel((tap as f64 - (place - base)) * scale)))
                .filter(|&(at, _)| !exclude_outside || (0..self.length as i64).contains(&at))
                .collect();
            let total: f64 = taps.iter().map(|tap| tap.1).sum();
            for (at, weight) in taps {
                row[at.clamp(0, self.length as i64 - 1) as usize] += (weight / total) as f32;
            }
        }
        matrix
    }
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

pub(super) fn upsample(call: &mut Call) -> Result<Vec<Value>> {
    let scales = match call.node.attr_floats("scales") {
        Some(scales) => scales.to_vec(),
        None => call.float(1)?.to_vec(),
    };
    apply(call, &scales, None, "asymmetric", "floor")
}

pub(super) fn resize(call: &mut Call) -> Result<Vec<Value>> {
    if call.run.opset < 11 {
        let scales = call.float(1)?.to_vec();
        return apply(call, &scales, None, "asymmetric", "floor");
    }
    let scales = call.optional_float(2)?.map(|scales| scales.to_vec()).unwrap_or_default();
    let sizes = if call.has(3) { Some(call.ints(3)?.data) } else { None };
    let node = call.node;
    let transform = node.attr_string("coordinate_transformation_mode").unwrap_or("half_pixel");
    let rounding = node.attr_string("nearest_mode").unwrap_or("round_prefer_floor");
    apply(call, &scales, sizes.filter(|sizes| !sizes.is_empty()), transform, rounding)
}

fn apply(
    call: &mut Call,
    scales: &[f32],
    sizes: Option<Vec<i64>>,
    transform: &str,
    rounding: &str,
) -> Result<Vec<Value>> {
    let roi = if call.run.opset >= 11 { call.optional_float(1)?.map(|roi| roi.to_vec()) } else { None };
    let roi = roi.unwrap_or_default();
    let x = call.float(0)?;
    let shape = x.shape();
    let n_given = sizes.as_ref().map_or(scales.len(), Vec::len);
    let axes: Vec<usize> = match call.node.attr_ints("axes") {
        Some(axes) => axes.iter().map(|&axis| resolve_axis(axis, shape.len())).collect::<Result<_>>()?,
        None => (0..shape.len()).collect(),
    };
    if n_given != axes.len() {
        return Err(call.error(format!("{n_given} sizes or scales for {} axes", axes.len())));
    }
    let mut ratios: Vec<f64> = match &sizes {
        Some(sizes) => sizes.iter().zip(&axes).map(|(&size, &axis)| size as f64 / shape[axis] as f64).collect(),
        None => scales.iter().map(|&scale| f64::from(scale)).collect(),
    };
    let policy = call.node.attr_string("keep_aspect_ratio_policy").unwrap_or("stretch");
    let common = match policy {
        "not_larger" => ratios.iter().copied().reduce(f64::min),
        "not_smaller" => ratios.iter().copied().reduce(f64::max),
        _ => None,
    };
    if let Some(common) = common.filter(|_| sizes.is_some()) {
        ratios.fill(common);
    }
    let output = |i: usize| match (&sizes, common) {
        (Some(sizes), None) => sizes[i].max(0) as usize,
        (Some(_), Some(_)) => (ratios[i] * shape[axes[i]] as f64).round() as usize,
        (None, _) => (ratios[i] * shape[axes[i]] as f64).floor() as usize,
    };
    let mode = call.node.attr_string("mode").unwrap_or("nearest");
    let antialias = call.int("antialias", 0) != 0;
    let exclude_outside = call.int("exclude_outside", 0) != 0;
    let coefficient = f64::from(call.real("cubic_coeff_a", -0.75));
    let mut result = x;
    let mut outside: Vec<(usize, Vec<i64>)> = Vec::new();
    for (i, &axis) in axes.iter().enumerate() {
        let place = |at: usize| f64::from(roi.get(at).copied().unwrap_or(0.0));
        let plan = Axis {
            length: shape[axis],
            output: output(i),
            scale: ratios[i],
            transform,
            roi: (place(i), place(i + axes.len())),
        };
        if plan.output == plan.length && plan.scale == 1.0 && transform != "tf_crop_and_resize" {
            continue;
        }
        let six = axis + MAX_RANK - shape.len();
        let device = call.run.device.clone();
        result = match mode {
            "nearest" => {
                let indices = Ints::list(plan.nearest(rounding)).to_indices(&device);
                result.map(|x| x.select(six, indices))
            }
            _ => {
                let weights = match mode {
                    "linear" => plan.weights(|x| (1.0 - x.abs()).max(0.0), 1.0, antialias, exclude_outside),
                    _ => plan.weights(|x| cubic(x, coefficient), 2.0, antialias, exclude_outside),
                };
                let dims = [1, 1, 1, 1, plan.output, plan.length];
                let weights = Tensor::<MAX_RANK>::from_data(TensorData::new(weights, dims), &device);
                result.map(|x| {
                    // The axis as rows, everything after it as columns.
                    let mut dims = x.dims();
                    let (outer, inner) = (dims[..six].iter().product(), dims[six + 1..].iter().product());
                    let product = weights.matmul(x.reshape([1, 1, 1, outer, plan.length, inner]));
                    dims[six] = plan.output;
                    product.reshape(dims)
                })
            }
        };
        let missing: Vec<i64> = (0..plan.output).map(|index| i64::from(plan.is_outside(index))).collect();
        if missing.contains(&1) {
            outside.push((axis, missing));
        }
    }
    for (axis, missing) in outside {
        let mut dims = vec![1; shape.len()];
        dims[axis] = missing.len();
        let mask = Ints { shape: dims, kind: DataType::Bool, data: missing }.expand(&result.shape());
        let mask = mask.to_mask(&call.run.device)?;
        let fill = call.real("extrapolation_value", 0.0);
        result = result.map(|x| x.mask_fill(mask, fill));
    }
    floats(Float::from_six(result.six(), shape.len()))
}
