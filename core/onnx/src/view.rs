//! A graph with the facts that inference found, and ways to search it.

use crate::axes::Layout;
use crate::constant::{Constant, decode};
use crate::flat::Flat;
use crate::infer::{Fact, Facts};
use crate::inline::reads;
use crate::proto::NodeProto;
use crate::proto::TensorProto;
use ascan_core::Result;
use std::collections::{HashMap, HashSet};

/// Maximum number of nodes that are followed back from a constant that is computed from constants.
const MAX_DEPTH: usize = 16;

pub(crate) struct View<'f> {
    pub flat: &'f Flat<'f>,
    /// The batch size that `facts` are for.
    pub batch: usize,
    pub facts: Facts<'f>,
    producers: HashMap<&'f str, usize>,
    constants: HashMap<&'f str, &'f TensorProto>,
}

impl<'f> View<'f> {
    pub fn of(flat: &'f Flat<'f>) -> Result<Self> {
        // Not 1: an axis of length 1 is repeated by broadcasting, and would hide what follows the batch.
        let batch = flat.batch.unwrap_or(2);
        let constants = flat.graph.initializer.iter().chain(&flat.extra);
        Ok(Self {
            flat,
            batch,
            facts: flat.facts(batch)?,
            producers: flat.producers(),
            constants: constants.map(|tensor| (tensor.name.as_str(), tensor)).collect(),
        })
    }

    /// The node that gives this tensor, and its place in the graph.
    pub fn producer(&self, tensor: &str) -> Option<(usize, &'f NodeProto)> {
        let &i = self.producers.get(tensor)?;
        Some((i, &self.flat.nodes[i]))
    }

    pub fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.facts.shape(tensor)
    }

    /// Whether the tensor depends on the values of the image (its shape alone does not count).
    pub fn of_image(&self, tensor: &str) -> bool {
        self.facts.get(tensor).is_some_and(|fact| fact.image)
    }

    /// The inputs of a node that depend on the image.
    pub fn image_inputs(&self, node: &'f NodeProto) -> impl Iterator<Item = &'f str> {
        reads(node).into_iter().filter(|name| self.of_image(name))
    }

    /// All tensors that `tensor` is computed from as far as they depend on the image, itself included.
    pub fn ancestors(&self, tensor: &'f str) -> HashSet<&'f str> {
        let (mut found, mut open) = (HashSet::from([tensor]), vec![tensor]);
        while let Some(tensor) = open.pop() {
            let Some((_, node)) = self.producer(tensor) else { continue };
            open.extend(self.image_inputs(node).filter(|name| found.insert(name)));
        }
        found
    }

    /// Layout and `[c, h, w]` of a tensor that is a feature map with spatial extent.
    pub fn feature_map(&self, tensor: &str) -> Option<(Layout, [usize; 3])> {
        let fact: &Fact = self.facts.get(tensor)?;
        let shape = fact.shape.as_deref()?;
        if !fact.image || !fact.is_float() || shape.first() != Some(&self.batch) {
            return None;
        }
        let layout = Layout::of(&fact.axes)?;
        let map = layout.map_shape(shape)?;
        (map[0] > 0 && map[1] * map[2] > 1).then_some((layout, map))
    }

    /// Length of the only axis of a tensor that is longer than 1, the batch aside: `[n, c]`, `[n, c, 1, 1]`,
    /// `[n, 1, 1, c]`.
    pub fn vector_len(&self, tensor: &str) -> Option<usize> {
        let [batch, rest @ ..] = self.shape(tensor)? else { return None };
        let len: usize = rest.iter().product();
        (*batch == self.batch && !rest.is_empty() && rest.iter().max() == Some(&len)).then_some(len)
    }

    /// Numbers per image of a tensor that holds one vector of them: as [`Self::vector_len`]; `[n]`, which is one; `[k]` of
    /// a single image.
    pub fn scores_len(&self, tensor: &str) -> Option<usize> {
        match self.shape(tensor)? {
            [k] if self.flat.input.is_single() => Some(*k),
            [n] if *n == self.batch => Some(1),
            _ => self.vector_len(tensor),
        }
    }

    /// Shape and numbers of a constant, or of what simple operators compute from one.
    pub fn numbers(&self, tensor: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        self.numbers_at(tensor, 0)
    }

    fn numbers_at(&self, tensor: &str, depth: usize) -> Option<(Vec<usize>, Vec<f32>)> {
        let plain = |constant: Constant| Some((constant.shape.clone(), constant.to_f32()?));
        if let Some(tensor) = self.constants.get(tensor) {
            return plain(decode(tensor).ok()?);
        }
        let (_, node) = self.producer(tensor)?;
        if depth == MAX_DEPTH || self.of_image(tensor) {
            return None;
        }
        let input = |i: usize| self.numbers_at(node.input(i)?, depth + 1);
        match node.op_type.as_str() {
            "Constant" => plain(decode(node.attr_tensor("value")?).ok()?),
            "Identity" | "Cast" => input(0),
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                let (_, values) = input(0)?;
                Some((self.shape(tensor)?.to_vec(), values))
            }
            "Transpose" => {
                let (shape, values) = input(0)?;
                match (shape.as_slice(), node.attr_ints("perm")) {
                    (&[rows, columns], None | Some([1, 0])) => {
                        Some((vec![columns, rows], transposed(&values, columns)))
                    }
                    _ => None,
                }
            }
            "DequantizeLinear" => {
                let (shape, values) = input(0)?;
                let (scale_shape, scale) = input(1)?;
                let zero = node.input(2).map_or_else(|| Some((vec![], vec![0.0; scale.len()])), |_| input(2))?.1;
                let axis = node.attr_int("axis").unwrap_or(1);
                let axis = usize::try_from(if axis < 0 { axis + shape.len() as i64 } else { axis }).ok()?;
                // A scale for all, or one for each entry of an axis; blocks are for weights larger than a head's.
                let per_axis = match scale_shape.as_slice() {
                    [] | [1] => 1,
                    [n] if shape.get(axis) == Some(n) => *n,
                    _ => return None,
                };
                let run: usize = shape.get(axis + 1..).map_or(1, |rest| rest.iter().product());
                let which = |i: usize| if per_axis == 1 { 0 } else { i / run % per_axis };
                let values = values.iter().enumerate().map(|(i, value)| (value - zero[which(i)]) * scale[which(i)]);
                (zero.len() == scale.len()).then(|| (shape, values.collect()))
            }
            _ => None,
        }
    }
}

/// The transpose of a row-major matrix with this many columns.
pub(crate) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied()).collect()
}
