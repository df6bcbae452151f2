//! Relevance propagation as a backward pass over surrogates.
//!
//! Each node is replaced by one with the same value and another slope. Slopes are chosen such that burn's own backward
//! pass, times the input (LRP) or its difference from the baseline (DeepLIFT), gives the relevance. Every surrogate has
//! the form `value + slope · (x − x₀)` with `x₀` the value of `x` and value and slope held constant.

use super::{BurnBackend, differentiate, first, join, track};
use crate::graph::{Graph, Step, Walk};
use crate::value::{Float, Ints, MAX_RANK, Value};
use ascan_core::backend::{check_forward, check_gradients};
use ascan_core::{Error, RelevanceRule, Result, Tensor, TensorView};
use burn::tensor::Tensor as BurnTensor;
use std::collections::{HashMap, HashSet};

type Six = BurnTensor<MAX_RANK>;

/// Smaller differences count as none; then the slope is the node's own.
const NO_DIFFERENCE: f32 = 1e-10;

/// How relevance comes back through an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relevance {
    /// It only moves numbers, or scales them by constants: as gradients do, whatever the rule.
    Route,
    /// A sum with constant weights of any of its inputs.
    Sum,
    /// Linear in its first input; the others are weights.
    Linear,
    /// As [`Self::Linear`], and the composite rule favours its positive weights.
    Convolution,
    /// A product of two numbers; with a constant it is a [`Self::Route`].
    Product,
    /// A product of two matrices; with a constant it is [`Self::Linear`].
    MatrixProduct,
    /// A quotient whose divisor is constant: a [`Self::Route`].
    Quotient,
    /// A function of one number.
    Function,
    /// A function of one number whose result is meant as a gate: in a product, the other factor has all the relevance.
    Gate,
    /// The largest of each window.
    MaxPool,
    /// Nobody has written a rule.
    Missing,
}

/// See [`ascan_core::ModelBackend::relevance`].
pub fn relevance(
    backend: &BurnBackend,
    images: TensorView,
    target_classes: &[usize],
    rule: &RelevanceRule,
) -> Result<Tensor> {
    let info = &backend.info;
    let n = check_gradients(info, images, target_classes, &[])?;
    if let RelevanceRule::DeepLift { baselines } = rule
        && check_forward(info, *baselines, &[])? != n
    {
        return Err(Error::shape("baselines", format!("{n}, one per image"), baselines.shape()));
    }
    let (graph, slots) = backend.graph(&[&info.input, &info.logits])?;
    let parts = backend.in_parts(n, |range| {
        let mut known = HashMap::new();
        if let RelevanceRule::DeepLift { baselines } = rule {
            let feed = backend.feed(graph, *baselines, range.clone())?;
            let mut keep = |slot, value: Value| {
                known.insert(slot, value.clone());
                value
            };
            graph.run(&graph.run_state(), vec![feed], &slots[1..], &mut keep)?;
        }
        let (slot, value) = backend.feed(graph, images, range.clone())?;
        let plain = backend.float(value)?;
        let (leaf, image) = track(plain.clone());
        let mut propagation = Propagation { rule, known, depends: HashSet::from([slot]), gates: HashSet::new(), graph };
        let rule = &mut |step: &Step, inputs: Vec<Option<Value>>| propagation.step(step, inputs);
        let walk = Walk { lift: &Value::clone, visit: &mut |_, value| value, rule };
        let outputs = graph.walk(&graph.run_state(), vec![(slot, Value::Float(image))], &slots[1..], walk)?;
        let logits = backend.float(outputs.into_iter().next().ok_or_else(|| Error::shape("outputs", "logits", 0))?)?;
        let gradient = differentiate(logits, &target_classes[range.clone()]).and_then(|all| leaf.grad(&all));
        let from = match propagation.known.remove(&slot) {
            Some(baseline) => plain.six().sub(backend.float(baseline)?.six()),
            None => plain.six(),
        };
        let relevance = match gradient {
            Some(gradient) => from.mul(gradient),
            None => from.zeros_like(),
        };
        Ok(first(Float::from_six(relevance, 4).to_plain()?, range.len()))
    })?;
    join(parts.into_iter(), [&[0][..], &info.input_shape].concat())
}

/// One forward pass under a rule.
struct Propagation<'a> {
    rule: &'a RelevanceRule<'a>,
    /// DeepLIFT: every value of the baseline.
    known: HashMap<usize, Value>,
    /// Values that change with the image.
    depends: HashSet<usize>,
    /// Values that are results of a gate.
    gates: HashSet<usize>,
    graph: &'a Graph,
}

