//! Sums of products by an equation: backwards, sums of products by another.

use super::super::flow::{Parts, part};
use super::super::shape::Shape;
use super::super::tape::Tape;
use super::Written;
use crate::equation::Equation;
use crate::proto::NodeProto;
use std::collections::HashMap;

/// The gradient of an operand is the product of `g` and the other operands, summed over every axis that it does not have.
pub(super) fn einsum(tape: &mut Tape, node: &NodeProto, g: &str) -> Written {
    let shapes = node.input.iter().map(|name| tape.shape(name)).collect::<Result<Vec<_>, _>>()?;
    let ranks: Vec<usize> = shapes.iter().map(Shape::rank).collect();
    let Equation { operands, result } = Equation::read(node.attr_string("equation").unwrap_or_default(), &ranks)?;
    // The length of each letter; an operand of length 1 there is repeated.
    let mut lengths: HashMap<char, [usize; 2]> = HashMap::new();
    for (letters, shape) in operands.iter().zip(&shapes) {
        for (axis, &letter) in letters.iter().enumerate() {
            if letters[..axis].contains(&letter) {
                return Err(format!("axis `{letter}` is a diagonal of an operand"));
            }
            let known = lengths.entry(letter).or_insert([1, 1]);
            if *known == [1, 1] {
                *known = shape.both(axis);
            }
        }
    }
    let of = |letters: &[char]| -> Shape {
        let at = |i: usize| letters.iter().map(|letter| lengths.get(letter).map_or(1, |both| both[i])).collect();
        Shape::new(at(0), at(1))
    };
    let g = tape.expand(g, &of(&result))?;
    let mut parts = Parts::new();
    for (i, letters) in operands.iter().enumerate() {
        if !tape.wants(&node.input[i]) {
            continue;
        }
        let others = || (0..operands.len()).filter(|&other| other != i);
        let mut factors = vec![g.clone()];
        for other in others() {
            factors.push(tape.read(&node.input[other])?);
        }
        let terms: Vec<Vec<char>> =
            std::iter::once(result.clone()).chain(others().map(|other| operands[other].clone())).collect();
        // A letter that no other has was summed over alone: the gradient is the same all along it.
        let is_there = |letter: &char| terms.iter().flatten().any(|other| other == letter);
        let kept: Vec<char> = letters.iter().copied().filter(is_there).collect();
        let factors: Vec<&str> = factors.iter().map(String::as_str).collect();
        let product = NodeProto::new("Einsum", &factors, "").with_string("equation", &Equation::write(&terms, &kept));
        let product = tape.emit(product, of(&kept));
        let alone: Vec<usize> = (0..letters.len()).filter(|&axis| !is_there(&letters[axis])).collect();
        let whole = of(letters);
        let product = tape.reshape(&product, &whole.with_ones(&alone))?;
        let product = tape.expand(&product, &whole)?;
        parts.push(part(i, tape.sum_to(&product, &shapes[i])?));
    }
    Ok(parts)
}
