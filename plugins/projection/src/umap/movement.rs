//! One epoch of a few images: neighbours pull, others push.
//!
//! Several images move at once, one in each lane: the numbers of one alone would wait for each other. In a step each is
//! moved by one of its neighbours and by random others. Those others are the same for all images of a step: every image is
//! pushed by as many as ever, and a place is read once instead of once for each. Nothing is summed over lanes, so every
//! machine gives the same bits.

use super::curve::{Curve, power};
use super::places::{Forces, Places, load};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Images that move at once: a multiple of every machine's lanes.
pub const LANES: usize = 16;

/// No coordinate moves further at once, before the learning rate.
const LIMIT: f32 = 4.0;

/// An edge from one of its ends.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    end: u32,
    /// The share of epochs in which it pulls, of 2³².
    pub share: u32,
}

impl Edge {
    pub fn new(end: u32, weight: f32, max_weight: f32) -> Self {
        Self { end, share: (f64::from(weight) / f64::from(max_weight) * f64::from(u32::MAX)) as u32 }
    }

    /// Whether the multiples of the share pass a whole number after `epoch`: the fraction falls.
    #[inline(always)]
    fn is_due(self, epoch: usize) -> bool {
        self.share.wrapping_mul(epoch as u32 + 1) < self.share
    }
}

/// A neighbour that pulls an image.
#[derive(Debug, Clone, Copy, Default)]
struct Pull {
    image: u32,
    end: u32,
}

/// One epoch of a few images.
///
/// A neighbour pulls in as many epochs as its share of the largest weight, and twice as far, since the edge is one from
/// either end. Each pull comes with pushes.
pub struct Movement<'a> {
    pub forces: &'a Forces,
    /// Where the others are, meanwhile.
    pub places: &'a Places,
    /// `[images, n_dims]`.
    pub moved: &'a mut [f32],
    pub edges: &'a [Edge],
    /// `[images + 1]`: where the edges of each begin.
    pub starts: &'a [usize],
    pub epoch: usize,
    /// What the choice of those that push depends on, beside the seed and the epoch.
    pub name: u64,
}

impl WithSimd for Movement<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match LANES / S::F32_LANES {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, LANES>(simd),
        }
    }
}

