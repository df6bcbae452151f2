//! A barrier for threads that wait for each other many times a second.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// How often a thread checks the others before it yields its core: a few tens of microseconds.
const SPINS: usize = 5_000;

/// A barrier at which threads spin instead of sleeping: where less than a millisecond of work lies between two rounds,
/// waking a thread costs more than the work ([`std::sync::Barrier`] sleeps).
pub struct Barrier {
    n_threads: usize,
    arrived: AtomicUsize,
    n_rounds: AtomicUsize,
    is_broken: AtomicBool,
}

/// Breaks the barrier if its thread panics, so that no thread waits for it.
pub struct BreakOnPanic<'a>(&'a Barrier);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    /// A barrier for `n_threads` threads that all come to every round.
    pub fn new(n_threads: usize) -> Self {
        let (arrived, n_rounds) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { n_threads, arrived, n_rounds, is_broken: AtomicBool::new(false) }
    }

    /// Breaks the barrier if this thread panics while it holds the answer.
    pub fn break_on_panic(&self) -> BreakOnPanic<'_> {
        BreakOnPanic(self)
    }

    /// Returns when all threads are here, or the barrier is broken. What a thread wrote before, all can read after.
    pub fn wait(&self) {
        let round = self.n_rounds.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.n_threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.n_rounds.fetch_add(1, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.n_rounds.load(Ordering::Acquire) == round && !self.is_broken.load(Ordering::Acquire) {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_goes_on_before_all_are_there() {
        const N: usize = 4;
        let (barrier, count) = (Barrier::new(N), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..N {
                scope.spawn(|| {
                    for round in 1..=200 {
                        count.fetch_add(1, Ordering::Relaxed);
                        barrier.wait();
                        assert_eq!(count.load(Ordering::Relaxed), round * N);
                        barrier.wait();
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_panicked() {
        let barrier = Barrier::new(2);
        let ended = thread::scope(|scope| {
            let other = scope.spawn(|| {
                let _guard = barrier.break_on_panic();
                panic!("as a test");
            });
            barrier.wait();
            other.join()
        });
        assert!(ended.is_err());
    }
}
