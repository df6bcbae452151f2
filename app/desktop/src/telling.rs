//! What long work says while it runs, and how it is asked to stop.

use super::ahead::{MIN_SECONDS, duration};
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

/// How fast a stage is, from when it was first heard of.
struct Pace {
    stage: String,
    since: Instant,
    done: u64,
}

impl Pace {
    /// `, 12 min left`, once there is enough to go by.
    fn left(&self, done: u64, total: u64) -> String {
        let (seconds, n) = (self.since.elapsed().as_secs_f64(), done.saturating_sub(self.done));
        if seconds < MIN_SECONDS || n == 0 || done >= total {
            return String::new();
        }
        format!(", {} left", duration(seconds * (total - done) as f64 / n as f64))
    }
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
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        // What changes with every call tells its own time.
        if pace.as_ref().is_none_or(|pace| pace.stage != stage || done < pace.done) {
            *pace = Some(Pace { stage: stage.to_owned(), since: Instant::now(), done });
        }
        let left = pace.as_ref().map(|pace| pace.left(done, total)).unwrap_or_default();
        drop(pace);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            let share = done as f32 / total.max(1) as f32;
            (self.done)(Done::Progress { stage: format!("{stage}: {done} of {total}{left}"), share });
        }
        !self.stops.iter().any(|stop| stop.load(Ordering::Relaxed))
    }
}
