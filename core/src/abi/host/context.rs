//! [`Context`] across the boundary, on the host's side: the table of its functions.

use crate::abi::{AscanHost, AscanStr};
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
        unsafe { reporter(state).log(level, &message.lossy()) }
    }));
}

unsafe extern "C" fn progress(state: *const c_void, stage: AscanStr, done: u64, total: u64) -> i32 {
    // SAFETY: the plugin passes on what `lend` gave it.
    let go_on = catch_unwind(AssertUnwindSafe(|| unsafe { reporter(state).progress(&stage.lossy(), done, total) }));
    i32::from(go_on.unwrap_or(false))
}
