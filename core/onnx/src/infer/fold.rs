//! Values of tensors that are computed from shapes and constants alone.

use super::ops::{axis, permutation};
use super::{Fact, MAX_VALUES};
use crate::operator::Operator;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// Values of a node's only output, if all of its inputs are known; `None` if they are not, or for operators that are
/// not used to compute shapes.
pub(super) fn fold(node: &NodeProto, inputs: &[Option<&Fact>], output: &Fact) -> Option<Vec<f64>> {
    use Operator as O;
    let shape = output.shape.as_ref()?;
    let known = |input: &&Fact| input.value.is_some() && input.shape.is_some();
    let operator = Operator::of(node)?;
    if shape.iter().product::<usize>() > MAX_VALUES || inputs.is_empty() || !inputs.iter().flatten().all(known) {
        return None;
    }
    let values = |i: usize| -> Option<&Vec<f64>> { inputs.get(i).copied().flatten()?.value.as_ref() };
    let dims = |i: usize| -> Option<&Vec<usize>> { inputs.get(i).copied().flatten()?.shape.as_ref() };
    let x = values(0)?;
    let unary = |f: fn(f64) -> f64| Some(x.iter().map(|&value| f(value)).collect());
    let binary = |f: &dyn Fn(f64, f64) -> f64| -> Option<Vec<f64>> {
        let (y, a, b) = (values(1)?, dims(0)?, dims(1)?);
        Some(each(shape, |at| f(x[broadcast_offset(a, at)], y[broadcast_offset(b, at)])))
    };
    let truth = |value: bool| f64::from(u8::from(value));
    let integers = !inputs[0]?.is_float();
    let folded: Option<Vec<f64>> = match operator {
        O::Identity | O::Reshape | O::Flatten | O::Squeeze | O::Unsqueeze | O::Dropout => Some(x.clone()),
        O::Cast => Some(x.iter().map(|&value| cast(value, output.elem)).collect()),
        O::Neg => unary(|v| -v),
        O::Abs => unary(f64::abs),
        O::Floor => unary(f64::floor),
        O::Ceil => unary(f64::ceil),
        O::Round => unary(f64::round_ties_even),
        O::Sqrt => unary(f64::sqrt),
        O::Reciprocal => unary(f64::recip),
        O::Not => unary(|v| f64::from(u8::from(v == 0.0))),
        O::Add => binary(&|a, b| a + b),
        O::Sub => binary(&|a, b| a - b),
        O::Mul => binary(&|a, b| a * b),
        O::Div if integers => binary(&|a, b| if b == 0.0 { 0.0 } else { (a / b).trunc() }),
        O::Div => binary(&|a, b| a / b),
        O::Mod if node.attr_int("fmod").unwrap_or(0) != 0 => binary(&|a, b| a % b),
        O::Mod => binary(&|a, b| if b == 0.0 { 0.0 } else { a - b * (a / b).floor() }),
        O::Pow => binary(&f64::powf),
        O::Equal => binary(&|a, b| truth(a == b)),
        O::Less => binary(&|a, b| truth(a < b)),
        O::LessOrEqual => binary(&|a, b| truth(a <= b)),
        O::Greater => binary(&|a, b| truth(a > b)),
        O::GreaterOrEqual => binary(&|a, b| truth(a >= b)),
        O::And => binary(&|a, b| truth(a != 0.0 && b != 0.0)),
        O::Or => binary(&|a, b| truth(a != 0.0 || b != 0.0)),
        O::Xor => binary(&|a, b| truth((a != 0.0) != (b != 0.0))),
        O::Max | O::Min => {
            let pick = if operator == O::Max { f64::max } else { f64::min };
            let operands: Vec<(&Vec<f64>, &Vec<usize>)> =
                (0..inputs.len()).map(|i| Some((values(i)?, dims(i)?))).collect::<Option<_>>()?;
            let at = |at: &[usize]| operands.iter().map(|(v, d)| v[broadcast_offset(d, at)]).reduce(pick);
            Some(each(shape, |position| at(position).unwrap_or_default()))
        }
        O::Clip => {
            let bound = |i: usize, name: &str| match inputs.get(i).copied().flatten() {
                Some(_) => values(i)?.first().copied().map(Some),
                None => Some(node.attr_float(name).map(f64::from)),
            };
            let (low, high) = (bound(1, "min")?, bound(2, "max")?);
            let clip = |&v: &f64| v.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY));
            Some(x.iter().map(clip).collect())
        }
        O::Where => {
            let (y, z, a, b, c) = (values(1)?, values(2)?, dims(0)?, dims(1)?, dims(2)?);
            Some(each(shape, |at| {
                let chosen = x[broadcast_offset(a, at)] != 0.0;
                if chosen { y[broadcast_offset(b, at)] } else { z[broadcast_offset(c, at)] }
            }))
        }
        O::Expand => Some(each(shape, |at| x[broadcast_offset(dims(0).unwrap_or(shape), at)])),
        O::Tile => {
            let from = dims(0)?;
            Some(each(shape, |at| {
                let wrapped: Vec<usize> = at.iter().zip(from).map(|(&i, &dim)| i % dim.max(1)).collect();
                x[offset(from, &wrapped)]
            }))
        }
        O::ConstantOfShape => {
            let value = match node.attr_tensor("value") {
                Some(tensor) => *Fact::of_constant(tensor).ok()?.value?.first()?,
                None => 0.0,
            };
            Some(vec![value; shape.iter().product()])
        }
        O::Range => {
            let (start, delta) = (*x.first()?, *values(2)?.first()?);
            Some((0..*shape.first()?).map(|i| start + i as f64 * delta).collect())
        }
        O::Transpose => {
            let from = dims(0)?;
            let perm = permutation(node, from.len());
            Some(each(shape, |at| {
                let mut source = vec![0; from.len()];
                for (axis, &position) in perm.iter().zip(at) {
                    source[*axis] = position;
                }
                x[offset(from, &source)]
            }))
        }
        O::Concat => concat(node, inputs, shape),
        O::Gather => {
            let (from, indices, index_dims) = (dims(0)?, values(1)?, dims(1)?);
            let axis = axis(node.attr_int("axis").unwrap_or(0), from.len())?;
            let length = from[axis] as i64;
            let wrapped: Vec<usize> = indices
                .iter()
                .map(|&i| usize::try_from(if i < 0.0 { i as i64 + length } else { i as i64 }).ok())
                .map(|i| i.filter(|&i| i < from[axis]))
                .collect::<Option<_>>()?;
            let n = index_dims.len();
            Some(each(shape, |at| {
                let mut source = at[..axis].to_vec();
                source.push(wrapped[offset(index_dims, &at[axis..axis + n])]);
                source.extend(&at[axis + n..]);
                x[offset(from, &source)]
            }))
        }
        O::Slice => {
            let from = dims(0)?;
            let ranges = super::ops::ranges(node, inputs, from).ok()??;
            Some(each(shape, |at| {
                let source: Vec<usize> =
                    at.iter().zip(&ranges).map(|(&i, range)| (range.start + i as i64 * range.step) as usize).collect();
                x[offset(from, &source)]
            }))
        }
        O::ReduceSum | O::ReduceProd | O::ReduceMax | O::ReduceMin if shape.iter().product::<usize>() == 1 => {
            let join: fn(f64, f64) -> f64 = match operator {
                O::ReduceSum => |a, b| a + b,
                O::ReduceProd => |a, b| a * b,
                O::ReduceMax => f64::max,
                _ => f64::min,
            };
            x.iter().copied().reduce(join).map(|value| vec![value])
        }
        _ => None,
    };
    folded.filter(|values| values.len() == shape.iter().product::<usize>())
}

