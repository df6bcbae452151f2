//! Tables for a terminal or a pipe: columns under their headings, and nothing drawn around them.

use comfy_table::{CellAlignment, Table, presets};

/// A heading, and where the cells below it stand: words at the left, numbers at the right.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    Left(&'a str),
    Right(&'a str),
}

/// Headings and a line per row, `indent` spaces from the edge. No line is wrapped or cut, however narrow the terminal.
pub fn aligned<R: IntoIterator<Item = String>>(
    indent: u16,
    columns: &[Column],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|&(Column::Left(heading) | Column::Right(heading))| heading));
    table.add_rows(rows);
    for (i, (shown, column)) in table.column_iter_mut().zip(columns).enumerate() {
        shown.set_padding((if i == 0 { indent } else { 2 }, 0));
        shown.set_cell_alignment(match column {
            Column::Left(_) => CellAlignment::Left,
            Column::Right(_) => CellAlignment::Right,
        });
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::Column::{Left, Right};
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_on_the_screen() {
        let rows = [["鳥", "7", "far"], ["  landbird", "1200", ""]].map(|row| row.map(str::to_owned));
        let expected = "  name        images  remarks\n  鳥               7  far\n    landbird    1200";
        assert_eq!(aligned(2, &[Left("name"), Right("images"), Left("remarks")], rows), expected);
        let long = "x".repeat(500);
        let rows = [[long.clone(), "y".to_owned()]];
        assert!(aligned(0, &[Left("a"), Left("b")], rows).ends_with(&format!("\n{long}  y")));
    }
}
