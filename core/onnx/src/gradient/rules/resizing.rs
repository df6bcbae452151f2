//! Maps at another size.

use super::super::flow::only;
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

pub(super) fn resize(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let (input, output) = (tape.shape(&node.input[0])?, tape.shape(&node.output[0])?);
    let changes: Vec<usize> = (0..input.rank()).filter(|&axis| input.length(axis) != output.length(axis)).collect();
    let text = |name: &str, default: &'static str| node.attr_string(name).unwrap_or(default).to_owned();
    let transform = text("coordinate_transformation_mode", "half_pixel");
    if input.rank() != 4 || changes.iter().any(|&axis| axis < 2) {
        return Err("the size of other axes than height and width changes".to_owned());
    }
    if transform == "tf_crop_and_resize" || text("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return Err(format!("`{transform}`, or a kept aspect ratio, is not followed back"));
    }
    let g = tape.expand(g, &output)?;
    if input.is_one(2) && input.is_one(3) {
        return Ok(only(tape.sum(&g, &[2, 3])?));
    }
    // Each place repeated: back, the sum of its copies.
    let whole = changes.iter().all(|&axis| output.length(axis).is_multiple_of(input.length(axis)));
    let repeats = match (transform.as_str(), text("nearest_mode", "round_prefer_floor").as_str()) {
        ("asymmetric", "floor") => true,
        ("half_pixel" | "pytorch_half_pixel", mode) => mode.starts_with("round"),
        _ => false,
    };
    if text("mode", "nearest") == "nearest" && whole && repeats {
        let times = [2, 3].map(|axis| (output.length(axis) / input.length(axis)) as i64);
        let pool =
            NodeProto::new("AveragePool", &[&g], "").with_ints("kernel_shape", &times).with_ints("strides", &times);
        let mean = tape.emit(pool, input);
        return Ok(only(tape.scaled(&mean, (times[0] * times[1]) as f32)?));
    }
    let mut g = g;
    for &axis in &changes {
        let matrix = interpolation(tape, node, axis, input.length(axis), output.length(axis))?;
        g = if axis == 2 {
            let shape = tape.shape(&g)?.with(2, input.length(2));
            tape.op("MatMul", &[&matrix, &g], shape)
        } else {
            let matrix = tape.transpose(&matrix, &[1, 0])?;
            let shape = tape.shape(&g)?.with(3, input.length(3));
            tape.op("MatMul", &[&g, &matrix], shape)
        };
    }
    Ok(only(g))
}

/// The matrix `[from, to]` by which the node makes `to` values along an axis of `from`: what it makes of the unit vectors. An
/// engine computes it when it loads the file.
fn interpolation(tape: &mut Tape, node: &NodeProto, axis: usize, from: usize, to: usize) -> Result<String, String> {
    let lengths = |length: usize| if axis == 2 { [1, from, length, 1] } else { [1, from, 1, length] };
    let units = (0..from * from).map(|at| f32::from(u8::from(at / from == at % from))).collect();
    let units = tape.floats(&lengths(from), units);
    let listed = match node.attr_ints("axes") {
        Some(axes) => axes.iter().map(|axis| axis.rem_euclid(4) as usize).collect(),
        None => vec![0, 1, 2, 3],
    };
    let scale = match node.input(2) {
        Some(scales) => {
            let at = listed.iter().position(|&other| other == axis);
            let scales = tape.values(scales).filter(|scales| !scales.is_empty());
            scales.zip(at).and_then(|(scales, at)| scales.get(at).copied())
        }
        None => None,
    };
    let mut same = node.clone();
    same.attribute.retain(|attribute| attribute.name != "axes");
    same.input = match scale {
        Some(scale) => {
            let mut scales = vec![1.0; 4];
            scales[axis] = scale as f32;
            vec![units, String::new(), tape.floats(&[4], scales)]
        }
        None => {
            let sizes: Vec<i64> = lengths(to).iter().map(|&length| length as i64).collect();
            vec![units, String::new(), String::new(), tape.ints(&sizes)]
        }
    };
    let made = tape.emit_as(same, Shape::fixed(&lengths(to)), DataType::Float);
    tape.reshape(&made, &Shape::fixed(&[from, to]))
}
