//! One folder per class, or one folder per split and in it one folder per class; on disk or inside an archive.

use crate::files::{cannot_read, file_name};
use crate::names::{self, Endings};
use crate::opened::Opened;
use crate::sample::{Sample, Source};
use ascan_core::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Endings of tables that may say what the folder does not.
const TABLE_ENDINGS: [&str; 5] = ["csv", "tsv", "jsonl", "parquet", "json"];
/// How many of them a note names.
const N_NAMED: usize = 3;

/// An image and the folders it lies in: `path` has at least one component, the file's name last.
pub(crate) struct Found {
    pub path: Vec<String>,
    pub source: Source,
}

/// What [`arrange`] makes of the images found.
pub(crate) struct Arranged {
    pub samples: Vec<Sample>,
    pub form: String,
    pub notes: Vec<String>,
}

pub(crate) fn open(root: &Path, split: Option<&str>) -> Result<Opened> {
    if !root.is_dir() {
        let what = if root.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::file(root, what, "`data.images` is a folder with one folder per class"));
    }
    let Walk { found, others, notes: unreadable, .. } = Walk::of(root)?;
    if found.is_empty() {
        return Err(nothing_found(root, &others));
    }
    let Arranged { samples, form, mut notes } = arrange(found, split, |path| path.join("/"));
    notes.extend(unreadable);
    notes.extend(others.left_out());
    let tables = tables_in(root);
    if let Some(first) = tables.first() {
        let all = tables.iter().take(N_NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        notes.push(format!("the folder holds {all}, which is not read: `data.manifest = \"{first}\"` uses it instead"));
    }
    let root = root.to_path_buf();
    Ok(Opened { samples, labels_are_names: true, form, notes, root, ..Opened::default() })
}

/// Names of the tables that lie in a folder.
fn tables_in(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let ending = |path: &Path| path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let is_table = |path: &PathBuf| ending(path).is_some_and(|ending| TABLE_ENDINGS.contains(&ending.as_str()));
    let mut names: Vec<String> = entries.filter(is_table).map(|path| file_name(&path)).collect();
    names.sort();
    names
}

/// The error of a set without a single image.
pub(crate) fn nothing_found(place: &Path, others: &Endings) -> Error {
    let message = format!("holds no images (and {} other files{})", others.n(), others.listed());
    let endings = names::IMAGE_ENDINGS.join(", .");
    Error::file(place, message, format!("looked for names ending in .{endings}, in every folder"))
}

/// All images below a folder, by name.
#[derive(Default)]
pub(crate) struct Walk {
    pub found: Vec<Found>,
    /// Files that are not images.
    pub others: Endings,
    /// Folders that could not be read.
    pub notes: Vec<String>,
    /// Real paths of the folders that the walk is in, so that a link to one of them is not followed.
    ancestors: Vec<PathBuf>,
}

impl Walk {
    /// # Errors
    /// `File` if the folder itself cannot be read; a folder inside that cannot is a note.
    pub fn of(root: &Path) -> Result<Self> {
        let mut walk = Self::default();
        walk.folder(root, &mut Vec::new())
            .map_err(|error| Error::file(root, cannot_read(error), "check the permissions of the folder"))?;
        Ok(walk)
    }

    fn folder(&mut self, folder: &Path, inside: &mut Vec<String>) -> std::io::Result<()> {
        let real = folder.canonicalize()?;
        if self.ancestors.contains(&real) {
            return Ok(());
        }
        let entries = std::fs::read_dir(folder)?;
        let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
        names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        self.ancestors.push(real);
        for name in names {
            self.entry(folder.join(&name), &name, inside);
        }
        self.ancestors.pop();
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, name: &OsStr, inside: &mut Vec<String>) {
        let name = in_letters(name);
        if names::is_left_behind(&name) {
            return;
        }
        inside.push(name.clone());
        if path.is_dir() {
            if let Err(error) = self.folder(&path, inside) {
                let (place, why) = (inside.join("/"), cannot_read(error));
                self.notes.push(format!("the folder `{place}` {why}: the images in it are left out"));
            }
        } else if names::is_image(&name) {
            // A link that leads nowhere is kept: it fails when it is loaded, with its name.
            self.found.push(Found { path: inside.clone(), source: Source::File(path) });
        } else {
            self.others.count(&name);
        }
        inside.pop();
    }
}

/// A name as text. Bytes that are none become `\xe9`: two names that differ stay two.
fn in_letters(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// Labels and splits from the folders that images lie in.
///
/// The first level is the split when all its names are those of splits (`train`, `val`, `test`, …), or when one
/// of them is the split asked for, and the second level holds folders.
pub(crate) fn arrange(found: Vec<Found>, split: Option<&str>, uri: impl Fn(&[String]) -> String) -> Arranged {
    let n_total = found.len();
    let nested = found.iter().any(|image| image.path.len() > 1);
    let by_split = is_by_split(&found, split);
    let mut samples = Vec::with_capacity(n_total);
    for Found { path, source } in found {
        let sample = match (by_split, path.as_slice()) {
            (true, [split, class, _, ..]) => Sample::new(uri(&path), Some(class.clone()), Some(split.clone()), source),
            (false, [class, _, ..]) => Sample::new(uri(&path), Some(class.clone()), None, source),
            (false, [_]) if !nested => Sample::new(uri(&path), None, None, source),
            _ => continue,
        };
        samples.push(sample);
    }
    let n_classes = samples.iter().filter_map(|sample| sample.label.as_ref()).collect::<BTreeSet<_>>().len();
    let n_splits = samples.iter().filter_map(|sample| sample.split.as_ref()).collect::<BTreeSet<_>>().len();
    let form = match (by_split, nested) {
        (true, _) => format!("one folder per split and class ({n_splits} splits, {n_classes} classes)"),
        (false, true) => format!("one folder per class ({n_classes} classes)"),
        (false, false) => "images without class folders: labels are unknown".into(),
    };
    let n_beside = n_total - samples.len();
    let notes = (n_beside > 0).then(|| format!("{n_beside} images outside the class folders were left out"));
    Arranged { samples, form, notes: notes.into_iter().collect() }
}

/// Whether the first level of folders holds splits.
pub(crate) fn is_by_split(found: &[Found], split: Option<&str>) -> bool {
    let mut nested = found.iter().map(|image| &image.path).filter(|path| path.len() > 1).peekable();
    if nested.peek().is_none() {
        return false;
    }
    let asked_for = |name: &str| split == Some(name);

    let (mut all, mut any_asked) = (true, false);
    for path in nested {
        let deep = path.len() > 2;
        all &= deep && names::is_split(&path[0]);
        any_asked |= deep && asked_for(&path[0]);
    }
    all || any_asked
}
