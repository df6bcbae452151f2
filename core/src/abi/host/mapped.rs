//! A file's values as memory: read when they are looked at, and given back when the system needs the room.

use crate::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;

/// The values of a file, `f32` in this machine's byte order.
///
/// What is mapped is a copy of the file that has no name: nobody else can open it, so nobody can change it or cut it
/// off, which would end the program that looks at it (SIGBUS). The system still takes the memory back when it needs it.
/// Where file systems share blocks between copies (Btrfs, XFS), the copy takes neither time nor room.
#[derive(Debug)]
pub struct Mapped {
    bytes: Mmap,
}

impl Mapped {
    /// Maps a copy of the file as it is now. The copy lies beside it, where there is room for files of that size, and
    /// goes with this.
    ///
    /// # Errors
    /// `File` if it cannot be read or copied, or does not hold whole values.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| Error::file(path, format!("cannot be mapped: {error}"), "");
        let mut file = File::open(path).map_err(failed)?;
        let mut copy = tempfile::tempfile_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        io::copy(&mut file, &mut copy).map_err(failed)?;
        // SAFETY: the file has no name and no handle but this one, which ends here: its bytes stay as they are. Any bytes
        // are values.
        let bytes = unsafe { Mmap::map(&copy) }.map_err(failed)?;
        if !bytes.len().is_multiple_of(size_of::<f32>()) {
            return Err(Error::file(path, format!("has {} bytes, which are no whole values", bytes.len()), ""));
        }
        Ok(Self { bytes })
    }

    /// All of them.
    pub fn values(&self) -> &[f32] {
        // A mapping begins at a page, and its length was looked at.
        bytemuck::cast_slice(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Set where the test below plays the program whose file is cut off.
    const FILE: &str = "ASCAN_TEST_MAPPED_FILE";

    #[test]
    fn a_file_that_is_cut_off_stays_as_it_was_mapped() {
        const N: usize = 1 << 20;
        if let Some(path) = std::env::var_os(FILE) {
            let path = Path::new(&path);
            let mapped = Mapped::open(path).unwrap();
            assert_eq!(mapped.values()[0], 2.0);
            // By another handle, before most pages were looked at.
            File::options().write(true).open(path).unwrap().set_len(5).unwrap();
            assert_eq!(mapped.values().iter().sum::<f32>(), 2.0 * N as f32);
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("values.f32");
        std::fs::write(&path, vec![2.0f32.to_ne_bytes(); N].as_flattened()).unwrap();
        // In a process of its own: what this test is about ends the process.
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "abi::host::mapped::tests::a_file_that_is_cut_off_stays_as_it_was_mapped"]);
        let ended = child.env(FILE, &path).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        assert!(String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "{ended:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 5);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the copy has no name");
    }
}
