//! Which column of a table is what.

use crate::names;
use crate::table::{Marks, Table};
use ascan_config::sections::ColumnsSection;
use ascan_core::{Error, Result};

/// Names that `auto` looks for, written as [`plain`] writes them; the first one wins. `file_name` is the Hugging Face
/// ImageFolder form.
const PATH_NAMES: [&str; 13] = [
    "filename",
    "imgfilename",
    "path",
    "file",
    "image",
    "filepath",
    "imagepath",
    "imgpath",
    "imagefile",
    "imagename",
    "imgname",
    "imageindex",
    "img",
];
/// Taken where no cell of the table is the name of an image.
const ID_NAMES: [&str; 4] = ["imageid", "imgid", "fileid", "id"];
const LABEL_NAMES: [&str; 14] = [
    "label",
    "y",
    "class",
    "target",
    "labels",
    "classid",
    "labelid",
    "classname",
    "labelname",
    "category",
    "categoryid",
    "groundtruth",
    "gt",
    "dx",
];
const SPLIT_NAMES: [&str; 2] = ["split", "subset"];
/// Names that messages list.
const SOME_PATH_NAMES: &str = "file_name, filename, img_filename, path, file, image, image_id or id";
const SOME_LABEL_NAMES: &str = "label, y, class, target, class_id or category";
/// Cells that are looked at where no name of a column says enough.
const N_LOOKED_AT: usize = 50;

/// The columns of a table that are read.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub path: usize,
    pub label: Option<usize>,
    pub one_hot: Vec<usize>,
    pub label_list: Option<usize>,
    pub split: Option<usize>,
    pub groups: Vec<usize>,
    pub mask: Option<usize>,
    /// What was chosen without a name that says it.
    pub notes: Vec<String>,
}

impl Columns {
    /// # Errors
    /// `UnknownName` for a column that does not exist, `Param` where no column is that of the images.
    pub fn find(table: &Table, columns: &[String], section: &ColumnsSection, name: &str) -> Result<Self> {
        let find = |wanted: &str, auto: &[&str]| find(columns, wanted, auto, name);
        let all = |wanted: &[String]| -> Result<Vec<usize>> {
            Ok(wanted
                .iter()
                .map(|wanted| find(wanted, &[]))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect())
        };
        let mut notes = Vec::new();
        let path = match (find(&section.path, &PATH_NAMES)?, by_cells(table, columns.len())) {
            (Some(path), _) => path,
            (None, Some(path)) => {
                notes.push(format!("the images of {name} are those in column `{}`, by what it holds", columns[path]));
                path
            }
            (None, None) => find(&section.path, &ID_NAMES)?.ok_or_else(|| {
                let message = format!("{name} has no column named {SOME_PATH_NAMES}");
                Error::param("data.columns.path", message, format!("its columns: {}", columns.join(", ")))
            })?,
        };
        let one_hot = all(&section.one_hot)?;
        let label_list = find(&section.label_list, &[])?;
        let has_marks = !one_hot.is_empty() || label_list.is_some();
        let label = if has_marks { None } else { label(columns, section, name)? };
        let has_marks = has_marks || matches!(table, Table::Text(_, Some(_)));
        if label.is_none() && !has_marks && section.label == "auto" {
            let listed = columns.join(", ");
            notes.push(format!(
                "{name} has no column named {SOME_LABEL_NAMES} (its columns: {listed}): labels are unknown"
            ));
        }
        let (split, mask) = (find(&section.split, &SPLIT_NAMES)?, find(&section.mask, &[])?);
        Ok(Self { path, label, one_hot, label_list, split, groups: all(&section.group)?, mask, notes })
    }

    /// Which classes each row is marked with, where the table marks any.
    ///
    /// # Errors
    /// `Param` for a cell that is no mark.
    pub fn marks(&self, table: &Table, columns: &[String]) -> Result<Option<Marks>> {
        if !self.one_hot.is_empty() {
            let names = self.one_hot.iter().map(|&column| columns[column].clone()).collect();
            return Marks::of_columns(table, &self.one_hot, names).map(Some);
        }
        if let Some(column) = self.label_list {
            return Marks::of_lists(table, column).map(Some);
        }
        match table {
            Table::Text(_, marks) if self.label.is_none() => Ok(marks.clone()),
            _ => Ok(None),
        }
    }
}

/// The column with the labels, where there is one.
///
/// # Errors
/// `UnknownName` for a column that does not exist.
pub(crate) fn label(columns: &[String], section: &ColumnsSection, name: &str) -> Result<Option<usize>> {
    find(columns, &section.label, &LABEL_NAMES, name)
}

/// The column that is meant: by its name, by the first of `auto` that exists, or none. Capitals, spaces and underscores
/// count only where columns differ in nothing else.
fn find(columns: &[String], wanted: &str, auto: &[&str], table: &str) -> Result<Option<usize>> {
    let named = |name: &str| {
        let alike = || columns.iter().position(|column| plain(column) == plain(name));
        columns.iter().position(|column| column == name).or_else(alike)
    };
    match wanted {
        "none" => Ok(None),
        "auto" => Ok(auto.iter().find_map(|name| named(name))),
        name => match named(name) {
            Some(column) => Ok(Some(column)),
            None => Err(Error::unknown_name(format!("column of {table}"), name, columns)),
        },
    }
}

/// Lower case, letters and digits only: `Image Index` is `imageindex`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The first column whose cells are names of images.
fn by_cells(table: &Table, n_columns: usize) -> Option<usize> {
    let Table::Text(table, _) = table else { return None };
    let are_images = |column: &usize| {
        let mut cells = table.rows.iter().take(N_LOOKED_AT).map(|row| &row[*column]).peekable();
        cells.peek().is_some() && cells.all(names::is_image)
    };
    (0..n_columns).find(are_images)
}
