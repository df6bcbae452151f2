//! Output lengths of convolutions and pools.

use crate::proto::NodeProto;

/// Spatial output lengths of a node that slides a window of `kernel` over `input`.
pub(super) fn output(node: &NodeProto, input: &[usize], kernel: &[usize]) -> Result<Vec<usize>, String> {
    let n = input.len();
    if kernel.len() != n {
        return Err(format!("a kernel {kernel:?} does not fit a map of {n} spatial axes"));
    }
    let list = |name: &str, default: i64, len: usize| -> Result<Vec<usize>, String> {
        match node.attr_ints(name) {
            None | Some([]) => Ok(vec![default as usize; len]),
            Some(values) if values.len() == len => values
                .iter()
                .map(|&value| usize::try_from(value).map_err(|_| format!("`{name}` is {values:?}")))
                .collect(),
            Some(values) => Err(format!("`{name}` is {values:?}, expected {len} numbers")),
        }
    };
    let strides = list("strides", 1, n)?;
    let dilations = list("dilations", 1, n)?;
    let pads = list("pads", 0, 2 * n)?;
    let ceil = node.attr_int("ceil_mode").unwrap_or(0) != 0;
    let auto_pad = node.attr_string("auto_pad").unwrap_or("NOTSET");
    (0..n)
        .map(|i| {
            let stride = strides[i].max(1);
            let window = kernel[i]
                .checked_sub(1)
                .and_then(|reach| reach.checked_mul(dilations[i]))
                .map(|reach| reach.saturating_add(1))
                .ok_or_else(|| format!("a kernel {kernel:?} has no extent"))?;
            if auto_pad.starts_with("SAME") {
                return Ok(input[i].div_ceil(stride));
            }
            let (before, after) = if auto_pad == "VALID" { (0, 0) } else { (pads[i], pads[n + i]) };
            let padded = input[i].saturating_add(before).saturating_add(after);
            let room = padded.checked_sub(window).ok_or_else(|| {
                format!(
                    "a window of {window} does not fit a map of length {} with padding {before} and {after}",
                    input[i]
                )
            })?;
            // The last window of ceil mode must start inside the map or its left padding.
            let extra =
                usize::from(ceil && !room.is_multiple_of(stride) && (room / stride + 1) * stride < input[i] + before);
            Ok(room / stride + 1 + extra)
        })
        .collect()
}

/// Spatial output lengths of a `ConvTranspose`.
pub(super) fn transposed(node: &NodeProto, input: &[usize], kernel: &[usize]) -> Option<Vec<usize>> {
    let get = |name: &str, i: usize, default: i64| {
        usize::try_from(node.attr_ints(name).and_then(|values| values.get(i).copied()).unwrap_or(default)).ok()
    };
    if let Some(shape) = node.attr_ints("output_shape") {
        return shape.iter().map(|&length| usize::try_from(length).ok()).collect();
    }
    let same = node.attr_string("auto_pad").unwrap_or("NOTSET").starts_with("SAME");
    (0..input.len())
        .map(|i| {
            let stride = get("strides", i, 1)?;
            if same {
                return input[i].checked_mul(stride);
            }
            let window = kernel.get(i)?.checked_sub(1)?.checked_mul(get("dilations", i, 1)?)?.checked_add(1)?;
            let full = input[i].checked_sub(1)?.checked_mul(stride)?.checked_add(get("output_padding", i, 0)?)?;
            full.checked_add(window)?.checked_sub(get("pads", i, 0)?)?.checked_sub(get("pads", input.len() + i, 0)?)
        })
        .collect()
}
