//! Output shapes of each operator, and what becomes of the meaning of the axes.

use super::fold::{axis, permutation};
use super::{Fact, window};
use crate::axes::{Axis, Layout, NCHW, reshaped};
use crate::node::is_standard;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

type Inputs<'a> = [Option<&'a Fact>];
type Outputs = Result<Vec<Fact>, String>;

/// What is known of a node's outputs. Operators that are not listed, and inputs that are not known, give unknown
/// outputs; an error is a contradiction.
pub(super) fn infer(node: &NodeProto, inputs: &Inputs, opset: i64) -> Outputs {
    let op = node.op_type.as_str();
    if !is_standard(&node.domain) {
        return Ok(match op {
            "Gelu" | "FastGelu" | "QuickGelu" | "BiasGelu" | "QuantizeLinear" | "DequantizeLinear" => {
                same(inputs, None)
            }
            _ => vec![],
        });
    }
    Ok(match op {
        "Constant" => vec![constant(node)?],
        "Shape" => vec![shape_of(node, inputs)],
        "Size" => {
            let value = shape(inputs, 0).map(|shape| vec![shape.iter().product::<usize>() as f64]);
            vec![Fact { value, ..Fact::new(Some(DataType::Int64), vec![]) }]
        }
        "Cast" => same(inputs, node.attr_int("to").and_then(|to| DataType::try_from(to as i32).ok())),
        "CastLike" => same(inputs, elem(inputs, 1)),
        "QuantizeLinear" => same(inputs, elem(inputs, 2).or(Some(DataType::Uint8))),
        "DequantizeLinear" => same(inputs, elem(inputs, 1)),
        "Not" | "IsNaN" | "IsInf" => same(inputs, Some(DataType::Bool)),
        "Relu"
        | "LeakyRelu"
        | "Sigmoid"
        | "HardSigmoid"
        | "HardSwish"
        | "Elu"
        | "Selu"
        | "Celu"
        | "ThresholdedRelu"
        | "Softplus"
        | "Softsign"
        | "Tanh"
        | "Gelu"
        | "Mish"
        | "Swish"
        | "Erf"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Reciprocal"
        | "Neg"
        | "Abs"
        | "Floor"
        | "Ceil"
        | "Round"
        | "Sign"
        | "Sin"
        | "Cos"
        | "Tan"
        | "Sinh"
        | "Cosh"
        | "Asin"
        | "Acos"
        | "Atan"
        | "Clip"
        | "Identity"
        | "Dropout"
        | "Softmax"
        | "LogSoftmax"
        | "Hardmax"
        | "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "BatchNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "Shrink"
        | "CumSum"
        | "Trilu"
        | "ScatterND"
        | "ScatterElements"
        | "Scatter" => same(inputs, None),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "PRelu" | "Mod" | "Max" | "Min" | "Mean" | "Sum" | "BitShift" => {
            vec![broadcast(inputs, elem(inputs, 0))?]
        }
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
            vec![broadcast(inputs, Some(DataType::Bool))?]
        }
        "Where" => vec![broadcast(inputs, elem(inputs, 1))?],
        "Conv" | "ConvInteger" => vec![conv(node, inputs, 1)?],
        "QLinearConv" => vec![conv(node, inputs, 3)?],
        "ConvTranspose" => vec![conv_transpose(node, inputs)],
        "MaxPool" | "AveragePool" | "LpPool" => vec![pool(node, inputs)?],
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => vec![global_pool(inputs)?],
        "Gemm" => vec![gemm(node, inputs)?],
        "MatMul" | "MatMulInteger" => vec![matmul(inputs, 1)?],
        "QLinearMatMul" => vec![matmul(inputs, 3)?],
        "Einsum" => vec![einsum(node, inputs)],
        "Attention" => vec![attention(node, inputs)],
        "Flatten" => vec![flatten(node, inputs)?],
        "Reshape" => vec![reshape(node, inputs)?],
        "Transpose" => vec![transpose(node, inputs)?],
        "Concat" => vec![concat(node, inputs)?],
        "Slice" => vec![slice(node, inputs)?],
        "Split" => split(node, inputs)?,
        "Gather" => vec![gather(node, inputs)?],
        "GatherElements" => {
            vec![shape(inputs, 1).map_or_else(Fact::default, |s| Fact::new(elem(inputs, 0), s.to_vec()))]
        }
        "Squeeze" => vec![squeeze(node, inputs)?],
        "Unsqueeze" => vec![unsqueeze(node, inputs)?],
        "Expand" => vec![expand(inputs)?],
        "Tile" => vec![tile(inputs)],
        "ConstantOfShape" => vec![constant_of_shape(node, inputs)?],
        "Range" => vec![range(inputs)],
        "Pad" => vec![pad(node, inputs)?],
        "Resize" | "Upsample" => vec![resize(node, inputs)],
        "DepthToSpace" | "SpaceToDepth" => vec![block_to_space(node, inputs)],
        "ArgMax" | "ArgMin" => {
            let axis = node.attr_int("axis").unwrap_or(0);
            vec![reduce(node, inputs, Some(DataType::Int64), Some(vec![axis]))?]
        }
        _ if op.starts_with("Reduce") => {
            vec![reduce(node, inputs, elem(inputs, 0), reduced_axes(node, inputs, opset))?]
        }
        _ => vec![],
    })
}

