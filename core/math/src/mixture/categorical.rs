//! Categorical columns of a mixture: a class a row, or a distribution over classes a row.

use super::Responsibilities;
use super::responsibilities::NO_MASS;
use crate::points::CHUNK;
use crate::{lanes, wide};
use ascan_core::TensorView;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Chunks whose sums are taken together.
const BLOCK: usize = 16;

/// A column beside the rows of a mixture.
#[derive(Clone, Copy)]
pub struct Column<'a> {
    /// What each row has.
    pub values: Values<'a>,
    /// Number of classes.
    pub n_classes: usize,
    /// γ: the column's log-probability counts this many times.
    pub weight: f64,
}

/// The values of a column.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// `[n]`: the class of each row. What is not in `0..n_classes` is unknown, and says nothing.
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

fn known(class: i32, n_classes: usize) -> Option<usize> {
    usize::try_from(class).ok().filter(|&class| class < n_classes)
}

impl Categorical {
    pub(super) fn estimate(column: &Column, responsibilities: &Responsibilities, pool: &ThreadPool) -> Self {
        let n_classes = column.n_classes;
        let probs = pool.install(|| match column.values {
            Values::Classes(classes) => estimate_classes(classes, n_classes, responsibilities),
            Values::Probs(probs) => estimate_probs(probs, responsibilities),
        });
        Self { n_classes, weight: column.weight, probs }
    }

    /// The distribution of a component over the classes.
    pub fn probs(&self, component: usize) -> &[f64] {
        &self.probs[component * self.n_classes..][..self.n_classes]
    }

    /// Adds γ·ln p of the rows of a chunk to `[k, CHUNK]`. A distribution q over classes has p = Σ_c q_c·p_c.
    ///
    /// The logarithm is of p plus the precision of f64, as in the published Domino: no component is ruled out.
    pub(super) fn add_log_densities(&self, column: &Column, rows: Range<usize>, out: &mut [f64]) {
        let weight = self.weight;
        let log = |p: f64| weight * lanes::ln(p + f64::EPSILON);
        match column.values {
            Values::Classes(classes) => {
                // Behind the classes stands what an unknown one says: nothing.
                let place = |&class: &i32| known(class, self.n_classes).unwrap_or(self.n_classes);
                let places: Vec<usize> = classes[rows].iter().map(place).collect();
                for (probs, out) in self.probs.chunks_exact(self.n_classes.max(1)).zip(out.chunks_exact_mut(CHUNK)) {
                    let logs: Vec<f64> = probs.iter().map(|&p| log(p)).chain([0.0]).collect();
                    out.iter_mut().zip(&places).for_each(|(out, &place)| *out += logs[place]);
                }
            }
            Values::Probs(values) => {
                let chunk = widened(values, rows, self.n_classes);
                let k = out.len() / CHUNK;
                let mut products = vec![0.0; CHUNK * k];
                matmul(
                    MatMut::from_column_major_slice_mut(&mut products, CHUNK, k),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&chunk, CHUNK, self.n_classes),
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

/// Rows of probabilities in f64, zero beyond the last: `[CHUNK, n_classes]`.
fn widened(probs: TensorView, rows: Range<usize>, n_classes: usize) -> Vec<f64> {
    let mut chunk: Vec<f64> = probs.rows(rows).iter().map(|&p| f64::from(p)).collect();
    chunk.resize(CHUNK * n_classes, 0.0);
    chunk
}

/// The classes' shares of each component's known rows: `[k, n_classes]`.
fn estimate_classes(classes: &[i32], n_classes: usize, responsibilities: &Responsibilities) -> Vec<f64> {
    let of_component = |component: usize| {
        let mut sums = vec![0.0; n_classes];
        for (shares, classes) in responsibilities.component(component).zip(classes.chunks(CHUNK)) {
            for (share, &class) in shares.iter().zip(classes) {
                if let Some(class) = known(class, n_classes) {
                    sums[class] += share;
                }
            }
        }
        let mass = NO_MASS + sums.iter().sum::<f64>();
        sums.iter_mut().for_each(|sum| *sum /= mass);
        sums
    };
    (0..responsibilities.k()).into_par_iter().flat_map_iter(of_component).collect()
}

/// The mean distribution of each component's rows: `[k, n_classes]`.
fn estimate_probs(probs: TensorView, responsibilities: &Responsibilities) -> Vec<f64> {
    let (k, n, n_classes) = (responsibilities.k(), responsibilities.n(), probs.row_len());
    let n_chunks = n.div_ceil(CHUNK);
    let of_block = |block: usize| {
        let mut sums = vec![0.0; k * n_classes];
        for chunk in block * BLOCK..((block + 1) * BLOCK).min(n_chunks) {
            let rows = chunk * CHUNK..((chunk + 1) * CHUNK).min(n);
            matmul(
                MatMut::from_row_major_slice_mut(&mut sums, k, n_classes),
                Accum::Add,
                MatRef::from_row_major_slice(responsibilities.chunk(chunk), k, CHUNK),
                MatRef::from_row_major_slice(&widened(probs, rows, n_classes), CHUNK, n_classes),
                1.0,
                Par::Seq,
            );
        }
        sums
    };
    let blocks: Vec<Vec<f64>> = (0..n_chunks.div_ceil(BLOCK)).into_par_iter().map(of_block).collect();
    let mut total = vec![0.0; k * n_classes];
    for block in blocks {
        total.iter_mut().zip(block).for_each(|(total, part)| *total += part);
    }
    total.par_chunks_exact_mut(n_classes.max(1)).enumerate().for_each(|(component, probs)| {
        let mass = responsibilities.mass(component);
        probs.iter_mut().for_each(|p| *p /= mass);
    });
    total
}
