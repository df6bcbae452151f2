//! Threads that each work on a shard of one batch, where some numbers are of the whole batch.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What each shard has brought, in the order of the shards.
pub type Parts = Arc<Vec<Vec<f64>>>;

/// A place where the shards of a batch put their parts of some numbers, and wait for those of the others.
#[derive(Debug)]
struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    n_rounds: u64,
    brought: Vec<Option<Vec<f64>>>,
    last: Parts,
    dissolved: bool,
}

/// The seat of one shard. All shards meet equally often, in the same order.
#[derive(Debug, Clone)]
pub struct Seat {
    meeting: Arc<Meeting>,
    place: usize,
}

/// Ends the meeting when a shard is done: one that has failed keeps nobody waiting.
#[derive(Debug)]
pub struct Attendance(Seat);

impl Meeting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Seats for `n` shards.
    pub fn all(n: usize) -> Vec<Self> {
        let state = State { brought: vec![None; n], ..State::default() };
        let meeting = Arc::new(Meeting { state: Mutex::new(state), changed: Condvar::new() });
        (0..n).map(|place| Self { meeting: meeting.clone(), place }).collect()
    }

    /// Says that the shard has begun.
    pub fn attend(&self) -> Attendance {
        Attendance(self.clone())
    }

    /// Brings a part and waits for all parts. Once a shard has failed there is only the own part: the batch has no
    /// result any more.
    pub fn share(&self, part: Vec<f64>) -> Parts {
        let mut state = self.meeting.lock();
        if state.dissolved {
            return Arc::new(vec![part]);
        }
        let round = state.n_rounds;
        state.brought[self.place] = Some(part.clone());
        if state.brought.iter().all(Option::is_some) {
            state.last = Arc::new(state.brought.iter_mut().filter_map(Option::take).collect());
            state.n_rounds += 1;
            self.meeting.changed.notify_all();
        }
        while state.n_rounds == round && !state.dissolved {
            state = self.meeting.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.n_rounds == round { Arc::new(vec![part]) } else { state.last.clone() }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.meeting.lock().dissolved = true;
        self.0.meeting.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_see_the_parts_of_all_in_order() {
        let seats = Seat::all(5);
        std::thread::scope(|scope| {
            for seat in &seats {
                scope.spawn(move || {
                    let _attendance = seat.attend();
                    for round in 0..100 {
                        let parts = seat.share(vec![(seat.place * 1000 + round) as f64]);
                        let expected: Vec<Vec<f64>> = (0..5).map(|place| vec![(place * 1000 + round) as f64]).collect();
                        assert_eq!(*parts, expected);
                    }
                });
            }
        });
    }

    #[test]
    fn a_shard_that_fails_keeps_nobody_waiting() {
        let seats = Seat::all(3);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(seats[0].attend()));
            let waiting = [1, 2].map(|place| {
                let seat = &seats[place];
                scope.spawn(move || seat.share(vec![place as f64]))
            });
            for (place, thread) in [1, 2].into_iter().zip(waiting) {
                assert_eq!(*thread.join().unwrap(), vec![vec![f64::from(place)]]);
            }
        });
    }
}
