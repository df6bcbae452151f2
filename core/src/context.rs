//! What the host lends to a long computation: seed, threads, progress, cancellation.

use crate::{Error, Result};

/// How loud a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// For the author of a plugin.
    Debug = 0,
    /// For the curious user.
    Info = 1,
    /// The result is usable but not as asked.
    Warning = 2,
}

/// Receives messages and progress. The application draws them; libraries only report.
pub trait Reporter: Sync {
    /// A message for the user.
    fn log(&self, level: Level, message: &str);

    /// `done` of `total` units of `stage` are finished. `false` asks the caller to stop.
    fn progress(&self, stage: &str, done: u64, total: u64) -> bool;
}

/// A reporter that drops everything and never stops anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn log(&self, _level: Level, _message: &str) {}

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        true
    }
}

/// What the host lends to one computation.
///
/// The result of a computation depends on `seed`, never on `n_threads`.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Threads the computation may use, at least 1. A plugin makes its own pool:
    /// global pools are duplicated in every dynamic library.
    pub n_threads: usize,
    /// Where messages and progress go.
    pub reporter: &'a dyn Reporter,
}

impl<'a> Context<'a> {
    /// Reports progress.
    ///
    /// # Errors
    /// `Cancelled` if the user asked to stop.
    pub fn progress(&self, stage: &str, done: usize, total: usize) -> Result<()> {
        if self.reporter.progress(stage, done as u64, total as u64) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Tells the user that the result is usable but not as asked.
    pub fn warn(&self, message: &str) {
        self.reporter.log(Level::Warning, message);
    }
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self { seed: 0, n_threads: 1, reporter: &Silent }
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("seed", &self.seed).field("n_threads", &self.n_threads).finish_non_exhaustive()
    }
}
