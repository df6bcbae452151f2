//! Sketches: long rows summarised in a few numbers, which rule out most pairs at a fraction of the cost.
//!
//! A sketch is a row's coordinates along the directions of largest variance, and the length of what they leave out. The
//! distance of two sketches is never above that of the rows: `‖Px − Py‖² + (r_x − r_y)² ≤ ‖x − y‖²`. So a search by
//! sketches stays exact. Rows are sorted by clusters of their sketches, so that whole tiles can be ruled out.

use crate::kmeans::{self, Centres};
use crate::points::{CHUNK, Points};
use crate::tiles::{Bounds, SIDE, blocks, sq_distance};
use ascan_core::Result;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Number of directions. With the length of the rest, a sketch fills whole lanes.
const DIRECTIONS: usize = 31;

/// Number of rows from which directions and clusters are found.
const SAMPLE: usize = 2_048;

/// Two clusters are far apart if their squared distance is at least this multiple of the larger one's mean squared
/// distance to its centre.
const FAR: f32 = 4.0;

/// Number of rounds of subspace iteration.
const ROUNDS: usize = 3;

/// Rows sorted by cluster, with their sketches.
pub struct Sketch {
    /// `[n]`: the original index of each row.
    pub order: Vec<u32>,
    /// The rows in that order.
    pub rows: Points,
    /// `[n, DIRECTIONS + 1]`, in that order.
    pub short: Points,
    /// Bounds of `short`, lowered such that no pair has a bound above the distance of its rows.
    pub bounds: Bounds,
    /// The rows that are looked at together.
    pub blocks: Vec<Range<usize>>,
    /// A ball around the sketches of each block.
    balls: Vec<Ball>,
}

/// A ball that holds some sketches.
struct Ball {
    centre: Vec<f64>,
    radius: f64,
    /// The most by which a bound may be off because of rounding.
    slack: f64,
}

impl Ball {
    fn around(short: &Points, slack: &[f32], rows: Range<usize>) -> Self {
        let n = rows.len() as f64;
        let mut centre = vec![0.0; short.d()];
        for i in rows.clone() {
            centre.iter_mut().zip(short.row(i)).for_each(|(sum, &v)| *sum += f64::from(v) / n);
        }
        let sq_distance = |i: usize| -> f64 {
            short.row(i).iter().zip(&centre).map(|(&v, centre)| (f64::from(v) - centre).powi(2)).sum()
        };
        let radius = rows.clone().map(sq_distance).fold(0.0, f64::max).sqrt();
        Self { radius, slack: slack[rows].iter().copied().fold(0.0, f32::max).into(), centre }
    }
}

impl Sketch {
    /// Sketches of all rows; `None` where the rows are few or short, and the whole products cost little.
    ///
    /// # Errors
    /// Whatever error `progress` returns.
    pub fn of(
        points: &Points,
        pool: &ThreadPool,
        mut progress: impl FnMut(usize, usize) -> Result<()>,
    ) -> Result<Option<Self>> {
        if points.n() < SAMPLE || points.d() < 4 * DIRECTIONS {
            return Ok(None);
        }
        let sample = || (0..SAMPLE).map(|i| i * points.n() / SAMPLE);
        let directions = directions(&points.select(sample()));
        let (short, slack) = project(points, &directions, pool);
        let k = points.n().div_ceil(SIDE);
        let settings = kmeans::Settings { k, n_init: 1, max_iterations: 10, tolerance: 1e-3, seed: 0 };
        let centres = kmeans::fit(&short.select(sample()), &settings, pool, |_, _| progress(0, 1))?.centres;
        let places = chain(&centres);
        let cluster = kmeans::nearest(&short, &centres, pool);
        let mut order: Vec<u32> = (0..points.n() as u32).collect();
        order.sort_by_key(|&row| places[cluster[row as usize]]);
        let ordered = || order.iter().map(|&row| row as usize);
        let (rows, short) = pool.install(|| (points.select(ordered()), short.select(ordered())));
        let slack: Vec<f32> = ordered().map(|row| slack[row]).collect();
        let bounds = Bounds::new(&short).lowered(slack.iter().copied());
        let blocks = cut(&short, &ordered().map(|row| cluster[row]).collect::<Vec<_>>(), &centres);
        let ball = |rows: &Range<usize>| Ball::around(&short, &slack, rows.clone());
        let balls = pool.install(|| blocks.par_iter().map(ball).collect());
        Ok(Some(Self { order, rows, short, bounds, blocks, balls }))
    }

