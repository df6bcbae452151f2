//! The door by which files are written: whole or not at all, and there to stay when a call returns.
//!
//! A file is written under a fresh name, which nobody can have put a link in the place of, flushed, and renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Files being written carry this prefix; a crash may leave one behind.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Where a test has the machine fail.
#[cfg(any(test, feature = "testing"))]
pub(crate) use crate::testing::faults::step;
#[cfg(not(any(test, feature = "testing")))]
pub(crate) fn step() -> io::Result<()> {
    Ok(())
}

/// Makes a folder and those above it that are missing.
///
/// # Errors
/// What the system reports.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    step()?;
    fs::create_dir_all(folder)
}

/// Writes a file that a user asked for, over an earlier one, in a folder that is there. Behind a link it is the file that
/// the link leads to; what is no file, such as `/dev/stdout`, is written as it is.
///
/// # Errors
/// What the system reports; the earlier file is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by(path, |file| file.write_all(bytes))
}

/// As [`write()`], of what `fill` writes.
///
/// # Errors
/// As [`write()`]; what `fill` reports.
pub fn write_by(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            step()?;
            fill(&mut OpenOptions::new().write(true).open(path)?)
        }
        Ok(_) => replace(&path.canonicalize()?, fill),
        Err(_) => replace(path, fill),
    }
}

/// Puts a new file in the place of what stands at `path`, a link included.
pub(crate) fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = fresh(folder)?;
    // Dropped, the file is removed: nothing half-written takes room.
    step()?;
    fill(file.as_file_mut())?;
    step()?;
    file.as_file().sync_all()?;
    step()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A file that was not there before, with the rights of any other file of the user.
fn fresh(folder: &Path) -> io::Result<NamedTempFile> {
    step()?;
    let mut builder = Builder::new();
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(TEMPORARY).tempfile_in(folder)
}

/// The rename itself must survive a crash, or a commit could outlive its data.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    step()?;
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what a crash left half-written in a folder. Only for who alone writes there.
pub(crate) fn sweep(folder: &Path) {
    let left = fs::read_dir(folder).into_iter().flatten().flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY));
    // What cannot be removed takes room, and does no other harm.
    left.for_each(|entry| drop(fs::remove_file(entry.path())));
}

/// The bytes of a file. A pipe or a device would make the program wait for ever.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    step()?;
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    fs::read(path)
}

/// The file of a name in a folder. Names may come from files of others: they never lead out of the folder.
///
/// # Errors
/// `InvalidInput` for a name that does.
pub(crate) fn inside(root: &Path, name: &str) -> io::Result<PathBuf> {
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    if !name.is_empty() && !name.split('/').all(is_plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a file in a scan")));
    }
    Ok(root.join(name))
}

/// Refuses to write below a link that stands in a scan: it may lead anywhere.
pub(crate) fn refuse_links(root: &Path, path: &Path) -> io::Result<()> {
    let below = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root) && *folder != root);
    for folder in below {
        if folder.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            let message = format!("{} is a link, and what is written in a scan stays there", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        let root = Path::new("scan");
        for name in ["a", "slices/kmeans-1/report.json", "cache/attribution_größe.f32"] {
            assert_eq!(inside(root, name).unwrap(), root.join(name));
        }
        for name in ["..", "../x", "a/../../x", "/etc/passwd", "a//b", "a\\b", "c:x", "a\nb", "a/\u{1b}[2J"] {
            assert!(inside(root, name).is_err(), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed_out_of_a_scan() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let [root, outside] = ["scan", "outside"].map(|name| dir.path().join(name));
        for folder in [&root, &outside] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(outside.join("precious"), "mine").unwrap();
        // At the place of a file, at the old name of what is being written, and at the place of a folder.
        symlink(outside.join("precious"), root.join("report.json")).unwrap();
        symlink(outside.join("precious"), root.join(".tmp-report.json")).unwrap();
        symlink(&outside, root.join("cache")).unwrap();
        replace(&root.join("report.json"), |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(root.join("report.json")).unwrap(), b"new");
        assert!(refuse_links(&root, &root.join("cache/x")).is_err());
        assert!(refuse_links(&root, &root.join("slices/x")).is_ok());
        assert_eq!(fs::read(outside.join("precious")).unwrap(), b"mine");
        sweep(&root);
        assert!(root.join(".tmp-report.json").symlink_metadata().is_err());
        let mode = fs::metadata(root.join("report.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444, "others may read it, as any file");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_user_asked_for_is_written_where_his_link_leads() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(write_by(&file, |_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!(fs::read(&link).unwrap(), b"new", "a failure leaves the earlier file");
        write(Path::new("/dev/null"), b"away").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(read(Path::new("/dev/zero")).is_err());
    }
}
