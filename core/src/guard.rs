//! A wall around other people's code: parsers and decoders that are fed with anyone's bytes, engines that run anyone's graph.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether what this thread says when it panics is caught.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`. A panic in it becomes the error that `broken` makes of its message, and nothing is printed.
///
/// # Errors
/// What `work` reports, or `broken`.
pub fn guarded<T, E>(work: impl FnOnce() -> Result<T, E>, broken: impl FnOnce(&str) -> E) -> Result<T, E> {
    static QUIET_HOOK: Once = Once::new();
    QUIET_HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    let outer = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(outer);
    result.unwrap_or_else(|panic| Err(broken(message(&*panic))))
}

/// What a panic says. libjpeg's own errors arrive in this way too.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it gave up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let n: usize = "7".parse().unwrap();
        let work = || if n == 7 { panic!("index {n} of 3") } else { Ok(()) };
        assert_eq!(guarded(work, str::to_owned), Err("index 7 of 3".to_owned()));
        assert_eq!(guarded(|| Ok::<_, String>(1), str::to_owned), Ok(1));
        assert_eq!(guarded(|| Err::<(), _>("own"), |_| "panic"), Err("own"));
    }
}
