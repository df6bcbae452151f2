//! Where the files of a scan live: four operations, so that an object store can take the file system's place.

use crate::disk::{self, TEMPORARY};
use ascan_core::{Error, Result};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Named blobs. Names use `/` and are relative to the scan.
pub trait Storage: Send + Sync {
    /// Writes a blob whole or not at all; when this returns it survives a crash.
    ///
    /// # Errors
    /// `File`, with what to do.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Reads a blob.
    ///
    /// # Errors
    /// `File` if it is not there or cannot be read.
    fn get(&self, name: &str) -> Result<Vec<u8>>;

    /// Names of the blobs in a folder, without the folder, sorted; none if the folder does not exist.
    ///
    /// # Errors
    /// `File` if the folder cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// Size of a blob in bytes, `None` if it does not exist.
    ///
    /// # Errors
    /// `File` if that cannot be found out.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Whether blobs can be written.
    ///
    /// # Errors
    /// `File`, with the reason.
    fn check_writable(&self) -> Result<()>;

    /// Removes a blob, if it is there.
    ///
    /// # Errors
    /// `File` if it cannot be removed.
    fn remove(&self, name: &str) -> Result<()>;

    /// Removes what a crash left half-written in a folder. Only for who holds the lock on it.
    fn sweep(&self, _folder: &str) {}

    /// The blob's file, where blobs are files of this machine.
    fn path(&self, _name: &str) -> Option<PathBuf> {
        None
    }

    /// Whether a blob exists.
    ///
    /// # Errors
    /// As [`Self::size`].
    fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.size(name)?.is_some())
    }
}

/// The local file system.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: PathBuf,
}

impl LocalStorage {
    /// The folder of a scan, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The file of a blob.
    fn file(&self, name: &str) -> Result<PathBuf> {
        disk::inside(&self.root, name).map_err(|error| Error::file(&self.root, error, BAD_NAME))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        disk::refuse_links(&self.root, path)?;
        disk::make_folder(path.parent().unwrap_or(&self.root))?;
        disk::replace(path, |file| file.write_all(bytes))
    }
}

/// What to do about a name that leads out of a scan.
const BAD_NAME: &str = "a file of this scan was changed by hand or is damaged: scan or slice again";

impl Storage for LocalStorage {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.file(name)?;
        self.write(&path, bytes).map_err(|error| write_error(&path, &error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name)?;
        disk::read(&path).map_err(|error| Error::file(&path, format!("cannot be read: {error}"), ""))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.file(folder)?;
        let failed = |error| Error::file(&path, format!("cannot be listed: {error}"), "");
        let entries = match disk::step().and_then(|()| fs::read_dir(&path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with(TEMPORARY) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.file(name)?;
        match disk::step().and_then(|()| fs::remove_file(&path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::file(&path, format!("cannot be removed: {error}"), ""))
            }
            _ => Ok(()),
        }
    }

    fn sweep(&self, folder: &str) {
        let folder = self.root.join(folder);
        if disk::refuse_links(&self.root, &folder.join(TEMPORARY)).is_ok() {
            disk::sweep(&folder);
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let path = self.file(name)?;
        match disk::step().and_then(|()| fs::metadata(&path)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            // Below a file, such as one that a file manager leaves behind, there is nothing either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Error::file(&path, format!("cannot be read: {error}"), "")),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.file(name).ok()
    }

    fn check_writable(&self) -> Result<()> {
        // A file without a name: the folder looks as before.
        let probe = tempfile::tempfile_in(&self.root);
        probe.map(drop).map_err(|error| write_error(&self.root, &error))
    }
}

/// A failed write in the user's terms: why, and what becomes of the work so far.
pub(super) fn write_error(path: &Path, error: &io::Error) -> Error {
    let kept = "finished shards are kept: run the same command again to resume";
    let (message, hint) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            ("cannot be written: the disk is full".to_owned(), format!("free some space; {kept}"))
        }
        ErrorKind::PermissionDenied => {
            ("cannot be written: permission denied".to_owned(), "choose a folder that you may write to".to_owned())
        }
        ErrorKind::ReadOnlyFilesystem => (
            "cannot be written: the file system is read-only".to_owned(),
            "choose a folder on a disk that you may write to".to_owned(),
        ),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            ("cannot be written: a part of the path is a file, not a folder".to_owned(), String::new())
        }
        _ => (format!("cannot be written: {error}"), kept.to_owned()),
    };
    Error::file(path, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(dir.path().join("new/scan"));
        assert_eq!(storage.list("data").unwrap(), Vec::<String>::new());
        storage.put("data/b", b"two").unwrap();
        storage.put("data/a", b"one").unwrap();
        storage.put("data/a", b"1").unwrap();
        // What a crash leaves behind is not a blob.
        fs::write(dir.path().join("new/scan/data/.tmp-c"), b"torn").unwrap();
        assert_eq!(storage.list("data").unwrap(), ["a", "b"]);
        assert_eq!(storage.get("data/a").unwrap(), b"1");
        assert_eq!(storage.size("data/b").unwrap(), Some(3));
        assert!(!storage.exists("data/c").unwrap());
        storage.check_writable().unwrap();
        assert_eq!(fs::read_dir(dir.path().join("new/scan")).unwrap().count(), 1, "the probe leaves nothing");
        let missing = storage.get("data/c").unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
    }

    #[test]
    fn a_failed_write_says_what_to_do_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(dir.path());
        // A folder stands where the blob should go.
        fs::create_dir_all(dir.path().join("data/a/x")).unwrap();
        assert!(storage.put("data/a", b"one").is_err());
        assert!(!dir.path().join("data/.tmp-a").exists());
        fs::write(dir.path().join("file"), b"").unwrap();
        let error = storage.put("file/a", b"one").unwrap_err();
        assert!(error.to_string().contains("is a file, not a folder"), "{error}");

        assert!(LocalStorage::new(dir.path().join("gone")).check_writable().is_err());
        let full = write_error(dir.path(), &ErrorKind::StorageFull.into());
        assert!(full.to_string().ends_with("cannot be written: the disk is full"), "{full}");
        assert!(full.hint().unwrap().contains("run the same command again"));
        let read_only = write_error(dir.path(), &ErrorKind::ReadOnlyFilesystem.into());
        assert!(read_only.to_string().contains("read-only"), "{read_only}");
    }
}
