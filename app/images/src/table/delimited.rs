//! Tables as text, however they separate their cells: comma, semicolon, tab, bar or white space.

use crate::files::file_name;
use crate::names;
use crate::text;
use ascan_core::{Error, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::path::Path;

/// Separators of cells, the first one wins where two fit as well.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Lines that say how a table is written.
const N_SAMPLED: usize = 64;

/// A table of texts in memory.
#[derive(Debug, Clone, Default)]
pub struct TextTable {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with one cell per column, without white space around it.
    pub rows: Vec<StringRecord>,
    /// What is to be said about the way in which it was read.
    pub notes: Vec<String>,
}

/// How a table separates its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Separator {
    Byte(u8),
    WhiteSpace,
}

impl TextTable {
    /// Endings of the files that are read as such a table.
    pub const ENDINGS: [&str; 5] = ["csv", "tsv", "tab", "txt", "lst"];

    /// Reads a table: UTF-8, UTF-16 or Latin-1; separated by comma, semicolon, tab, bar or white space (not in a .csv); with
    /// a header, or without one where the first line already names an image (its columns are then `column_1`, ...).
    ///
    /// # Errors
    /// `File` if it cannot be read, or a row has another number of cells than the header.
    pub fn read(path: &Path) -> Result<Self> {
        let text::Text { text, note } = text::read(path, "")?;
        let may_be_spaced = path.extension().is_some_and(|ending| !ending.eq_ignore_ascii_case("csv"));
        let mut table = Self::parse(&text, may_be_spaced).map_err(|message| {
            Error::file(path, format!("cannot be read as CSV: {message}"), "one row per line, as many cells in each")
        })?;
        let name = file_name(path);
        table.notes.iter_mut().for_each(|note| *note = format!("{name} {note}"));
        table.notes.extend(note);
        Ok(table)
    }

    fn parse(text: &str, may_be_spaced: bool) -> Result<Self, String> {
        let mut text = text;
        let mut separator = None;
        let first = text.lines().next().unwrap_or_default();
        // Spreadsheets may say the separator in a line of its own.
        if let Some(&[byte]) = first.trim().strip_prefix("sep=").map(str::as_bytes) {
            separator = Some(Separator::Byte(byte));
            text = &text[first.len()..];
        } else if first.trim().parse::<u64>().is_ok_and(|n| n as usize + 2 == text.trim_end().lines().count()) {
            // CelebA's tables begin with the number of their rows.
            text = &text[first.len()..];
        }
        let separator = separator.unwrap_or_else(|| sniffed(text, may_be_spaced));
        let mut lines = records(text, separator)?;
        if lines.is_empty() {
            return Ok(Self::default());
        }
        let mut notes = Vec::new();
        let mut columns: Vec<String> = lines[0].1.iter().map(str::to_owned).collect();
        // A list without a header begins with an image.
        if columns.iter().any(|cell| names::is_image(cell)) {
            columns = (1..=columns.len()).map(|i| format!("column_{i}")).collect();
            notes.push(format!("has no header: its columns are called {}", columns.join(", ")));
        } else {
            lines.remove(0);
        }
        // What follows a last separator is no column, unless a row has something there.
        let used = lines.iter().map(|(_, row)| n_used(row)).max().unwrap_or(0);
        while columns.len() > used && columns.last().is_some_and(String::is_empty) {
            columns.pop();
        }
        // One cell more than the header in every row: the first column is the image, and has no name.
        if used == columns.len() + 1 && lines.iter().all(|(_, row)| n_used(row) == used) {
            columns.insert(0, "file_name".to_owned());
        }
        for (i, name) in columns.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
            *name = format!("column_{}", i + 1);
        }
        let n = columns.len();
        let mut rows = Vec::with_capacity(lines.len());
        for (line, mut row) in lines {
            if n_used(&row) > n || row.len() < n {
                let s = if row.len() == 1 { "" } else { "s" };
                return Err(format!("line {line} has {} cell{s}, but the header has {n}", row.len().max(n_used(&row))));
            }
            row.truncate(n);
            rows.push(row);
        }
        Ok(Self { columns, rows, notes })
    }
}

/// How many cells there are up to the last one that is not empty.
fn n_used(row: &StringRecord) -> usize {
    (0..row.len()).rev().find(|&i| !row[i].is_empty()).map_or(0, |last| last + 1)
}

/// The rows with something in them, each with the number of its line.
fn records(text: &str, separator: Separator) -> Result<Vec<(u64, StringRecord)>, String> {
    let mut rows = Vec::new();
    match separator {
        Separator::WhiteSpace => {
            let lines = (1..).zip(text.lines());
            rows.extend(lines.map(|(line, text)| (line, text.split_whitespace().collect::<StringRecord>())));
        }
        Separator::Byte(byte) => {
            let mut reader = ReaderBuilder::new();
            reader.delimiter(byte).flexible(true).has_headers(false).trim(Trim::All);
            for record in reader.from_reader(text.as_bytes()).into_records() {
                let record = record.map_err(|error| error.to_string())?;
                rows.push((record.position().map_or(0, csv::Position::line), record));
            }
        }
    }
    rows.retain(|(_, row)| n_used(row) > 0);
    Ok(rows)
}

/// The separator that cuts most of the first lines into as many cells as the first one.
fn sniffed(text: &str, may_be_spaced: bool) -> Separator {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(N_SAMPLED).collect();
    let Some((header, rows)) = lines.split_first() else { return Separator::Byte(b',') };
    let mut best = None;
    for separator in SEPARATORS {
        let n = n_cells(header, separator);
        let n_alike = rows.iter().filter(|row| n_cells(row, separator) == n).count();
        if n > 1 && best.is_none_or(|(most, _)| n_alike > most) {
            best = Some((n_alike, separator));
        }
    }
    let n = header.split_whitespace().count();
    let is_spaced = || {
        let n_of_rows = rows.first().map_or(n, |row| row.split_whitespace().count());
        n_of_rows > 1
            && (n..=n + 1).contains(&n_of_rows)
            && rows.iter().all(|row| row.split_whitespace().count() == n_of_rows)
    };
    match best {
        Some((n_alike, separator)) if n_alike > 0 || rows.is_empty() || !may_be_spaced => Separator::Byte(separator),
        _ if may_be_spaced && is_spaced() => Separator::WhiteSpace,
        Some((_, separator)) => Separator::Byte(separator),
        None => Separator::Byte(b','),
    }
}

/// The number of cells of a line, those after the last that is not empty aside.
fn n_cells(line: &str, separator: u8) -> usize {
    let (mut n, mut is_quoted) = (1, false);
    let line = line.trim_end_matches(|c: char| c == char::from(separator) || c.is_whitespace());
    for byte in line.bytes() {
        is_quoted ^= byte == b'"';
        n += usize::from(byte == separator && !is_quoted);
    }
    n
}
