//! Convolution and its transpose, in one to three dimensions.

use super::kernel::{self, Geometry};
use super::{Call, floats};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::{Error, Result};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode};
use burn::tensor::{Tensor, module};

/// Window attributes of convolution and pooling, one entry per spatial axis.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    /// Zeros before and after.
    pub pads: Vec<(usize, usize)>,
}

/// The attribute as lengths, or `default` for each axis.
fn lengths(call: &Call, name: &str, n_axes: usize, default: usize) -> Result<Vec<usize>> {
    match call.node.attr_ints(name) {
        None => Ok(vec![default; n_axes]),
        Some(list) if list.len() == n_axes => list
            .iter()
            .map(|&length| usize::try_from(length).map_err(|_| call.error(format!("`{name}` is negative: {list:?}"))))
            .collect(),
        Some(list) => Err(call.error(format!("`{name}` is {list:?}, and there are {n_axes} spatial axes"))),
    }
}

/// Reads the window over an input with the spatial lengths `input`.
pub(super) fn window(call: &Call, input: &[usize], kernel: Vec<usize>) -> Result<Window> {
    let n_axes = input.len();
    if kernel.len() != n_axes {
        return Err(call.error(format!("the kernel {kernel:?} does not fit an input with {n_axes} spatial axes")));
    }
    let stride = lengths(call, "strides", n_axes, 1)?;
    let dilation = lengths(call, "dilations", n_axes, 1)?;
    if stride.contains(&0) || dilation.contains(&0) || kernel.contains(&0) {
        return Err(call.error("a kernel, stride or dilation is 0"));
    }
    let pads = match call.node.attr_string("auto_pad").unwrap_or("NOTSET") {
        "VALID" => vec![(0, 0); n_axes],
        same @ ("SAME_UPPER" | "SAME_LOWER") => (0..n_axes)
            .map(|i| {
                let windows = input[i].div_ceil(stride[i]);
                let needed = (windows - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
                let total = needed.saturating_sub(input[i]);
                let (small, large) = (total / 2, total - total / 2);
                if same == "SAME_UPPER" { (small, large) } else { (large, small) }
            })
            .collect(),
        _ => explicit_pads(call, n_axes)?,
    };
    Ok(Window { kernel, stride, dilation, pads })
}

fn explicit_pads(call: &Call, n_axes: usize) -> Result<Vec<(usize, usize)>> {
    let pads = lengths(call, "pads", 2 * n_axes, 0)?;
    Ok(pads[..n_axes].iter().copied().zip(pads[n_axes..].iter().copied()).collect())
}

/// The kernel's lengths as the attribute gives them.
pub(super) fn kernel_shape(call: &Call) -> Result<Vec<usize>> {
    let list = call.node.attr_ints("kernel_shape").unwrap_or_default();
    lengths(call, "kernel_shape", list.len(), 1)
}

/// Spatial lengths of `[n, c, …]`.
pub(super) fn spatial(call: &Call, shape: &[usize]) -> Result<Vec<usize>> {
    match shape {
        [_, _, rest @ ..] if (1..=3).contains(&rest.len()) => Ok(rest.to_vec()),
        _ => Err(call.error(format!("an input of shape {shape:?}: one to three spatial axes are needed"))),
    }
}

pub(super) fn conv(call: &mut Call) -> Result<Vec<Value>> {
    let (x, weight) = (call.float(0)?, call.float(1)?);
    let bias = call.optional_float(2)?;
    floats(convolve(call, x, weight, bias)?)
}

pub(super) fn conv_batch_norm(call: &mut Call) -> Result<Vec<Value>> {
    let (x, weight) = (call.float(0)?, call.float(1)?);
    let bias = call.optional_float(2)?;
    let n = weight.shape()[0];
    let [scale, shift, mean, variance] =
        [call.float(3)?, call.float(4)?, call.float(5)?, call.float(6)?].map(|values| values.dims([n]));
    let factor = scale.mul(variance.add_scalar(call.real("epsilon", 1e-5)).sqrt().recip());
    let offset = match bias {
        Some(bias) => bias.dims([n]).sub(mean),
        None => mean.neg(),
    };
    let shift = shift.add(offset.mul(factor.clone()));
    let mut channels = [1; MAX_RANK];
    channels[MAX_RANK - weight.rank()] = n;
    let weight = weight.map(|weight| weight.mul(factor.reshape(channels)));
    floats(convolve(call, x, weight, Some(Float::wrap(shift)))?)
}

/// The convolution of a node's attributes.
pub(super) fn convolve(call: &Call, x: Float, weight: Float, bias: Option<Float>) -> Result<Float> {
    let (shape, kernel) = (x.shape(), weight.shape());
    let input = spatial(call, &shape)?;
    let window = window(call, &input, kernel.get(2..).unwrap_or_default().to_vec())?;
    let groups = call.int("group", 1).max(1) as usize;
    if shape[1] != kernel[1] * groups || kernel[0] % groups != 0 {
        return Err(Error::shape(
            format!("input of `{}`", call.node.display_name()),
            format!("{} channels", kernel[1] * groups),
            shape,
        ));
    }
    let fits = input
        .iter()
        .zip(&window.pads)
        .enumerate()
        .all(|(i, (&len, pads))| len + pads.0 + pads.1 > window.dilation[i] * (window.kernel[i] - 1));
    if !fits {
        return Err(call.error(format!("the kernel {:?} is larger than its padded input {input:?}", window.kernel)));
    }
    let bias = bias.map(|bias| bias.dims([kernel[0]]));
    if let [a, b, c] = window.pads[..] {
        let x = x.six().pad([a, b, c], PadMode::Constant(0.0));
        let [_, n, c, d, h, w] = x.dims();
        let options = ConvOptions::new(three(&window.stride), [0; 3], three(&window.dilation), groups);
        let weight = weight.dims([kernel[0], kernel[1], kernel[2], kernel[3], kernel[4]]);
        return Ok(Float::wrap(module::conv3d(x.reshape([n, c, d, h, w]), weight, bias, options)));
    }
    // One dimension is two with a first axis of length 1.
    let flat = input.len() == 1;
    let two = |list: &[usize]| if flat { [1, list[0]] } else { [list[0], list[1]] };
    let [h, w] = two(&input);
    let [kh, kw] = two(&window.kernel);
    let geometry = Geometry {
        stride: two(&window.stride),
        dilation: two(&window.dilation),
        pads: if flat { [(0, 0), window.pads[0]] } else { [window.pads[0], window.pads[1]] },
        groups,
    };
    let x = x.dims([shape[0], shape[1], h, w]);
    let weight = weight.dims([kernel[0], kernel[1], kh, kw]);
    let output = Float::wrap(conv2d(x, weight, bias, geometry));
    if !flat {
        return Ok(output);
    }
    let [n, c, _, w] = output.shape()[..] else { unreachable!("a convolution gives four axes") };
    output.reshape(&[n, c, w])
}

fn three(list: &[usize]) -> [usize; 3] {
    [list[0], list[1], list[2]]
}

/// Convolution with this crate's kernel on the CPU, with burn's elsewhere.
pub(super) fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, geometry: Geometry) -> Tensor<4> {
    if crate::device::is_cpu(&x.device()) {
        return kernel::conv2d(x, weight, bias, geometry);
    }
    let Geometry { stride, dilation, pads, groups } = geometry;
    module::conv2d(x, weight, bias, ConvOptions::new_with_padding(stride, pads, dilation, groups))
}

