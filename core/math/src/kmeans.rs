//! k-means: k-means++ seeding, Lloyd iterations, restarts.
//!
//! Everything that is summed over images is summed over fixed blocks in a fixed order,
//! so that the result has the same bits at any number of threads.

use crate::points::Normalise;
use crate::points::{CHUNK, Points, dot};
use crate::wide;
use ascan_core::{Result, TensorView};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Below this share of `‖x‖² + ‖c‖²`, rounding dominates `‖x‖² − 2x·c + ‖c‖²` in f32 and seeding takes the difference.
const CANCELLATION: f32 = 1e-5;

/// Number of rows that [`nearest_rows`] takes at a time.
const PIECE: usize = 16 * CHUNK;

/// What to fit.
pub struct Settings {
    /// Number of clusters.
    pub k: usize,
    /// Number of restarts; the one with the lowest inertia is kept.
    pub n_init: usize,
    /// Maximum number of iterations per restart.
    pub max_iterations: usize,
    /// A restart ends when the squared movement of all centres falls below this share of the mean variance per
    /// dimension.
    pub tolerance: f64,
    /// Seed of all random choices.
    pub seed: u64,
}

/// The result of [`fit`].
pub struct Fit {
    /// The centres; fewer than asked for where there are fewer distinct rows.
    pub centres: Centres,
    /// Sum of squared distances to the nearest centre.
    pub inertia: f64,
    /// Whether the centres had stopped moving.
    pub converged: bool,
}

/// Cluster centres, around a mean.
#[derive(Clone)]
pub struct Centres {
    d: usize,
    /// `[k, d]`.
    data: Vec<f32>,
    /// `[k]`.
    sq_norms: Vec<f32>,
    /// `[d]`.
    mean: Vec<f32>,
}

impl Centres {
    pub(crate) fn empty(points: &Points) -> Self {
        Self { d: points.d(), data: Vec::new(), sq_norms: Vec::new(), mean: points.mean().to_vec() }
    }

    pub(crate) fn push(&mut self, centre: &[f32]) {
        self.data.extend_from_slice(centre);
        self.sq_norms.push(dot(centre, centre));
    }

    /// Number of centres.
    pub fn k(&self) -> usize {
        self.sq_norms.len()
    }

    /// `[d]`: what was subtracted from the rows before the fit.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// `[d]`: a centre, less the mean.
    pub fn row(&self, cluster: usize) -> &[f32] {
        &self.data[cluster * self.d..(cluster + 1) * self.d]
    }

    /// Moves a centre.
    pub(crate) fn set(&mut self, cluster: usize, values: impl Iterator<Item = f32>) {
        let centre = &mut self.data[cluster * self.d..(cluster + 1) * self.d];
        centre.iter_mut().zip(values).for_each(|(old, new)| *old = new);
        self.sq_norms[cluster] = dot(centre, centre);
    }

    /// `x·c` of every centre with every row of a chunk: `[k, CHUNK]`, the layout in which the product is quickest.
    fn products(&self, x: MatRef<f32>, products: &mut [f32]) {
        let c = MatRef::from_row_major_slice(&self.data, self.k(), self.d);
        let products = MatMut::from_column_major_slice_mut(products, CHUNK, self.k());
        matmul(products, Accum::Replace, x, c.transpose(), 1.0f32, Par::Seq);
    }
}

/// Nearest centre of each row of a block, and what the block contributes to the new centres.
struct Block {
    nearest: Vec<usize>,
    sq_distances: Vec<f32>,
    /// `[k, d]`.
    sums: Vec<f32>,
    counts: Vec<usize>,
}

/// The best of `n_init` restarts. `progress(restarts done, restarts)` is called before each iteration.
///
/// # Errors
/// Whatever error `progress` returns.
pub fn fit(
    points: &Points,
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Fit> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    let mut best: Option<Fit> = None;
    for restart in 0..settings.n_init {
        let mut go_on = || progress(restart, settings.n_init);
        let seeds = seed(points, settings.k, &mut rng, pool, &mut go_on)?;
        let fit = lloyd(points, seeds, settings, pool, &mut go_on)?;
        if best.as_ref().is_none_or(|best| fit.inertia < best.inertia) {
            best = Some(fit);
        }
    }
    progress(settings.n_init, settings.n_init)?;
    // `n_init` is at least 1 by the check of the parameters.
    Ok(best.unwrap_or_else(|| Fit { centres: Centres::empty(points), inertia: 0.0, converged: false }))
}

/// The nearest centre of each row, the first on a tie.
pub fn nearest(points: &Points, centres: &Centres, pool: &ThreadPool) -> Vec<usize> {
    assign(points, centres, pool, false).into_iter().flat_map(|block| block.nearest).collect()
}

