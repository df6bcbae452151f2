//! Images inside one big file: the members of a tar archive, and the reading of spans of such a file.

use super::folder::{self, Arranged, Found};
use super::{Opened, Source, Storage, cannot_read, decode, file_name};
use ascan_core::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A compressed file may unpack to this many times its size, and this much more.
const MAX_INFLATION: u64 = 100;
const FREE_INFLATION_BYTES: u64 = 1 << 30;

/// A file that threads read spans of, each on its own.
#[derive(Debug)]
pub(super) struct PackedFile {
    file: File,
    n_bytes: u64,
}

impl PackedFile {
    /// Opens a file; a gzip file (by its content) is first unpacked into a temporary file, which the
    /// system removes when the process ends.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |error| Error::file(path, cannot_read(error), "");
        let mut file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(Error::file(path, "is not a file", ""));
        }
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
        decode::check_file_size(len)?;
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

/// The members of a tar archive: where each one's bytes are.
pub(super) struct Members {
    pub file: PackedFile,
    /// In the order of the archive, names with forward slashes and without a leading `./`.
    pub entries: Vec<(String, Source)>,
}

impl Members {
    /// Reads all headers of the archive.
    pub fn open(path: &Path) -> Result<Self> {
        let packed = PackedFile::open(path)?;
        let mut entries = Vec::new();
        let reader = packed.file.try_clone().map_err(|error| Error::file(path, cannot_read(error), ""))?;
        let fail = |error| Error::file(path, format!("is not a tar archive, or is damaged: {error}"), "");
        // Unpacking and probing moved the position.
        let mut reader = io::BufReader::new(reader);
        io::Seek::rewind(&mut reader).map_err(fail)?;
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries_with_seek().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.header().entry_type().is_file() {
                let name = member_name(&String::from_utf8_lossy(&entry.path_bytes()));
                entries.push((name, Source::Span { offset: entry.raw_file_position(), len: entry.size() }));
            }
        }
        Ok(Self { file: packed, entries })
    }

    /// The members by name; of members with one name the last counts, as when unpacking.
    pub fn by_name(&self) -> HashMap<&str, &Source> {
        self.entries.iter().map(|(name, source)| (name.as_str(), source)).collect()
    }
}

/// A member's name in the form in which names are compared.
pub(super) fn member_name(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// The uri of a member.
pub(super) fn member_uri(archive: &Path, member: &str) -> String {
    format!("{}!{member}", file_name(archive))
}

pub(super) fn open(path: &Path, split: Option<&str>) -> Result<Opened> {
    let Members { file, entries } = Members::open(path)?;
    let mut found = Vec::new();
    let mut n_other = 0;
    for (name, source) in entries {
        let path: Vec<String> = name.split('/').map(str::to_owned).collect();
        if path.iter().any(|part| folder::is_hidden_name(part)) {
            continue;
        }
        match folder::is_image_name(&name) {
            true => found.push(Found { path, source }),
            false => n_other += 1,
        }
    }
    if found.is_empty() {
        return Err(folder::nothing_found(path, n_other));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let prefix = strip_common_folders(&mut found, split);
    let uri = |inside: &[String]| member_uri(path, &[prefix.as_slice(), inside].concat().join("/"));
    let Arranged { samples, form, mut notes } = folder::arrange(found, split, uri);
    notes.extend(folder::left_out(n_other));
    let root = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let form = format!("an archive with {form}");
    let storage = Storage::Archive(file);
    Ok(Opened { samples, labels_are_names: true, group_columns: vec![], form, notes, root, storage })
}

/// Archives often wrap everything in one folder: that is neither a class nor a split.
fn strip_common_folders(found: &mut [Found], split: Option<&str>) -> Vec<String> {
    let mut prefix = Vec::new();
    while !folder::is_by_split(found, split) {
        let first = found[0].path[0].clone();
        if !found.iter().all(|image| image.path.len() > 2 && image.path[0] == first) {
            break;
        }
        found.iter_mut().for_each(|image| drop(image.path.remove(0)));
        prefix.push(first);
    }
    prefix
}
