//! One big file that holds many images, and the reading of spans of it.

use crate::files::{cannot_read, check_file_size, facts};
use ascan_core::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A compressed file may unpack to this many times its size, and this much more.
const MAX_INFLATION: u64 = 100;
const FREE_INFLATION_BYTES: u64 = 1 << 30;

/// A file that threads read spans of, each on its own.
#[derive(Debug)]
pub(crate) struct PackedFile {
    pub(crate) file: File,
    n_bytes: u64,
}

impl PackedFile {
    /// Opens a file; a gzip file (by its content) is first unpacked into a temporary file, which the
    /// system removes when the process ends.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |error| Error::file(path, cannot_read(error), "");
        let metadata = facts(path).map_err(|message| Error::file(path, message, ""))?;
        let mut file = File::open(path).map_err(fail)?;
        if read_at_most(&file, 0, 2).map_err(fail)? == [0x1f, 0x8b] {
            let limit = metadata.len().saturating_mul(MAX_INFLATION).saturating_add(FREE_INFLATION_BYTES);
            file = unpack(file, limit)
                .map_err(|error| Error::file(path, format!("cannot be unpacked: {error}"), "is the file complete?"))?;
        }
        let n_bytes = file.metadata().map_err(fail)?.len();
        Ok(Self { file, n_bytes })
    }

    /// Length of the file, unpacked.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// The bytes of a span.
    pub fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>, String> {
        check_file_size(len)?;
        if offset.checked_add(len).is_none_or(|end| end > self.n_bytes) {
            return Err("is cut off: the file that holds it ends before it".into());
        }
        // Checked above: at most 1 GiB.
        read_at_most(&self.file, offset, len as usize).map_err(cannot_read)
    }
}

fn unpack(file: File, limit: u64) -> io::Result<File> {
    let mut unpacked = tempfile::tempfile()?;
    let mut reader = MultiGzDecoder::new(io::BufReader::new(file)).take(limit);
    io::copy(&mut reader, &mut unpacked)?;
    if reader.limit() == 0 {
        return Err(io::Error::other("it unpacks to more than a hundred times its size"));
    }
    unpacked.flush()?;
    Ok(unpacked)
}

/// Up to `len` bytes from `offset`, without moving a position that other threads share.
fn read_at_most(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut n = 0;
    while n < len {
        #[cfg(unix)]
        let got = std::os::unix::fs::FileExt::read_at(file, &mut bytes[n..], offset + n as u64);
        #[cfg(windows)]
        let got = std::os::windows::fs::FileExt::seek_read(file, &mut bytes[n..], offset + n as u64);
        match got {
            Ok(0) => break,
            Ok(got) => n += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(n);
    Ok(bytes)
}
