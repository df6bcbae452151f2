//! The Gaussian kernel of all pairs. It is never stored: each product computes it anew, tile by tile.

use super::inverse_sqrt;
use crate::points::Points;
use crate::tiles::{SIDE, Tile, blocks};
use ascan_core::Result;
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `D^-½ K D^-½` with `K = exp(−γ‖x − y‖²)` and a zero diagonal.
pub struct Rbf<'a> {
    points: &'a Points,
    gamma: f32,
    pool: &'a ThreadPool,
    blocks: Vec<Range<usize>>,
    /// `[n]`, `D^-½`.
    inverse_sqrt: Vec<f64>,
}

/// Buffer for the kernel between two blocks.
#[derive(Default)]
struct Room {
    tile: Tile,
    kernel: Vec<f32>,
}

/// Sums of a block, `[columns, rows of the block]`.
type Sums = Vec<Vec<f64>>;

impl<'a> Rbf<'a> {
    pub fn new(
        points: &'a Points,
        gamma: f64,
        pool: &'a ThreadPool,
        progress: &mut impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Self> {
        let blocks = blocks(0..points.n()).collect();
        let mut rbf = Self { points, gamma: gamma as f32, pool, blocks, inverse_sqrt: Vec::new() };
        let degrees = rbf.kernel_times(&[vec![1.0; points.n()]], progress)?;
        rbf.inverse_sqrt = degrees.concat().into_iter().map(inverse_sqrt).collect();
        Ok(rbf)
    }

    /// Multiplies with each column `[n]`.
    pub fn times(
        &self,
        columns: &[Vec<f64>],
        progress: &mut impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        let scale = |column: &Vec<f64>| column.iter().zip(&self.inverse_sqrt).map(|(f, scale)| f * scale).collect();
        let scaled: Vec<Vec<f64>> = columns.iter().map(scale).collect();
        Ok(self.kernel_times(&scaled, progress)?.iter().map(scale).collect())
    }

    /// `K` times each column. Each pair of rows is looked at once.
    ///
    /// Pairs of blocks are scheduled in rounds, like a tournament: in each round a block is paired with one other, so
    /// that one thread at a time adds to its sums, always in the same order.
    fn kernel_times(
        &self,
        columns: &[Vec<f64>],
        progress: &mut impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        let n = self.blocks.len();
        let zeros = |rows: &Range<usize>| Mutex::new(vec![vec![0.0; rows.len()]; columns.len()]);
        let sums: Vec<Mutex<Sums>> = self.blocks.iter().map(zeros).collect();
        for round in 0..n {
            progress(round, n)?;
            let pairs = (0..n).map(|a| (a, (round + n - a) % n)).filter(|(a, b)| a <= b);
            let pairs: Vec<(usize, usize)> = pairs.collect();
            self.pool.install(|| {
                pairs.par_iter().for_each_init(Room::default, |room, &(a, b)| {
                    let (mut of_a, mut of_b) = (lock(&sums[a]), (a != b).then(|| lock(&sums[b])));
                    self.meet((a, b), columns, &mut of_a, of_b.as_deref_mut(), room);
                });
            });
        }
        progress(n, n)?;
        let sums: Vec<Sums> =
            sums.into_iter().map(|sums| sums.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        Ok((0..columns.len())
            .map(|column| sums.iter().flat_map(|sums| sums[column].iter().copied()).collect())
            .collect())
    }

    /// Adds the products between two blocks to the sums of both; `of_b` is `None` if they are the same block.
    fn meet(
        &self,
        (a, b): (usize, usize),
        columns: &[Vec<f64>],
        of_a: &mut Sums,
        mut of_b: Option<&mut Sums>,
        room: &mut Room,
    ) {
        let (rows, others) = (self.blocks[a].clone(), self.blocks[b].clone());
        room.tile.fill((self.points, rows.clone()), (self.points, others.clone()));
        for (at, i) in rows.enumerate() {
            let sq_norm = self.points.sq_norm(i);
            room.kernel.clear();
            room.kernel.extend(others.clone().zip(room.tile.row(at)).map(|(j, product)| {
                // Between equal rows, rounding may leave a negative distance.
                let sq_distance = (sq_norm + self.points.sq_norm(j) - 2.0 * product).max(0.0);
                (-self.gamma * sq_distance).exp()
            }));
            if of_b.is_none() {
                room.kernel[at] = 0.0;
            }
            for (column, sums) in columns.iter().zip(of_a.iter_mut()) {
                sums[at] += dot(&room.kernel, &column[others.clone()]);
            }
            for (column, sums) in columns.iter().zip(of_b.iter_mut().flat_map(|sums| sums.iter_mut())) {
                let value = column[i];
                sums.iter_mut().zip(&room.kernel).for_each(|(sum, &kernel)| *sum += f64::from(kernel) * value);
            }
        }
    }
}

fn lock(sums: &Mutex<Sums>) -> MutexGuard<'_, Sums> {
    sums.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Four sums at once, in a fixed order, so that it can be vectorised.
fn dot(kernel: &[f32], column: &[f64]) -> f64 {
    debug_assert!(kernel.len() <= SIDE && kernel.len() == column.len());
    let mut sums = [0.0f64; 4];
    let (kernel_chunks, column_chunks) = (kernel.chunks_exact(4), column.chunks_exact(4));
    let rest = kernel_chunks.remainder().iter().zip(column_chunks.remainder());
    let tail: f64 = rest.map(|(&k, x)| f64::from(k) * x).sum();
    for (kernel, column) in kernel_chunks.zip(column_chunks) {
        for (sum, (&k, x)) in sums.iter_mut().zip(kernel.iter().zip(column)) {
            *sum += f64::from(k) * x;
        }
    }
    sums.iter().sum::<f64>() + tail
}
