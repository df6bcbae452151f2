//! The layout: neighbours attract, all others repel, in steps that fall to nothing.
//!
//! Images move in a few rounds an epoch. In a round, some of them move at once: each on its own, from its own place,
//! among the places that the others had before the round, with random numbers of its own. So the result does not
//! depend on the threads, and an image still sees nearly all others where they are now. Sums over the dimensions are
//! taken in the machine's own lanes: another kind of processor may give other last digits, and so another layout.

use crate::curve::{Curve, power};
use ascan_core::Result;
use ascan_math::graph::Graph;
use pulp::{Arch, Simd, WithSimd};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::ops::Range;

/// Rounds of an epoch.
const ROUNDS: usize = 8;

/// Images that a thread moves at a time.
const BLOCK: usize = 128;

/// Images whose numbers are computed side by side.
const AT_ONCE: usize = 4;

/// Others that pull or push an image at once.
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
    /// `n_dims` rounded up to what this machine has lanes for; the rest stays 0.
    stride: usize,
    /// `[n, stride]`.
    data: Vec<f32>,
}

impl Places {
    /// `n` places at 0.
    pub fn new(n: usize, n_dims: usize) -> Self {
        let stride = n_dims.next_multiple_of(Arch::new().dispatch(FloatLanes));
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

/// How many floats this machine computes with at once.
struct FloatLanes;

impl WithSimd for FloatLanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
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

    /// Two numbers below `n`.
    #[inline(always)]
    fn below(&mut self, n: usize) -> [usize; 2] {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let drawn = mix(self.0);
        [drawn >> 32, drawn & 0xFFFF_FFFF].map(|half| ((half * n as u64) >> 32) as usize)
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
    movers: Vec<Vec<u64>>,
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
            let movers: Vec<u64> = (round as u64..n as u64).step_by(ROUNDS).collect();
            let (mut edges, mut starts) = (Vec::new(), vec![0]);
            for &i in &movers {
                let (ends, weights) = graph.row(i as usize);
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
                blocks.for_each(|(block, (moved, names))| {
                    let starts = &starts[block * BLOCK..][..names.len() + 1];
                    for (place, &i) in moved.chunks_exact_mut(stride).zip(names) {
                        place.copy_from_slice(places.padded(i as usize));
                    }
                    let movement = Movement { forces, moved, places, names, edges, starts, epoch };
                    Arch::new().dispatch(movement);
                });
                for (place, &i) in moved.chunks_exact(stride).zip(movers) {
                    places.data[i as usize * stride..][..stride].copy_from_slice(place);
                }
            }
        });
    }
    progress(forces.n_epochs, forces.n_epochs)
}

impl Forces {
    /// Moves one new image among `places` that stay, for all epochs. `name` is what its random numbers depend on.
    pub fn settle(&self, place: &mut [f32], places: &Places, neighbours: (&[u32], &[f32]), name: u64) {
        let mut padded = vec![0.0; places.stride];
        padded[..places.n_dims].copy_from_slice(place);
        let max_weight = neighbours.1.iter().copied().fold(0.0, f32::max);
        let edges = neighbours.0.iter().zip(neighbours.1);
        let edges: Vec<Edge> = edges.map(|(&end, &weight)| Edge::new(end, weight, max_weight)).collect();
        let (names, starts) = ([name], [0, edges.len()]);
        for epoch in 0..self.n_epochs {
            let moved = &mut padded[..];
            let movement =
                Movement { forces: self, moved, places, names: &names, edges: &edges, starts: &starts, epoch };
            Arch::new().dispatch(movement);
        }
        place.copy_from_slice(&padded[..places.n_dims]);
    }
}

/// One epoch of a few images.
///
/// A neighbour pulls in as many epochs as its share of the largest weight, and twice as far, since the edge is one from
/// either end. Each pull comes with pushes.
struct Movement<'a> {
    forces: &'a Forces,
    /// `[images, stride]`.
    moved: &'a mut [f32],
    places: &'a Places,
    /// `[images]`: what their random numbers depend on.
    names: &'a [u64],
    edges: &'a [Edge],
    /// `[images + 1]`: where the edges of each begin.
    starts: &'a [usize],
    epoch: usize,
}

/// An image on its way through an epoch.
#[derive(Default)]
struct Mover {
    image: usize,
    /// Its pulls that are still to come, in the list of all.
    pulls: Range<usize>,
    /// What is left of the pushes that come with the last pull.
    pushes: usize,
    draws: Draws,
}

impl WithSimd for Movement<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.places.stride / S::F32_LANES {
            // The usual case is worth loops of its own.
            1 => self.run::<S, 1>(simd),
            _ => self.run::<S, 0>(simd),
        }
    }
}