/// Transposed convolution: without padding, then cropped, since ONNX pads may be larger than burn allows.
pub(super) fn conv_transpose(call: &mut Call) -> Result<Vec<Value>> {
    let (x, weight) = (call.float(0)?, call.float(1)?);
    let bias = call.optional_float(2)?;
    let (shape, kernel) = (x.shape(), weight.shape());
    let input = spatial(call, &shape)?;
    let n_axes = input.len();
    let taps: Vec<usize> = kernel.get(2..).unwrap_or_default().to_vec();
    let window = window(call, &input, taps)?;
    let groups = call.int("group", 1).max(1) as usize;
    let mut extra = lengths(call, "output_padding", n_axes, 0)?;
    let wanted = match call.node.attr_ints("output_shape") {
        // Some exporters write the batch and channel lengths too.
        Some(list) if list.len() >= n_axes => Some(list[list.len() - n_axes..].to_vec()),
        _ => None,
    };
    let auto_pad = call.node.attr_string("auto_pad").unwrap_or("NOTSET");
    let mut full = Vec::with_capacity(n_axes);
    let mut crops = explicit_pads(call, n_axes)?;
    for i in 0..n_axes {
        let reach = (input[i] - 1) * window.stride[i] + window.dilation[i] * (window.kernel[i] - 1) + 1;
        let target = match (&wanted, auto_pad) {
            (Some(list), _) => Some(list[i].max(0) as usize),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(input[i] * window.stride[i]),
            _ => None,
        };
        if let Some(target) = target {
            extra[i] = extra[i].max(target.saturating_sub(reach));
            let total = reach + extra[i] - target;
            let (small, large) = (total / 2, total - total / 2);
            crops[i] = if auto_pad == "SAME_UPPER" { (small, large) } else { (large, small) };
        }
        full.push(reach + extra[i]);
    }
    let three = |list: &[usize], fill: usize| {
        let mut all = [fill; 3];
        all[3 - n_axes..].copy_from_slice(list);
        all
    };
    let options = ConvTransposeOptions::new(
        three(&window.stride, 1),
        [0; 3],
        three(&extra, 0),
        three(&window.dilation, 1),
        groups,
    );
    let [d, h, w] = three(&input, 1);
    let [kd, kh, kw] = three(&window.kernel, 1);
    let x = x.dims([shape[0], shape[1], d, h, w]);
    let weight = weight.dims([kernel[0], kernel[1], kd, kh, kw]);
    let n_out = kernel[1] * groups;
    let output = module::conv_transpose3d(x, weight, bias.map(|bias| bias.dims([n_out])), options);
    let kept: Vec<std::ops::Range<usize>> =
        (0..n_axes).map(|i| crops[i].0..full[i].saturating_sub(crops[i].1).max(crops[i].0)).collect();
    let mut ranges = [0..shape[0], 0..n_out, 0..1, 0..1, 0..1];
    ranges[5 - n_axes..].clone_from_slice(&kept);
    let mut result = vec![shape[0], n_out];
    result.extend(kept.iter().map(std::ops::Range::len));
    floats(Float::wrap(output.slice(ranges)).reshape(&result)?)
}
