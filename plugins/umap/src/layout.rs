//! The layout: neighbours attract, all others repel, in steps that fall to nothing.
//!
//! Images move in a few rounds an epoch. In a round, some of them move at once: each on its own, from its own place,
//! among the places that the others had before the round, with random numbers of its own. So the result does not
//! depend on the threads, and an image still sees nearly all others where they are now.

use crate::curve::{Curve, power};
use ascan_core::Result;
use ascan_math::graph::Graph;
use rayon::ThreadPool;
use rayon::prelude::*;

/// Rounds of an epoch.
const ROUNDS: usize = 8;

/// Images that a thread moves at a time.
const BLOCK: usize = 64;

/// Coordinates that are computed together; places have a multiple of this many.
const LANES: usize = 4;

/// No coordinate moves further at once, before the learning rate.
const LIMIT: f32 = 4.0;

/// What does not change during a layout.
#[derive(Debug, Clone, Copy)]
pub struct Forces {
    pub curve: Curve,
    pub repulsion: f32,
    pub learning_rate: f32,
    pub n_negatives: usize,
    pub n_epochs: usize,
    pub seed: u64,
}

/// Places of images in the layout.
#[derive(Debug, Clone)]
pub struct Places {
    n_dims: usize,
    /// `n_dims` rounded up to [`LANES`]; the rest stays 0.
    stride: usize,
    /// `[n, stride]`.
    data: Vec<f32>,
}

impl Places {
    /// `n` places at 0.
    pub fn new(n: usize, n_dims: usize) -> Self {
        let stride = n_dims.next_multiple_of(LANES);
        Self { n_dims, stride, data: vec![0.0; n * stride] }
    }

    pub fn n(&self) -> usize {
        self.data.len() / self.stride
    }

    pub fn n_dims(&self) -> usize {
        self.n_dims
    }

    pub fn row(&self, i: usize) -> &[f32] {
        &self.padded(i)[..self.n_dims]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.stride..][..self.n_dims]
    }

    fn padded(&self, i: usize) -> &[f32] {
        &self.data[i * self.stride..][..self.stride]
    }
}

/// A small generator (SplitMix64): one for each image and epoch.
struct Draws(u64);

impl Draws {
    fn new(seed: u64, image: u64, epoch: usize) -> Self {
        Self(mix(seed ^ mix(image.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mix(epoch as u64))))
    }

    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (((mix(self.0) >> 32) * n as u64) >> 32) as usize
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Moves all images of a graph, from where they are.
///
/// # Errors
/// What `progress` says.
pub fn optimise(
    places: &mut Places,
    graph: &Graph,
    forces: &Forces,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let (n, max_weight) = (graph.n(), graph.max_weight());
    let stride = places.stride;
    for epoch in 0..forces.n_epochs {
        progress(epoch, forces.n_epochs)?;
        for round in 0..ROUNDS.min(n) {
            let movers: Vec<usize> = (round..n).step_by(ROUNDS).collect();
            let mut moved = vec![0.0; movers.len() * stride];
            pool.install(|| {
                let blocks = moved.par_chunks_mut(BLOCK * stride).zip(movers.par_chunks(BLOCK));
                blocks.for_each(|(moved, movers)| {
                    for (place, &i) in moved.chunks_exact_mut(stride).zip(movers) {
                        place.copy_from_slice(places.padded(i));
                        let (ends, weights) = graph.row(i);
                        let draws = Draws::new(forces.seed, i as u64, epoch);
                        forces.move_one(place, places, (ends, weights), max_weight, epoch, draws, Some(i));
                    }
                });
            });
            for (place, i) in moved.chunks_exact(stride).zip(movers) {
                places.data[i * stride..][..stride].copy_from_slice(place);
            }
        }
    }
    progress(forces.n_epochs, forces.n_epochs)
}

impl Forces {
    /// Moves one new image among `places` that stay, for all epochs. `name` is what its random numbers depend on.
    pub fn settle(&self, place: &mut [f32], places: &Places, neighbours: (&[u32], &[f32]), name: u64) {
        let mut padded = vec![0.0; places.stride];
        padded[..places.n_dims].copy_from_slice(place);
        let max_weight = neighbours.1.iter().copied().fold(0.0, f32::max);
        for epoch in 0..self.n_epochs {
            let draws = Draws::new(self.seed, name, epoch);
            self.move_one(&mut padded, places, neighbours, max_weight, epoch, draws, None);
        }
        place.copy_from_slice(&padded[..places.n_dims]);
    }

