//! Rows prepared for clustering: normalised, centred, padded.

use ascan_core::{Error, Result, TensorView};
use faer::MatRef;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows of one matrix product. Every product has exactly this many (the last chunk is padded), so that the
/// distance of a row never depends on how many rows there are or which thread takes it.
pub(crate) const CHUNK: usize = 64;

/// Sums are taken over at most this many blocks, in their order, at any number of threads.
const MAX_BLOCKS: usize = 64;

/// How embeddings are normalised before distances are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Not at all: Euclidean distance.
    None,
    /// Scaled to length 1, so that only the direction counts. Zero vectors stay zero.
    L2,
}

/// Rows to cluster.
pub struct Points {
    n: usize,
    d: usize,
    /// `[n rounded up to CHUNK, d]`, zero beyond `n`.
    data: Vec<f32>,
    /// `[n]`, squared length of each row.
    sq_norms: Vec<f32>,
    /// `[d]`, what was subtracted from each row.
    mean: Vec<f32>,
    /// Empty, or a copy of each chunk, `[d, CHUNK]`.
    columns: Vec<f32>,
}

impl Points {
    /// Rows to fit to, centred: small numbers keep `‖x‖² − 2x·c + ‖c‖²` precise.
    ///
    /// # Errors
    /// `NotFinite` for values that are too large to square.
    pub fn to_fit(embeddings: TensorView, rows: &[usize], normalise: Normalise) -> Result<Self> {
        Self::new(embeddings, rows, normalise, None)
    }

    /// Rows to assign to centres that were fitted around `mean`.
    ///
    /// # Errors
    /// As [`Self::to_fit`].
    pub fn to_assign(embeddings: TensorView, rows: &[usize], normalise: Normalise, mean: &[f32]) -> Result<Self> {
        Self::new(embeddings, rows, normalise, Some(mean))
    }

    /// Rows `[n, d]` as they are, around zero.
    pub(crate) fn from_rows(d: usize, mut data: Vec<f32>) -> Self {
        let n = data.len() / d;
        let sq_norms = data.chunks_exact(d).map(|row| dot(row, row)).collect();
        data.resize(n.next_multiple_of(CHUNK) * d, 0.0);
        Self { n, d, data, sq_norms, mean: vec![0.0; d], columns: Vec::new() }
    }

    /// Uses the threads of the pool that it is called in, if it is called in one.
    fn new(embeddings: TensorView, rows: &[usize], normalise: Normalise, mean: Option<&[f32]>) -> Result<Self> {
        let (n, d) = (rows.len(), embeddings.row_len());
        let mut data = vec![0.0; n.next_multiple_of(CHUNK) * d];
        let size = blocks(n.div_ceil(CHUNK)).next().map_or(1, |block| block.len()) * CHUNK;
        let width = d.max(1);
        let sums = in_blocks(&mut data, size * width, |block, data| {
            let mut sums = vec![0.0f64; d];
            for (target, &row) in data.chunks_exact_mut(width).zip(&rows[(block * size).min(n)..]) {
                target.copy_from_slice(embeddings.row(row));
                if normalise == Normalise::L2 {
                    scale_to_unit(target);
                }
                if mean.is_none() {
                    sums.iter_mut().zip(&*target).for_each(|(sum, &value)| *sum += f64::from(value));
                }
            }
            sums
        });
        let mean = match mean {
            Some(mean) => mean.to_vec(),
            None => (0..d).map(|j| (sums.iter().map(|sums| sums[j]).sum::<f64>() / n.max(1) as f64) as f32).collect(),
        };
        let sq_norms = in_blocks(&mut data, size * width, |block, data| {
            let rows = data.chunks_exact_mut(width).take(n.saturating_sub(block * size));
            let sq_norm = |row: &mut [f32]| {
                row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
                dot(row, row)
            };
            rows.map(sq_norm).collect::<Vec<f32>>()
        });
        let mut sq_norms = sq_norms.concat();
        // Rows without values take no space in the data.
        sq_norms.resize(n, 0.0);
        if !sq_norms.iter().all(|v| v.is_finite()) {
            return Err(Error::NotFinite { what: "embeddings, squared (the values are too large)".into() });
        }
        Ok(Self { n, d, data, sq_norms, mean, columns: Vec::new() })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of dimensions.
    pub fn d(&self) -> usize {
        self.d
    }

    /// `[d]`: what was subtracted from each row.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// A row, `[d]`, normalised and centred.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.d..(i + 1) * self.d]
    }