fn fact<'a>(inputs: &Inputs<'a>, i: usize) -> Option<&'a Fact> {
    inputs.get(i).copied().flatten()
}

fn shape<'a>(inputs: &Inputs<'a>, i: usize) -> Option<&'a [usize]> {
    fact(inputs, i)?.shape.as_deref()
}

fn elem(inputs: &Inputs, i: usize) -> Option<DataType> {
    fact(inputs, i)?.elem
}

fn unknown(inputs: &Inputs) -> Fact {
    Fact::unknown(elem(inputs, 0))
}

fn checked_axis(value: i64, rank: usize) -> Result<usize, String> {
    axis(value, rank).ok_or_else(|| format!("axis {value} does not exist in a tensor of {rank} axes"))
}

/// First output like the first input.
fn same(inputs: &Inputs, elem: Option<DataType>) -> Vec<Fact> {
    let Some(input) = fact(inputs, 0) else { return vec![] };
    vec![Fact { elem: elem.or(input.elem), value: None, ..input.clone() }]
}

fn constant(node: &NodeProto) -> Result<Fact, String> {
    let Some(attribute) = node.attribute.first() else { return Err("has no value".to_owned()) };
    let numbers = |elem, values: Vec<f64>, scalar: bool| {
        let shape = if scalar { vec![] } else { vec![values.len()] };
        Fact { value: Some(values), ..Fact::new(Some(elem), shape) }
    };
    Ok(match attribute.name.as_str() {
        "value" => match &attribute.t {
            Some(tensor) => Fact::of_constant(tensor)?,
            None => return Err("has no value".to_owned()),
        },
        "value_float" => numbers(DataType::Float, vec![f64::from(attribute.f)], true),
        "value_floats" => numbers(DataType::Float, attribute.floats.iter().map(|&x| f64::from(x)).collect(), false),
        "value_int" => numbers(DataType::Int64, vec![attribute.i as f64], true),
        "value_ints" => numbers(DataType::Int64, attribute.ints.iter().map(|&x| x as f64).collect(), false),
        _ => Fact::default(),
    })
}

fn shape_of(node: &NodeProto, inputs: &Inputs) -> Fact {
    let Some(shape) = shape(inputs, 0) else { return Fact::unknown(Some(DataType::Int64)) };
    let rank = shape.len() as i64;
    let clamp = |value: i64| (if value < 0 { value + rank } else { value }).clamp(0, rank) as usize;
    let (start, end) = (clamp(node.attr_int("start").unwrap_or(0)), clamp(node.attr_int("end").unwrap_or(rank)));
    let values: Vec<f64> = shape[start..end.max(start)].iter().map(|&dim| dim as f64).collect();
    Fact { value: Some(values.clone()), ..Fact::new(Some(DataType::Int64), vec![values.len()]) }
}

fn broadcast_shapes(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (a, b) if a == b => Ok(a),
            (1, length) | (length, 1) => Ok(length),
            _ => Err(format!("shapes {a:?} and {b:?} do not go together")),
        })
        .collect()
}

