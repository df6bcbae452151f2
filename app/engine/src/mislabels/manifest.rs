//! The data set's table with decisions about labels applied; the original is only read.

use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use ascan_images::{ImageSet, TextTable, label_column};
use ascan_store::annotations::Fix;
use ascan_store::disk;
use ascan_store::table::ScanTable;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What [`write_corrected`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Corrected {
    /// Rows written.
    pub n_rows: usize,
    /// Rows with another label than before.
    pub n_relabelled: usize,
    /// Rows left out.
    pub n_dropped: usize,
}

/// Writes the table of the data set with the `fixes` of the scan's rows applied.
///
/// A table of text (.csv and the like) keeps all its columns and rows, those of other splits too, and becomes a .csv with
/// commas; any other data set becomes a table of its scanned images, `file_name,label` and, where it has splits, `split`.
///
/// # Errors
/// `File` if the data set is no longer what was scanned, or if `path` cannot be written or is the manifest itself;
/// `Param` for a class that the data set has no name for.
pub fn write_corrected(
    path: &Path,
    data: &DataSection,
    table: &ScanTable,
    fixes: &BTreeMap<usize, Fix>,
) -> Result<Corrected> {
    let is_text = |path: &&PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        ending.is_some_and(|ending| TextTable::ENDINGS.contains(&ending.as_str()))
    };
    let csv_manifest = data.manifest.as_ref().filter(is_text);
    // All rows of a manifest, in its order; other sets may need the split to be read at all.
    let whole = DataSection { split: None, ..data.clone() };
    let images = ImageSet::open(if csv_manifest.is_some() { &whole } else { data })?;
    let of_split = |at: &usize| data.split.is_none() || images.samples[*at].split == data.split;
    let scanned: Vec<usize> = (0..images.len()).filter(of_split).take(table.n()).collect();
    let is_same = |(&at, uri): (&usize, &String)| images.samples[at].uri == *uri;
    if scanned.len() < table.n() || !scanned.iter().zip(&table.uris).all(is_same) {
        let message = "has changed since the scan: it has other images, or another order";
        return Err(Error::file(images.root, message, "bring the data set back, or scan again"));
    }

    // How the data set writes each class.
    let mut words: BTreeMap<i32, &str> = BTreeMap::new();
    for (&at, &label) in scanned.iter().zip(&table.labels) {
        if let Some(word) = images.samples[at].label.as_deref().filter(|_| label >= 0) {
            words.entry(label).or_insert(word);
        }
    }
    let mut changes: BTreeMap<usize, Change> = BTreeMap::new();
    for (&row, fix) in fixes.iter().filter(|(row, _)| **row < table.n()) {
        let change = match fix {
            Fix::Keep => continue,
            Fix::Drop => Change::Drop,
            Fix::Relabel(class) if *class == table.labels[row] => continue,
            Fix::Relabel(class) => Change::Label(words.get(class).copied().ok_or_else(|| {
                let message = format!("class {class} has no image in the scan, so its name in the data set is unknown");
                Error::param("relabel", message, "choose a class that occurs as a label")
            })?),
        };
        changes.insert(scanned[row], change);
    }
    match csv_manifest {
        Some(manifest) => copy_manifest(path, manifest, data, &changes),
        None => write_table(path, &images, &changes),
    }
}

/// What happens to a row.
#[derive(Clone, Copy)]
enum Change<'a> {
    Label(&'a str),
    Drop,
}

fn copy_manifest(
    path: &Path,
    manifest: &Path,
    data: &DataSection,
    changes: &BTreeMap<usize, Change>,
) -> Result<Corrected> {
    if path.canonicalize().is_ok_and(|path| manifest.canonicalize().is_ok_and(|manifest| path == manifest)) {
        return Err(Error::file(path, "is the data set's own table, which stays as it is", "choose another file"));
    }
    let Some(label) = label_column(data)? else {
        return Err(Error::file(manifest, "has no column of labels that could be corrected", ""));
    };
    let table = TextTable::read(manifest)?;
    let copy = |writer: &mut csv::Writer<Vec<u8>>| -> Result<Corrected, csv::Error> {
        writer.write_record(&table.columns)?;
        let mut corrected = Corrected::default();
        for (at, record) in table.rows.iter().enumerate() {
            match changes.get(&at) {
                Some(Change::Drop) => corrected.n_dropped += 1,
                Some(Change::Label(word)) => {
                    writer.write_record(
                        record.iter().enumerate().map(|(i, cell)| if i == label { word } else { cell }),
                    )?;
                    corrected.n_relabelled += 1;
                    corrected.n_rows += 1;
                }
                None => {
                    writer.write_record(record)?;
                    corrected.n_rows += 1;
                }
            }
        }
        Ok(corrected)
    };
    put(path, copy)
}

fn write_table(path: &Path, images: &ImageSet, changes: &BTreeMap<usize, Change>) -> Result<Corrected> {
    let has_splits = !images.splits.is_empty();
    let write = |writer: &mut csv::Writer<Vec<u8>>| -> Result<Corrected, csv::Error> {
        writer.write_record(&["file_name", "label", "split"][..if has_splits { 3 } else { 2 }])?;
        let mut corrected = Corrected::default();
        for (at, sample) in images.samples.iter().enumerate() {
            let label = match changes.get(&at) {
                Some(Change::Drop) => {
                    corrected.n_dropped += 1;
                    continue;
                }
                Some(Change::Label(word)) => {
                    corrected.n_relabelled += 1;
                    word
                }
                None => sample.label.as_deref().unwrap_or_default(),
            };
            let split = sample.split.as_deref().unwrap_or_default();
            writer.write_record(&[&sample.uri, label, split][..if has_splits { 3 } else { 2 }])?;
            corrected.n_rows += 1;
        }
        Ok(corrected)
    };
    put(path, write)
}

/// Writes a table whole, or leaves what is there.
fn put(
    path: &Path,
    write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> Result<Corrected, csv::Error>,
) -> Result<Corrected> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let corrected = write(&mut writer).map_err(|error| unwritable(path, &error))?;
    let bytes = writer.into_inner().map_err(|error| unwritable(path, &error))?;
    disk::write(path, &bytes).map_err(|error| unwritable(path, &error))?;
    Ok(corrected)
}

fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::file(path, format!("cannot be written: {error}"), "choose another file")
}
