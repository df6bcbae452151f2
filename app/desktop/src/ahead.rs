//! How long work takes that goes through several stages, told from the first of them on.

use ascan_core::{Level, Reporter};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Seconds before anything is said: a pace needs some images.
pub const MIN_SECONDS: f64 = 2.0;

/// `40 s`, `7 min`, `1.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Tells of each stage how long it and those after it may take.
pub struct Ahead<'a> {
    inner: &'a dyn Reporter,
    /// Stages that are equally costly per image, and their images, in order.
    passes: Vec<(&'static str, usize)>,
    at: Mutex<Option<At>>,
}

/// The stage that is being done.
struct At {
    /// Its place; that after the last one for a stage of another kind.
    place: usize,
    stage: String,
    since: Instant,
    /// What was done when it was first heard of, and last.
    done: [u64; 2],
}

impl<'a> Ahead<'a> {
    /// Of these stages.
    pub fn new(inner: &'a dyn Reporter, passes: Vec<(&'static str, usize)>) -> Self {
        Self { inner, passes, at: Mutex::default() }
    }

    /// What may be left after this, in words; empty where nothing can be said.
    fn left(&self, stage: &str, done: u64, total: u64, now: Instant) -> String {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_next = at.as_ref().is_none_or(|at| at.stage != stage || done < at.done[1]);
        if is_next {
            let from = at.as_ref().map_or(0, |at| (at.place + 1).min(self.passes.len()));
            let found = self.passes[from..].iter().position(|(name, _)| *name == stage);
            let place = found.map_or(self.passes.len(), |place| from + place);
            *at = Some(At { place, stage: stage.to_owned(), since: now, done: [done; 2] });
        }
        let Some(at) = &mut *at else { return String::new() };
        at.done[1] = done;
        let (seconds, n) = (now.duration_since(at.since).as_secs_f64(), done - at.done[0]);
        if at.place >= self.passes.len() || seconds < MIN_SECONDS || n == 0 {
            return String::new();
        }
        let later: usize = self.passes[at.place + 1..].iter().map(|(_, n)| n).sum();
        let left = (total.saturating_sub(done) + later as u64) as f64 * seconds / n as f64;
        format!("at most {} until it trains; ", duration(left))
    }
}

impl Reporter for Ahead<'_> {
    fn log(&self, level: Level, message: &str) {
        self.inner.log(level, message);
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        let left = self.left(stage, done, total, Instant::now());
        self.inner.progress(&format!("{left}{stage}"), done, total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_left_is_this_stage_and_those_after_it() {
        let ahead = Ahead::new(&ascan_core::Silent, vec![("maps", 100), ("cue", 50), ("cue", 50), ("copies", 400)]);
        let start = Instant::now();
        let say = |stage, done, total, seconds| ahead.left(stage, done, total, start + Duration::from_secs(seconds));
        assert_eq!(say("maps", 0, 100, 0), "");
        assert_eq!(say("maps", 20, 100, 10), "at most 290 s until it trains; ".replace("290 s", "5 min"));
        // The second of the same name; the first was in the cache but for a few.
        assert_eq!(say("cue", 0, 50, 20), "");
        assert_eq!(say("cue", 40, 50, 24), "at most 46 s until it trains; ");
        assert_eq!(say("cue", 0, 50, 25), "");
        assert_eq!(say("cue", 25, 50, 30), "at most 85 s until it trains; ");
        assert_eq!(say("training", 5, 50, 40), "");
        assert_eq!(say("training", 15, 50, 50), "", "another kind of work has its own pace");
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!([40.0, 600.0, 7200.0].map(duration), ["40 s", "10 min", "2.0 h"]);
    }
}
