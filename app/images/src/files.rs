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

/// Why a file could not be read, as the end of a sentence that begins with its name.
pub(crate) fn cannot_read(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "does not exist".into(),
        ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        _ => format!("cannot be read: {error}"),
    }
}

/// The file's own name, for uris and messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The bytes of an image's file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err("is not a file".into());
    }
    check_file_size(metadata.len())?;
    std::fs::read(path).map_err(cannot_read)
}
