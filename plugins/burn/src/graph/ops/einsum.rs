//! `Einsum`: sums of products written as a formula.

use super::{Call, floats};
use crate::value::{Float, MAX_RANK, Value};
use ascan_core::Result;
use ascan_onnx::proto::NodeProto;

/// Terms and result of an equation; letters only. An ellipsis becomes capital letters where ranks are known.
fn parse(equation: &str, ranks: &[usize]) -> Option<(Vec<Vec<char>>, Vec<char>)> {
    let equation: String = equation.split_whitespace().collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != ranks.len() {
        return None;
    }
    // The ellipsis stands for the most axes that any operand has left; they are aligned at the right.
    let spare = |term: &str, rank: usize| {
        if term.contains("...") { rank.checked_sub(term.len() - 3) } else { (term.len() == rank).then_some(0) }
    };
    let widths = terms.iter().zip(ranks).map(|(term, &rank)| spare(term, rank)).collect::<Option<Vec<_>>>()?;
    let widest = widths.iter().copied().max().unwrap_or(0);
    let letters: Vec<char> = ('\u{e000}'..).take(widest).collect();
    let spelled = |term: &str, width: usize| -> Vec<char> {
        let hidden: String = letters[widest - width..].iter().collect();
        term.replace("...", &hidden).chars().collect()
    };
    let inputs: Vec<Vec<char>> = terms.iter().zip(&widths).map(|(term, &width)| spelled(term, width)).collect();
    let output = match right {
        Some(right) => spelled(right, widest),
        None => {
            // Implicit: the ellipsis, then the letters that appear once, in the alphabet's order.
            let all: Vec<char> = inputs.iter().flatten().copied().collect();
            let once = |letter: &char| all.iter().filter(|other| *other == letter).count() == 1;
            let mut named: Vec<char> = all.iter().copied().filter(|c| !letters.contains(c)).filter(once).collect();
            named.sort_unstable();
            letters.iter().copied().chain(named).collect()
        }
    };
    Some((inputs, output))
}

pub(super) fn letters_are_known(node: &NodeProto) -> Option<String> {
    let equation = node.attr_string("equation").unwrap_or_default();
    let bad = equation.chars().find(|c| !(c.is_ascii_alphabetic() || c.is_whitespace() || ",.->".contains(*c)));
    bad.map(|c| format!("`{c}` in the equation `{equation}`"))
}

/// Every operand is brought to the axes (output letters, summed letters), the product is taken by broadcasting, and
/// the summed axes are summed; two operands with summed letters use a matrix product where the letters allow.
pub(super) fn einsum(call: &mut Call) -> Result<Vec<Value>> {
    let equation = call.node.attr_string("equation").unwrap_or_default().to_owned();
    let operands = (0..call.inputs.len()).map(|i| call.float(i)).collect::<Result<Vec<_>>>()?;
    let ranks: Vec<usize> = operands.iter().map(Float::rank).collect();
    let Some((inputs, output)) = parse(&equation, &ranks) else {
        return Err(call.error(format!("the equation `{equation}` does not fit operands with {ranks:?} axes")));
    };
    let mut letters = output.clone();
    for &letter in inputs.iter().flatten() {
        if !letters.contains(&letter) {
            letters.push(letter);
        }
    }
    let diagonal = |term: &Vec<char>| term.iter().enumerate().any(|(i, letter)| term[..i].contains(letter));
    let operands = operands
        .into_iter()
        .zip(&inputs)
        .map(
            |(operand, term)| {
                if diagonal(term) { take_diagonal(call, operand, term) } else { Ok((operand, term.clone())) }
            },
        )
        .collect::<Result<Vec<_>>>()?;
    if let [(a, left), (b, right)] = &operands[..]
        && let Some(result) = as_matmul(a, left, b, right, &output)?
    {
        return floats(result);
    }
    if letters.len() > MAX_RANK {
        return Err(call.error(format!("the equation `{equation}` has more than {MAX_RANK} letters")));
    }
    let aligned = operands.into_iter().map(|(operand, term)| align(operand, &term, &letters));
    let product = aligned.collect::<Result<Vec<_>>>()?.into_iter().reduce(|a, b| a.zip(b, |a, b| a.mul(b)));
    let Some(product) = product else { return Err(call.error("it has no operands")) };
    let first = MAX_RANK - letters.len() + output.len();
    let summed: Vec<usize> = (first..MAX_RANK).collect();
    let shape = product.shape()[..output.len()].to_vec();
    let product = if summed.is_empty() { product } else { product.map(|x| x.sum_dims(&summed)) };
    floats(product.reshape(&shape)?)
}

