//! What a reader of one kind of set found, before labels get their indices.

use crate::packed::PackedFile;
use crate::sample::Sample;
use crate::table::ImageColumn;
use std::path::PathBuf;

#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub samples: Vec<Sample>,
    /// Labels are names even when they look like numbers.
    pub labels_are_names: bool,
    /// Classes that the table lists in an order of its own.
    pub classes: Option<Vec<String>>,
    pub group_columns: Vec<String>,
    pub form: String,
    pub notes: Vec<String>,
    pub root: PathBuf,
    pub storage: Storage,
}

/// What the samples share.
#[derive(Debug, Default)]
pub(crate) enum Storage {
    #[default]
    Files,
    Archive(PackedFile),
    /// Raw grey images of one size, one byte per pixel.
    Idx {
        file: PackedFile,
        width: u32,
        height: u32,
    },
    /// One per file.
    Parquet(Vec<ImageColumn>),
}