fn broadcast(inputs: &Inputs, elem: Option<DataType>) -> Result<Fact, String> {
    let mut joined = Vec::new();
    for i in 0..inputs.len() {
        match shape(inputs, i) {
            Some(shape) => joined = broadcast_shapes(&joined, shape)?,
            None => return Ok(Fact::unknown(elem)),
        }
    }
    // The axes are those of an operand that is not repeated along any of them; of several, the first of those that
    // are a feature map or else know most: attention forgets the tokens, and the skip connection beside it does not.
    let n_known = |input: &Fact| input.axes.iter().filter(|&&axis| axis != Axis::Other).count();
    let known = |input: &&Fact| (Layout::of(&input.axes).is_some(), n_known(input));
    let whole = inputs.iter().rev().copied().flatten().filter(|input| input.shape.as_ref() == Some(&joined));
    let axes = whole.filter(|input| n_known(input) > 0).max_by_key(known).map(|input| input.axes.clone());
    Ok(match axes {
        Some(axes) => Fact::with_axes(elem, joined, axes),
        None => Fact::new(elem, joined),
    })
}

fn map_axes(rank: usize) -> Vec<Axis> {
    if rank == 4 {
        return NCHW.to_vec();
    }
    (0..rank).map(|i| [Axis::Batch, Axis::Channel].get(i).copied().unwrap_or(Axis::Other)).collect()
}