    /// A lower bound of the squared distance between any row of block `a` and any row of block `b`.
    pub fn apart(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (&self.balls[a], &self.balls[b]);
        let sq_distance: f64 = a.centre.iter().zip(&b.centre).map(|(a, b)| (a - b).powi(2)).sum();
        let between = (sq_distance.sqrt() - a.radius - b.radius).max(0.0);
        // Lowered by what f32 may have rounded up.
        (between * between * (1.0 - 1e-6) - a.slack - b.slack) as f32
    }
}

/// The place of each centre in a chain that goes from each centre to the nearest one left, so that neighbouring
/// clusters share blocks of rows.
fn chain(centres: &Centres) -> Vec<usize> {
    let mut left: Vec<usize> = (0..centres.k()).collect();
    let mut places = vec![0; centres.k()];
    let mut last = 0;
    for place in 0..centres.k() {
        let distance = |&centre: &usize| sq_distance(centres.row(last), centres.row(centre));
        let nearest = (0..left.len()).min_by(|&a, &b| distance(&left[a]).total_cmp(&distance(&left[b])));
        last = left.swap_remove(nearest.unwrap_or(0));
        places[last] = place;
    }
    places
}

/// Blocks of rows that end where the next cluster is far away: a ball around two distant clusters would rule out
/// nothing. `clusters`: `[n]`, that of each row.
fn cut(short: &Points, clusters: &[usize], centres: &Centres) -> Vec<Range<usize>> {
    let (mut sums, mut counts) = (vec![0.0; centres.k()], vec![0.0f32; centres.k()]);
    for (i, &cluster) in clusters.iter().enumerate() {
        sums[cluster] += sq_distance(short.row(i), centres.row(cluster));
        counts[cluster] += 1.0;
    }
    let is_far = |a: usize, b: usize| {
        let sq_radius = (sums[a] / counts[a]).max(sums[b] / counts[b]);
        sq_distance(centres.row(a), centres.row(b)) > FAR * sq_radius
    };
    let mut parts = vec![0];
    parts.extend(
        (1..clusters.len()).filter(|&i| clusters[i] != clusters[i - 1] && is_far(clusters[i - 1], clusters[i])),
    );
    parts.push(clusters.len());
    parts.windows(2).flat_map(|part| blocks(part[0]..part[1])).collect()
}

/// Orthonormal directions of large variance, `[d, DIRECTIONS]`.
fn directions(sample: &Points) -> Mat<f32> {
    let (n, d) = (sample.n(), sample.d());
    let rows = MatRef::from_row_major_slice(sample.rows(0..n), n, d);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut basis = Mat::from_fn(d, DIRECTIONS, |_, _| rng.random::<f32>() - 0.5);
    for _ in 0..ROUNDS {
        let (mut along, mut image) = (Mat::zeros(n, DIRECTIONS), Mat::zeros(d, DIRECTIONS));
        matmul(along.as_mut(), Accum::Replace, rows, basis.as_ref(), 1.0f32, Par::Seq);
        matmul(image.as_mut(), Accum::Replace, rows.transpose(), along.as_ref(), 1.0f32, Par::Seq);
        basis = image.qr().compute_thin_Q();
    }
    basis
}

