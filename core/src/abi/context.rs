//! [`Context`] across the boundary, on the plugin's side: a reporter over the host's table.

use super::types::{AscanHost, AscanStr};
use crate::{Context, Level, Reporter};

/// A reporter over the host's table.
#[derive(Clone, Copy)]
pub(super) struct ForeignReporter(AscanHost);

// SAFETY: the host's functions may be called from any thread: its own reporter is `Sync`.
unsafe impl Sync for ForeignReporter {}

impl ForeignReporter {
    /// # Safety
    /// `host` is valid for the length of the call that brought it.
    pub(super) unsafe fn new(host: *const AscanHost) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe { *host })
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context { seed: self.0.seed, n_threads: self.0.n_threads.max(1), reporter: self }
    }
}

impl Reporter for ForeignReporter {
    fn log(&self, level: Level, message: &str) {
        // SAFETY: the table is the host's, valid for this call.
        unsafe { (self.0.log)(self.0.state, level as u32, AscanStr::new(message)) }
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        // SAFETY: the table is the host's, valid for this call.
        unsafe { (self.0.progress)(self.0.state, AscanStr::new(stage), done, total) != 0 }
    }
}
