//! The layout: neighbours attract, all others repel, in steps that fall to nothing.
//!
//! Images move in a few rounds an epoch. In a round, some of them move at once: each on its own, from its own place,
//! among the places that the others had before the round. So the result does not depend on the threads, and an image
//! still sees nearly all others where they are now.

use super::movement::{Edge, Movement};
use super::places::{Forces, Places};
use ascan_core::Result;
use ascan_math::barrier::Barrier;
use ascan_math::graph::Graph;
use pulp::Arch;
use rayon::ThreadPool;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rounds of an epoch.
const ROUNDS: usize = 4;

/// Images that a thread moves at a time.
const BLOCK: usize = 256;

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
                    let rows = images.iter().zip(moved.chunks_exact(places.n_dims()));
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
            let mut moved = vec![0.0; images.len() * places.n_dims()];
            let rows = moved.chunks_exact_mut(places.n_dims()).zip(images);
            rows.for_each(|(place, &i)| places.read(i, place));
            let (edges, name) = (&round.edges, images[0] as u64);
            Arch::new().dispatch(Movement { forces: self, places, moved: &mut moved, edges, starts, epoch, name });
            (images, moved)
        };
        blocks.map(go).collect()
    }

    /// Moves new images among `places` that stay, for all epochs: `moved` is `[images, n_dims]`, at most [`LANES`](super::movement::LANES) of them.
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
