//! A place where threads wait for each other, many times a second.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Looks at the others before a thread lets another program run: a few tens of microseconds.
const SPINS: usize = 5_000;

/// Threads that wait for each other without falling asleep: waking one costs more than the work between two meetings
/// where that is less than a millisecond ([`std::sync::Barrier`] wakes).
pub struct Barrier {
    n_threads: usize,
    arrived: AtomicUsize,
    meetings: AtomicUsize,
    is_broken: AtomicBool,
}

/// That a thread comes to the meetings. One that panics keeps nobody waiting.
pub struct Attendance<'a>(&'a Barrier);

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    /// For `n_threads` threads that all come to every meeting.
    pub fn new(n_threads: usize) -> Self {
        let (arrived, meetings) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { n_threads, arrived, meetings, is_broken: AtomicBool::new(false) }
    }

    /// Says that this thread comes to all meetings, as long as the answer lives.
    pub fn attend(&self) -> Attendance<'_> {
        Attendance(self)
    }

    /// Returns when all threads are here, or one has panicked. What they wrote before is seen after.
    pub fn wait(&self) {
        let meeting = self.meetings.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.n_threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.meetings.fetch_add(1, Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.meetings.load(Ordering::Acquire) == meeting && !self.is_broken.load(Ordering::Acquire) {
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
                    for meeting in 1..=200 {
                        count.fetch_add(1, Ordering::Relaxed);
                        barrier.wait();
                        assert_eq!(count.load(Ordering::Relaxed), meeting * N);
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
                let _attendance = barrier.attend();
                panic!("as a test");
            });
            barrier.wait();
            other.join()
        });
        assert!(ended.is_err());
    }
}
