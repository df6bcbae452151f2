//! [`Context`] across the boundary: the host's table, and the reporter on the plugin's side of it.

use super::types::{AscanHost, AscanStr};
use crate::{Context, Level, Reporter};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lends `context` to a plugin for the length of `call`.
pub(super) fn lend<R>(context: &Context, call: impl FnOnce(*const AscanHost) -> R) -> R {
    let host = AscanHost {
        size: size_of::<AscanHost>(),
        state: (&raw const context.reporter).cast(),
        seed: context.seed,
        n_threads: context.n_threads,
        log,
        progress,
    };
    call(&raw const host)
}

/// # Safety
/// `state` is the pointer that [`lend`] made, during its call.
unsafe fn reporter<'a>(state: *const c_void) -> &'a dyn Reporter {
    // SAFETY: `lend` put a `&dyn Reporter` behind the pointer.
    unsafe { *state.cast::<&dyn Reporter>() }
}

unsafe extern "C" fn log(state: *const c_void, level: u32, message: AscanStr) {
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        _ => Level::Warning,
    };
    // A panicking reporter must not unwind into the plugin; its message is lost, the work goes on.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the plugin passes on what `lend` gave it.
        unsafe { reporter(state).log(level, &message.get()) }
    }));
}

unsafe extern "C" fn progress(state: *const c_void, stage: AscanStr, done: u64, total: u64) -> i32 {
    // SAFETY: the plugin passes on what `lend` gave it.
    let go_on = catch_unwind(AssertUnwindSafe(|| unsafe { reporter(state).progress(&stage.get(), done, total) }));
    i32::from(go_on.unwrap_or(false))
}

/// The plugin's side: a reporter over the host's table.
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