    /// Consecutive rows, `[rows, d]`.
    pub fn rows(&self, rows: Range<usize>) -> &[f32] {
        &self.data[rows.start * self.d..rows.end * self.d]
    }

    /// A copy of these rows, in this order, around the same mean. Uses the threads of the pool that it is called in, if
    /// it is called in one.
    pub fn select(&self, rows: impl Iterator<Item = usize>) -> Self {
        const BLOCK: usize = 8 * CHUNK;
        let rows: Vec<usize> = rows.collect();
        let mut data = vec![0.0; rows.len().next_multiple_of(CHUNK) * self.d];
        let width = self.d.max(1);
        in_blocks(&mut data, BLOCK * width, |block, data| {
            let rows = &rows[(block * BLOCK).min(rows.len())..];
            data.chunks_exact_mut(width).zip(rows).for_each(|(target, &i)| target.copy_from_slice(self.row(i)));
        });
        let sq_norms = rows.iter().map(|&i| self.sq_norms[i]).collect();
        Self { n: rows.len(), d: self.d, data, sq_norms, mean: self.mean.clone(), columns: Vec::new() }
    }

    /// Squared length of a row.
    pub fn sq_norm(&self, i: usize) -> f32 {
        self.sq_norms[i]
    }

    /// Mean variance per dimension.
    pub(crate) fn variance(&self) -> f64 {
        let total: f64 = self.sq_norms.iter().map(|&v| f64::from(v)).sum();
        total / (self.n * self.d).max(1) as f64
    }

    /// Number of chunks.
    pub(crate) fn n_chunks(&self) -> usize {
        self.n.div_ceil(CHUNK)
    }

    /// A whole chunk `[CHUNK, d]`, padding included, and its rows.
    pub(crate) fn chunk(&self, chunk: usize) -> (&[f32], Range<usize>) {
        let start = chunk * CHUNK;
        (&self.data[start * self.d..(start + CHUNK) * self.d], start..(start + CHUNK).min(self.n))
    }

    /// Keeps a transposed copy of each chunk for callers that compute many products; otherwise each product makes its
    /// own.
    pub fn keep_columns(&mut self) {
        let (d, data) = (self.d, &self.data);
        let mut columns = vec![0.0; data.len()];
        in_blocks(&mut columns, (CHUNK * d).max(1), |chunk, columns| {
            let rows = &data[chunk * CHUNK * d..][..CHUNK * d];
            // A few rows at a time, whose values share lines of the cache.
            for (first, rows) in rows.chunks_exact(8 * d).enumerate() {
                for (j, column) in columns.chunks_exact_mut(CHUNK).enumerate() {
                    let places = column[first * 8..][..8].iter_mut();
                    places.enumerate().for_each(|(i, value)| *value = rows[i * d + j]);
                }
            }
        });
        self.columns = columns;
    }

    /// A whole chunk `[CHUNK, d]`, for products.
    pub(crate) fn matrix(&self, chunk: usize) -> MatRef<'_, f32> {
        let values = chunk * CHUNK * self.d..(chunk + 1) * CHUNK * self.d;
        match self.columns.is_empty() {
            true => MatRef::from_row_major_slice(&self.data[values], CHUNK, self.d),
            false => MatRef::from_column_major_slice(&self.columns[values], CHUNK, self.d),
        }
    }

    /// The chunks of each block.
    pub(crate) fn blocks(&self) -> Vec<Range<usize>> {
        blocks(self.n_chunks()).collect()
    }
}

fn blocks(n_chunks: usize) -> impl Iterator<Item = Range<usize>> {
    let size = n_chunks.div_ceil(MAX_BLOCKS).max(1);
    (0..n_chunks).step_by(size).map(move |start| start..(start + size).min(n_chunks))
}

/// Applies `work` to each block of `size` values, on the threads of the pool that this is called in, if it is called in
/// one.
fn in_blocks<T: Send>(data: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) -> T + Sync) -> Vec<T> {
    match rayon::current_thread_index() {
        Some(_) => data.par_chunks_mut(size).enumerate().map(|(block, data)| work(block, data)).collect(),
        None => data.chunks_mut(size).enumerate().map(|(block, data)| work(block, data)).collect(),
    }
}

fn scale_to_unit(row: &mut [f32]) {
    let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

/// Inner product in a fixed order; eight sums at once, so that it can be vectorised.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Normalise, Points};
    use ascan_core::TensorView;

    /// All rows as they are.
    pub fn points(embeddings: TensorView) -> Points {
        let rows: Vec<usize> = (0..embeddings.n_rows()).collect();
        Points::to_fit(embeddings, &rows, Normalise::None).unwrap()
    }
}
