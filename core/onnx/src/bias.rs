//! What operators add to feature maps, whatever their input.

use crate::axes::Layout;
use crate::proto::NodeProto;
use crate::view::View;

/// What the operator that makes a map of `n_channels` adds to each channel; `None` if it adds nothing that is constant.
pub(crate) fn bias(view: &View, node: &NodeProto, layout: Layout, n_channels: usize) -> Option<Vec<f32>> {
    let numbers = |i: usize| view.numbers(node.input(i)?);
    let of_channels = |i: usize| Some(numbers(i)?.1).filter(|values| values.len() == n_channels);
    match node.op_type.as_str() {
        "Conv" | "ConvTranspose" => of_channels(2),
        "BatchNormalization" => {
            let [scale, shift, mean, variance] = [of_channels(1)?, of_channels(2)?, of_channels(3)?, of_channels(4)?];
            let epsilon = node.attr_float("epsilon").unwrap_or(1e-5);
            let add = |k: usize| shift[k] - scale[k] * mean[k] / (variance[k] + epsilon).sqrt();
            Some((0..n_channels).map(add).collect())
        }
        // A constant is added to the map: one number, or one per channel.
        "Add" => {
            let (shape, values) = match (view.of_image(node.input(0)?), view.of_image(node.input(1)?)) {
                (true, false) => numbers(1)?,
                (false, true) => numbers(0)?,
                _ => return None,
            };
            let after = match layout {
                Layout::Nchw => 2,
                Layout::Nhwc | Layout::Tokens { .. } => 0,
            };
            let channel = shape.len().checked_sub(after + 1).map(|axis| shape[axis]);
            match values.len() {
                1 => Some(vec![values[0]; n_channels]),
                n if n == n_channels && channel == Some(n) => Some(values),
                _ => None,
            }
        }
        _ => None,
    }
}