    /// One epoch of one image. A neighbour pulls in as many epochs as its share of the largest weight, twice, since
    /// the edge is one from either end; each pull comes with half of the pushes.
    #[allow(clippy::too_many_arguments)] // all of them change from call to call
    fn move_one(
        &self,
        place: &mut [f32],
        places: &Places,
        (ends, weights): (&[u32], &[f32]),
        max_weight: f32,
        epoch: usize,
        mut draws: Draws,
        own: Option<usize>,
    ) {
        let rate = self.learning_rate * (1.0 - epoch as f32 / self.n_epochs as f32);
        let n = places.n();
        for (&j, &weight) in ends.iter().zip(weights) {
            let share = f64::from(weight) / f64::from(max_weight);
            if (share * (epoch + 1) as f64) as u64 == (share * epoch as f64) as u64 {
                continue;
            }
            for pull in 0..2 {
                let mut negatives = (self.n_negatives + pull) / 2;
                let mut others = [places.padded(j as usize); LANES];
                let mut signs = [0.0; LANES];
                // The first lane pulls, the others push.
                signs[0] = 1.0;
                loop {
                    let pushes = negatives.min(if signs[0] > 0.0 { LANES - 1 } else { LANES });
                    let first = usize::from(signs[0] > 0.0);
                    for lane in first..first + pushes {
                        let other = draws.below(n);
                        signs[lane] = if own == Some(other) { 0.0 } else { -1.0 };
                        others[lane] = places.padded(other);
                    }
                    self.step(place, &others, &signs, rate);
                    negatives -= pushes;
                    if negatives == 0 {
                        break;
                    }
                    signs = [0.0; LANES];
                }
            }
        }
    }

    /// Pulls to (sign 1) or pushes from (sign −1) four places at once.
    #[inline]
    fn step(&self, place: &mut [f32], others: &[&[f32]; LANES], signs: &[f32; LANES], rate: f32) {
        let Curve { a, b } = self.curve;
        let mut sq_distances = [0.0f32; LANES];
        for (sq_distance, other) in sq_distances.iter_mut().zip(others) {
            let mut sums = [0.0f32; LANES];
            for (place, other) in place.chunks_exact(LANES).zip(other.chunks_exact(LANES)) {
                for ((sum, p), o) in sums.iter_mut().zip(place).zip(other) {
                    *sum += (p - o) * (p - o);
                }
            }
            *sq_distance = sums.iter().sum();
        }
        // Places that meet have no direction: the differences below are 0.
        let distances = sq_distances.map(|d| d.max(1e-20));
        let powers = power(distances, b);
        let mut factors = [0.0f32; LANES];
        for lane in 0..LANES {
            let near = 1.0 / (1.0 + a * powers[lane]);
            let pull = -2.0 * a * b * powers[lane] / distances[lane] * near;
            let push = 2.0 * self.repulsion * b / (0.001 + distances[lane]) * near;
            factors[lane] = if signs[lane] > 0.0 { pull } else { push * -signs[lane] };
        }
        for (chunk, place) in place.chunks_exact_mut(LANES).enumerate() {
            let mut moves = [0.0f32; LANES];
            for (factor, other) in factors.iter().zip(others) {
                let other = &other[chunk * LANES..][..LANES];
                for ((step, p), o) in moves.iter_mut().zip(&*place).zip(other) {
                    *step += (factor * (p - o)).clamp(-LIMIT, LIMIT);
                }
            }
            for (place, step) in place.iter_mut().zip(moves) {
                *place += rate * step;
            }
        }
    }
}