fn conv(node: &NodeProto, inputs: &Inputs, weight: usize) -> Result<Fact, String> {
    let (Some(x), Some(w)) = (shape(inputs, 0), shape(inputs, weight)) else { return Ok(unknown(inputs)) };
    let groups = usize::try_from(node.attr_int("group").unwrap_or(1)).unwrap_or(0);
    if x.len() < 3 || w.len() != x.len() {
        return Err(format!("an input of shape {x:?} does not fit a kernel of shape {w:?}"));
    }
    if w[1].checked_mul(groups) != Some(x[1]) {
        return Err(format!(
            "the input has {} channels, its kernel of shape {w:?} takes {}",
            x[1],
            w[1].saturating_mul(groups)
        ));
    }
    let mut out = vec![x[0], w[0]];
    out.extend(window::output(node, &x[2..], &w[2..])?);
    let axes = map_axes(out.len());
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

fn conv_transpose(node: &NodeProto, inputs: &Inputs) -> Fact {
    let spatial = || {
        let (x, w) = (shape(inputs, 0)?, shape(inputs, 1)?);
        let groups = usize::try_from(node.attr_int("group").unwrap_or(1)).ok()?;
        let mut out = vec![*x.first()?, w.get(1)?.checked_mul(groups)?];
        out.extend(window::transposed(node, x.get(2..)?, w.get(2..)?)?);
        Some(out)
    };
    spatial().map_or_else(|| unknown(inputs), |out| Fact::with_axes(elem(inputs, 0), out.clone(), map_axes(out.len())))
}

fn pool(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(x) = shape(inputs, 0) else { return Ok(unknown(inputs)) };
    let kernel: Vec<usize> = node
        .attr_ints("kernel_shape")
        .unwrap_or_default()
        .iter()
        .map(|&length| usize::try_from(length).map_err(|_| format!("`kernel_shape` holds {length}")))
        .collect::<Result<_, _>>()?;
    if x.len() < 3 {
        return Err(format!("an input of shape {x:?} has no spatial axes"));
    }
    let mut out = x[..2].to_vec();
    out.extend(window::output(node, &x[2..], &kernel)?);
    let axes = map_axes(out.len());
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

fn global_pool(inputs: &Inputs) -> Result<Fact, String> {
    let Some(x) = shape(inputs, 0) else { return Ok(unknown(inputs)) };
    if x.len() < 3 {
        return Err(format!("an input of shape {x:?} has no spatial axes"));
    }
    let out = x.iter().enumerate().map(|(i, &dim)| if i < 2 { dim } else { 1 }).collect();
    Ok(Fact::with_axes(elem(inputs, 0), out, map_axes(x.len())))
}

fn gemm(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(a), Some(b)) = (shape(inputs, 0), shape(inputs, 1)) else { return Ok(unknown(inputs)) };
    let (&[a0, a1], &[b0, b1]) = (a, b) else {
        return Err(format!("needs two matrices, got shapes {a:?} and {b:?}"));
    };
    let flip = |name, x, y| if node.attr_int(name).unwrap_or(0) != 0 { (y, x) } else { (x, y) };
    let ((m, k), (rows, n)) = (flip("transA", a0, a1), flip("transB", b0, b1));
    if k != rows {
        return Err(format!("matrices of shapes {a:?} and {b:?} cannot be multiplied"));
    }
    let axes = fact(inputs, 0).map_or(Axis::Other, |input| input.axes[0]);
    Ok(Fact::with_axes(elem(inputs, 0), vec![m, n], vec![axes, Axis::Channel]))
}

fn matmul(inputs: &Inputs, second: usize) -> Result<Fact, String> {
    let (Some(a), Some(b)) = (fact(inputs, 0), fact(inputs, second)) else { return Ok(unknown(inputs)) };
    let (Some(x), Some(y)) = (&a.shape, &b.shape) else { return Ok(unknown(inputs)) };
    let wrong = || format!("matrices of shapes {x:?} and {y:?} cannot be multiplied");
    let (left, k, m) = match x.as_slice() {
        [] => return Err(wrong()),
        [k] => (&x[..0], *k, None),
        [left @ .., m, k] => (left, *k, Some(*m)),
    };
    let (right, rows, n) = match y.as_slice() {
        [] => return Err(wrong()),
        [rows] => (&y[..0], *rows, None),
        [right @ .., rows, n] => (right, *rows, Some(*n)),
    };
    if k != rows {
        return Err(wrong());
    }
    let mut out = broadcast_shapes(left, right).map_err(|_| wrong())?;
    out.extend(m.into_iter().chain(n));
    // A linear layer over the channels of each place; anything else mixes places.
    if !b.image && y.len() == 2 && out.len() == a.axes.len() {
        let mut axes = a.axes.clone();
        if let Some(last) = axes.last_mut() {
            *last = Axis::Channel;
        }
        return Ok(Fact::with_axes(a.elem, out, axes));
    }
    Ok(Fact::new(a.elem, out))
}

fn einsum(node: &NodeProto, inputs: &Inputs) -> Fact {
    let dims = || {
        let equation: String = node.attr_string("equation")?.split_whitespace().collect();
        let (terms, result) = equation.split_once("->")?;
        let mut lengths = std::collections::HashMap::new();
        for (i, term) in terms.split(',').enumerate() {
            let shape = shape(inputs, i)?;
            if term.len() != shape.len() || !term.is_ascii() {
                return None;
            }
            lengths.extend(term.chars().zip(shape.iter().copied()));
        }
        result.chars().map(|letter| lengths.get(&letter).copied()).collect::<Option<Vec<usize>>>()
    };
    dims().map_or_else(|| unknown(inputs), |dims| Fact::new(elem(inputs, 0), dims))
}

fn attention(node: &NodeProto, inputs: &Inputs) -> Fact {
    let (Some(q), Some(v)) = (shape(inputs, 0), shape(inputs, 2)) else { return unknown(inputs) };
    match (q, v) {
        (&[n, heads, t, _], &[_, _, _, c]) => Fact::new(elem(inputs, 0), vec![n, heads, t, c]),
        (&[n, t, _], &[_, _, c]) => {
            let heads = |name| node.attr_int(name).and_then(|heads| usize::try_from(heads).ok());
            match (heads("q_num_heads"), heads("kv_num_heads")) {
                (Some(q), Some(kv)) if kv > 0 => Fact::new(elem(inputs, 0), vec![n, t, (c / kv).saturating_mul(q)]),
                _ => unknown(inputs),
            }
        }
        _ => unknown(inputs),
    }
}

fn flatten(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let axis = node.attr_int("axis").unwrap_or(1);
    let axis = if axis < 0 { axis + x.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok().filter(|&axis| axis <= x.len()).ok_or("has an axis that does not exist")?;
    let out = vec![x[..axis].iter().product(), x[axis..].iter().product()];
    let axes = reshaped(axes, x, &out);
    Ok(Fact::with_axes(*elem, out, axes))
}

fn reshape(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let target = fact(inputs, 1).and_then(Fact::integers).or_else(|| node.attr_ints("shape").map(<[i64]>::to_vec));
    let Some(target) = target else { return Ok(unknown(inputs)) };
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else {
        // The shape may still be complete by itself.
        let given = target.iter().map(|&dim| usize::try_from(dim).ok().filter(|&dim| dim > 0)).collect::<Option<_>>();
        return Ok(given.map_or_else(|| unknown(inputs), |shape| Fact::new(elem(inputs, 0), shape)));
    };
    let n: usize = x.iter().product();
    let keep_zero = node.attr_int("allowzero").unwrap_or(0) != 0;
    let wrong = || format!("a tensor of shape {x:?} cannot take the shape {target:?}");
    let mut out = Vec::with_capacity(target.len());
    for (i, &dim) in target.iter().enumerate() {
        out.push(match dim {
            -1 => 1,
            0 if !keep_zero => *x.get(i).ok_or_else(wrong)?,
            dim => usize::try_from(dim).map_err(|_| wrong())?,
        });
    }
    let known = out.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(wrong)?;
    if let Some(open) = target.iter().position(|&dim| dim == -1) {
        if known == 0 || !n.is_multiple_of(known) {
            return Err(wrong());
        }
        out[open] = n / known;
    } else if known != n {
        return Err(wrong());
    }
    let axes = reshaped(axes, x, &out);
    Ok(Fact::with_axes(*elem, out, axes))
}

fn transpose(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let perm = permutation(node, x.len());
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if sorted != (0..x.len()).collect::<Vec<_>>() {
        return Err(format!("the permutation {perm:?} does not fit a tensor of shape {x:?}"));
    }
    let (out, axes) = perm.iter().map(|&axis| (x[axis], axes[axis])).unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

fn concat(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let shapes: Option<Vec<&[usize]>> = (0..inputs.len()).map(|i| shape(inputs, i)).collect();
    let Some(shapes) = shapes.filter(|shapes| !shapes.is_empty()) else { return Ok(unknown(inputs)) };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), shapes[0].len())?;
    let mut out = shapes[0].to_vec();
    for other in &shapes[1..] {
        let fits = other.len() == out.len() && (0..out.len()).all(|i| i == along || other[i] == out[i]);
        if !fits {
            return Err(format!("shapes {:?} and {other:?} cannot be joined along axis {along}", shapes[0]));
        }
        out[along] += other[along];
    }
    let places = |axes: &[Axis]| matches!(axes[along], Axis::Tokens { .. });
    let known = |fact: &&Fact| fact.axes.iter().any(|&axis| axis != Axis::Other);
    let facts: Vec<&Fact> = inputs.iter().copied().flatten().collect();
    let with_places = facts.iter().filter(|fact| places(&fact.axes)).count();
    let Some(labelled) = facts.iter().position(|fact| places(&fact.axes)).or(facts.iter().position(known)) else {
        return Ok(Fact::new(elem(inputs, 0), out));
    };
    let mut axes = facts[labelled].axes.clone();
    if let Axis::Tokens { prefix, .. } = &mut axes[along] {
        *prefix += shapes[..labelled].iter().map(|shape| shape[along]).sum::<usize>();
    }
    if with_places > 1 {
        axes[along] = Axis::Other;
    }
    Ok(Fact::with_axes(elem(inputs, 0), out, axes))
}

/// What a `Slice` takes of one axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Take {
    pub start: i64,
    pub step: i64,
    pub length: usize,
}