impl Movement<'_> {
    /// The pulls of all images, those of each side by side.
    fn pulls(&self) -> Vec<Pull> {
        let edges = &self.edges[self.starts[0]..self.starts[self.starts.len() - 1]];
        // Written all the same: nobody can foretell which are due, the machine neither.
        let (mut pulls, mut n) = (vec![Pull::default(); edges.len() + 1], 0);
        for (image, ends) in self.starts.windows(2).enumerate() {
            for edge in &self.edges[ends[0]..ends[1]] {
                pulls[n] = Pull { image: image as u32, end: edge.end };
                n += usize::from(edge.is_due(self.epoch));
            }
        }
        pulls.truncate(n);
        pulls
    }

    /// `R`: registers that fill all lanes.
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        match self.places.n_dims() {
            // The usual ones are worth loops of their own.
            2 => self.steps::<S, R, 2>(simd),
            8 => self.steps::<S, R, 8>(simd),
            _ => self.steps::<S, R, 0>(simd),
        }
    }

    /// `N_DIMS`: dimensions of a place, 0 if they are not known when this is compiled.
    #[inline(always)]
    fn steps<S: Simd, const R: usize, const N_DIMS: usize>(self, simd: S) {
        let n_dims = if N_DIMS == 0 { self.places.n_dims() } else { N_DIMS };
        let n_others = 1 + self.forces.n_negatives;
        let rate = self.forces.learning_rate * (1.0 - self.epoch as f32 / self.forces.n_epochs as f32);
        let (pulls, stream) = (self.pulls(), stream(self.forces.seed, self.name, self.epoch));
        let n = self.places.n();
        let lanes = share_out(&pulls, self.starts.len() - 1);
        let n_steps = lanes.iter().map(Range::len).max().unwrap_or(0);
        let pull = |lane: usize, step: usize| {
            let Pull { image, end } = pulls[(step < lanes[lane].len()).then(|| lanes[lane].start + step)?];
            Some((image as usize, end as usize))
        };
        let mut images = [None; LANES];
        let mut rates = [0.0; LANES];
        // `[n_dims, LANES]`: of the images that move, and of the neighbours that pull them.
        let mut place = vec![[0.0; LANES]; n_dims];
        let (mut near, mut next_near) = (place.clone(), place.clone());
        // From each of the others, the neighbour first; then how far to go on that way.
        let mut ways = vec![[simd.splat_f32s(0.0); R]; n_others * n_dims];
        let mut factors = vec![[simd.splat_f32s(0.0); R]; n_others];
        for lane in 0..LANES {
            if let Some((_, end)) = pull(lane, 0) {
                take(&mut next_near[..n_dims], lane, self.places.row(end)[..n_dims].iter().map(load));
            }
        }
        for step in 0..n_steps {
            std::mem::swap(&mut near, &mut next_near);
            for lane in 0..LANES {
                match pull(lane, step) {
                    None => rates[lane] = 0.0,
                    Some((image, _)) if images[lane] != Some(image) => {
                        put(&place[..n_dims], lane, images[lane], self.moved);
                        take(&mut place[..n_dims], lane, self.moved[image * n_dims..][..n_dims].iter().copied());
                        (images[lane], rates[lane]) = (Some(image), rate);
                    }
                    _ => {}
                }
                // A step ahead, so that they are there when they are needed.
                if let Some((_, end)) = pull(lane, step + 1) {
                    take(&mut next_near[..n_dims], lane, self.places.row(end)[..n_dims].iter().map(load));
                }
            }
            let place = &mut S::as_mut_simd_f32s(place.as_flattened_mut()).0.as_chunks_mut::<R>().0[..n_dims];
            let near = &S::as_simd_f32s(near.as_flattened()).0.as_chunks::<R>().0[..n_dims];
            for (other, (ways, factors)) in ways.chunks_exact_mut(n_dims).zip(&mut factors).enumerate() {
                // Places that meet have no direction: the differences are 0.
                let mut sq_distances = [simd.splat_f32s(1e-20); R];
                let drawn = draw(stream, step * n_others + other, n);
                let row = &self.places.row(drawn)[..n_dims];
                for dim in 0..n_dims {
                    for r in 0..R {
                        let at = if other == 0 { near[dim][r] } else { simd.splat_f32s(load(&row[dim])) };
                        let way = simd.sub_f32s(place[dim][r], at);
                        ways[dim][r] = way;
                        sq_distances[r] = simd.add_f32s(sq_distances[r], simd.mul_f32s(way, way));
                    }
                }
                *factors = sq_distances;
            }
            for (other, factors) in factors.iter_mut().enumerate() {
                for factor in factors {
                    *factor = self.forces.factor(simd, *factor, other == 0);
                }
            }
            let rates = S::as_simd_f32s(&rates).0;
            for dim in 0..n_dims {
                for r in 0..R {
                    let mut moves = simd.splat_f32s(0.0);
                    for (other, (ways, factors)) in ways.chunks_exact(n_dims).zip(&factors).enumerate() {
                        let way = simd.mul_f32s(factors[r], ways[dim][r]);
                        let way = simd.min_f32s(simd.max_f32s(way, simd.splat_f32s(-LIMIT)), simd.splat_f32s(LIMIT));
                        moves = simd.add_f32s(moves, way);
                        if other == 0 {
                            // From either end of the edge.
                            moves = simd.add_f32s(moves, way);
                        }
                    }
                    place[dim][r] = simd.add_f32s(place[dim][r], simd.mul_f32s(rates[r], moves));
                }
            }
        }
        for (lane, image) in images.into_iter().enumerate() {
            put(&place, lane, image, self.moved);
        }
    }
}

/// The pulls of each lane, all those of an image in one: a lane for each image where there are few, and about as many pulls
/// for each lane otherwise.
fn share_out(pulls: &[Pull], n_images: usize) -> [Range<usize>; LANES] {
    let begin = |lane: usize| {
        if n_images <= LANES {
            return pulls.partition_point(|pull| (pull.image as usize) < lane);
        }
        let image = pulls.get(lane * pulls.len() / LANES).map(|pull| pull.image);
        image.map_or(pulls.len(), |image| pulls.partition_point(|pull| pull.image < image))
    };
    std::array::from_fn(|lane| begin(lane)..begin(lane + 1))
}

/// Puts a place into a lane.
#[inline(always)]
fn take(places: &mut [[f32; LANES]], lane: usize, place: impl Iterator<Item = f32>) {
    places.iter_mut().zip(place).for_each(|(lanes, value)| lanes[lane] = value);
}

/// Puts the place in a lane back to its image, if it has one.
#[inline(always)]
fn put(places: &[[f32; LANES]], lane: usize, image: Option<usize>, moved: &mut [f32]) {
    if let Some(image) = image {
        let place = &mut moved[image * places.len()..][..places.len()];
        place.iter_mut().zip(places).for_each(|(value, lanes)| *value = lanes[lane]);
    }
}

/// Where the random numbers of an epoch come from (SplitMix64).
fn stream(seed: u64, name: u64, epoch: usize) -> u64 {
    mix(seed ^ mix(name.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mix(epoch as u64)))
}

