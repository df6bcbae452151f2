//! The layout: neighbours attract, all others repel, in steps that fall to nothing.
//!
//! Images move in a few rounds an epoch. In a round, some of them move at once: each on its own, from its own place,
//! among the places that the others had before the round. So the result does not depend on the threads, and an image
//! still sees nearly all others where they are now.

use crate::curve::Curve;
use crate::movement::{Edge, Movement};
use ascan_core::Result;
use ascan_math::barrier::Barrier;
use ascan_math::graph::Graph;
use pulp::Arch;
use rayon::ThreadPool;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Rounds of an epoch.
const ROUNDS: usize = 4;

/// Images that a thread moves at a time.
const BLOCK: usize = 256;

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

/// Places of images in the layout. Threads read them while others move.
pub struct Places {
    n_dims: usize,
    /// `[n, n_dims]`, the bits of f32.
    data: Vec<AtomicU32>,
}

impl Places {
    /// `n` places at 0.
    pub fn new(n: usize, n_dims: usize) -> Self {
        Self { n_dims, data: (0..n * n_dims).map(|_| AtomicU32::new(0)).collect() }
    }

    pub fn n(&self) -> usize {
        self.data.len() / self.n_dims
    }

    /// Places of the same images where image `i` is called `order[i]`.
    pub fn named(&self, order: &[u32]) -> Self {
        let named = Self::new(self.n(), self.n_dims);
        let mut place = vec![0.0; self.n_dims];
        for (i, &image) in order.iter().enumerate() {
            self.read(i, &mut place);
            named.write(image as usize, &place);
        }
        named
    }

    pub fn n_dims(&self) -> usize {
        self.n_dims
    }

    /// `[n_dims]`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[AtomicU32] {
        &self.data[i * self.n_dims..][..self.n_dims]
    }

    /// Writes where an image is to `place`.
    pub fn read(&self, i: usize, place: &mut [f32]) {
        place.iter_mut().zip(self.row(i)).for_each(|(value, at)| *value = load(at));
    }

    /// Moves an image to `place`.
    pub fn write(&self, i: usize, place: &[f32]) {
        place.iter().zip(self.row(i)).for_each(|(value, at)| at.store(value.to_bits(), Ordering::Relaxed));
    }
}

/// A coordinate. Relaxed, since the barrier orders what the threads read and write.
#[inline(always)]
pub fn load(at: &AtomicU32) -> f32 {
    f32::from_bits(at.load(Ordering::Relaxed))
}

/// Images that move at once, and their edges.
struct Round {
    movers: Vec<usize>,
    /// Those of a mover side by side.
    edges: Vec<Edge>,
    /// `[movers + 1]`: where those of each begin.
    starts: Vec<usize>,
}

impl Round {
    /// All rounds of an epoch. Edges that never pull are left out.
    fn all(graph: &Graph, n_epochs: usize) -> Vec<Self> {
        let (n, max_weight) = (graph.n(), graph.max_weight());
        let round = |first: usize| {
            let movers: Vec<usize> = (first..n).step_by(ROUNDS).collect();
            let (mut edges, mut starts) = (Vec::new(), vec![0]);
            for &i in &movers {
                let (ends, weights) = graph.row(i);
                let all = ends.iter().zip(weights).map(|(&end, &weight)| Edge::new(end, weight, max_weight));
                edges.extend(all.filter(|edge| u64::from(edge.share) * n_epochs as u64 >= u64::from(u32::MAX)));
                starts.push(edges.len());
            }
            Self { movers, edges, starts }
        };
        (0..ROUNDS.min(n)).map(round).collect()
    }
}

/// The blocks of a round that are left, a stretch for each thread: a thread moves the same images in every epoch, while others are
/// not late, and finds them and their neighbours in its own fast memory.
struct Queues(Vec<(AtomicUsize, usize)>);

impl Queues {
    fn new(round: &Round, n_threads: usize) -> Self {
        let n_blocks = round.movers.len().div_ceil(BLOCK);
        let first = |thread: usize| thread * n_blocks / n_threads;
        Self((0..n_threads).map(|thread| (first(thread).into(), first(thread + 1))).collect())
    }

    /// Takes blocks from the stretch of a thread, then from those of the others.
    fn of(&self, thread: usize) -> impl Iterator<Item = usize> {
        let stretches = self.0[thread..].iter().chain(&self.0[..thread]);
        stretches.flat_map(|(next, end)| {
            std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|block| block < end)
        })
    }
}

/// Moves all images of a graph, from where they are.
///
/// # Errors
/// What `progress` says.
pub fn optimise(
    places: &Places,
    graph: &Graph,
    forces: &Forces,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let rounds = Round::all(graph, forces.n_epochs);
    let barrier = Barrier::new(pool.current_num_threads());
    let n_threads = pool.current_num_threads();
    for epoch in 0..forces.n_epochs {
        progress(epoch, forces.n_epochs)?;
        let queues: Vec<Queues> = rounds.iter().map(|round| Queues::new(round, n_threads)).collect();
        pool.broadcast(|thread| {
            let _guard = barrier.break_on_panic();
            for (round, queues) in rounds.iter().zip(&queues) {
                let moved = forces.move_blocks(places, round, queues.of(thread.index()), epoch);
                barrier.wait();
                for (images, moved) in &moved {
                    let rows = images.iter().zip(moved.chunks_exact(places.n_dims));
                    rows.for_each(|(&i, place)| places.write(i, place));
                }
                barrier.wait();
            }
        });
    }
    progress(forces.n_epochs, forces.n_epochs)
}

impl Forces {
    /// Moves blocks of a round; gives their images and where those go.
    fn move_blocks<'a>(
        &self,
        places: &Places,
        round: &'a Round,
        blocks: impl Iterator<Item = usize>,
        epoch: usize,
    ) -> Vec<(&'a [usize], Vec<f32>)> {
        let go = |block: usize| {
            let images = &round.movers[block * BLOCK..((block + 1) * BLOCK).min(round.movers.len())];
            let starts = &round.starts[block * BLOCK..][..images.len() + 1];
            let mut moved = vec![0.0; images.len() * places.n_dims];
            let rows = moved.chunks_exact_mut(places.n_dims).zip(images);
            rows.for_each(|(place, &i)| places.read(i, place));
            let (edges, name) = (&round.edges, images[0] as u64);
            Arch::new().dispatch(Movement { forces: self, places, moved: &mut moved, edges, starts, epoch, name });
            (images, moved)
        };
        blocks.map(go).collect()
    }

    /// Moves new images among `places` that stay, for all epochs: `moved` is `[images, n_dims]`, at most [`LANES`](crate::movement::LANES) of them.
    /// Each has a lane of its own, and the same others push every new image: where one goes does not depend on those beside it.
    pub fn settle(&self, moved: &mut [f32], places: &Places, neighbours: &[(&[u32], &[f32])]) {
        let (mut edges, mut starts) = (Vec::new(), vec![0]);
        for (ends, weights) in neighbours {
            let max_weight = weights.iter().copied().fold(0.0, f32::max);
            edges.extend(ends.iter().zip(*weights).map(|(&end, &weight)| Edge::new(end, weight, max_weight)));
            starts.push(edges.len());
        }
        for epoch in 0..self.n_epochs {
            let (moved, edges, starts) = (&mut *moved, &edges, &starts);
            Arch::new().dispatch(Movement { forces: self, places, moved, edges, starts, epoch, name: u64::MAX });
        }
    }
}