/// The nearest centre of some rows of a table, the first on a tie. Reads the table piece by piece, so that no
/// copy of its size is made.
///
/// # Errors
/// `NotFinite` for values that are too large to square.
pub fn nearest_rows(
    embeddings: TensorView,
    rows: &[usize],
    normalise: Normalise,
    centres: &Centres,
    pool: &ThreadPool,
) -> Result<Vec<usize>> {
    let piece = |rows: &[usize]| -> Result<Vec<usize>> {
        let points = Points::to_assign(embeddings, rows, normalise, centres.mean())?;
        let block = assign_block(&points, centres, 0..points.n_chunks(), false);
        Ok(block.nearest)
    };
    let pieces = pool.install(|| rows.par_chunks(PIECE).map(piece).collect::<Result<Vec<_>>>())?;
    Ok(pieces.into_iter().flatten().collect())
}

/// Nearest centres and the sum of squared distances to them.
pub(crate) fn nearest_with_inertia(points: &Points, centres: &Centres, pool: &ThreadPool) -> (Vec<usize>, f64) {
    let blocks = assign(points, centres, pool, false);
    let inertia = blocks.iter().flat_map(|block| &block.sq_distances).map(|&v| f64::from(v)).sum();
    (blocks.into_iter().flat_map(|block| block.nearest).collect(), inertia)
}

/// Greedy k-means++: each next centre is the best of `2 + ln k` rows drawn with probability ∝ squared distance to the
/// centres so far. Gives fewer than `k` centres when there are fewer distinct rows.
pub(crate) fn seed(
    points: &Points,
    k: usize,
    rng: &mut Xoshiro256PlusPlus,
    pool: &ThreadPool,
    go_on: &mut impl FnMut() -> Result<()>,
) -> Result<Centres> {
    let n = points.n();
    let n_candidates = 2 + (k as f64).ln() as usize;
    let mut centres = Centres::empty(points);
    let mut closest = vec![f32::INFINITY; n];
    let mut cumulative = vec![0.0f64; n];
    let mut candidates = vec![((rng.random::<f64>() * n as f64) as usize).min(n - 1)];
    while centres.k() < k {
        go_on()?;
        let mut tried = Centres::empty(points);
        candidates.iter().for_each(|&row| tried.push(points.row(row)));
        let distances = pool.install(|| sq_distances(points, &tried));
        let t = tried.k();
        let distance = |row: usize, candidate: usize| distances[(row / CHUNK * t + candidate) * CHUNK + row % CHUNK];
        let potential = |candidate: usize| -> f64 {
            closest.iter().enumerate().map(|(i, &c)| f64::from(c.min(distance(i, candidate)))).sum()
        };
        let best = (0..t).map(|c| (c, potential(c))).reduce(|a, b| if b.1 < a.1 { b } else { a }).map_or(0, |b| b.0);
        centres.push(tried.row(best));
        let mut total = 0.0;
        for (i, (closest, cumulative)) in closest.iter_mut().zip(&mut cumulative).enumerate() {
            *closest = closest.min(distance(i, best));
            total += f64::from(*closest);
            *cumulative = total;
        }
        if total <= 0.0 {
            break;
        }
        candidates = (0..n_candidates)
            .map(|_| {
                let draw = rng.random::<f64>() * total;
                cumulative.partition_point(|&c| c <= draw).min(n - 1)
            })
            .collect();
    }
    Ok(centres)
}

/// `[k, CHUNK]` for each chunk, exactly zero for equal rows.
fn sq_distances(points: &Points, centres: &Centres) -> Vec<f32> {
    let k = centres.k();
    let mut distances = vec![0.0; points.n_chunks() * CHUNK * k];
    distances.par_chunks_mut(CHUNK * k).enumerate().for_each(|(chunk, distances)| {
        let rows = points.chunk(chunk).1;
        centres.products(points.matrix(chunk), distances);
        for (cluster, distances) in distances.chunks_exact_mut(CHUNK).enumerate() {
            for (i, distance) in rows.clone().zip(distances) {
                let scale = points.sq_norm(i) + centres.sq_norms[cluster];
                *distance = scale - 2.0 * *distance;
                if *distance < CANCELLATION * scale {
                    let row = points.row(i).iter().zip(centres.row(cluster));
                    *distance = row.map(|(x, c)| (x - c) * (x - c)).sum();
                }
            }
        }
    });
    distances
}

fn lloyd(
    points: &Points,
    mut centres: Centres,
    settings: &Settings,
    pool: &ThreadPool,
    go_on: &mut impl FnMut() -> Result<()>,
) -> Result<Fit> {
    let tolerance = settings.tolerance * points.variance();
    let mut previous: Vec<usize> = Vec::new();
    let mut converged = false;
    for _ in 0..settings.max_iterations {
        go_on()?;
        let blocks = assign(points, &centres, pool, true);
        let moved = update(points, &mut centres, &blocks);
        let labels: Vec<usize> = blocks.into_iter().flat_map(|block| block.nearest).collect();
        converged = moved <= tolerance || labels == previous;
        if converged {
            break;
        }
        previous = labels;
    }
    let blocks = assign(points, &centres, pool, false);
    let inertia = blocks.iter().flat_map(|block| &block.sq_distances).map(|&v| f64::from(v)).sum();
    Ok(Fit { centres, inertia, converged })
}