impl Movement<'_> {
    /// The ends of all edges that pull, and where those of each image are.
    fn due(&self) -> (Vec<u32>, Vec<Range<usize>>) {
        // Written all the same: nobody can foretell which are due, the machine neither.
        let (mut due, mut n) = (vec![0; self.edges.len()], 0);
        let of_image = |ends: &[usize]| {
            let first = n;
            for edge in &self.edges[ends[0]..ends[1]] {
                due[n] = edge.end;
                n += usize::from(edge.is_due(self.epoch));
            }
            first..n
        };
        let ranges = self.starts.windows(2).map(of_image).collect();
        (due, ranges)
    }

    /// `WIDTH`: registers that a place fills, 0 if that is not known when this is compiled.
    ///
    /// In a step some images are moved once, each by a pull and its pushes. Their numbers are computed side by side: those
    /// of one would wait for each other.
    #[inline(always)]
    fn run<S: Simd, const WIDTH: usize>(self, simd: S) {
        let width = if WIDTH == 0 { self.places.stride / S::F32_LANES } else { WIDTH };
        let (n, n_negatives) = (self.places.n(), self.forces.n_negatives);
        let rate = self.forces.learning_rate * (1.0 - self.epoch as f32 / self.forces.n_epochs as f32);
        let (due, ranges) = self.due();
        let mut waiting = ranges.into_iter().enumerate().filter(|(_, pulls)| !pulls.is_empty());
        let all = S::as_simd_f32s(&self.places.data).0;
        let row = |i: usize| &all[i * width..][..width];
        let moved = S::as_mut_simd_f32s(self.moved).0;
        let mut movers: [Mover; AT_ONCE] = Default::default();
        let mut others = [[row(0); LANES]; AT_ONCE];
        loop {
            let mut n_others = [0; AT_ONCE];
            let mut pulls = [0.0; LANES * AT_ONCE];
            let mut sq_distances = [1.0; LANES * AT_ONCE];
            for (lane, mover) in movers.iter_mut().enumerate() {
                if mover.pushes == 0 && mover.pulls.is_empty() {
                    let Some((image, pulls)) = waiting.next() else { continue };
                    let draws = Draws::new(self.forces.seed, self.names[image], self.epoch);
                    *mover = Mover { image, pulls, pushes: 0, draws };
                }
                let others = &mut others[lane];
                let mut filled = 0;
                if mover.pushes == 0
                    && let Some(at) = mover.pulls.next()
                {
                    others[0] = row(due[at] as usize);
                    pulls[lane * LANES] = 1.0;
                    (mover.pushes, filled) = (n_negatives, 1);
                }
                let pushes = mover.pushes.min(LANES - filled);
                for pair in others[filled..filled + pushes].chunks_mut(2) {
                    pair.iter_mut().zip(mover.draws.below(n)).for_each(|(other, drawn)| *other = row(drawn));
                }
                mover.pushes -= pushes;
                n_others[lane] = filled + pushes;
                let place = &moved[mover.image * width..][..width];
                let sq_distances = sq_distances[lane * LANES..].iter_mut();
                for (sq_distance, other) in sq_distances.zip(&others[..filled + pushes]) {
                    let mut sum = simd.splat_f32s(0.0);
                    for (&p, &o) in place.iter().zip(*other) {
                        let way = simd.sub_f32s(p, o);
                        sum = simd.add_f32s(sum, simd.mul_f32s(way, way));
                    }
                    // Places that meet have no direction: the differences below are 0.
                    *sq_distance = larger(simd.reduce_sum_f32s(sum), 1e-20);
                }
            }
            if n_others == [0; AT_ONCE] {
                return;
            }
            let factors = self.forces.factors(sq_distances, pulls);
            for (lane, mover) in movers.iter().enumerate() {
                let others = others[lane][..n_others[lane]].iter().zip(&factors[lane * LANES..]);
                for (at, place) in moved[mover.image * width..][..width].iter_mut().enumerate() {
                    let mut moves = simd.splat_f32s(0.0);
                    for (other_lane, (other, &factor)) in others.clone().enumerate() {
                        let way = simd.mul_f32s(simd.splat_f32s(factor), simd.sub_f32s(*place, other[at]));
                        let way = simd.min_f32s(simd.max_f32s(way, simd.splat_f32s(-LIMIT)), simd.splat_f32s(LIMIT));
                        // From either end of the edge.
                        let times = 1.0 + pulls[lane * LANES + other_lane];
                        moves = simd.add_f32s(moves, simd.mul_f32s(simd.splat_f32s(times), way));
                    }
                    *place = simd.add_f32s(*place, simd.mul_f32s(simd.splat_f32s(rate), moves));
                }
            }
        }
    }
}

impl Forces {
    /// How far an image moves on its way from another, as a share of it, from their squared distance: towards it where
    /// `pulls` is 1, away from it where it is 0.
    #[inline(always)]
    fn factors<const N: usize>(&self, sq_distances: [f32; N], pulls: [f32; N]) -> [f32; N] {
        let Curve { a, b } = self.curve;
        let powers = power(sq_distances, b);
        let mut factors = [0.0; N];
        for i in 0..N {
            let (pull, push) = (pulls[i], 1.0 - pulls[i]);
            let strength = push * (2.0 * self.repulsion * b) - pull * (2.0 * a * b * powers[i]);
            factors[i] = strength / ((sq_distances[i] + push * 0.001) * (1.0 + a * powers[i]));
        }
        factors
    }
}

/// What one instruction does; `f32::max` also looks for numbers that are none.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