/// The sketches of all rows, and how much the bound of each has to be lowered for what rounding does.
fn project(points: &Points, directions: &Mat<f32>, pool: &ThreadPool) -> (Points, Vec<f32>) {
    const WIDTH: usize = DIRECTIONS + 1;
    // Of `d` products and sums, relative to ‖x‖².
    let unit = (points.d() + 64) as f32 * f32::EPSILON;
    let of_chunk = |chunk: usize| {
        let (rows, range) = points.chunk(chunk);
        let mut along = vec![0.0f32; CHUNK * DIRECTIONS];
        matmul(
            MatMut::from_row_major_slice_mut(&mut along, CHUNK, DIRECTIONS),
            Accum::Replace,
            MatRef::from_row_major_slice(rows, CHUNK, points.d()),
            directions.as_ref(),
            1.0f32,
            Par::Seq,
        );
        let mut short = Vec::with_capacity(range.len() * WIDTH);
        let mut slack = Vec::with_capacity(range.len());
        for (i, along) in range.zip(along.chunks_exact(DIRECTIONS)) {
            let sq_norm = points.sq_norm(i);
            let explained: f64 = along.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            let sq_rest = (f64::from(sq_norm) - explained).max(0.0) as f32;
            short.extend_from_slice(along);
            short.push(sq_rest.sqrt());
            slack.push(rounding(unit * sq_norm, sq_rest));
        }
        (short, slack)
    };
    let chunks: Vec<_> = pool.install(|| (0..points.n_chunks()).into_par_iter().map(of_chunk).collect());
    let (short, slack): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
    (Points::from_rows(WIDTH, short.concat()), slack.concat())
}

/// What a row adds to the largest error of a bound: `error` is that of `‖x‖²`, `sq_rest` is r².
///
/// The coordinates err by `error` a few times. The rest r errs by `e ≤ 3·error / r`, and `(r_x − r_y)²` by
/// `2·|r_x − r_y|·e + e²`, which is at most `η·r² + e²·(1 + 1/η)` of each row, twice.
fn rounding(error: f32, sq_rest: f32) -> f32 {
    const ETA: f32 = 1e-3;
    let of_rest = (3.0 * error).min(9.0 * error * error / sq_rest.max(f32::MIN_POSITIVE));
    8.0 * error + ETA * sq_rest + 2.0 * (1.0 + 1.0 / ETA) * of_rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::testing::points;
    use crate::tiles::Tile;
    use ascan_core::testing::toy_slice_table;

    #[test]
    fn no_bound_is_above_the_distance_and_most_are_close_to_it() {
        let mut table = toy_slice_table(2_100, 130, 5).embeddings;
        // Pairs of nearly equal rows far from the mean, where rounding matters most.
        let d = table.view().row_len();
        for i in (0..600).step_by(2) {
            let shift = if i % 4 == 0 { 1e3 } else { -1e3 };
            let row: Vec<f32> = table.row(i).iter().map(|v| v + shift).collect();
            let other: Vec<f32> = row.iter().map(|v| v * 1.000_001).collect();
            table.data_mut()[i * d..(i + 1) * d].copy_from_slice(&row);
            table.data_mut()[(i + 1) * d..(i + 2) * d].copy_from_slice(&other);
        }
        let points = points(table.view());
        let pool = crate::pool("sketch", &ascan_core::Context::default()).unwrap();
        let sketch = Sketch::of(&points, &pool, |_, _| Ok(())).unwrap().unwrap();
        let block_of = |row: usize| sketch.blocks.partition_point(|block| block.end <= row);
        assert_eq!(sketch.blocks.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..2_100).collect::<Vec<_>>());
        assert!(sketch.blocks.iter().all(|block| block.len() <= SIDE));
        let mut tile = Tile::default();
        let mut ratios = Vec::new();
        for (a, b) in [(0..256, 0..256), (256..512, 1_000..1_256), (1_900..2_100, 0..256)] {
            tile.fill((&sketch.short, a.clone()), (&sketch.short, b.clone()));
            for i in a.clone() {
                for j in b.clone() {
                    let product = tile.row(i - a.start)[j - b.start];
                    let low = sketch.bounds.rows(i..i + 1)[0] + sketch.bounds.rows(j..j + 1)[0] - 2.0 * product;
                    let distance = sq_distance(sketch.rows.row(i), sketch.rows.row(j));
                    assert!(low <= distance, "{i}, {j}: {low} > {distance}");
                    let apart = sketch.apart(block_of(i), block_of(j));
                    assert!(apart <= distance, "{i}, {j}: {apart} > {distance}");
                    assert_eq!(sketch.rows.row(i), points.row(sketch.order[i] as usize));
                    if distance > 0.0 {
                        ratios.push(low / distance);
                    }
                }
            }
        }
        ratios.sort_by(f32::total_cmp);
        assert!(ratios[ratios.len() / 2] > 0.3, "half of the bounds are below {}", ratios[ratios.len() / 2]);
    }
}
