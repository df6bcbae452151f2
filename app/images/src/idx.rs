//! The idx files of MNIST and its relatives: images and labels in a pair of files, plain or .gz.

use crate::files::file_name;
use crate::opened::{Opened, Storage};
use crate::packed::PackedFile;
use crate::sample::{Sample, Source};
use ascan_core::{Error, Result};
use std::path::{Path, PathBuf};

/// Reads a header: `00 00 08 rank`, then `rank` big-endian sizes; `08` is for unsigned bytes.
fn header<const RANK: usize>(file: &PackedFile, path: &Path) -> Result<[u32; RANK]> {
    let hint = format!("expected an idx file of unsigned bytes with {RANK} dimensions (00 00 08 {RANK:02x})");
    let n = 4 + 4 * RANK as u64;
    let bytes = file.read(0, n).map_err(|message| Error::file(path, message, &hint))?;
    if bytes[..4] != [0, 0, 8, RANK as u8] {
        return Err(Error::file(path, format!("starts with {:02x?}", &bytes[..4]), hint));
    }
    let mut dims = [0; RANK];
    for (dim, bytes) in dims.iter_mut().zip(bytes[4..].chunks_exact(4)) {
        *dim = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    Ok(dims)
}

pub(crate) fn open(images: &Path, labels: &Path) -> Result<Opened> {
    let file = PackedFile::open(images)?;
    let label_file = PackedFile::open(labels)?;
    let [n, height, width] = header(&file, images)?;
    let [n_labels] = header(&label_file, labels)?;
    if n != n_labels {
        let message = format!("has {n_labels} labels, but {} has {n} images", file_name(images));
        return Err(Error::file(labels, message, "`idx` and `idx_labels` must belong to the same set"));
    }
    // Two 32-bit sizes: their product fits 64 bits.
    let len = u64::from(width) * u64::from(height);
    if n == 0 || len == 0 {
        return Err(Error::file(images, format!("holds {n} images of {width}×{height}"), "the set is empty"));
    }
    if len.checked_mul(n.into()).is_none_or(|bytes| bytes > file.n_bytes() - 16) {
        let message = format!("is cut off: its header promises {n} images of {width}×{height}");
        return Err(Error::file(images, message, ""));
    }
    let label_values = label_file.read(8, n.into()).map_err(|message| Error::file(labels, message, ""))?;
    let name = file_name(images);
    let sample = |(i, label): (u64, u8)| {
        Sample::new(format!("{name}#{i}"), Some(label.to_string()), None, Source::Span { offset: 16 + i * len, len })
    };
    Ok(Opened {
        samples: (0..).zip(label_values).map(sample).collect(),
        form: format!("an idx pair ({n} images of {width}×{height})"),
        root: images.parent().map_or_else(PathBuf::new, Path::to_path_buf),
        storage: Storage::Idx { file, width, height },
        ..Opened::default()
    })
}
