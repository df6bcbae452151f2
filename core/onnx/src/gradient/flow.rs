//! Gradients on their way back, and their sums where a tensor has several readers.

use super::tape::Tape;

/// A gradient, perhaps smaller than its tensor (then it is the same along the axes of length 1), with changes that a
/// convolution further back takes into its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub tensor: String,
    /// Whether the sign is still to be turned.
    pub negative: bool,
    /// A factor for each channel, `[c]`, still to be applied.
    pub factor: Option<String>,
}

impl Flow {
    pub fn of(tensor: String) -> Self {
        Self { tensor, negative: false, factor: None }
    }
}

/// What one reader of a tensor contributes to its gradient.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Whole(Flow),
    /// The gradient of a part of an axis; the rest is zero.
    Piece {
        axis: usize,
        start: usize,
        length: usize,
        tensor: String,
    },
}

/// Contributions by the index of a node's input.
pub(super) type Parts = Vec<(usize, Part)>;

/// A contribution to input `i`.
pub(super) fn part(i: usize, tensor: String) -> (usize, Part) {
    (i, Part::Whole(Flow::of(tensor)))
}

/// A contribution to input 0, and to no other.
pub(super) fn only(tensor: String) -> Parts {
    vec![part(0, tensor)]
}

impl Tape {
    /// The gradient itself, with nothing left to be applied.
    pub fn plain(&mut self, flow: &Flow) -> Result<String, String> {
        let mut tensor = flow.tensor.clone();
        if let Some(factor) = &flow.factor {
            let factor = self.per_channel(factor, self.shape(&tensor)?.rank())?;
            tensor = self.mul(&tensor, &factor)?;
        }
        if flow.negative { self.unary("Neg", &tensor) } else { Ok(tensor) }
    }

    /// A vector `[c]` as `[c, 1, …]`, which fits the axes of `[n, c, …]` of this rank.
    pub fn per_channel(&mut self, vector: &str, rank: usize) -> Result<String, String> {
        let shape = self.shape(vector)?;
        let ones = rank.saturating_sub(2);
        self.reshape(vector, &shape.map(|lengths| [lengths, &vec![1; ones]].concat()))
    }

    /// The sum of what the readers of `of` contribute; `None` if none does.
    pub fn total(&mut self, of: &str, parts: Vec<Part>) -> Result<Option<Flow>, String> {
        let mut flows = self.joined(of, parts)?;
        if flows.len() < 2 {
            return Ok(flows.pop());
        }
        let mut sum: Option<String> = None;
        for flow in &flows {
            let plain = self.plain(flow)?;
            sum = Some(match sum {
                None => plain,
                Some(sum) => self.add(&sum, &plain)?,
            });
        }
        Ok(sum.map(Flow::of))
    }

    /// The contributions with pieces put side by side where they fill an axis, and filled up with zeros where not.
    fn joined(&mut self, of: &str, parts: Vec<Part>) -> Result<Vec<Flow>, String> {
        let (mut flows, mut pieces) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Whole(flow) => flows.push(flow),
                Part::Piece { axis, start, length, tensor } => pieces.push((axis, start, length, tensor)),
            }
        }
        pieces.sort();
        while let Some(&(axis, ..)) = pieces.first() {
            let shape = self.shape(of)?;
            // One row of pieces that fills the axis from its beginning.
            let (mut at, mut row) = (0, Vec::new());
            for (i, (other, start, length, _)) in pieces.iter().enumerate() {
                if (*other, *start) == (axis, at) {
                    row.push(i);
                    at += length;
                }
            }
            if at == shape.length(axis) && row.len() > 1 {
                let tensors: Vec<String> = row.iter().map(|&i| pieces[i].3.clone()).collect();
                row.iter().rev().for_each(|&i| drop(pieces.remove(i)));
                flows.push(Flow::of(self.concat(&tensors, axis, &shape)));
                continue;
            }
            let (axis, start, length, tensor) = pieces.remove(0);
            let (mut before, mut after) = (vec![0; shape.rank()], vec![0; shape.rank()]);
            (before[axis], after[axis]) = (start, shape.length(axis) - start - length);
            flows.push(Flow::of(self.pad(&tensor, &before, &after)?));
        }
        Ok(flows)
    }
}
