//! What the terminal shows while something long runs, and how the user stops it.

use crate::said;
use ascan_core::{Level, Reporter};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Set by the first Ctrl-C, or a request to terminate; the second one ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);
/// The bar of this process. Who prints takes it away first, or the words stick to it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// What a shell expects of a program that was stopped by Ctrl-C.
pub const STOPPED: u8 = 130;
/// A program is told of progress at most this often.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two lines about progress in a file.
const LINE_PAUSE: Duration = Duration::from_secs(30);

/// Draws on standard error: a bar with rate and time left on a terminal, a line now and then in a file; messages in both.
pub struct Terminal {
    quiet: bool,
    bar: ProgressBar,
    /// What the bar is about.
    stage: Mutex<Option<String>>,
    /// When a program was last told of it.
    told: Mutex<Option<Instant>>,
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
        let is_hidden = quiet || said::is_json();
        let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let terminal = Self::on(target, quiet);
        *locked(&BAR) = Some(terminal.bar.clone());
        terminal
    }

    fn on(target: ProgressDrawTarget, quiet: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, target).with_style(style());
        // There is nothing to draw before the first stage, not even below a message.
        bar.finish_and_clear();
        Self { quiet, bar, stage: Mutex::default(), told: Mutex::default() }
    }

    /// Tells a program how far this stage has come, unless that was only just said.
    fn tell(&self, stage: &str, done: u64, total: u64, is_new: bool) {
        let mut told = locked(&self.told);
        let is_due = is_new || done >= total || told.is_none_or(|told| told.elapsed() >= PAUSE);
        if is_due && !self.quiet {
            *told = Some(Instant::now());
            // The program that ran this one is gone, perhaps killed: nobody is left to stop it, or to read what it finds.
            if !said::object(&json!({ "type": "progress", "stage": stage, "done": done, "total": total })) {
                STOP.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Says in a file how far this stage has come, unless that was said not long ago.
    fn write_line(&self, done: u64, total: u64, is_new: bool) {
        let mut told = locked(&self.told);
        if is_new {
            *told = Some(Instant::now());
        } else if told.is_some_and(|told| told.elapsed() >= LINE_PAUSE) {
            *told = Some(Instant::now());
            let (stage, left) = (self.bar.prefix(), indicatif::FormattedDuration(self.bar.eta()));
            said::message(Level::Info, &format!("{stage}: {done} of {total}, {left} left"));
        }
    }

    /// Whether the user has not asked to stop.
    pub fn is_running(&self) -> bool {
        !STOP.load(Ordering::Relaxed)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the bar away, if one is drawn, before something else is printed; the next progress draws it again.
pub fn clear() {
    if let Some(bar) = &*locked(&BAR) {
        bar.finish_and_clear();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Reporter for Terminal {
    fn log(&self, level: Level, message: &str) {
        match level {
            Level::Warning => {}
            Level::Info if !self.quiet => {}
            Level::Info | Level::Debug => return,
        }
        self.bar.suspend(|| said::message(level, message));
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        let mut current = locked(&self.stage);
        let is_other = current.as_deref() != Some(stage);
        let is_new = is_other || self.bar.is_finished();
        if said::is_json() {
            self.tell(stage, done, total, is_other);
            *current = Some(stage.to_owned());
            return self.is_running();
        }
        if is_new {
            *current = Some(stage.to_owned());
            self.bar.reset();
            self.bar.set_prefix(stage.to_owned());
        }
        if self.bar.is_hidden() && !self.quiet {
            self.write_line(done, total, is_other);
        }
        self.bar.update(|state| {
            state.set_len(total);
            state.set_pos(done);
        });
        if is_new {
            // Rows that an earlier run has done say nothing about the speed of this one.
            self.bar.reset_eta();
        }
        if is_new || done >= total {
            self.bar.force_draw();
        }
        self.is_running()
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  [{bar:24}] {pos}/{len}{pace}")
        .expect("the template is sound")
        .with_key("pace", pace)
        .progress_chars("=> ")
}

/// `  100.0 per second  00:00:08 left`; nothing before anything is known.
fn pace(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    if rate > 0.0 {
        // Drawing goes on with what has been written.
        let _ = write!(out, "  {rate:.1} per second  {} left", indicatif::FormattedDuration(state.eta()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;
    use std::time::Duration;

    fn terminal() -> (InMemoryTerm, Terminal) {
        let screen = InMemoryTerm::new(4, 100);
        let terminal = Terminal::on(ProgressDrawTarget::term_like(Box::new(screen.clone())), false);
        (screen, terminal)
    }

    #[test]
    fn the_bar_tells_rate_and_time_left_of_this_run() {
        let (screen, terminal) = terminal();
        terminal.progress("scan", 1_000_000, 2_000_000);
        assert!(screen.contents().starts_with("scan  [") && screen.contents().ends_with("] 1000000/2000000"));
        std::thread::sleep(Duration::from_millis(100));
        terminal.progress("scan", 1_000_020, 2_000_000);
        let shown = screen.contents();
        let rate: f64 = shown.split("1000020/2000000  ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        // 20 in a tenth of a second or, on a busy machine, more: not the million of an earlier run.
        assert!(rate > 0.0 && rate <= 200.0 && shown.ends_with(" left"), "{shown}");
        // A new stage begins anew.
        terminal.progress("kmeans", 1, 20);
        assert!(screen.contents().starts_with("kmeans  [") && screen.contents().ends_with("] 1/20"));
    }

    #[test]
    fn the_bar_goes_away_and_comes_back() {
        let (screen, terminal) = terminal();
        terminal.log(Level::Info, "said before anything is drawn");
        assert_eq!(screen.contents(), "");
        terminal.progress("scan", 1, 20);
        terminal.log(Level::Info, "said above the bar, which is drawn again");
        assert!(screen.contents().ends_with("] 1/20"));
        // Anybody who prints takes it away: nothing is ever written behind the bar.
        *locked(&BAR) = Some(terminal.bar.clone());
        clear();
        assert_eq!(screen.contents(), "");
        terminal.progress("scan", 20, 20);
        assert!(screen.contents().ends_with("] 20/20"));
        drop(terminal);
        assert_eq!(screen.contents(), "");
    }

    #[test]
    fn a_quiet_terminal_draws_nothing() {
        let terminal = Terminal::on(ProgressDrawTarget::hidden(), true);
        assert!(terminal.progress("scan", 1, 20) && terminal.bar.is_hidden());
    }
}
