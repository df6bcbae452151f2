//! A machine that fails at a chosen step: at the n-th file that is made, written, flushed, renamed or read.

use std::env;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The step that fails, counted from 1; followed by `+`: all from there on.
pub const FAIL_AT: &str = "ASCAN_TEST_FAIL_AT";
/// How: a number of the operating system.
pub const FAIL_WITH: &str = "ASCAN_TEST_FAIL_WITH";
/// What stands on standard error when a step has failed.
pub const FAILED: &str = "a test had the machine fail";

struct Plan {
    at: u64,
    for_ever: bool,
    with: i32,
}

static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| {
    let at = env::var(FAIL_AT).ok()?;
    let with = env::var(FAIL_WITH).ok()?.parse().ok()?;
    Some(Plan { at: at.trim_end_matches('+').parse().ok()?, for_ever: at.ends_with('+'), with })
});
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Counts a step.
///
/// # Errors
/// If it is the one that is to fail.
pub(crate) fn step() -> io::Result<()> {
    let Some(plan) = &*PLAN else { return Ok(()) };
    let step = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
    if step == plan.at || (plan.for_ever && step > plan.at) {
        use io::Write;
        // The test looks for it.
        let _ = writeln!(io::stderr(), "{FAILED}: step {step}");
        return Err(io::Error::from_raw_os_error(plan.with));
    }
    Ok(())
}
