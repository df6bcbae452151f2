//! What the names of files and folders say: which are images, which are splits, which a system left behind.

use std::collections::BTreeMap;

/// Endings of the names that are taken for images. What a file is, its content decides; those that cannot be read
/// (HEIC, JPEG 2000) are kept too, so that each is told and none is left out in silence.
pub(crate) const IMAGE_ENDINGS: [&str; 22] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm", "pbm", "pnm", "pam",
    "dcm", "avif", "heic", "heif", "jp2", "j2k",
];
const SPLITS: [&str; 9] = ["train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing"];
/// Files and folders that systems leave behind: neither images nor classes, nor worth counting.
const LEFT_BEHIND: [&str; 9] = [
    "thumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "recycler",
    "lost+found",
    "system volume information",
];

/// Whether a file's name says that it is an image.
pub(crate) fn is_image(name: &str) -> bool {
    ending(name).is_some_and(|ending| IMAGE_ENDINGS.contains(&ending.as_str()))
}

/// Whether a folder or a file is named as a split of a data set.
pub(crate) fn is_split(name: &str) -> bool {
    SPLITS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a system left this file or folder behind.
pub(crate) fn is_left_behind(name: &str) -> bool {
    name.starts_with('.') || LEFT_BEHIND.contains(&name.to_ascii_lowercase().as_str())
}

/// What follows the last dot, in lower case.
fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// The name without its ending.
pub(crate) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// How many files there are of each ending.
#[derive(Debug, Default)]
pub(crate) struct Endings(BTreeMap<String, usize>);

impl Endings {
    pub fn count(&mut self, name: &str) {
        let ending = ending(name).map_or_else(|| "without an ending".to_owned(), |ending| format!(".{ending}"));
        *self.0.entry(ending).or_default() += 1;
    }

    pub fn n(&self) -> usize {
        self.0.values().sum()
    }

    /// `: 12 .txt, 3 .xml`, the most frequent first; nothing where there are none.
    pub fn listed(&self) -> String {
        const N_LISTED: usize = 6;
        let mut endings: Vec<(&String, usize)> = self.0.iter().map(|(ending, &n)| (ending, n)).collect();
        endings.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        let listed: Vec<String> = endings.iter().take(N_LISTED).map(|(ending, n)| format!("{n} {ending}")).collect();
        let more = if endings.len() > N_LISTED { ", …" } else { "" };
        if listed.is_empty() { String::new() } else { format!(": {}{more}", listed.join(", ")) }
    }

    /// A note about files that are not images.
    pub fn left_out(&self) -> Option<String> {
        let n = self.n();
        (n > 0).then(|| format!("{n} files whose names are not those of images were left out{}", self.listed()))
    }
}
