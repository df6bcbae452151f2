//! How long work takes that goes through several stages, told from the first of them on.

use ascan_core::{Level, Reporter};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Seconds before anything is said: a pace needs some images.
const MIN_SECONDS: f64 = 2.0;

/// `40 s`, `7 min`, `1.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// How fast the stage is that is being done, from when it was first heard of.
pub struct Pace {
    stage: String,
    since: Instant,
    first: u64,
    last: u64,
}

impl Pace {
    /// Takes what is said of a stage; whether it is another one than before, or the same again. Several threads may tell of
    /// one stage, each a little late: only what falls far back has begun again.
    pub fn hear(known: &mut Option<Self>, stage: &str, done: u64, now: Instant) -> bool {
        if let Some(pace) = known.as_mut().filter(|pace| pace.stage == stage && done >= pace.last / 2) {
            pace.last = pace.last.max(done);
            return false;
        }
        *known = Some(Self { stage: stage.to_owned(), since: now, first: done, last: done });
        true
    }

    /// Seconds and images since then.
    pub fn so_far(&self, now: Instant) -> (f64, u64) {
        (now.duration_since(self.since).as_secs_f64(), self.last - self.first)
    }

    /// How long `n` more images take, in words, once there is enough to go by.
    pub fn left(&self, n: u64, now: Instant) -> Option<String> {
        let (seconds, done) = self.so_far(now);
        (seconds >= MIN_SECONDS && done > 0).then(|| duration(n as f64 * seconds / done as f64))
    }
}

/// Tells of each stage how long it and those after it may take.
pub struct Ahead<'a> {
    inner: &'a dyn Reporter,
    /// Stages that are equally costly per image, and their images, in order.
    passes: Vec<(&'static str, usize)>,
    at: Mutex<At>,
}

/// The stage that is being done.
#[derive(Default)]
struct At {
    pace: Option<Pace>,
    /// Whether it is one of the passes.
    is_pass: bool,
    /// Passes up to it.
    n_begun: usize,
}

impl<'a> Ahead<'a> {
    /// Of these stages.
    pub fn new(inner: &'a dyn Reporter, passes: Vec<(&'static str, usize)>) -> Self {
        Self { inner, passes, at: Mutex::default() }
    }

    /// What may be left after this, in words; empty where nothing can be said.
    fn left(&self, stage: &str, done: u64, total: u64, now: Instant) -> String {
        let at = &mut *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if Pace::hear(&mut at.pace, stage, done, now) {
            let place = self.passes[at.n_begun..].iter().position(|(name, _)| *name == stage);
            at.is_pass = place.is_some();
            at.n_begun += place.map_or(0, |place| place + 1);
        }
        if !at.is_pass {
            return String::new();
        }
        let later = &self.passes[at.n_begun..];
        let n = total.saturating_sub(done) + later.iter().map(|(_, n)| *n as u64).sum::<u64>();
        let left = at.pace.as_ref().and_then(|pace| pace.left(n, now));
        left.map_or_else(String::new, |left| format!("at most {left} until it trains; "))
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
        assert_eq!(say("maps", 15, 100, 8), "at most 5 min until it trains; ");
        assert_eq!(say("maps", 14, 100, 8), "at most 5 min until it trains; ", "a thread that was late");
        assert_eq!(say("maps", 20, 100, 10), "at most 290 s until it trains; ".replace("290 s", "5 min"));
        // The second of the same name; the first was in the cache but for a few.
        assert_eq!(say("cue", 0, 50, 20), "");
        assert_eq!(say("cue", 40, 50, 24), "at most 46 s until it trains; ");
        assert_eq!(say("cue", 0, 50, 25), "");
        assert_eq!(say("cue", 25, 50, 30), "at most 85 s until it trains; ");
        assert_eq!(say("training", 5, 50, 40), "");
        assert_eq!(say("training", 15, 50, 50), "", "another kind of work has its own pace");
        assert_eq!(say("copies", 0, 400, 60), "");
        assert_eq!(say("copies", 100, 400, 70), "at most 30 s until it trains; ", "and is not the last");
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!([40.0, 600.0, 7200.0].map(duration), ["40 s", "10 min", "2.0 h"]);
    }
}