/// What a `Slice` takes of each axis; `None` if that is not known.
pub(super) fn ranges(node: &NodeProto, inputs: &Inputs, x: &[usize]) -> Result<Option<Vec<Take>>, String> {
    let list = |i: usize, name: &str| match inputs.get(i).copied().flatten() {
        Some(fact) => fact.integers(),
        None => node.attr_ints(name).map(<[i64]>::to_vec),
    };
    let (Some(starts), Some(ends)) = (list(1, "starts"), list(2, "ends")) else { return Ok(None) };
    let given = |i: usize| inputs.get(i).copied().flatten().is_some();
    let (axes, steps) = (list(3, "axes"), list(4, "steps"));
    if (given(3) && axes.is_none()) || (given(4) && steps.is_none()) {
        return Ok(None);
    }
    let n = starts.len();
    let axes = axes.unwrap_or_else(|| (0..n as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; n]);
    if ends.len() != n || axes.len() != n || steps.len() != n {
        return Err("has starts, ends, axes and steps of different lengths".to_owned());
    }
    let mut takes: Vec<Take> = x.iter().map(|&length| Take { start: 0, step: 1, length }).collect();
    for i in 0..n {
        let axis = checked_axis(axes[i], x.len())?;
        let (step, dim) = (steps[i], x[axis] as i64);
        if step == 0 {
            return Err("has a step of 0".to_owned());
        }
        let from_end = |value: i64| if value < 0 { value.saturating_add(dim) } else { value };
        let (start, end) = if step > 0 {
            (from_end(starts[i]).clamp(0, dim), from_end(ends[i]).clamp(0, dim))
        } else {
            (from_end(starts[i]).clamp(0, (dim - 1).max(0)), from_end(ends[i]).clamp(-1, (dim - 1).max(0)))
        };
        let reach = if step > 0 { end - start } else { start - end };
        let length = if reach <= 0 { 0 } else { (reach as u64).div_ceil(step.unsigned_abs()) as usize };
        takes[axis] = Take { start, step, length };
    }
    Ok(Some(takes))
}

