//! Decoders are other people's code, fed with anyone's bytes: a panic in one is a damaged file, not the end of a run.

/// Runs `work`; a panic in it becomes an error with the panic's own message, and nothing is printed.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    ascan_core::guard::guarded(work, |message| format!("is damaged: {message}"))
}
