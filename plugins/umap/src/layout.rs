//! The layout: neighbours attract, all others repel, in steps that fall to nothing.
//!
//! Images move in a few rounds an epoch. In a round, some of them move at once: each on its own, from its own place,
//! among the places that the others had before the round, with random numbers of its own. So the result does not
//! depend on the threads, and an image still sees nearly all others where they are now.

use crate::curve::{Curve, power};
use ascan_core::Result;
use ascan_math::graph::Graph;
use ascan_math::wide;
use rayon::ThreadPool;
use rayon::prelude::*;

/// Rounds of an epoch.
const ROUNDS: usize = 8;

/// Images that a thread moves at a time.
const BLOCK: usize = 128;

/// Images that take turns.
const AT_ONCE: usize = 4;

/// Others that pull or push at once.
const LANES: usize = 8;

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
    /// `n_dims` rounded up to a width that loops are compiled for; the rest stays 0.
    stride: usize,
    /// `[n, stride]`.
    data: Vec<f32>,
}

impl Places {
    /// `n` places at 0.
    pub fn new(n: usize, n_dims: usize) -> Self {
        let stride = n_dims.next_multiple_of(if n_dims <= 4 { 4 } else { 8 });
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

    #[inline(always)]
    fn padded(&self, i: usize) -> &[f32] {
        &self.data[i * self.stride..][..self.stride]
    }
}

/// A small generator (SplitMix64): one for each image and epoch.
#[derive(Default)]
struct Draws(u64);

impl Draws {
    #[inline(always)]
    fn new(seed: u64, image: u64, epoch: usize) -> Self {
        Self(mix(seed ^ mix(image.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mix(epoch as u64))))
    }

    /// Below `n`.
    #[inline(always)]
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (((mix(self.0) >> 32) * n as u64) >> 32) as usize
    }
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// An edge from one of its ends.
#[derive(Debug, Clone, Copy)]
struct Edge {
    end: u32,
    /// The share of epochs in which it pulls, of 2³².
    share: u32,
}

impl Edge {
    fn new(end: u32, weight: f32, max_weight: f32) -> Self {
        Self { end, share: (f64::from(weight) / f64::from(max_weight) * f64::from(u32::MAX)) as u32 }
    }

    /// Whether the multiples of the share pass a whole number after `epoch`: the fraction falls.
    #[inline(always)]
    fn is_due(self, epoch: usize) -> bool {
        self.share.wrapping_mul(epoch as u32 + 1) < self.share
    }
}

/// The images that move at once, one round after the other, and their edges.
struct Rounds {
    /// `[rounds]`.
    movers: Vec<Vec<usize>>,
    /// `[rounds]`, those of a mover side by side.
    edges: Vec<Vec<Edge>>,
    /// `[rounds, movers + 1]`: where those of each begin.
    starts: Vec<Vec<usize>>,
}

impl Rounds {
    /// Edges that never pull are left out.
    fn new(graph: &Graph, n_epochs: usize) -> Self {
        let (n, max_weight) = (graph.n(), graph.max_weight());
        let mut rounds = Self { movers: Vec::new(), edges: Vec::new(), starts: Vec::new() };
        for round in 0..ROUNDS.min(n) {
            let movers: Vec<usize> = (round..n).step_by(ROUNDS).collect();
            let (mut edges, mut starts) = (Vec::new(), vec![0]);
            for &i in &movers {
                let (ends, weights) = graph.row(i);
                let all = ends.iter().zip(weights).map(|(&end, &weight)| Edge::new(end, weight, max_weight));
                edges.extend(all.filter(|edge| u64::from(edge.share) * n_epochs as u64 >= u64::from(u32::MAX)));
                starts.push(edges.len());
            }
            rounds.movers.push(movers);
            rounds.edges.push(edges);
            rounds.starts.push(starts);
        }
        rounds
    }
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
    let stride = places.stride;
    let rounds = Rounds::new(graph, forces.n_epochs);
    let mut moved = vec![0.0; graph.n().div_ceil(ROUNDS) * stride];
    for epoch in 0..forces.n_epochs {
        progress(epoch, forces.n_epochs)?;
        pool.install(|| {
            for ((movers, edges), starts) in rounds.movers.iter().zip(&rounds.edges).zip(&rounds.starts) {
                let moved = &mut moved[..movers.len() * stride];
                let blocks = moved.par_chunks_mut(BLOCK * stride).zip(movers.par_chunks(BLOCK)).enumerate();
                blocks.for_each(|(block, (moved, movers))| {
                    let starts = &starts[block * BLOCK..][..movers.len() + 1];
                    let groups = moved.chunks_mut(AT_ONCE * stride).zip(movers.chunks(AT_ONCE)).enumerate();
                    for (group, (moved, movers)) in groups {
                        let mut turns: [Turn; AT_ONCE] = Default::default();
                        for (at, (turn, &i)) in turns.iter_mut().zip(movers).enumerate() {
                            moved[at * stride..][..stride].copy_from_slice(places.padded(i));
                            let at = group * AT_ONCE + at;
                            turn.edges = &edges[starts[at]..starts[at + 1]];
                            turn.draws = Draws::new(forces.seed, i as u64, epoch);
                        }
                        forces.move_all(moved, places, turns, epoch);
                    }
                });
                for (place, &i) in moved.chunks_exact(stride).zip(movers) {
                    places.data[i * stride..][..stride].copy_from_slice(place);
                }
            }
        });
    }
    progress(forces.n_epochs, forces.n_epochs)
}

/// What moves an image in an epoch.
#[derive(Default)]
struct Turn<'a> {
    edges: &'a [Edge],
    draws: Draws,
}