fn assign(points: &Points, centres: &Centres, pool: &ThreadPool, with_sums: bool) -> Vec<Block> {
    let blocks = points.blocks();
    pool.install(|| {
        blocks.into_par_iter().map(|chunks| assign_block(points, centres, chunks, with_sums)).collect::<Vec<Block>>()
    })
}

fn assign_block(points: &Points, centres: &Centres, chunks: Range<usize>, with_sums: bool) -> Block {
    let (k, d) = (centres.k(), points.d());
    let mut block = Block {
        nearest: Vec::with_capacity(chunks.len() * CHUNK),
        sq_distances: Vec::with_capacity(chunks.len() * CHUNK),
        sums: if with_sums { vec![0.0; k * d] } else { Vec::new() },
        counts: vec![0; k],
    };
    let mut products = vec![0.0; CHUNK * k];
    for chunk in chunks {
        centres.products(points.matrix(chunk), &mut products);
        wide(
            #[inline(always)]
            || block.take(points, centres, points.chunk(chunk).1, &products, with_sums),
        );
    }
    block
}

impl Block {
    /// The rows of a chunk, `[k, CHUNK]` their products with the centres.
    #[inline(always)]
    fn take(&mut self, points: &Points, centres: &Centres, rows: Range<usize>, products: &[f32], with_sums: bool) {
        let d = points.d();
        // ‖x‖² is the same for all centres, so it is added at the end.
        let (mut nearest, mut least) = ([0; CHUNK], [f32::INFINITY; CHUNK]);
        for (cluster, (products, sq_norm)) in products.chunks_exact(CHUNK).zip(&centres.sq_norms).enumerate() {
            for ((product, nearest), least) in products.iter().zip(&mut nearest).zip(&mut least) {
                let distance = sq_norm - 2.0 * product;
                if distance < *least {
                    (*nearest, *least) = (cluster, distance);
                }
            }
        }
        for ((i, cluster), distance) in rows.zip(nearest).zip(least) {
            self.nearest.push(cluster);
            self.sq_distances.push((points.sq_norm(i) + distance).max(0.0));
            if with_sums {
                self.counts[cluster] += 1;
                for (sum, x) in self.sums[cluster * d..][..d].iter_mut().zip(points.row(i)) {
                    *sum += x;
                }
            }
        }
    }
}

/// Moves each centre to the mean of its rows; gives the sum of the squared movements.
fn update(points: &Points, centres: &mut Centres, blocks: &[Block]) -> f64 {
    let (k, d) = (centres.k(), centres.d);
    let mut sums = vec![0.0f64; k * d];
    let mut counts = vec![0usize; k];
    for block in blocks {
        for (sum, &part) in sums.iter_mut().zip(&block.sums) {
            *sum += f64::from(part);
        }
        for (count, part) in counts.iter_mut().zip(&block.counts) {
            *count += part;
        }
    }
    relocate_empty(points, blocks, &mut sums, &mut counts);
    let mut moved = 0.0;
    for (cluster, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let centre = &mut centres.data[cluster * d..(cluster + 1) * d];
        for (value, sum) in centre.iter_mut().zip(&sums[cluster * d..]) {
            let new = (sum / count as f64) as f32;
            moved += f64::from(new - *value) * f64::from(new - *value);
            *value = new;
        }
        centres.sq_norms[cluster] = dot(centre, centre);
    }
    moved
}

/// Gives each empty cluster the row that is farthest from its own centre.
fn relocate_empty(points: &Points, blocks: &[Block], sums: &mut [f64], counts: &mut [usize]) {
    let empty: Vec<usize> = (0..counts.len()).filter(|&cluster| counts[cluster] == 0).collect();
    if empty.is_empty() {
        return;
    }
    let d = points.d();
    let mut rows: Vec<(f32, usize, usize)> = blocks
        .iter()
        .flat_map(|block| block.sq_distances.iter().zip(&block.nearest))
        .enumerate()
        .map(|(row, (&distance, &cluster))| (distance, row, cluster))
        .collect();
    // Farthest first; the earlier row on a tie.
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut rows = rows.into_iter();
    for target in empty {
        let Some((_, row, source)) = rows.find(|&(distance, _, source)| distance > 0.0 && counts[source] > 1) else {
            return;
        };
        for (j, &x) in points.row(row).iter().enumerate() {
            sums[source * d + j] -= f64::from(x);
            sums[target * d + j] = f64::from(x);
        }
        counts[source] -= 1;
        counts[target] = 1;
    }
}
