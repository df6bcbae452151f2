//! Sets of images: what they hold, how each image is read, and how it becomes the input of a model.
//!
//! [`ImageSet::open`] reads names, labels, splits and groups; no image is decoded then, so a missing or
//! damaged image is an error of that image when it is loaded, never of the set.

mod archive;
pub mod decode;
mod folder;
mod idx;
pub mod labels;
mod manifest;
mod parquet;
pub mod preprocess;
pub mod unit;

pub use manifest::columns as manifest_columns;
pub use manifest::label_column;
pub use preprocess::Preprocess;

use archive::PackedFile;
use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use image::RgbImage;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All images of a run, in a fixed order: that of the manifest, or by name for folders and archives.
#[derive(Debug)]
pub struct ImageSet {
    /// One entry per image.
    pub samples: Vec<Sample>,
    /// Names by label index; empty where labels are bare integers or absent.
    pub class_names: Vec<String>,
    /// Whether every label is a bare integer, so that it is an index by itself.
    pub labels_are_indices: bool,
    /// Names of the columns in [`Sample::groups`].
    pub group_columns: Vec<String>,
    /// The splits that exist, sorted, before one of them is picked; empty where the set has none.
    pub splits: Vec<String>,
    /// How the set was read, in one line: `one folder per class (10 classes)`.
    pub form: String,
    /// What a user should know about the set: files left out, guesses.
    pub notes: Vec<String>,
    /// Folder that relative paths (images, masks) start from.
    pub root: PathBuf,
    storage: Storage,
}

/// One image and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path relative to the root, or `archive.tar!member`, with forward slashes.
    pub uri: String,
    /// Label as the data set writes it; `None` where it is unknown.
    pub label: Option<String>,
    /// The label as index into the data set's classes.
    pub label_index: Option<usize>,
    /// Split, where the set has splits.
    pub split: Option<String>,
    /// Annotated attributes, one for each of [`ImageSet::group_columns`]; they only score.
    pub groups: Vec<String>,
    /// Path of the object's mask, as the manifest writes it; it only scores.
    pub mask: Option<String>,
    source: Source,
}

impl Sample {
    fn new(uri: String, label: Option<String>, split: Option<String>, source: Source) -> Self {
        Self { uri, label, label_index: None, split, groups: Vec::new(), mask: None, source }
    }
}

/// Where the bytes of one image are.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// In a file of its own.
    File(PathBuf),
    /// In the packed file of the set (archive or idx).
    Span { offset: u64, len: u64 },
    /// In this row of the Parquet file, counted over all row groups.
    Row(usize),
    /// Nowhere: the manifest names a member that the archive lacks.
    Missing,
}

/// What the samples share.
#[derive(Debug)]
enum Storage {
    Files,
    Archive(PackedFile),
    /// Raw grey images of one size, one byte per pixel.
    Idx {
        file: PackedFile,
        width: u32,
        height: u32,
    },
    Parquet(parquet::ImageColumn),
}

/// What a reader of one kind of set found, before labels get their indices.
struct Opened {
    samples: Vec<Sample>,
    /// Labels are names even when they look like numbers.
    labels_are_names: bool,
    group_columns: Vec<String>,
    form: String,
    notes: Vec<String>,
    root: PathBuf,
    storage: Storage,
}

