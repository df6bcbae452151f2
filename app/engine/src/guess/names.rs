//! Names of the model's outputs in files that its authors left beside it, or beside the data.

use ascan_config::sections::ClassNames;
use ascan_images::labels;
use std::path::{Path, PathBuf};

/// Files that hold names, the most telling first; then any other text with as many lines as there are outputs.
const FILES: [&str; 7] = [
    "class_indices.json",
    "imagenet_class_index.json",
    "config.json",
    "labels.txt",
    "classes.txt",
    "class_names.txt",
    "LOC_synset_mapping.txt",
];

/// The first file with a name for each of `n` outputs, and the names.
pub(super) fn find(folders: &[PathBuf], n: usize) -> Option<(PathBuf, Vec<String>)> {
    let known = folders.iter().flat_map(|dir| FILES.map(|name| dir.join(name)));
    let others = folders.iter().flat_map(|dir| files(dir, "txt"));
    known.chain(others).find_map(|file| {
        let names = labels::read_names(&ClassNames::File(file.clone())).ok().filter(|names| names.len() == n)?;
        Some((file, names))
    })
}

/// Files with this extension, sorted.
pub(super) fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}