fn slice(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let Some(takes) = ranges(node, inputs, x)? else { return Ok(unknown(inputs)) };
    let mut axes = axes.clone();
    for (axis, take) in axes.iter_mut().zip(&takes) {
        if let Axis::Tokens { prefix, h, w } = *axis {
            let start = take.start as usize;
            let keeps_places = take.step == 1 && start <= prefix && start + take.length >= prefix + h * w;
            *axis = if keeps_places { Axis::Tokens { prefix: prefix - start, h, w } } else { Axis::Other };
        }
    }
    Ok(Fact::with_axes(*elem, takes.iter().map(|take| take.length).collect(), axes))
}

fn split(node: &NodeProto, inputs: &Inputs) -> Outputs {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else {
        return Ok(vec![unknown(inputs); node.output.len()]);
    };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), x.len())?;
    let length = x[along];
    let sizes: Vec<usize> = match fact(inputs, 1).map(Fact::integers) {
        Some(None) => return Ok(vec![unknown(inputs); node.output.len()]),
        Some(Some(sizes)) => sizes.iter().map(|&size| size.max(0) as usize).collect(),
        None => match node.attr_ints("split") {
            Some(sizes) => sizes.iter().map(|&size| size.max(0) as usize).collect(),
            None => {
                let n = node.output.len().max(1);
                let size = length.div_ceil(n);
                (0..n).map(|i| size.min(length.saturating_sub(i * size))).collect()
            }
        },
    };
    if sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) != Some(length) {
        return Err(format!("cannot split an axis of length {length} into {sizes:?}"));
    }
    let mut axes = axes.clone();
    if matches!(axes[along], Axis::Tokens { .. }) {
        axes[along] = Axis::Other;
    }
    let part = |&size: &usize| {
        let mut out = x.clone();
        out[along] = size;
        Fact::with_axes(*elem, out, axes.clone())
    };
    Ok(sizes.iter().map(part).collect())
}

fn gather(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Some(indices)) = (fact(inputs, 0), shape(inputs, 1)) else {
        return Ok(unknown(inputs));
    };
    let along = checked_axis(node.attr_int("axis").unwrap_or(0), x.len())?;
    let out = [&x[..along], indices, &x[along + 1..]].concat();
    let kept = if axes[along] == Axis::Channel && indices.len() == 1 { Axis::Channel } else { Axis::Other };
    let axes = [&axes[..along], &vec![kept; indices.len()], &axes[along + 1..]].concat();
    Ok(Fact::with_axes(*elem, out, axes))
}

/// Axes given as input 1 (newer operator sets) or as an attribute; `Err(())` if they are given but not known.
fn listed_axes(node: &NodeProto, inputs: &Inputs) -> Result<Option<Vec<i64>>, ()> {
    match fact(inputs, 1) {
        Some(fact) => fact.integers().map(Some).ok_or(()),
        None => Ok(node.attr_ints("axes").map(<[i64]>::to_vec)),
    }
}

