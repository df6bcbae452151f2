//! A set of images: which there are, what is known about each, and its bytes.

use crate::decode::{self, Samples, Told};
use crate::files::read_file;
use crate::opened::{Opened, Storage};
use crate::sample::{Sample, Source};
use crate::{archive, folder, idx, labels, manifest};
use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use image::RgbImage;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// All images of a run, in a fixed order: that of the manifest, or by name for folders and archives.
#[derive(Debug)]
pub struct ImageSet {
    /// One entry per image.
    pub samples: Vec<Sample>,
    /// Names by label index; empty where labels are bare integers or absent.
    pub class_names: Vec<String>,
    /// Whether every label is a bare integer, so that it is an index by itself.
    pub labels_are_indices: bool,
    /// The classes that [`Sample::marks`] index, in the order of the table; empty for a set without marks.
    pub marked_classes: Vec<String>,
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
    /// What was said about files that could be read all the same, and of which images.
    remarks: Mutex<BTreeMap<&'static str, BTreeSet<usize>>>,
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
        let Opened { mut samples, labels_are_names, classes, group_columns, form, mut notes, root, storage } = opened;
        let marked_classes = classes.clone().unwrap_or_default();
        let classes = data.classes.as_ref().map(labels::read_names).transpose()?.or(classes);
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
            marked_classes,
            group_columns,
            splits,
            form,
            notes,
            root,
            storage,
            remarks: Mutex::default(),
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
        if let Storage::Idx { width, height, .. } = self.storage {
            let rgb = self.read(i)?.into_iter().flat_map(|grey| [grey; 3]).collect();
            // The span of an idx image is `width · height` bytes long.
            return RgbImage::from_raw(width, height, rgb).ok_or_else(|| self.error(i, "has another size".into()));
        }
        let told = decode::colours(&self.read(i)?);
        self.with_remark(i, told)
    }

    /// The picture of image `i` with all of its channels as they are stored, upright.
    ///
    /// Every thread may call it at the same time.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_samples(&self, i: usize) -> Result<Samples> {
        if let Storage::Idx { width, height, .. } = self.storage {
            let plane = self.read(i)?.into_iter().map(f32::from).collect();
            return Ok(Samples { width, height, planes: vec![plane] });
        }
        let told = decode::samples(&self.read(i)?);
        self.with_remark(i, told)
    }

    /// What was told about images that could be read all the same, one sentence each, since the set was opened.
    pub fn remarks(&self) -> Vec<String> {
        let remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let sentence = |(remark, images): (&&'static str, &BTreeSet<usize>)| {
            let first = images.first().map_or("", |&i| self.samples[i].uri.as_str());
            let (n, s) = (images.len(), if images.len() == 1 { "" } else { "s" });
            format!("{n} image{s}: {remark} (the first: `{first}`)")
        };
        remarks.iter().map(sentence).collect()
    }

    fn with_remark<T>(&self, i: usize, told: Result<Told<T>, String>) -> Result<T> {
        let (picture, remark) = told.map_err(|message| self.error(i, message))?;
        if let Some(remark) = remark {
            self.remarks.lock().unwrap_or_else(PoisonError::into_inner).entry(remark).or_default().insert(i);
        }
        Ok(picture)
    }

    /// What is wrong with image `i`.
    pub(crate) fn error(&self, i: usize, message: String) -> Error {
        Error::file(&self.samples[i].uri, message, "")
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
            (&Source::Row { file, row }, Storage::Parquet(columns)) => columns[file].read(row).map_err(fail),
            (Source::Missing(why), _) => Err(fail(why.clone())),
            // A set is opened with the storage of its samples.
            _ => Err(fail("cannot be found".into())),
        }
    }

    /// A hash of what the set holds: names, labels, splits, groups, masks and the size of every image.
    ///
    /// It does not depend on where the set lies, and does not read the images: an image changed in
    /// place without a change of its size goes unnoticed.
    pub fn fingerprint(&self) -> String {
        self.hash(|source| self.n_bytes(source))
    }

    /// As [`fingerprint`](Self::fingerprint), without the sizes of images; and how many have a size that cannot be found out.
    pub fn names(&self) -> (String, usize) {
        let n_unknown = self.samples.iter().filter(|sample| self.n_bytes(&sample.source).is_none()).count();
        (self.hash(|_| None), n_unknown)
    }

    fn hash(&self, n_bytes: impl Fn(&Source) -> Option<u64>) -> String {
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
            field(&n_bytes(&sample.source).map_or_else(String::new, |n| n.to_string()));
        }
        hasher.finalize().to_hex().to_string()
    }

    fn n_bytes(&self, source: &Source) -> Option<u64> {
        match source {
            Source::File(path) => std::fs::metadata(path).ok().map(|metadata| metadata.len()),
            Source::Span { len, .. } => Some(*len),
            Source::Row { file, .. } => match &self.storage {
                Storage::Parquet(columns) => Some(columns[*file].n_bytes()),
                _ => None,
            },
            Source::Missing(_) => None,
        }
    }

    /// Images may be missing one by one; when the first ones all are, the root is wrong, and that is worth a line.
    fn with_note_on_missing_files(mut self) -> Self {
        const N_PROBES: usize = 8;
        let exists = |sample: &Sample| match &sample.source {
            Source::File(path) => path.exists(),
            Source::Missing(_) => false,
            _ => true,
        };
        let probes = &self.samples[..self.samples.len().min(N_PROBES)];
        if !probes.is_empty() && !probes.iter().any(exists) {
            let (n, first, root) = (probes.len(), &probes[0].uri, self.root.display());
            let is_absolute = first.starts_with('/') || first.as_bytes().get(1) == Some(&b':');
            let key = if is_absolute {
                "of another machine? `data.root_map` says which folder is meant"
            } else {
                "is `data.root` right?"
            };
            self.notes.push(format!("the first {n} images do not exist (`{first}` in {root}): {key}"));
        }
        self
    }
}