/// Keeps the elements whose indices agree on the axes that share a letter.
fn take_diagonal(call: &Call, operand: Float, term: &[char]) -> Result<(Float, Vec<char>)> {
    let mut kept: Vec<char> = Vec::new();
    for &letter in term {
        if !kept.contains(&letter) {
            kept.push(letter);
        }
    }
    let shape = operand.shape();
    let steps = crate::value::strides(&shape);
    let axis = |letter: char| term.iter().position(|&other| other == letter).unwrap_or(0);
    let lengths: Vec<usize> = kept.iter().map(|&letter| shape[axis(letter)]).collect();
    let mut indices = Vec::new();
    crate::value::for_each_index(&lengths, |index| {
        let flat: usize = term
            .iter()
            .zip(&steps)
            .map(|(letter, step)| step * kept.iter().position(|other| other == letter).map_or(0, |i| index[i]))
            .sum();
        indices.push(flat as i64);
    });
    let n = shape.iter().product();
    let indices = crate::value::Ints::list(indices).to_indices(&call.run.device);
    let picked = operand.dims([n]).select(0, indices);
    Ok((Float::wrap(picked).reshape(&lengths)?, kept))
}

/// Permutes an operand to the order of `letters`, with length 1 where it lacks one.
fn align(operand: Float, term: &[char], letters: &[char]) -> Result<Float> {
    let shape = operand.shape();
    let order: Vec<usize> = letters.iter().filter_map(|letter| term.iter().position(|other| other == letter)).collect();
    let full: Vec<usize> = letters
        .iter()
        .map(|letter| term.iter().position(|other| other == letter).map_or(1, |axis| shape[axis]))
        .collect();
    super::shape::permute(operand, &order).reshape(&full)
}

/// The product as one batched matrix product: shared kept letters × (left letters, summed letters) × (summed, right).
fn as_matmul(a: &Float, left: &[char], b: &Float, right: &[char], output: &[char]) -> Result<Option<Float>> {
    let common = |letter: &&char| left.contains(letter) && right.contains(letter);
    let batch: Vec<char> = output.iter().filter(common).copied().collect();
    let summed: Vec<char> = left.iter().filter(|l| common(l) && !output.contains(l)).copied().collect();
    let rows: Vec<char> = left.iter().filter(|l| !right.contains(l)).copied().collect();
    let columns: Vec<char> = right.iter().filter(|l| !left.contains(l)).copied().collect();
    let lonely = rows.iter().chain(&columns).any(|letter| !output.contains(letter));
    let length = |letter: &char| {
        let of = |term: &[char], value: &Float| term.iter().position(|l| l == letter).map(|axis| value.shape()[axis]);
        (of(left, a), of(right, b))
    };
    let broadcasts = batch.iter().chain(&summed).any(|letter| matches!(length(letter), (Some(x), Some(y)) if x != y));
    if summed.is_empty() || lonely || broadcasts {
        return Ok(None);
    }
    let size = |letters: &[char]| -> usize {
        letters
            .iter()
            .map(|letter| match length(letter) {
                (Some(n), _) | (None, Some(n)) => n,
                _ => 1,
            })
            .product()
    };
    let (n, m, k, p) = (size(&batch), size(&rows), size(&summed), size(&columns));
    let arranged = |value: &Float, term: &[char], order: [&[char]; 3]| {
        let order: Vec<usize> =
            order.concat().iter().filter_map(|letter| term.iter().position(|other| other == letter)).collect();
        super::shape::permute(value.clone(), &order)
    };
    let x = arranged(a, left, [&batch, &rows, &summed]).reshape(&[n, m, k])?;
    let y = arranged(b, right, [&batch, &summed, &columns]).reshape(&[n, k, p])?;
    let natural = [&batch[..], &rows, &columns].concat();
    let lengths: Vec<usize> = natural.iter().map(|letter| size(&[*letter])).collect();
    let product = super::linear::product(x, y)?.reshape(&lengths)?;
    let order: Vec<usize> =
        output.iter().filter_map(|letter| natural.iter().position(|other| other == letter)).collect();
    Ok(Some(super::shape::permute(product, &order)))
}