fn squeeze(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Ok(listed)) = (fact(inputs, 0), listed_axes(node, inputs))
    else {
        return Ok(unknown(inputs));
    };
    let dropped: Vec<usize> = match listed {
        Some(listed) => listed.iter().map(|&axis| checked_axis(axis, x.len())).collect::<Result<_, _>>()?,
        None => (0..x.len()).filter(|&i| x[i] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|&&axis| x.get(axis) != Some(&1)) {
        return Err(format!("axis {axis} of a tensor of shape {x:?} does not have length 1"));
    }
    let (out, axes) = (0..x.len()).filter(|i| !dropped.contains(i)).map(|i| (x[i], axes[i])).unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

fn unsqueeze(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Ok(Some(listed))) =
        (fact(inputs, 0), listed_axes(node, inputs))
    else {
        return Ok(unknown(inputs));
    };
    let rank = x.len() + listed.len();
    let new: Vec<usize> = listed.iter().map(|&axis| checked_axis(axis, rank)).collect::<Result<_, _>>()?;
    let mut old = x.iter().copied().zip(axes.iter().copied());
    let mut parts = Vec::with_capacity(rank);
    for i in 0..rank {
        let part = if new.contains(&i) { Some((1, Axis::Other)) } else { old.next() };
        parts.push(part.ok_or_else(|| format!("names an axis twice: {listed:?}"))?);
    }
    let (out, axes) = parts.into_iter().unzip();
    Ok(Fact::with_axes(*elem, out, axes))
}

fn lengths(fact: &Fact) -> Result<Option<Vec<usize>>, String> {
    let Some(values) = fact.integers() else { return Ok(None) };
    let lengths = values.iter().map(|&value| usize::try_from(value)).collect::<Result<_, _>>();
    lengths.map(Some).map_err(|_| format!("a shape holds a negative length: {values:?}"))
}

fn expand(inputs: &Inputs) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, elem, .. }), Some(target)) = (fact(inputs, 0), fact(inputs, 1)) else {
        return Ok(unknown(inputs));
    };
    let Some(target) = lengths(target)? else { return Ok(unknown(inputs)) };
    let out = broadcast_shapes(x, &target)?;
    Ok(if out == *x { Fact::with_axes(*elem, out, axes.clone()) } else { Fact::new(*elem, out) })
}

fn tile(inputs: &Inputs) -> Fact {
    let (Some(x), Some(repeats)) = (shape(inputs, 0), fact(inputs, 1).and_then(Fact::integers)) else {
        return unknown(inputs);
    };
    let out = x.iter().zip(&repeats).map(|(&dim, &n)| dim.checked_mul(usize::try_from(n).ok()?)).collect::<Option<_>>();
    out.map_or_else(|| unknown(inputs), |out| Fact::new(elem(inputs, 0), out))
}

fn constant_of_shape(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let elem = node.attr_tensor("value").map_or(DataType::Float, |tensor| tensor.data_type());
    let target = fact(inputs, 0).map(lengths).transpose()?.flatten();
    Ok(target.map_or_else(|| Fact::unknown(Some(elem)), |shape| Fact::new(Some(elem), shape)))
}

fn range(inputs: &Inputs) -> Fact {
    let number = |i: usize| fact(inputs, i)?.value.as_ref()?.first().copied();
    match (number(0), number(1), number(2)) {
        (Some(start), Some(limit), Some(delta)) if delta != 0.0 => {
            let n = ((limit - start) / delta).ceil().max(0.0) as usize;
            Fact::new(elem(inputs, 0), vec![n])
        }
        _ => unknown(inputs),
    }
}

fn pad(node: &NodeProto, inputs: &Inputs) -> Result<Fact, String> {
    let Some(Fact { shape: Some(x), axes, elem, .. }) = fact(inputs, 0) else { return Ok(unknown(inputs)) };
    let pads = match fact(inputs, 1) {
        Some(fact) => fact.integers(),
        None => node.attr_ints("pads").or(node.attr_ints("paddings")).map(<[i64]>::to_vec),
    };
    let listed = match fact(inputs, 3) {
        Some(fact) => fact.integers(),
        None => Some((0..x.len() as i64).collect()),
    };
    let (Some(pads), Some(listed)) = (pads, listed) else { return Ok(unknown(inputs)) };
    if pads.len() != 2 * listed.len() {
        return Err(format!("has {} paddings for {} axes", pads.len(), listed.len()));
    }
    let (mut out, mut axes) = (x.clone(), axes.clone());
    for (i, &axis) in listed.iter().enumerate() {
        let axis = checked_axis(axis, x.len())?;
        let (before, after) = (pads[i], pads[i + listed.len()]);
        let length = (x[axis] as i64).checked_add(before).and_then(|length| length.checked_add(after));
        out[axis] = length
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(|| format!("paddings {pads:?} do not fit a tensor of shape {x:?}"))?;
        if (before, after) != (0, 0) && matches!(axes[axis], Axis::Tokens { .. }) {
            axes[axis] = Axis::Other;
        }
    }
    Ok(Fact::with_axes(*elem, out, axes))
}

