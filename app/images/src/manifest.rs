//! A table of images: .csv, .jsonl or .parquet, with a mapping from its columns to what they mean.

use super::archive::{Members, member_name, member_uri};
use super::{Opened, Sample, Source, Storage, cannot_read, file_name, parquet};
use ascan_config::sections::{ColumnsSection, DataSection};
use ascan_core::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Names that `auto` looks for, the first one wins. `file_name` is the Hugging Face ImageFolder form.
const PATH_NAMES: [&str; 6] = ["file_name", "filename", "img_filename", "path", "file", "image"];
const LABEL_NAMES: [&str; 4] = ["label", "y", "class", "target"];
const SPLIT_NAMES: [&str; 1] = ["split"];

/// The positions in a row of what a sample is made of.
struct Picked {
    path: usize,
    label: Option<usize>,
    split: Option<usize>,
    groups: Vec<usize>,
    mask: Option<usize>,
}

pub(super) fn open(path: &Path, archive: Option<&Path>, data: &DataSection) -> Result<Opened> {
    let table = Table::open(path)?;
    let name = file_name(path);
    let columns = table.columns()?;
    let ColumnsSection { path: path_column, label, split, group, mask } = &data.columns;
    let find = |wanted: &str, auto: &[&str]| find_column(&columns, wanted, auto, &name);
    let Some(path_index) = find(path_column, &PATH_NAMES)? else {
        let message = format!("{name} has no column named {}", PATH_NAMES.join(", "));
        return Err(Error::param("data.columns.path", message, format!("its columns: {}", columns.join(", "))));
    };
    let indices = [find(label, &LABEL_NAMES)?, find(split, &SPLIT_NAMES)?, find(mask, &[])?];
    let mut wanted: Vec<usize> = indices.iter().flatten().copied().collect();
    for column in group {
        wanted.extend(find(column, &[])?);
    }
    let mut notes = Vec::new();
    if indices[0].is_none() && label == "auto" {
        notes.push(format!("{name} has no column named {}: labels are unknown", LABEL_NAMES.join(", ")));
    }

    // Rows hold the path first, then what else was asked for, in the order of `wanted`.
    let mut next = 1..;
    let mut place = |index: Option<usize>| index.and_then(|_| next.next());
    let [label, split, mask] = indices.map(&mut place);
    let groups = group.iter().filter_map(|_| place(Some(0))).collect();
    let picked = Picked { path: 0, label, split, groups, mask };
    let image_column = table.image_column(&columns[path_index])?;
    let rows = table.rows(&columns, path_index, &wanted)?;
    if rows.is_empty() {
        return Err(Error::file(path, "holds no images", "it has no rows"));
    }

    let root = data.root.clone().unwrap_or_else(|| path.parent().map_or_else(PathBuf::new, Path::to_path_buf));
    let members = archive.map(Members::open).transpose()?;
    let by_name = members.as_ref().map(Members::by_name);
    let place = Place { name: &name, root: &root, archive: archive.zip(by_name.as_ref()), image_column: &image_column };
    let samples = rows.into_iter().enumerate().map(|(i, row)| place.sample(i, row, &picked)).collect();
    let (form, storage) = match (members, image_column) {
        (Some(members), _) => (format!("{name}, images in an archive"), Storage::Archive(members.file)),
        (None, Some(column)) => (format!("{name}, images inside"), Storage::Parquet(column)),
        (None, None) => (format!("{name}, one image per row"), Storage::Files),
    };
    Ok(Opened { samples, labels_are_names: false, group_columns: group.clone(), form, notes, root, storage })
}

/// Names of the columns of a manifest.
///
/// # Errors
/// `File` if it cannot be read.
pub fn columns(path: &Path) -> Result<Vec<String>> {
    Table::open(path)?.columns()
}

/// The position of the column with the labels in the manifest of a data set; `None` if it has none.
///
/// # Errors
/// `UnknownName` for a column that does not exist, `File` if the manifest cannot be read.
pub fn label_column(data: &DataSection) -> Result<Option<usize>> {
    let Some(path) = &data.manifest else { return Ok(None) };
    find_column(&columns(path)?, &data.columns.label, &LABEL_NAMES, &file_name(path))
}

/// Where the images of the rows are.
struct Place<'a> {
    name: &'a str,
    root: &'a Path,
    archive: Option<(&'a Path, &'a HashMap<&'a str, &'a Source>)>,
    image_column: &'a Option<parquet::ImageColumn>,
}

