//! Images inside a tar archive.

use crate::files::{cannot_read, file_name};
use crate::folder::{self, Arranged, Found};
use crate::names::{self, Endings};
use crate::opened::{Opened, Storage};
use crate::packed::PackedFile;
use crate::sample::Source;
use ascan_core::{Error, Result};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The members of a tar archive: where each one's bytes are.
pub(crate) struct Members {
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
pub(crate) fn member_name(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches("./").trim_start_matches('/').to_owned()
}

/// The uri of a member.
pub(crate) fn member_uri(archive: &Path, member: &str) -> String {
    format!("{}!{member}", file_name(archive))
}

pub(crate) fn open(path: &Path, split: Option<&str>) -> Result<Opened> {
    let Members { file, entries } = Members::open(path)?;
    let mut found = Vec::new();
    let mut others = Endings::default();
    for (name, source) in entries {
        let path: Vec<String> = name.split('/').map(str::to_owned).collect();
        if path.iter().any(|part| names::is_left_behind(part)) {
            continue;
        }
        match names::is_image(&name) {
            true => found.push(Found { path, source }),
            false => others.count(&name),
        }
    }
    if found.is_empty() {
        return Err(folder::nothing_found(path, &others));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let prefix = strip_common_folders(&mut found, split);
    let uri = |inside: &[String]| member_uri(path, &[prefix.as_slice(), inside].concat().join("/"));
    let Arranged { samples, form, mut notes } = folder::arrange(found, split, uri);
    notes.extend(others.left_out());
    let root = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let form = format!("an archive with {form}");
    let storage = Storage::Archive(file);
    Ok(Opened { samples, labels_are_names: true, form, notes, root, storage, ..Opened::default() })
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
