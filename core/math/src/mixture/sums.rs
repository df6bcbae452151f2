//! What the M-step needs to know of the rows: sums over them, weighted by the responsibilities.

use super::categorical::{Column, ColumnChunk};
use super::responsibilities::NO_MASS;
use super::{Covariance, Data, Responsibilities};
use crate::lanes;
use crate::points::CHUNK;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Sums over rows, each weighted by the share of a component in it.
pub(super) struct Sums {
    /// `[k]`: the mass of each component, a little more than the sum of its shares.
    pub masses: Vec<f64>,
    /// `[k, n_features]`.
    pub features: Vec<f64>,
    /// For each column `[k, n_classes]`: sums over the rows of each class, or over the probabilities of each class.
    pub classes: Vec<Vec<f64>>,
}

impl Sums {
    /// The sums over no rows.
    pub fn new(k: usize, n_features: usize, columns: &[Column]) -> Self {
        let classes = columns.iter().map(|column| vec![0.0; k * column.n_classes]).collect();
        Self { masses: vec![0.0; k], features: vec![0.0; k * n_features], classes }
    }

    /// The sums over all rows.
    pub fn of(data: Data, covariance: Covariance, responsibilities: &Responsibilities, pool: &ThreadPool) -> Self {
        let (k, d) = (responsibilities.k(), data.points.d());
        let n_features = covariance.n_features(d);
        let of_block = |chunks: Range<usize>| {
            let mut sums = Self::new(k, n_features, data.columns);
            let mut features = vec![0.0; CHUNK * n_features];
            for chunk in chunks {
                let (rows, range) = data.points.chunk(chunk);
                covariance.features(rows, d, &mut features);
                sums.add(responsibilities.chunk(chunk), &features, &ColumnChunk::all(data.columns, range));
            }
            sums
        };
        let blocks = pool.install(|| data.points.blocks().into_par_iter().map(of_block).collect::<Vec<_>>());
        Self::total(Self::new(k, n_features, data.columns), blocks)
    }

    /// The sums over all blocks, added in their order.
    pub fn total(none: Self, blocks: Vec<Self>) -> Self {
        let add = |total: &mut [f64], part: &[f64]| total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        let mut total = none;
        for block in blocks {
            add(&mut total.masses, &block.masses);
            add(&mut total.features, &block.features);
            total.classes.iter_mut().zip(&block.classes).for_each(|(total, part)| add(total, part));
        }
        total.masses.iter_mut().for_each(|mass| *mass += NO_MASS);
        total
    }

    /// Adds a chunk: `shares` `[k, CHUNK]`, zero beyond the last row, and `features` `[CHUNK, n_features]`.
    pub fn add(&mut self, shares: &[f64], features: &[f64], columns: &[ColumnChunk]) {
        for (mass, shares) in self.masses.iter_mut().zip(shares.chunks_exact(CHUNK)) {
            *mass += lanes::sum(shares.iter().copied());
        }
        add_product(&mut self.features, shares, features);
        for (sums, column) in self.classes.iter_mut().zip(columns) {
            match column {
                ColumnChunk::Classes(classes) => add_classes(sums, shares, classes),
                ColumnChunk::Probs(probs) => add_product(sums, shares, probs),
            }
        }
    }
}

/// `sums[k, width] += shares[k, CHUNK] · values[CHUNK, width]`
fn add_product(sums: &mut [f64], shares: &[f64], values: &[f64]) {
    let (k, width) = (shares.len() / CHUNK, values.len() / CHUNK);
    matmul(
        MatMut::from_row_major_slice_mut(sums, k, width),
        Accum::Add,
        MatRef::from_row_major_slice(shares, k, CHUNK),
        MatRef::from_row_major_slice(values, CHUNK, width),
        1.0,
        Par::Seq,
    );
}

/// Adds each row's shares to those of its class, if it is known.
fn add_classes(sums: &mut [f64], shares: &[f64], classes: &[usize]) {
    let k = shares.len() / CHUNK;
    let n_classes = sums.len() / k.max(1);
    // Class by class: sums in independent lanes do not wait for each other.
    let mut rows: Vec<(usize, usize)> =
        classes.iter().copied().zip(0..).filter(|&(class, _)| class < n_classes).collect();
    rows.sort_unstable();
    for (sums, shares) in sums.chunks_exact_mut(n_classes.max(1)).zip(shares.chunks_exact(CHUNK)) {
        for rows in rows.chunk_by(|a, b| a.0 == b.0) {
            sums[rows[0].0] += lanes::sum(rows.iter().map(|&(_, row)| shares[row]));
        }
    }
}
