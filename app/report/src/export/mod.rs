//! A scan and its slices in open formats, for other programs.

mod columns;
mod datasets;
mod npy;
mod review;
mod tables;
#[cfg(test)]
mod tests;

pub use columns::{Column, Table};
pub use review::Review;

use ascan_core::{Error, Result, Tensor};
use ascan_engine::slices::SliceSet;
use ascan_store::Part;
use ascan_store::disk;
use ascan_store::table::ScanTable;
use image::RgbImage;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where the image of a row is.
#[derive(Debug)]
pub enum Image {
    /// In a file of its own.
    File(PathBuf),
    /// In an archive or table; here decoded.
    Decoded(RgbImage),
}

/// Gives the image of a scan row.
pub type Images<'a> = dyn Fn(usize) -> Result<Image> + 'a;

/// Gives a part of a scan row.
pub type Parts<'a> = dyn Fn(usize, Part) -> Result<Tensor> + 'a;

/// What is exported.
pub struct Export<'a> {
    /// The scan.
    pub table: &'a ScanTable,
    /// The slice sets to export, each as a column `slice_<id>`.
    pub slice_sets: &'a [SliceSet],
    /// Names of the model's outputs; may be shorter than their number.
    pub class_names: &'a [String],
    /// What people said about the scan.
    pub review: &'a Review,
    /// Names of the scan's further attribution methods.
    pub also: &'a [String],
    /// Where probabilities, embeddings and maps come from, for formats that hold them.
    pub parts: &'a Parts<'a>,
    /// Where images are, for data sets that refer to them.
    pub images: &'a Images<'a>,
}

/// A format of [`Export::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `samples.csv`, `slices.csv`.
    Csv,
    /// `samples.parquet`, `slices.parquet`.
    Parquet,
    /// `samples.json`, `slices.json`.
    Json,
    /// `attributions.npy`, `embeddings.npy`, `probs.npy`, `attributions_<name>.npy` of each further method, `samples.csv` with one line per row of them, and
    /// `heatmaps/<id>.png`, 8-bit, white at the map's own maximum.
    Npy,
    /// A FiftyOne dataset: `fiftyone.Dataset.from_dir(DIR, dataset_type=fiftyone.types.FiftyOneDataset)`.
    FiftyOne,
    /// A Hugging Face ImageFolder: `datasets.load_dataset("imagefolder", data_dir=DIR)`.
    HuggingFace,
}

impl Export<'_> {
    /// Writes to a folder, which is made if need be, and says which files to look at.
    ///
    /// # Errors
    /// `File` if something cannot be written.
    pub fn write(&self, format: Format, dir: &Path) -> Result<Vec<PathBuf>> {
        make_dir(dir)?;
        let (samples, slices) = (self.samples(), self.slices());
        match format {
            Format::Csv => both(dir, "csv", tables::csv, &samples, &slices),
            Format::Parquet => both(dir, "parquet", tables::parquet, &samples, &slices),
            Format::Json => {
                let paths = [dir.join("samples.json"), dir.join("slices.json")];
                write_json(&paths[0], &samples.to_json())?;
                write_json(&paths[1], &self.judged_sets()?)?;
                Ok(paths.into())
            }
            Format::Npy => npy::write(self, dir, &samples),
            Format::FiftyOne => datasets::fiftyone(self, dir),
            Format::HuggingFace => datasets::hugging_face(self, dir, &samples),
        }
    }

    /// The slice sets with the verdict of each slice that has one.
    fn judged_sets(&self) -> Result<Vec<Value>> {
        let judged = |set: &SliceSet| {
            let mut value = serde_json::to_value(set)?;
            for (slice, value) in set.slices.iter().zip(value["slices"].as_array_mut().into_iter().flatten()) {
                if let Some(said) = self.review.of_slice(&set.id, slice.id) {
                    value["verdict"] = json!({"mark": said.mark, "comment": said.note, "author": said.author});
                }
            }
            Ok(value)
        };
        let sets: Result<_, serde_json::Error> = self.slice_sets.iter().map(judged).collect();
        sets.map_err(|error| Error::unsupported(format!("the slices cannot be written: {error}"), ""))
    }

    fn class_name(&self, class: i32) -> Option<&str> {
        usize::try_from(class).ok().and_then(|i| self.class_names.get(i)).map(String::as_str)
    }
}

fn both(
    dir: &Path,
    extension: &str,
    write: impl Fn(&Path, &Table) -> Result<()>,
    samples: &Table,
    slices: &Table,
) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (name, table) in [("samples", samples), ("slices", slices)] {
        let path = dir.join(name).with_extension(extension);
        write(&path, table)?;
        paths.push(path);
    }
    Ok(paths)
}

fn make_dir(dir: &Path) -> Result<()> {
    disk::make_folder(dir).map_err(|error| unwritable(dir, &error))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    disk::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| unwritable(path, &error))?;
    write_file(path, &bytes)
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::file(path, format!("cannot be written: {error}"), "choose another folder with -o, or make room")
}