impl Forces {
    /// Moves one new image among `places` that stay, for all epochs. `name` is what its random numbers depend on.
    pub fn settle(&self, place: &mut [f32], places: &Places, neighbours: (&[u32], &[f32]), name: u64) {
        let mut padded = vec![0.0; places.stride];
        padded[..places.n_dims].copy_from_slice(place);
        let max_weight = neighbours.1.iter().copied().fold(0.0, f32::max);
        let edges = neighbours.0.iter().zip(neighbours.1);
        let edges: Vec<Edge> = edges.map(|(&end, &weight)| Edge::new(end, weight, max_weight)).collect();
        for epoch in 0..self.n_epochs {
            let mut turns: [Turn; AT_ONCE] = Default::default();
            turns[0] = Turn { edges: &edges, draws: Draws::new(self.seed, name, epoch) };
            self.move_all(&mut padded, places, turns, epoch);
        }
        place.copy_from_slice(&padded[..places.n_dims]);
    }

    /// One epoch of a few images, `moved`: `[images, stride]`.
    fn move_all(&self, moved: &mut [f32], places: &Places, turns: [Turn; AT_ONCE], epoch: usize) {
        // Widths of a row that are worth loops of their own: of maps, and of what is clustered.
        match places.stride {
            4 => wide(
                #[inline(always)]
                || self.move_in::<4>(moved, places, turns, epoch),
            ),
            _ => wide(
                #[inline(always)]
                || self.move_in::<8>(moved, places, turns, epoch),
            ),
        }
    }

    /// A neighbour pulls in as many epochs as its share of the largest weight, and twice as far, since the edge is one
    /// from either end. Each pull comes with pushes.
    ///
    /// The images take turns: a step waits for the one before of the same image, and not for those of others.
    #[inline(always)]
    fn move_in<const WIDTH: usize>(
        &self,
        moved: &mut [f32],
        places: &Places,
        mut turns: [Turn; AT_ONCE],
        epoch: usize,
    ) {
        let rate = self.learning_rate * (1.0 - epoch as f32 / self.n_epochs as f32);
        let n = places.n();
        let mut moves = true;
        while moves {
            moves = false;
            for (place, turn) in moved.chunks_exact_mut(places.stride).zip(&mut turns) {
                let Some(at) = turn.edges.iter().position(|edge| edge.is_due(epoch)) else {
                    turn.edges = &[];
                    continue;
                };
                moves = true;
                let mut others = [places.padded(turn.edges[at].end as usize); LANES];
                turn.edges = &turn.edges[at + 1..];
                // The first lane pulls, the others push.
                let (mut first, mut pushes) = (1, self.n_negatives);
                while first + pushes > 0 {
                    let last = (first + pushes).min(LANES);
                    others[first..last].iter_mut().for_each(|other| *other = places.padded(turn.draws.below(n)));
                    self.step::<WIDTH>(place, &others[..last], first, rate);
                    pushes -= last - first;
                    first = 0;
                }
            }
        }
    }

    /// Pulls to the first `n_pulls` (0 or 1) of at most [`LANES`] places, and pushes from the rest.
    #[inline(always)]
    fn step<const WIDTH: usize>(&self, place: &mut [f32], others: &[&[f32]], n_pulls: usize, rate: f32) {
        let Curve { a, b } = self.curve;
        let mut sq_distances = [1.0f32; LANES];
        for (sq_distance, other) in sq_distances.iter_mut().zip(others) {
            let mut sums = [0.0f32; WIDTH];
            for (place, other) in place.chunks_exact(WIDTH).zip(other.chunks_exact(WIDTH)) {
                for ((sum, p), o) in sums.iter_mut().zip(place).zip(other) {
                    *sum += (p - o) * (p - o);
                }
            }
            // By halves: a sum in lanes.
            let mut half = WIDTH / 2;
            while half > 0 {
                (0..half).for_each(|i| sums[i] += sums[i + half]);
                half /= 2;
            }
            // Places that meet have no direction: the differences below are 0.
            *sq_distance = larger(sums[0], 1e-20);
        }
        let powers = power(sq_distances, b);
        let mut factors = [0.0f32; LANES];
        for (lane, factor) in factors.iter_mut().enumerate() {
            let pulls = lane < n_pulls;
            let strength = if pulls { -2.0 * a * b * powers[lane] } else { 2.0 * self.repulsion * b };
            let distance = sq_distances[lane] + if pulls { 0.0 } else { 0.001 };
            *factor = strength / (distance * (1.0 + a * powers[lane]));
        }
        for (chunk, place) in place.chunks_exact_mut(WIDTH).enumerate() {
            let mut moves = [0.0f32; WIDTH];
            for (lane, (&factor, other)) in factors.iter().zip(others).enumerate() {
                let times = if lane < n_pulls { 2.0 } else { 1.0 };
                let other = &other[chunk * WIDTH..][..WIDTH];
                for ((step, p), o) in moves.iter_mut().zip(&*place).zip(other) {
                    *step += times * smaller(larger(factor * (p - o), -LIMIT), LIMIT);
                }
            }
            for (place, step) in place.iter_mut().zip(moves) {
                *place += rate * step;
            }
        }
    }
}

/// What one instruction does; `f32::max` also looks for numbers that are none.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}