impl ImageSet {
    /// Reads the description of a set: which images there are and what is known about them.
    ///
    /// # Errors
    /// `File` if the folder, manifest or archive cannot be read or holds no image (it says what was looked
    /// for); `UnknownName` for a column or split that does not exist; `Param` for a label outside `classes`.
    pub fn open(data: &DataSection) -> Result<Self> {
        let opened = match (&data.images, &data.manifest, &data.archive, &data.idx) {
            (Some(folder), None, None, None) => folder::open(folder, data.split.as_deref())?,
            (None, Some(manifest), archive, None) => manifest::open(manifest, archive.as_deref(), data)?,
            (None, None, Some(archive), None) => archive::open(archive, data.split.as_deref())?,
            (None, None, None, Some(images)) => {
                let Some(labels) = &data.idx_labels else {
                    return Err(Error::param("data.idx_labels", "is missing", "`idx` and `idx_labels` go together"));
                };
                idx::open(images, labels)?
            }
            _ => {
                return Err(Error::param(
                    "data.images",
                    "exactly one of `images`, `manifest`, `archive`, `idx` must be set",
                    "an `archive` may also have a `manifest` that describes its members",
                ));
            }
        };
        let Opened { mut samples, labels_are_names, group_columns, form, mut notes, root, storage } = opened;
        let classes = data.classes.as_ref().map(labels::read_names).transpose()?;
        let indexed = labels::assign_indices(&mut samples, classes, labels_are_names)?;
        notes.extend(indexed.note);

        let splits: BTreeSet<&String> = samples.iter().filter_map(|sample| sample.split.as_ref()).collect();
        let splits: Vec<String> = splits.into_iter().cloned().collect();
        if let Some(split) = &data.split {
            if splits.is_empty() {
                let hint = "leave `split` out, or name the column with `columns.split`";
                return Err(Error::param("data.split", format!("is \"{split}\", but the set has no splits"), hint));
            }
            if !splits.contains(split) {
                return Err(Error::unknown_name("split", split, splits));
            }
            samples.retain(|sample| sample.split.as_ref() == Some(split));
        }
        let set = Self {
            samples,
            class_names: indexed.class_names,
            labels_are_indices: indexed.labels_are_indices,
            group_columns,
            splits,
            form,
            notes,
            root,
            storage,
        };
        Ok(set.with_note_on_missing_files())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The picture of image `i`, as RGB with 8 bits per channel, upright (EXIF orientation applied).
    ///
    /// Every thread may call it at the same time.
    ///
    /// # Errors
    /// `File`, naming the image, if it is missing, unreadable, empty, damaged, cut off or too large.
    pub fn load(&self, i: usize) -> Result<RgbImage> {
        let fail = |message: String| Error::file(&self.samples[i].uri, message, "");
        if let Storage::Idx { width, height, .. } = self.storage {
            let rgb = self.read(i)?.into_iter().flat_map(|grey| [grey; 3]).collect();
            // The span of an idx image is `width · height` bytes long.
            return RgbImage::from_raw(width, height, rgb).ok_or_else(|| fail("has another size".into()));
        }
        decode::decode(&self.read(i)?).map_err(fail)
    }

    /// The bytes of image `i` as they are stored: an encoded file, or raw grey values for idx.
    ///
    /// # Errors
    /// `File`, naming the image.
    pub fn read(&self, i: usize) -> Result<Vec<u8>> {
        let sample = &self.samples[i];
        let fail = |message: String| Error::file(&sample.uri, message, "");
        match (&sample.source, &self.storage) {
            (Source::File(path), _) => read_file(path).map_err(fail),
            (&Source::Span { offset, len }, Storage::Archive(file) | Storage::Idx { file, .. }) => {
                file.read(offset, len).map_err(fail)
            }
            (&Source::Row(row), Storage::Parquet(column)) => column.read(row).map_err(fail),
            _ => Err(fail("is named by the manifest but is not in the archive".into())),
        }
    }

    /// A hash of what the set holds: names, labels, splits, groups, masks and the size of every image.
    ///
    /// It does not depend on where the set lies, and does not read the images: an image changed in
    /// place without a change of its size goes unnoticed.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut field = |text: &str| {
            // The length keeps neighbouring fields apart.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for name in self.class_names.iter().chain(&self.group_columns) {
            field(name);
        }
        for sample in &self.samples {
            field(&sample.uri);
            for value in [&sample.label, &sample.split, &sample.mask] {
                field(value.as_deref().unwrap_or("\0"));
            }
            sample.groups.iter().for_each(|value| field(value));
            field(&self.n_bytes(&sample.source).map_or_else(String::new, |n| n.to_string()));
        }
        hasher.finalize().to_hex().to_string()
    }

    fn n_bytes(&self, source: &Source) -> Option<u64> {
        match source {
            Source::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            Source::Span { len, .. } => Some(*len),
            Source::Row(_) => match &self.storage {
                Storage::Parquet(column) => Some(column.n_bytes()),
                _ => None,
            },
            Source::Missing => None,
        }
    }

    /// Images may be missing one by one; when the first ones all are, the root is wrong, and that is worth a line.
    fn with_note_on_missing_files(mut self) -> Self {
        const N_PROBES: usize = 8;
        let exists = |sample: &Sample| match &sample.source {
            Source::File(path) => path.exists(),
            Source::Missing => false,
            _ => true,
        };
        let probes = &self.samples[..self.samples.len().min(N_PROBES)];
        if !probes.is_empty() && !probes.iter().any(exists) {
            let (n, first, root) = (probes.len(), &probes[0].uri, self.root.display());
            self.notes.push(format!("the first {n} images do not exist (`{first}` in {root}): is `data.root` right?"));
        }
        self
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(cannot_read)?;
    if !metadata.is_file() {
        return Err("is not a file".into());
    }
    decode::check_file_size(metadata.len())?;
    std::fs::read(path).map_err(cannot_read)
}

fn cannot_read(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".into(),
        std::io::ErrorKind::PermissionDenied => "cannot be read: permission denied".into(),
        _ => format!("cannot be read: {error}"),
    }
}

/// The file's own name, for uris and messages.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