/// A number below `n`: the `at`-th of a stream.
#[inline(always)]
fn draw(stream: u64, at: usize, n: usize) -> usize {
    let drawn = mix(stream.wrapping_add((at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    (((drawn >> 32) * n as u64) >> 32) as usize
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Forces {
    /// How far an image moves on its way from another, as a share of it, from their squared distance: towards it, below zero,
    /// if that pulls.
    #[inline(always)]
    fn factor<S: Simd>(&self, simd: S, sq_distance: S::f32s, pulls: bool) -> S::f32s {
        let Curve { a, b } = self.curve;
        let power = power(simd, sq_distance, b);
        let fall = simd.add_f32s(simd.splat_f32s(1.0), simd.mul_f32s(simd.splat_f32s(a), power));
        if pulls {
            let strength = simd.mul_f32s(simd.splat_f32s(-2.0 * a * b), power);
            simd.div_f32s(strength, simd.mul_f32s(sq_distance, fall))
        } else {
            let near = simd.add_f32s(sq_distance, simd.splat_f32s(0.001));
            simd.div_f32s(simd.splat_f32s(2.0 * self.repulsion * b), simd.mul_f32s(near, fall))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::Arch;

    /// By the formulas, one number at a time.
    fn one_by_one(movement: Movement) {
        let Movement { forces, places, moved, epoch, name, .. } = &movement;
        let n_dims = places.n_dims();
        let (pulls, stream) = (movement.pulls(), stream(forces.seed, *name, *epoch));
        let mut moved = moved.to_vec();
        let rate = f64::from(forces.learning_rate) * (1.0 - *epoch as f64 / forces.n_epochs as f64);
        let (a, b) = (f64::from(forces.curve.a), f64::from(forces.curve.b));
        for lane in share_out(&pulls, movement.starts.len() - 1) {
            for (step, pull) in lane.enumerate() {
                let place = &mut moved[pulls[pull].image as usize * n_dims..][..n_dims];
                let before: Vec<f64> = place.iter().map(|&v| f64::from(v)).collect();
                for other in 0..=forces.n_negatives {
                    let drawn = draw(stream, step * (1 + forces.n_negatives) + other, places.n());
                    let end = if other == 0 { pulls[pull].end as usize } else { drawn };
                    let ways: Vec<f64> =
                        before.iter().zip(places.row(end)).map(|(p, o)| p - f64::from(load(o))).collect();
                    let sq_distance = ways.iter().map(|way| way * way).sum::<f64>() + 1e-20;
                    let fall = 1.0 + a * sq_distance.powf(b);
                    let factor = match other {
                        0 => -2.0 * a * b * sq_distance.powf(b - 1.0) / fall,
                        _ => 2.0 * f64::from(forces.repulsion) * b / ((0.001 + sq_distance) * fall),
                    };
                    let times = if other == 0 { 2.0 } else { 1.0 };
                    for (value, way) in place.iter_mut().zip(ways) {
                        *value += (rate * times * (factor * way).clamp(-4.0, 4.0)) as f32;
                    }
                }
            }
        }
        movement.moved.copy_from_slice(&moved);
    }

    #[test]
    fn images_move_as_the_formulas_say() {
        for (n_dims, n_negatives) in [(1, 1), (2, 5), (3, 0), (8, 5), (17, 9)] {
            let n = 41;
            let places = Places::new(n, n_dims);
            let all: Vec<f32> = (0..n * n_dims).map(|i| ((i * 37 % 101) as f32 / 10.0).sin() * 3.0).collect();
            all.chunks_exact(n_dims).enumerate().for_each(|(i, place)| places.write(i, place));
            let edges: Vec<Edge> = (0..n * 4).map(|i| Edge::new((i * 13 % n) as u32, (i % 7) as f32, 6.0)).collect();
            let starts: Vec<usize> = (0..=n).map(|i| i * 4).collect();
            let forces = Forces {
                curve: Curve { a: 1.9, b: 0.79 },
                repulsion: 1.0,
                learning_rate: 0.5,
                n_negatives,
                n_epochs: 10,
                seed: 3,
            };
            let (mut found, mut expected) = (all.clone(), all.clone());
            let movement = |moved| Movement {
                forces: &forces,
                places: &places,
                moved,
                edges: &edges,
                starts: &starts,
                epoch: 2,
                name: 5,
            };
            Arch::new().dispatch(movement(&mut found));
            one_by_one(movement(&mut expected));
            let most = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(most < 2e-3, "{n_dims} dimensions, {n_negatives} pushes: {most}");
            assert!(found.iter().zip(&all).any(|(a, b)| (a - b).abs() > 0.1), "nothing moved");
        }
    }
}
