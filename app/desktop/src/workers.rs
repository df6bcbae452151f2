//! Background threads: what the user wants to see now comes first, what is no longer wanted is dropped.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Work = Box<dyn FnOnce() + Send>;

/// A stack of work with keys: last in, first out; a key that is waiting or running is not added again.
pub struct Pool<K> {
    shared: Arc<Shared<K>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<K> {
    pile: Mutex<Pile<K>>,
    news: Condvar,
}

struct Pile<K> {
    waiting: Vec<(K, Work)>,
    /// Keys that wait or run.
    known: HashSet<K>,
    n_running: usize,
    closed: bool,
}

impl<K: Eq + Hash + Clone + Send + 'static> Pool<K> {
    /// A pool with this many threads.
    ///
    /// # Panics
    /// If the system gives no threads, without which there is no program.
    pub fn new(n_threads: usize) -> Self {
        let pile = Pile { waiting: Vec::new(), known: HashSet::new(), n_running: 0, closed: false };
        let shared = Arc::new(Shared { pile: Mutex::new(pile), news: Condvar::new() });
        let threads = (0..n_threads.max(1))
            .map(|i| {
                let shared = shared.clone();
                let thread = std::thread::Builder::new().name(format!("worker {i}"));
                thread.spawn(move || shared.run()).expect("a thread starts")
            })
            .collect();
        Self { shared, threads }
    }

    /// Adds work on top of the stack.
    pub fn add(&self, key: K, work: impl FnOnce() + Send + 'static) {
        let mut pile = self.shared.lock();
        if pile.known.insert(key.clone()) {
            pile.waiting.push((key, Box::new(work)));
            drop(pile);
            self.shared.news.notify_one();
        }
    }

    /// Drops work that waits and is no longer wanted.
    pub fn keep(&self, wanted: impl Fn(&K) -> bool) {
        let mut pile = self.shared.lock();
        let Pile { waiting, known, .. } = &mut *pile;
        waiting.retain(|(key, _)| wanted(key) || !known.remove(key));
    }

    /// Whether nothing waits or runs.
    pub fn is_idle(&self) -> bool {
        let pile = self.shared.lock();
        pile.waiting.is_empty() && pile.n_running == 0
    }
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, Pile<K>> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Shared<K> {
    fn run(&self) {
        let mut pile = self.lock();
        loop {
            if pile.closed {
                return;
            }
            let Some((key, work)) = pile.waiting.pop() else {
                pile = self.news.wait(pile).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            pile.n_running += 1;
            drop(pile);
            // A defect in one piece of work must not take the thread with it; its message is on standard error.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            pile = self.lock();
            pile.n_running -= 1;
            pile.known.remove(&key);
        }
    }
}

impl<K> Drop for Pool<K> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_all();
        for thread in self.threads.drain(..) {
            // It has ended, or it panicked and said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_last_request_comes_first_and_dropped_ones_never() {
        let pool = Pool::new(1);
        let (open_gate, gate) = channel::<()>();
        let (done, order) = channel();
        // Holds the only thread until the pile is complete.
        pool.add(0, move || gate.recv().unwrap());
        while pool.shared.lock().n_running == 0 {
            std::thread::yield_now();
        }
        for key in [1, 2, 3, 2] {
            let done = done.clone();
            pool.add(key, move || done.send(key).unwrap());
        }
        pool.keep(|key| *key != 1);
        assert!(!pool.is_idle());
        open_gate.send(()).unwrap();
        drop(done);
        assert_eq!(order.iter().collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_panic_does_not_end_the_pool() {
        let pool = Pool::new(1);
        let (done, order) = channel();
        pool.add(1, || panic!("a defect, on purpose"));
        pool.add(2, move || done.send(()).unwrap());
        order.recv().unwrap();
    }
}
