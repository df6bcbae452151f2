//! Categorical columns of a mixture: one class per row, or one distribution over classes per row.

use super::responsibilities::NO_MASS;
use crate::points::CHUNK;
use crate::{lanes, wide};
use ascan_core::TensorView;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::Range;

/// A column beside the rows of a mixture.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    /// The value of each row.
    pub values: Values<'a>,
    /// Number of classes.
    pub n_classes: usize,
    /// γ: the column's log-probability counts this many times.
    pub weight: f64,
}

/// The values of a column.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// `[n]`: the class of each row. A class outside `0..n_classes` is unknown and has no influence.
    Classes(&'a [i32]),
    /// `[n, n_classes]`: the probability of each class.
    Probs(TensorView<'a>),
}

/// The components' distributions over the classes of a column.
pub struct Categorical {
    n_classes: usize,
    weight: f64,
    /// `[k, n_classes]`.
    probs: Vec<f64>,
}

/// The values of a column in the rows of a chunk.
pub(super) enum ColumnChunk {
    /// The class of each row, `n_classes` where it is unknown.
    Classes(Vec<usize>),
    /// `[CHUNK, n_classes]`, zero beyond the last row.
    Probs(Vec<f64>),
}

impl ColumnChunk {
    /// The chunk of one column.
    pub fn new(column: &Column, rows: Range<usize>) -> Self {
        let n_classes = column.n_classes;
        match column.values {
            Values::Classes(classes) => {
                let class = |&class: &i32| usize::try_from(class).map_or(n_classes, |class| class.min(n_classes));
                Self::Classes(classes[rows].iter().map(class).collect())
            }
            Values::Probs(probs) => {
                let mut chunk = Vec::with_capacity(CHUNK * n_classes);
                chunk.extend(probs.rows(rows).iter().map(|&p| f64::from(p)));
                chunk.resize(CHUNK * n_classes, 0.0);
                Self::Probs(chunk)
            }
        }
    }

    /// The chunk of every column.
    pub fn all(columns: &[Column], rows: Range<usize>) -> Vec<Self> {
        columns.iter().map(|column| Self::new(column, rows.clone())).collect()
    }
}

impl Categorical {
    /// Estimates the distributions from the sums `[k, n_classes]` over a column and the mass of each component.
    pub(super) fn estimate(column: &Column, sums: &[f64], masses: &[f64]) -> Self {
        let n_classes = column.n_classes;
        let mut probs = sums.to_vec();
        for (probs, &mass) in probs.chunks_exact_mut(n_classes.max(1)).zip(masses) {
            let mass = match column.values {
                // Only rows whose class is known count.
                Values::Classes(_) => NO_MASS + probs.iter().sum::<f64>(),
                Values::Probs(_) => mass,
            };
            probs.iter_mut().for_each(|p| *p /= mass);
        }
        Self { n_classes, weight: column.weight, probs }
    }

    /// The distribution of a component over the classes.
    pub fn probs(&self, component: usize) -> &[f64] {
        &self.probs[component * self.n_classes..][..self.n_classes]
    }

    /// Adds γ·ln p of the rows of a chunk to `[k, CHUNK]`. A distribution q over classes has p = Σ_c q_c·p_c.
    ///
    /// The logarithm is of p plus the precision of f64, as in the published Domino: no component is ruled out.
    pub(super) fn add_log_densities(&self, chunk: &ColumnChunk, out: &mut [f64]) {
        let weight = self.weight;
        let log = |p: f64| weight * lanes::ln(p + f64::EPSILON);
        match chunk {
            ColumnChunk::Classes(places) => {
                for (probs, out) in self.probs.chunks_exact(self.n_classes.max(1)).zip(out.chunks_exact_mut(CHUNK)) {
                    // The entry after the classes is for an unknown class, which adds nothing.
                    let logs: Vec<f64> = probs.iter().map(|&p| log(p)).chain([0.0]).collect();
                    out.iter_mut().zip(places).for_each(|(out, &place)| *out += logs[place]);
                }
            }
            ColumnChunk::Probs(probs) => {
                let k = out.len() / CHUNK;
                let mut products = vec![0.0; CHUNK * k];
                matmul(
                    MatMut::from_column_major_slice_mut(&mut products, CHUNK, k),
                    Accum::Replace,
                    MatRef::from_row_major_slice(probs, CHUNK, self.n_classes),
                    MatRef::from_row_major_slice(&self.probs, k, self.n_classes).transpose(),
                    1.0,
                    Par::Seq,
                );
                wide(
                    #[inline(always)]
                    || out.iter_mut().zip(&products).for_each(|(out, &p)| *out += log(p)),
                );
            }
        }
    }
}