impl Place<'_> {
    fn sample(&self, i: usize, row: Vec<String>, picked: &Picked) -> Sample {
        let get = |index: Option<usize>| index.map(|index| row[index].clone()).filter(|value| !value.is_empty());
        let path = &row[picked.path];
        let (uri, source) = match (self.archive, self.image_column) {
            (Some((archive, members)), _) => {
                let member = member_name(path);
                let source = members.get(member.as_str()).map_or(Source::Missing, |&source| source.clone());
                (member_uri(archive, &member), source)
            }
            (None, Some(_)) if path.is_empty() => (format!("{}#{i}", self.name), Source::Row(i)),
            (None, Some(_)) => (path.clone(), Source::Row(i)),
            (None, None) => (path.replace('\\', "/"), Source::File(self.root.join(path))),
        };
        let mut sample = Sample::new(uri, get(picked.label), get(picked.split), source);
        sample.groups = picked.groups.iter().map(|&index| row[index].clone()).collect();
        sample.mask = get(picked.mask);
        sample
    }
}

/// The column that is meant: by its name, by the first of `auto` that exists, or none.
fn find_column(columns: &[String], wanted: &str, auto: &[&str], manifest: &str) -> Result<Option<usize>> {
    let position = |name: &str| columns.iter().position(|column| column == name);
    match wanted {
        "none" => Ok(None),
        "auto" => Ok(auto.iter().find_map(|name| position(name))),
        name => match position(name) {
            Some(index) => Ok(Some(index)),
            None => Err(Error::unknown_name(format!("column of {manifest}"), name, columns)),
        },
    }
}

enum Table {
    Csv(PathBuf),
    JsonLines(PathBuf),
    Parquet(parquet::Table),
}

impl Table {
    fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let what = if path.exists() { "is not a file" } else { "does not exist" };
            return Err(Error::file(path, what, "`data.manifest` is a .csv, .jsonl or .parquet file"));
        }
        match path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).as_deref() {
            Some("csv") => Ok(Self::Csv(path.into())),
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines(path.into())),
            Some("parquet") => Ok(Self::Parquet(parquet::Table::open(path)?)),
            _ => Err(Error::file(path, "is not a known kind of manifest", "expected .csv, .jsonl or .parquet")),
        }
    }

    fn columns(&self) -> Result<Vec<String>> {
        match self {
            Self::Csv(path) => {
                let mut reader = csv::Reader::from_path(path).map_err(|error| csv_error(path, &error))?;
                let header = reader.headers().map_err(|error| csv_error(path, &error))?;
                // Spreadsheets mark UTF-8 with an invisible character in front of the first name.
                Ok(header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect())
            }
            Self::JsonLines(path) => {
                let mut columns: Vec<String> = Vec::new();
                for_each_json_line(path, |object| {
                    // Few columns: a search in the list keeps their order.
                    columns.extend(object.keys().filter(|key| !columns.contains(key)).cloned().collect::<Vec<_>>());
                })?;
                Ok(columns)
            }
            Self::Parquet(table) => Ok(table.columns()),
        }
    }

    /// The column's images, when it holds the images themselves.
    fn image_column(&self, name: &str) -> Result<Option<parquet::ImageColumn>> {
        match self {
            Self::Parquet(table) => table.image_column(name),
            _ => Ok(None),
        }
    }

    /// All rows: the path, then the `wanted` columns; nothing is an empty text.
    fn rows(&self, columns: &[String], path_index: usize, wanted: &[usize]) -> Result<Vec<Vec<String>>> {
        let indices = || [path_index].into_iter().chain(wanted.iter().copied());
        let mut rows = Vec::new();
        match self {
            Self::Csv(path) => {
                let mut reader = csv::Reader::from_path(path).map_err(|error| csv_error(path, &error))?;
                for record in reader.records() {
                    let record = record.map_err(|error| csv_error(path, &error))?;
                    rows.push(indices().map(|index| record[index].trim().to_owned()).collect());
                }
            }
            Self::JsonLines(path) => for_each_json_line(path, |object| {
                rows.push(indices().map(|index| json_text(object.get(&columns[index]))).collect());
            })?,
            Self::Parquet(table) => {
                let names: Vec<&str> = indices().map(|index| columns[index].as_str()).collect();
                rows = table.rows(&names)?;
            }
        }
        Ok(rows)
    }
}

fn csv_error(path: &Path, error: &csv::Error) -> Error {
    Error::file(path, format!("cannot be read as CSV: {error}"), "")
}

fn json_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn for_each_json_line(path: &Path, mut visit: impl FnMut(&Map<String, Value>)) -> Result<()> {
    let file = File::open(path).map_err(|error| Error::file(path, cannot_read(error), ""))?;
    for (line, text) in (1..).zip(BufReader::new(file).lines()) {
        let text = text.map_err(|error| Error::file(path, format!("line {line} cannot be read: {error}"), ""))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => visit(&object),
            Ok(_) => return Err(Error::file(path, format!("line {line} is not an object"), "one object per line")),
            Err(error) => {
                return Err(Error::file(path, format!("line {line} is not JSON: {error}"), "one object per line"));
            }
        }
    }
    Ok(())
}