fn resize(node: &NodeProto, inputs: &Inputs) -> Fact {
    let resized = || {
        let Fact { shape: Some(x), axes, .. } = fact(inputs, 0)? else { return None };
        let all: Vec<usize> = (0..x.len()).collect();
        let listed = match node.attr_ints("axes") {
            Some(listed) => listed.iter().map(|&value| axis(value, x.len())).collect::<Option<_>>()?,
            None => all,
        };
        let filled = |i: usize| fact(inputs, i).filter(|fact| fact.shape.as_deref() != Some(&[0]));
        let mut out = x.clone();
        // Upsample and Resize of operator set 10 have the scales as input 1; later ones have a region there.
        let scales = if inputs.len() <= 2 { filled(1) } else { filled(2) };
        if let Some(sizes) = filled(3) {
            for (&axis, size) in listed.iter().zip(sizes.integers()?) {
                out[axis] = usize::try_from(size).ok()?;
            }
        } else {
            let factors: Vec<f64> = match scales {
                Some(scales) => scales.value.clone()?,
                None => node.attr_floats("scales")?.iter().map(|&scale| f64::from(scale)).collect(),
            };
            for (&axis, scale) in listed.iter().zip(factors) {
                out[axis] = (x[axis] as f64 * scale).floor() as usize;
            }
        }
        Some(Fact::with_axes(elem(inputs, 0), out, axes.clone()))
    };
    resized().unwrap_or_else(|| unknown(inputs))
}

fn block_to_space(node: &NodeProto, inputs: &Inputs) -> Fact {
    let Some(&[n, c, h, w]) = shape(inputs, 0) else { return unknown(inputs) };
    let block = node.attr_int("blocksize").unwrap_or(1).max(1) as usize;
    let out = if node.op_type == "DepthToSpace" {
        vec![n, c / block / block, h.saturating_mul(block), w.saturating_mul(block)]
    } else {
        vec![n, c.saturating_mul(block).saturating_mul(block), h / block, w / block]
    };
    Fact::with_axes(elem(inputs, 0), out, NCHW.to_vec())
}

/// Axes that a `Reduce…` joins; `None` if that is not known.
fn reduced_axes(node: &NodeProto, inputs: &Inputs, opset: i64) -> Option<Vec<i64>> {
    let rank = shape(inputs, 0)?.len() as i64;
    match listed_axes(node, inputs) {
        Err(()) => None,
        Ok(Some(axes)) if !axes.is_empty() => Some(axes),
        Ok(_) if opset >= 13 && node.attr_int("noop_with_empty_axes").unwrap_or(0) != 0 => Some(vec![]),
        Ok(_) => Some((0..rank).collect()),
    }
}

fn reduce(node: &NodeProto, inputs: &Inputs, elem: Option<DataType>, listed: Option<Vec<i64>>) -> Result<Fact, String> {
    let (Some(Fact { shape: Some(x), axes, .. }), Some(listed)) = (fact(inputs, 0), listed) else {
        return Ok(Fact::unknown(elem));
    };
    let joined: Vec<usize> = listed.iter().map(|&axis| checked_axis(axis, x.len())).collect::<Result<_, _>>()?;
    let keep = node.attr_int("keepdims").unwrap_or(1) != 0;
    let (out, axes) = (0..x.len())
        .filter(|i| keep || !joined.contains(i))
        .map(|i| if joined.contains(&i) { (1, Axis::Other) } else { (x[i], axes[i]) })
        .unzip();
    Ok(Fact::with_axes(elem, out, axes))
}
