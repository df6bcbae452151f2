//! Tables of images, whatever the form of their file.

mod delimited;
mod json;
mod marks;
mod parquet;

pub use delimited::TextTable;
pub(crate) use marks::{Marks, is_marked};
pub(crate) use parquet::ImageColumn;

use ascan_core::{Error, Result};
use parquet::Shards;
use std::path::Path;

const KINDS: &str = "expected .csv, .tsv, .txt, .json, .jsonl or .parquet, or a folder of .parquet files";

/// A table that was opened.
pub(crate) enum Table {
    /// In memory, with the marks of a COCO file.
    Text(TextTable, Option<Marks>),
    /// Read column by column.
    Parquet(Shards),
}

impl Table {
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Shards::open_folder(path).map(Self::Parquet);
        }
        if !path.is_file() {
            let what = if path.exists() { "is not a file" } else { "does not exist" };
            return Err(Error::file(path, what, KINDS));
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("json" | "jsonl" | "ndjson") => {
                let (table, marks) = json::read(path)?;
                Ok(Self::Text(table, marks))
            }
            Some("parquet") => Shards::open_file(path).map(Self::Parquet),
            Some(ending) if TextTable::ENDINGS.contains(&ending) => Ok(Self::Text(TextTable::read(path)?, None)),
            _ => Err(Error::file(path, "is not a known kind of manifest", KINDS)),
        }
    }

    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Text(table, _) => table.columns.clone(),
            Self::Parquet(shards) => shards.columns(),
        }
    }

    /// What is to be said about the way in which it was read.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Text(table, _) => &table.notes,
            Self::Parquet(_) => &[],
        }
    }

    /// The column's images, one entry per file, when it holds the images themselves.
    pub fn image_columns(&self, column: usize) -> Result<Option<Vec<ImageColumn>>> {
        match self {
            Self::Text(..) => Ok(None),
            Self::Parquet(shards) => shards.image_columns(&shards.columns()[column]),
        }
    }

    /// All rows of these columns, in this order; nothing is an empty text.
    pub fn rows(&self, columns: &[usize]) -> Result<Vec<Vec<String>>> {
        match self {
            Self::Text(table, _) => {
                let cells = |row: &csv::StringRecord| columns.iter().map(|&column| row[column].to_owned()).collect();
                Ok(table.rows.iter().map(cells).collect())
            }
            Self::Parquet(shards) => {
                let names = shards.columns();
                let names: Vec<&str> = columns.iter().map(|&column| names[column].as_str()).collect();
                shards.rows(&names)
            }
        }
    }

    /// The file and the row in it of each row of the table, and the split that the file's name says.
    pub fn places(&self) -> Vec<(usize, usize, Option<String>)> {
        match self {
            Self::Text(table, _) => (0..table.rows.len()).map(|row| (0, row, None)).collect(),
            Self::Parquet(shards) => shards.places(),
        }
    }

    /// Name of the file of a row, for the uri of an image inside it.
    pub fn file_name(&self, file: usize) -> String {
        match self {
            Self::Text(..) => String::new(),
            Self::Parquet(shards) => shards.file_name(file),
        }
    }
}