impl Propagation<'_> {
    fn step(&mut self, step: &Step, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let changing: Vec<usize> = (0..inputs.len())
            .filter(|&i| step.inputs()[i].is_some_and(|slot| self.depends.contains(&slot)))
            .filter(|&i| matches!(inputs[i], Some(Value::Float(_))))
            .collect();
        if changing.is_empty() {
            return step.compute(inputs);
        }
        use Relevance as R;
        let relevance = step.row().relevance;
        let outputs = match (relevance, &changing[..]) {
            (R::Route, _) | (R::Product, [_]) | (R::Quotient, [0]) => step.compute(inputs)?,
            (R::Product | R::MatrixProduct, [0, 1]) => vec![self.product(step, inputs)?],
            (R::Sum, _) | (R::Linear | R::Convolution, [0]) | (R::MatrixProduct, [_]) => self.linear(step, inputs)?,
            (R::Function | R::Gate, [0]) => vec![self.function(step, inputs)?],
            (R::MaxPool, [0]) => vec![self.max_pool(step, inputs)?],
            // Written out: a new way of relevance has to be dealt with above.
            (
                R::Linear
                | R::Convolution
                | R::Product
                | R::MatrixProduct
                | R::Quotient
                | R::Function
                | R::Gate
                | R::MaxPool
                | R::Missing,
                _,
            ) => {
                let (node, operator) = (step.proto().display_name(), &step.proto().op_type);
                return Err(Error::unsupported(
                    format!("there is no rule of relevance for node `{node}` ({operator})"),
                    "use `integrated_gradients`, which every differentiable model has",
                ));
            }
        };
        let floats = outputs.iter().zip(step.outputs()).filter(|(value, _)| matches!(value, Value::Float(_)));
        let made: Vec<usize> = floats.filter_map(|(_, slot)| *slot).collect();
        let from_gate = || step.inputs().iter().flatten().any(|slot| self.gates.contains(slot));
        if relevance == R::Gate || relevance == R::Route && from_gate() {
            self.gates.extend(&made);
        }
        self.depends.extend(made);
        Ok(outputs)
    }

    /// The baseline's value in a slot.
    fn baseline(&self, slot: Option<usize>) -> Result<Six> {
        let value = slot.and_then(|slot| self.known.get(&slot).or_else(|| self.graph.constant(slot)));
        match value {
            Some(Value::Float(value)) => Ok(value.clone().six()),
            _ => Err(Error::shape("baseline", "a value for every tensor of the image", "none")),
        }
    }

    fn linear(&self, step: &Step, inputs: Vec<Option<Value>>) -> Result<Vec<Value>> {
        let (gamma, epsilon) = match *self.rule {
            RelevanceRule::DeepLift { .. } => return step.compute(inputs),
            RelevanceRule::LrpEpsilon { epsilon } => (0.0, epsilon),
            RelevanceRule::LrpGammaComposite { gamma, epsilon } if step.row().relevance == Relevance::Convolution => {
                (gamma, epsilon)
            }
            RelevanceRule::LrpGammaComposite { epsilon, .. } => (0.0, epsilon),
        };
        let z = single(step.compute(inputs.iter().map(|input| input.clone().map(untracked)).collect())?)?;
        let inputs = inputs.into_iter().enumerate().map(|(i, input)| match input {
            Some(Value::Float(weight)) if gamma > 0.0 && i > 0 => Some(Value::Float(weight.map(|w| {
                let positive = w.clone().clamp_min(0.0);
                w.add(positive.mul_scalar(gamma))
            }))),
            other => other,
        });
        let favoured = single(step.compute(inputs.collect())?)?;
        let rank = favoured.rank();
        let (favoured, z) = (favoured.six(), z.six());
        let denominator = favoured.clone().without_autodiff();
        let sign = denominator.clone().greater_equal_scalar(0.0).float().mul_scalar(2.0).sub_scalar(1.0);
        let denominator = denominator.add(sign.mul_scalar(epsilon));
        let ratio = divide(z.clone(), denominator);
        Ok(vec![Value::Float(Float::from_six(surrogate(z, ratio, favoured), rank))])
    }

    fn function(&self, step: &Step, inputs: Vec<Option<Value>>) -> Result<Value> {
        let Some(Value::Float(x)) = inputs[0].clone() else { return Err(Error::shape("input", "floats", "none")) };
        let own = single(step.compute(inputs)?)?;
        let rank = own.rank();
        let (x, own) = (x.six(), own.six());
        let (x0, y) = (x.clone().without_autodiff(), own.clone().without_autodiff());
        let RelevanceRule::DeepLift { .. } = self.rule else {
            // All relevance of the output goes to the input.
            return Ok(Value::Float(Float::from_six(surrogate(y.clone(), divide(y, x0), x), rank)));
        };
        let change_in = x0.sub(self.baseline(step.inputs()[0])?);
        let change_out = y.clone().sub(self.baseline(step.outputs()[0])?);
        let still = change_in.clone().abs().lower_scalar(NO_DIFFERENCE).float();
        let moving = still.clone().neg().add_scalar(1.0);
        let slope = divide(change_out, change_in).mul(moving.clone());
        // Where nothing changes the slope is the node's own.
        let value = surrogate(y, slope, x).mul(moving).add(own.mul(still));
        Ok(Value::Float(Float::from_six(value, rank)))
    }

    fn product(&self, step: &Step, inputs: Vec<Option<Value>>) -> Result<Value> {
        let [a, b] = [0, 1].map(|i| inputs[i].clone());
        let with = |a: Option<Value>, b: Option<Value>| single(step.compute(vec![a, b])?);
        let [a0, b0] = [&a, &b].map(|side| side.clone().map(untracked));
        let value = with(a0.clone(), b0.clone())?;
        let rank = value.rank();
        // a·b₀ and a₀·b, each with the slope of one side alone.
        let (left, right) = match self.rule {
            RelevanceRule::DeepLift { .. } => {
                // Δ(ab) = Δa·(b + b′)/2 + Δb·(a + a′)/2
                let mean = |side: &Option<Value>, i: usize| -> Result<Option<Value>> {
                    let Some(Value::Float(side)) = side.clone() else { return Ok(None) };
                    let baseline = self.baseline(step.inputs()[i])?;
                    Ok(Some(Value::Float(side.map(|side| side.add(baseline).mul_scalar(0.5)))))
                };
                (with(a, mean(&b0, 1)?)?.six(), with(mean(&a0, 0)?, b)?.six())
            }
            _ => {
                let gate = [0, 1].map(|i| step.inputs()[i].is_some_and(|slot| self.gates.contains(&slot)));
                let (left, right) = (with(a, b0.clone())?.six(), with(a0, b)?.six());
                match gate {
                    [false, true] => (left, right.without_autodiff()),
                    [true, false] => (left.without_autodiff(), right),
                    _ => (left.mul_scalar(0.5), right.mul_scalar(0.5)),
                }
            }
        };
        let both = left.add(right);
        let rest = value.six().sub(both.clone().without_autodiff());
        Ok(Value::Float(Float::from_six(both.add(rest), rank)))
    }

    fn max_pool(&self, step: &Step, inputs: Vec<Option<Value>>) -> Result<Value> {
        let RelevanceRule::DeepLift { .. } = self.rule else { return Ok(Value::Float(single(step.compute(inputs)?)?)) };
        let Some(Value::Float(x)) = inputs[0].clone() else { return Err(Error::shape("input", "floats", "none")) };
        let baseline = self.baseline(step.inputs()[0])?;
        let mut proto = step.proto().clone();
        proto.output = vec!["values".into(), "indices".into()];
        let winners = |x: Float| -> Result<(Float, Ints)> {
            match &step.compute_as(&proto, vec![Some(Value::Float(x))])?[..] {
                [Value::Float(values), Value::Ints(indices)] => Ok((values.clone(), indices.clone())),
                _ => Err(Error::shape("pool", "values and indices", "others")),
            }
        };
        let input_rank = x.rank();
        let x0 = x.clone().map(Six::without_autodiff);
        let (y, of_image) = winners(x0.clone())?;
        let (reference, of_baseline) = winners(Float::from_six(baseline.clone(), input_rank))?;
        let (rank, dims) = (y.rank(), y.clone().six().dims());
        let (x, x0, y, reference) = (x.six(), x0.six(), y.six(), reference.six());
        let change = x0.clone().sub(baseline);
        let still = change.clone().abs().lower_scalar(NO_DIFFERENCE).float();
        let moving = still.clone().neg().add_scalar(1.0);
        let moved = x.sub(x0.clone());
        let share = moved.clone().mul(divide(moving, change));
        let flat = share.reshape([x0.dims().iter().product::<usize>()]);
        let pick = |indices: &Ints| -> Six { flat.clone().select(0, indices.to_indices(&x0.device())).reshape(dims) };
        let highest = y.clone().max_pair(reference.clone());
        let rise = highest.clone().sub(reference).mul(pick(&of_image));
        let fall = y.clone().sub(highest).mul(pick(&of_baseline));
        // Where nothing changes the slope is the pool's own; its value is `y`.
        let own =
            single(step.compute(vec![Some(Value::Float(Float::from_six(x0.add(moved.mul(still)), input_rank)))])?)?;
        Ok(Value::Float(Float::from_six(own.six().add(rise).add(fall), rank)))
    }
}

fn single(outputs: Vec<Value>) -> Result<Float> {
    match outputs.into_iter().next() {
        Some(Value::Float(value)) => Ok(value),
        _ => Err(Error::shape("output", "floats", "others")),
    }
}

fn untracked(value: Value) -> Value {
    match value {
        Value::Float(value) => Value::Float(value.map(Six::without_autodiff)),
        ints => ints,
    }
}

/// `a / b`, 0 where `b` is 0.
fn divide(a: Six, b: Six) -> Six {
    let zero = b.clone().equal_scalar(0.0);
    a.div(b.mask_fill(zero.clone(), 1.0)).mask_fill(zero, 0.0)
}

/// A tensor with this value and the slope `slope` in `x`.
fn surrogate(value: Six, slope: Six, x: Six) -> Six {
    let x0 = x.clone().without_autodiff();
    x.sub(x0).mul(slope).add(value)
}