/// Values of the outputs of a `Split` of a known vector.
pub(super) fn split(inputs: &[Option<&Fact>], outputs: &mut [Fact]) {
    let Some(Some(Fact { value: Some(values), shape: Some(shape), .. })) = inputs.first() else { return };
    if shape.len() != 1 {
        return;
    }
    let mut start = 0;
    for output in outputs {
        let Some([length]) = output.shape.as_deref() else { return };
        let part = values.get(start..start + length);
        output.value = part.map(<[f64]>::to_vec);
        start += length;
    }
}

fn concat(node: &NodeProto, inputs: &[Option<&Fact>], shape: &[usize]) -> Option<Vec<f64>> {
    let axis = axis(node.attr_int("axis")?, shape.len())?;
    let parts: Vec<(&Vec<f64>, &Vec<usize>)> = inputs
        .iter()
        .map(|input| (*input).and_then(|fact| Some((fact.value.as_ref()?, fact.shape.as_ref()?))))
        .collect::<Option<_>>()?;
    let outer: usize = shape[..axis].iter().product();
    let mut out = Vec::with_capacity(shape.iter().product());
    for i in 0..outer {
        for (values, dims) in &parts {
            let run: usize = dims.get(axis..)?.iter().product();
            out.extend(values.get(i * run..(i + 1) * run)?);
        }
    }
    Some(out)
}

fn cast(value: f64, to: Option<DataType>) -> f64 {
    use DataType as D;
    match to {
        Some(D::Float | D::Float16 | D::Bfloat16) => f64::from(value as f32),
        Some(D::Double) | None => value,
        Some(D::Bool) => f64::from(u8::from(value != 0.0)),
        Some(_) => value.trunc(),
    }
}

fn each(shape: &[usize], mut value: impl FnMut(&[usize]) -> f64) -> Vec<f64> {
    let n = shape.iter().product();
    let mut at = vec![0; shape.len()];
    let mut out = Vec::with_capacity(n);
    for _ in 0..n {
        out.push(value(&at));
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    out
}

fn offset(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |offset, (&dim, &i)| offset * dim + i)
}

/// Offset in an operand of this shape, whose axes are aligned at the end and repeated where they have length 1.
fn broadcast_offset(shape: &[usize], at: &[usize]) -> usize {
    let at = &at[at.len().saturating_sub(shape.len())..];
    shape.iter().zip(at).fold(0, |offset, (&dim, &i)| offset * dim + if dim == 1 { 0 } else { i })
}
