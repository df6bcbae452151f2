//! What long work says while it runs, and how it is asked to stop.

use super::ahead::Pace;
use super::done::Done;
use ascan_core::{Level, Reporter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The window is told at most this often.
const EVERY: Duration = Duration::from_millis(100);

/// Tells the window how far a task is.
pub struct Telling {
    done: Arc<dyn Fn(Done) + Send + Sync>,
    /// Any of them, once set, ends the task.
    stops: [Arc<AtomicBool>; 2],
    last: Mutex<Option<Instant>>,
    pace: Mutex<Option<Pace>>,
}

impl Telling {
    /// For one task. It is asked to stop by either of `stops`.
    pub fn new(done: Arc<dyn Fn(Done) + Send + Sync>, stops: [Arc<AtomicBool>; 2]) -> Self {
        Self { done, stops, last: Mutex::default(), pace: Mutex::default() }
    }
}

impl Reporter for Telling {
    fn log(&self, level: Level, message: &str) {
        if level != Level::Debug {
            (self.done)(Done::Said(message.to_owned()));
        }
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        // What changes with every call tells its own time.
        Pace::hear(&mut pace, stage, done, now);
        let left = pace.as_ref().and_then(|pace| pace.left(total.saturating_sub(done), now));
        drop(pace);
        let left = left.filter(|_| done < total).map_or_else(String::new, |left| format!(", {left} left"));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(now);
            let share = done as f32 / total.max(1) as f32;
            (self.done)(Done::Progress { stage: format!("{stage}: {done} of {total}{left}"), share });
        }
        !self.stops.iter().any(|stop| stop.load(Ordering::Relaxed))
    }
}
