//! One folder per class, or one folder per split and in it one folder per class; on disk or inside an archive.

use super::{Opened, Sample, Source, Storage, cannot_read};
use ascan_core::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Endings of the names that are taken for images. What a file is, its content decides.
const EXTENSIONS: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff"];
const SPLIT_NAMES: [&str; 9] = ["train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"];
const MANIFEST_NAMES: [&str; 3] = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];

/// An image and the folders it lies in: `path` has at least one component, the file's name last.
pub(super) struct Found {
    pub path: Vec<String>,
    pub source: Source,
}

/// What [`arrange`] makes of the images found.
pub(super) struct Arranged {
    pub samples: Vec<Sample>,
    pub form: String,
    pub notes: Vec<String>,
}

pub(super) fn open(root: &Path, split: Option<&str>) -> Result<Opened> {
    if !root.is_dir() {
        let what = if root.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::file(root, what, "`data.images` is a folder with one folder per class"));
    }
    let mut walk = Walk::default();
    walk.folder(root, &mut Vec::new())?;
    if walk.found.is_empty() {
        return Err(nothing_found(root, walk.n_other));
    }
    let Arranged { samples, form, mut notes } = arrange(walk.found, split, |path| path.join("/"));
    notes.extend(left_out(walk.n_other));
    if let Some(name) = MANIFEST_NAMES.iter().find(|name| root.join(name).is_file()) {
        notes.push(format!("the folder holds a `{name}`, which is not read: name it as `data.manifest` to use it"));
    }
    let root = root.to_path_buf();
    Ok(Opened { samples, labels_are_names: true, group_columns: vec![], form, notes, root, storage: Storage::Files })
}

/// The error of a set without a single image.
pub(super) fn nothing_found(place: &Path, n_other: usize) -> Error {
    let message = format!("holds no images (and {n_other} other files)");
    Error::file(place, message, format!("looked for names ending in .{}, in every folder", EXTENSIONS.join(", .")))
}

/// A note about files that are not images.
pub(super) fn left_out(n_other: usize) -> Option<String> {
    (n_other > 0).then(|| format!("{n_other} files whose names are not those of images were left out"))
}

/// Whether a file's name says that it is an image.
pub(super) fn is_image_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Files that systems leave behind: neither images nor worth counting.
pub(super) fn is_hidden_name(name: &str) -> bool {
    name.starts_with('.') || ["Thumbs.db", "desktop.ini", "__MACOSX"].contains(&name)
}

#[derive(Default)]
struct Walk {
    found: Vec<Found>,
    n_other: usize,
    /// Real paths of the folders that the walk is in, so that a link to one of them is not followed.
    ancestors: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, inside: &mut Vec<String>) -> Result<()> {
        let fail = |error| Error::file(folder, cannot_read(error), "check the permissions of the folder");
        let real = folder.canonicalize().map_err(fail)?;
        if self.ancestors.contains(&real) {
            return Ok(());
        }
        self.ancestors.push(real);
        let entries = std::fs::read_dir(folder).map_err(fail)?;
        let mut names =
            entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>().map_err(fail)?;
        names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        for name in names {
            self.entry(folder.join(&name), &name, inside)?;
        }
        self.ancestors.pop();
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, name: &OsStr, inside: &mut Vec<String>) -> Result<()> {
        let name = name.to_string_lossy();
        if is_hidden_name(&name) {
            return Ok(());
        }
        inside.push(name.to_string());
        if path.is_dir() {
            self.folder(&path, inside)?;
        } else if is_image_name(&name) {
            // A link that leads nowhere is kept: it fails when it is loaded, with its name.
            self.found.push(Found { path: inside.clone(), source: Source::File(path) });
        } else {
            self.n_other += 1;
        }
        inside.pop();
        Ok(())
    }
}

/// Labels and splits from the folders that images lie in.
///
/// The first level is the split when all its names are those of splits (`train`, `val`, `test`, …), or when one
/// of them is the split asked for, and the second level holds folders.
pub(super) fn arrange(found: Vec<Found>, split: Option<&str>, uri: impl Fn(&[String]) -> String) -> Arranged {
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
pub(super) fn is_by_split(found: &[Found], split: Option<&str>) -> bool {
    let mut nested = found.iter().map(|image| &image.path).filter(|path| path.len() > 1).peekable();
    if nested.peek().is_none() {
        return false;
    }
    let asked_for = |name: &str| split == Some(name);
    let is_split = |name: &str| SPLIT_NAMES.contains(&name.to_ascii_lowercase().as_str());
    let (mut all, mut any_asked) = (true, false);
    for path in nested {
        let deep = path.len() > 2;
        all &= deep && is_split(&path[0]);
        any_asked |= deep && asked_for(&path[0]);
    }
    all || any_asked
}
