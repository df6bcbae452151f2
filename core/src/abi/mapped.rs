//! A file's values as memory: read when they are looked at, and given back when the system needs the room.

use crate::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// The values of a file, `f32` in this machine's byte order.
#[derive(Debug)]
pub struct Mapped {
    bytes: Mmap,
}

impl Mapped {
    /// Maps a file that nobody changes while it is mapped: one that is written under another name and then renamed.
    ///
    /// # Errors
    /// `File` if it cannot be read, or does not hold whole values.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| Error::file(path, format!("cannot be mapped: {error}"), "");
        let file = File::open(path).map_err(failed)?;
        // SAFETY: the bytes are only ever read, and any bytes are values. A program that writes to the file all the same
        // changes values, as it does between two reads of any file; one that cuts it off ends this program.
        let bytes = unsafe { Mmap::map(&file) }.map_err(failed)?;
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
