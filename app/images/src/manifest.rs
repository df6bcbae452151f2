//! A set of images that a table describes.

use crate::archive::Members;
use crate::columns::{self, Columns};
use crate::files::file_name;
use crate::folder::Walk;
use crate::opened::{Opened, Storage};
use crate::places::Places;
use crate::sample::{Sample, Source};
use crate::table::{Marks, Table, is_marked};
use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) fn open(path: &Path, archive: Option<&Path>, data: &DataSection) -> Result<Opened> {
    let table = Table::open(path)?;
    let name = file_name(path);
    let names = table.columns();
    let columns = Columns::find(&table, &names, &data.columns, &name)?;
    let mut notes = [table.notes(), &columns.notes].concat();
    let marks = columns.marks(&table, &names)?;

    // Each row: the path, then what else was asked for.
    let optional = [columns.label, columns.split, columns.mask];
    let wanted: Vec<usize> = [columns.path]
        .into_iter()
        .chain(optional.iter().flatten().copied())
        .chain(columns.groups.iter().copied())
        .collect();
    let rows = table.rows(&wanted)?;
    if rows.is_empty() {
        return Err(Error::file(path, "holds no images", "it has no rows"));
    }
    let mut next = 1..;
    let [label, split, mask] = optional.map(|column| column.and_then(|_| next.next()));
    let first_group = next.start;

    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let root: PathBuf = data.root.clone().unwrap_or_else(|| folder.to_path_buf());
    let members = archive.map(Members::open).transpose()?;
    let image_columns = table.image_columns(columns.path)?;
    let cells: Vec<&str> =
        if image_columns.is_some() { vec![] } else { rows.iter().map(|row| row[0].as_str()).collect() };
    let by_name = archive.zip(members.as_ref()).map(|(archive, members)| (archive, members.by_name()));
    let places = Places::new(&root, &data.root_map, by_name, &cells);

    let mut samples = Vec::with_capacity(rows.len());
    for (i, (row, (file, row_in_file, split_of_file))) in rows.iter().zip(table.places()).enumerate() {
        let get = |index: Option<usize>| index.map(|index| row[index].clone()).filter(|value| !value.is_empty());
        let (uri, source) = match (&image_columns, row[0].as_str()) {
            (Some(_), "") => {
                (format!("{}#{row_in_file}", table.file_name(file)), Source::Row { file, row: row_in_file })
            }
            (Some(_), path) => (path.to_owned(), Source::Row { file, row: row_in_file }),
            (None, path) => places.of(path),
        };
        let mut sample = Sample::new(uri, get(label).filter(|label| !is_no_class(label)), get(split), source);
        sample.split = sample.split.or(split_of_file);
        sample.groups = row[first_group..].to_vec();
        sample.mask = get(mask);
        if let Some(marks) = &marks {
            sample.marks.clone_from(&marks.of_rows[i]);
            if let [only] = marks.of_rows[i][..] {
                sample.label = Some(marks.classes[only].clone());
            }
        }
        samples.push(sample);
    }
    notes.extend(places.note());
    notes.extend(marks.as_ref().and_then(|marks| note_on_marks(marks, &samples)));
    notes.extend(label.and_then(|_| note_on_no_class(&samples)));
    notes.extend(note_on_contradictions(&samples));
    drop(places);
    let (form, storage) = match (members, image_columns) {
        (Some(members), _) => (format!("{name}, images in an archive"), Storage::Archive(members.file)),
        (None, Some(columns)) => (format!("{name}, images inside"), Storage::Parquet(columns)),
        (None, None) => (format!("{name}, one image per row"), Storage::Files),
    };
    let classes = marks.map(|marks| marks.classes);
    Ok(Opened {
        samples,
        labels_are_names: false,
        classes,
        group_columns: data.columns.group.clone(),
        form,
        notes,
        root,
        storage,
    })
}

/// Names of the columns of a manifest.
///
/// # Errors
/// `File` if it cannot be read.
pub fn columns(path: &Path) -> Result<Vec<String>> {
    Ok(Table::open(path)?.columns())
}

