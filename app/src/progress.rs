//! What the terminal shows while something long runs, and how the user stops it.

use ascan_core::{Level, Reporter};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by the first Ctrl-C, or a request to terminate; the second one ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);
/// What a shell expects of a program that was stopped by Ctrl-C.
pub const STOPPED: u8 = 130;

const REDRAW: Duration = Duration::from_millis(100);
/// Start of the line, and clear to its end.
const CLEAR: &str = "\r\x1b[K";

/// Draws on standard error: a line with rate and time left on a terminal, none in a pipe; messages in both.
pub struct Terminal {
    draws: bool,
    quiet: bool,
    line: Mutex<Line>,
}

impl Terminal {
    /// The terminal of this process. From now on Ctrl-C asks to stop, and no longer kills.
    pub fn new(quiet: bool) -> Self {
        // Fails if a handler is there already, which then does the same.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(STOPPED.into());
            }
        });
        Self { draws: !quiet && std::io::stderr().is_terminal(), quiet, line: Mutex::default() }
    }

    /// Takes the line away, before something else is printed.
    pub fn clear(&self) {
        if self.draws && std::mem::take(&mut *self.line()).is_drawn {
            // A terminal that has gone away cannot be told.
            let _ = write!(std::io::stderr(), "{CLEAR}");
        }
    }

    /// Whether the user has not asked to stop.
    pub fn is_running(&self) -> bool {
        !STOP.load(Ordering::Relaxed)
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Reporter for Terminal {
    fn log(&self, level: Level, message: &str) {
        let prefix = match level {
            Level::Warning => "warning: ",
            Level::Info if !self.quiet => "",
            Level::Info | Level::Debug => return,
        };
        let clear = if self.line().is_drawn { CLEAR } else { "" };
        let _ = writeln!(std::io::stderr(), "{clear}{prefix}{message}");
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        if self.draws
            && let Some(text) = self.line().update(stage, done, total, Instant::now())
        {
            let _ = write!(std::io::stderr(), "{CLEAR}{text}");
        }
        self.is_running()
    }
}

/// Where a stage began, and what of it has been shown.
#[derive(Debug, Default)]
struct Line {
    stage: String,
    began: Option<(Instant, u64)>,
    shown: Option<Instant>,
    is_drawn: bool,
}

impl Line {
    /// The text to draw, if it is time to.
    fn update(&mut self, stage: &str, done: u64, total: u64, now: Instant) -> Option<String> {
        if self.stage != stage || self.began.is_none() {
            *self = Self { stage: stage.to_owned(), began: Some((now, done)), ..Self::default() };
        }
        if done < total && self.shown.is_some_and(|shown| now - shown < REDRAW) {
            return None;
        }
        self.shown = Some(now);
        self.is_drawn = true;
        // Rows that an earlier run has done say nothing about the speed of this one.
        let (start, done_before) = self.began?;
        let (seconds, work) = ((now - start).as_secs_f64(), done.saturating_sub(done_before));
        let mut text = format!("{stage}  {done}/{total}");
        if work > 0 && seconds > 0.0 {
            let rate = work as f64 / seconds;
            text += &format!("  {rate:.1} a second  {} left", duration((total.saturating_sub(done)) as f64 / rate));
        }
        Some(text)
    }
}

/// `7 s`, `2 min 5 s`, `1 h 3 min`.
fn duration(seconds: f64) -> String {
    match seconds.ceil() as u64 {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_rate_and_time_left_of_this_run() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut line = Line::default();
        assert_eq!(line.update("scan", 200, 1200, start).unwrap(), "scan  200/1200");
        assert_eq!(line.update("scan", 210, 1200, at(50)), None);
        assert_eq!(line.update("scan", 400, 1200, at(2000)).unwrap(), "scan  400/1200  100.0 a second  8 s left");
        // The last one is always drawn; a new stage begins anew.
        assert_eq!(line.update("scan", 1200, 1200, at(2001)).unwrap(), "scan  1200/1200  499.8 a second  0 s left");
        assert_eq!(line.update("kmeans", 1, 20, at(2002)).unwrap(), "kmeans  1/20");
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!([0.0, 59.2, 125.0, 3780.0].map(duration), ["0 s", "1 min 0 s", "2 min 5 s", "1 h 3 min"]);
    }
}
