//! One writer per scan.

use super::disk::{make_folder, refuse_links, step};
use super::layout;
use super::storage::write_error;
use ascan_core::{Error, Result};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Held while a scan is written. The operating system lets go of it when the process ends,
/// however it ends: there are no stale locks.
#[derive(Debug)]
pub struct ScanLock {
    _file: File,
}

impl ScanLock {
    /// Takes the lock of a scan folder, which is created if it is not there.
    ///
    /// # Errors
    /// `File` if another process writes to the scan, or if the folder cannot be written.
    pub fn take(dir: &Path) -> Result<Self> {
        let file = open(dir).map_err(|error| write_error(dir, &error))?;
        match file.try_lock() {
            // Some network file systems have no locks; a scan there is no worse off than without this file.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::file(
                dir,
                "another scan is writing to this folder",
                "wait until it is done, or choose another folder with --out",
            )),
        }
    }

    /// Takes the lock of a folder in a scan, such as that of all slice sets, once the process that has it lets go: it is
    /// held only while files are put in place.
    pub(crate) fn wait(scan: &Path, folder: &str) -> Result<Self> {
        let dir = scan.join(folder);
        let locked = refuse_links(scan, &dir.join(layout::LOCK)).and_then(|()| open(&dir));
        let file = locked.map_err(|error| write_error(&dir, &error))?;
        // As above where there are no locks.
        let _ = file.lock();
        Ok(Self { _file: file })
    }
}

fn open(dir: &Path) -> io::Result<File> {
    make_folder(dir)?;
    step()?;
    let path = dir.join(layout::LOCK);
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is a link or no file", path.display())));
    }
    File::options().create(true).write(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_do_not_mix_and_a_dead_one_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let first = ScanLock::take(dir.path()).unwrap();
        let error = ScanLock::take(dir.path()).unwrap_err();
        assert!(error.to_string().contains("another scan is writing"), "{error}");
        drop(first);
        ScanLock::take(dir.path()).unwrap();
    }
}
