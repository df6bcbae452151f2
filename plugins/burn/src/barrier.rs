//! A barrier for threads that each work on a shard of one batch and need some numbers of the whole batch.
//!
//! `ascan-math` has a barrier too. That one spins, for threads that meet thousands of times a second. This one sleeps:
//! a batch has more shards than the machine has cores, and a layer takes milliseconds.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What each shard has contributed, in the order of the shards.
pub type Parts = Arc<Vec<Vec<f64>>>;

/// What the shards share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    n_rounds: u64,
    /// Contributions to the round that is open.
    parts: Vec<Option<Vec<f64>>>,
    /// All contributions to the round before.
    gathered: Parts,
    is_broken: bool,
}

/// The barrier, as one shard sees it. All shards come to it equally often, in the same order.
#[derive(Debug, Clone)]
pub struct Barrier {
    shared: Arc<Shared>,
    shard: usize,
}

/// Breaks the barrier when it is dropped, so that no shard waits for one that has failed.
#[derive(Debug)]
pub struct BreakOnDrop(Barrier);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Barrier {
    /// One barrier for `n` shards.
    pub fn for_shards(n: usize) -> Vec<Self> {
        let state = State { parts: vec![None; n], ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        (0..n).map(|shard| Self { shared: shared.clone(), shard }).collect()
    }

    /// Breaks the barrier at the end of the shard's work. By then every round is over, unless the work has failed.
    pub fn break_on_drop(&self) -> BreakOnDrop {
        BreakOnDrop(self.clone())
    }

    /// Contributes a part, waits for all parts and returns them. At a broken barrier that is this shard's part alone:
    /// the batch has no result any more.
    pub fn all_gather(&self, part: Vec<f64>) -> Parts {
        let mut state = self.shared.lock();
        if state.is_broken {
            return Arc::new(vec![part]);
        }
        let round = state.n_rounds;
        state.parts[self.shard] = Some(part.clone());
        if state.parts.iter().all(Option::is_some) {
            state.gathered = Arc::new(state.parts.iter_mut().filter_map(Option::take).collect());
            state.n_rounds += 1;
            self.shared.changed.notify_all();
        }
        while state.n_rounds == round && !state.is_broken {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.n_rounds == round { Arc::new(vec![part]) } else { state.gathered.clone() }
    }
}

impl Drop for BreakOnDrop {
    fn drop(&mut self) {
        self.0.shared.lock().is_broken = true;
        self.0.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_see_the_parts_of_all_in_order() {
        let barriers = Barrier::for_shards(5);
        std::thread::scope(|scope| {
            for barrier in &barriers {
                scope.spawn(move || {
                    let _guard = barrier.break_on_drop();
                    for round in 0..100 {
                        let parts = barrier.all_gather(vec![(barrier.shard * 1000 + round) as f64]);
                        let expected: Vec<Vec<f64>> = (0..5).map(|shard| vec![(shard * 1000 + round) as f64]).collect();
                        assert_eq!(*parts, expected);
                    }
                });
            }
        });
    }

    #[test]
    fn a_shard_that_fails_keeps_nobody_waiting() {
        let barriers = Barrier::for_shards(3);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(barriers[0].break_on_drop()));
            let waiting = [1, 2].map(|shard| {
                let barrier = &barriers[shard];
                scope.spawn(move || barrier.all_gather(vec![shard as f64]))
            });
            for (shard, thread) in [1, 2].into_iter().zip(waiting) {
                assert_eq!(*thread.join().unwrap(), vec![vec![f64::from(shard)]]);
            }
        });
    }
}
