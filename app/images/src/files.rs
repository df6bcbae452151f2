//! What every reader of files says about them.

use std::io::ErrorKind;
use std::path::Path;

/// Larger files are refused before they are read.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 30;

/// Refuses a file that is too large to be read into memory.
pub(crate) fn check_file_size(n_bytes: u64) -> Result<(), String> {
    match n_bytes > MAX_FILE_BYTES {
        true => Err(format!("is too large: {n_bytes} bytes, allowed are {MAX_FILE_BYTES}")),
        false => Ok(()),
    }
}

/// Whether a reason that an image has no result may be gone the next time: it was not there, or the machine failed. A
/// damaged image stays damaged.
pub fn may_pass(reason: &str) -> bool {
    reason == MISSING || reason.starts_with(UNREADABLE)
}

const MISSING: &str = "does not exist";
const UNREADABLE: &str = "cannot be read: ";

/// Why a file could not be read, as the end of a sentence that begins with its name.
pub(crate) fn cannot_read(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => MISSING.into(),
        ErrorKind::PermissionDenied => format!("{UNREADABLE}permission denied"),
        _ => format!("{UNREADABLE}{error}"),
    }
}

/// The file's own name, for uris and messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What the system says of a file; a pipe or a device, which would make the program wait for ever, is none.
pub(crate) fn facts(path: &Path) -> Result<std::fs::Metadata, String> {
    let metadata = std::fs::metadata(path).map_err(cannot_read)?;
    if metadata.is_file() { Ok(metadata) } else { Err("is not a file".into()) }
}

/// The bytes of an image's file.
///
/// # Errors
/// Why it cannot be read, as the end of a sentence that begins with its name.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    check_file_size(facts(path)?.len())?;
    std::fs::read(path).map_err(cannot_read)
}
