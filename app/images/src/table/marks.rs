//! Tables that mark each class of an image instead of naming one.

use super::Table;
use ascan_core::{Error, Result};

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
}

/// What a cell says about its class; `None` if it is no such cell.
pub(crate) fn is_marked(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" => Some(true),
        "0" | "0.0" | "-1" | "-1.0" | "false" | "" => Some(false),
        _ => None,
    }
}
