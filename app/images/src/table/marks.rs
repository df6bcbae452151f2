//! Tables that mark each class of an image instead of naming one.

use super::Table;
use ascan_core::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// Which classes each row has.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Marks {
    /// In the order of the columns, or of the ids of COCO's categories.
    pub classes: Vec<String>,
    /// Indices into `classes`, ascending, for each row.
    pub of_rows: Vec<Vec<usize>>,
}

impl Marks {
    /// From columns of 0 and 1, one per class.
    ///
    /// # Errors
    /// `Param` for a cell that is neither.
    pub fn of_columns(table: &Table, columns: &[usize], names: Vec<String>) -> Result<Self> {
        let mut marks = Self { classes: names, of_rows: Vec::new() };
        for (i, row) in table.rows(columns)?.into_iter().enumerate() {
            let mut marked = Vec::new();
            for (class, cell) in row.iter().enumerate() {
                match is_marked(cell) {
                    Some(true) => marked.push(class),
                    Some(false) => {}
                    None => {
                        let message = format!("row {} of `{}` holds `{cell}`", i + 1, marks.classes[class]);
                        return Err(Error::param("data.columns.one_hot", message, "each cell is 1, or 0 or -1"));
                    }
                }
            }
            marks.of_rows.push(marked);
        }
        Ok(marks)
    }

    /// From a column whose cells list classes. The classes are sorted, as numbers where all are.
    ///
    /// # Errors
    /// Those of the table.
    pub fn of_lists(table: &Table, column: usize) -> Result<Self> {
        let lists: Vec<Vec<String>> = table.rows(&[column])?.iter().map(|row| classes_of(&row[0])).collect();
        let mut classes: Vec<String> = lists.iter().flatten().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if classes.iter().all(|class| class.parse::<u32>().is_ok()) {
            classes.sort_by_key(|class| class.parse::<u32>().unwrap_or(0));
        }
        let places: HashMap<&str, usize> = classes.iter().enumerate().map(|(i, class)| (class.as_str(), i)).collect();
        let marked = |list: &Vec<String>| {
            let mut marked: Vec<usize> = list.iter().map(|class| places[class.as_str()]).collect();
            marked.sort_unstable();
            marked.dedup();
            marked
        };
        let of_rows = lists.iter().map(marked).collect();
        Ok(Self { classes, of_rows })
    }
}

/// The classes of a cell: `["a", "b"]`, `['a', 'b']`, `a|b`, `a; b` or `a, b`.
fn classes_of(cell: &str) -> Vec<String> {
    let listed = cell.trim().trim_start_matches(['[', '{', '(']).trim_end_matches([']', '}', ')']);
    let separator = ['|', ';', ','].into_iter().find(|&separator| listed.contains(separator)).unwrap_or('|');
    let parts = listed.split(separator).map(|part| part.trim().trim_matches(['"', '\'']).trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What a cell says about its class; `None` if it is no such cell.
pub(crate) fn is_marked(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" => Some(true),
        "0" | "0.0" | "-1" | "-1.0" | "false" | "" => Some(false),
        _ => None,
    }
}