/// The position of the column with the labels in the manifest of a data set; `None` if it has none.
///
/// # Errors
/// `UnknownName` for a column that does not exist, `File` if the manifest cannot be read.
pub fn label_column(data: &DataSection) -> Result<Option<usize>> {
    let Some(path) = &data.manifest else { return Ok(None) };
    columns::label(&columns(path)?, &data.columns, &file_name(path))
}

/// The columns of a table that say yes or no for each image: in a table without labels, perhaps one per class.
///
/// # Errors
/// `File` if it cannot be read.
pub fn yes_no_columns(path: &Path) -> Result<Vec<String>> {
    let table = Table::open(path)?;
    let names = table.columns();
    let mut found = Vec::new();
    for (column, name) in names.iter().enumerate() {
        // A column of images has no text, and one of lists none that can be read.
        let Ok(rows) = table.rows(&[column]) else { continue };
        let is_mark = |row: &Vec<String>| !row[0].is_empty() && is_marked(&row[0]).is_some();
        if !rows.is_empty() && rows.iter().all(is_mark) {
            found.push(name.clone());
        }
    }
    Ok(found)
}

/// Whether the cells of a column list classes: `a|b`, or `["a", "b"]`.
///
/// # Errors
/// As [`columns`], and `UnknownName` for a column that does not exist.
pub fn lists_classes(path: &Path, column: &str) -> Result<bool> {
    let table = Table::open(path)?;
    let names = table.columns();
    let place = names.iter().position(|name| name == column);
    let place = place.ok_or_else(|| Error::unknown_name("column", column, &names))?;
    let rows = table.rows(&[place])?;
    Ok(rows.iter().any(|row| row[0].contains('|') || (row[0].starts_with('[') && row[0].ends_with(']'))))
}

/// Whether a folder holds a table as the Hub of Hugging Face keeps it: .parquet files, and no images.
pub fn is_table(folder: &Path) -> bool {
    Table::open(folder).is_ok() && Walk::of(folder).is_ok_and(|walk| walk.found.is_empty())
}

/// What programs write where a value is missing.
fn is_no_class(label: &str) -> bool {
    ["nan", "<na>"].contains(&label.to_ascii_lowercase().as_str())
}

fn note_on_no_class(samples: &[Sample]) -> Option<String> {
    let mut without = samples.iter().filter(|sample| sample.label.is_none()).peekable();
    let first = without.peek()?.uri.clone();
    Some(format!("{} rows have no label: their cell is empty or \"NaN\" (the first: `{first}`)", without.count()))
}

/// Images with several classes, or none.
fn note_on_marks(marks: &Marks, samples: &[Sample]) -> Option<String> {
    let several = || samples.iter().filter(|sample| sample.marks.len() > 1);
    let n_none = samples.iter().filter(|sample| sample.marks.is_empty()).count();
    let mut parts = Vec::new();
    if let Some(first) = several().next() {
        let classes: Vec<&str> = first.marks.iter().map(|&class| marks.classes[class].as_str()).collect();
        let (n, total) = (several().count(), samples.len());
        parts.push(format!(
            "{n} of {total} images have several classes (the first: `{}` has {}), so the set is multi-label",
            first.uri,
            classes.join(", ")
        ));
    }
    if n_none > 0 {
        parts.push(format!("{n_none} images have no class"));
    }
    let hint = "a scan that asks for one class (`model.output.kind = \"multi_label\"`) knows them, any other has no label for them";
    (!parts.is_empty()).then(|| format!("{}; {hint}", parts.join("; ")))
}

/// One image with two labels: at most one of them is right.
fn note_on_contradictions(samples: &[Sample]) -> Option<String> {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut contradictions: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !matches!(sample.source, Source::Row { .. })) {
        let Some(label) = sample.label.as_deref() else { continue };
        let first = *labels.entry(&sample.uri).or_insert(label);
        if first != label {
            contradictions.entry(&sample.uri).or_insert((first, label));
        }
    }
    let (uri, (a, b)) = contradictions.iter().next()?;
    let n = contradictions.len();
    let (s, have) = if n == 1 { ("", "is") } else { ("s", "are") };
    Some(format!("{n} image{s} {have} in several rows with different labels (the first: `{uri}` is {a} and {b})"))
}
