//! Tables for a terminal or a pipe: columns under their headings, nothing drawn around them, and no line wider than the terminal.

use console::{Term, measure_text_width};
use std::borrow::Cow;

/// A heading, and what the cells below it are.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// Names, at the left; shortened in the middle where the table would be too wide.
    Left(&'a str),
    /// Numbers, at the right; never shortened.
    Right(&'a str),
    /// Sentences, on as many lines as they need; below the row where there is no room beside it.
    Text(&'a str),
}

/// Where the terminal does not say how wide it is, or there is none.
const WIDTH: usize = 80;
/// Between columns.
const GAP: usize = 2;
/// A name keeps this much.
const NAME: usize = 12;
/// Sentences in a narrower column are hard to read.
const SENTENCE: usize = 30;

/// Headings and a line per row, `indent` spaces from the edge.
pub fn aligned<R: IntoIterator<Item = String>>(
    indent: usize,
    columns: &[Column],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let width = Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.into());
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.into_iter().collect()).collect();
    fitted(indent, columns, &rows, width)
}

/// Markdown for a terminal: its tables are laid out like all others, the rest stays as it is.
pub fn of_markdown(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let blocks = lines.chunk_by(|a, b| a.starts_with('|') == b.starts_with('|'));
    let blocks = blocks.map(|block| if block[0].starts_with('|') { laid_out(block) } else { block.join("\n") });
    blocks.collect::<Vec<_>>().join("\n")
}

/// A table of Markdown. A row that has one sentence in the place of its numbers stands below.
fn laid_out(table: &[&str]) -> String {
    let cells = |line: &&str| -> Vec<String> {
        let inside = line.trim_start_matches('|').strip_suffix('|').unwrap_or(line);
        inside.split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let headings = cells(&table[0]);
    let columns = headings.iter().enumerate();
    let columns: Vec<Column> =
        columns.map(|(i, heading)| if i == 0 { Column::Left(heading) } else { Column::Right(heading) }).collect();
    // The second line says how columns are aligned.
    let rows = table.iter().skip(2).map(cells).filter(|row| row.len() == columns.len());
    let (sentences, rows): (Vec<_>, Vec<_>) =
        rows.partition(|row| row.len() > 2 && row[2..].iter().all(String::is_empty) && row[1].contains(' '));
    let sentences = sentences.iter().map(|row| format!("{}: {}", row[0], row[1]));
    std::iter::once(aligned(0, &columns, rows)).chain(sentences).collect::<Vec<_>>().join("\n")
}

fn fitted(indent: usize, columns: &[Column], rows: &[Vec<String>], width: usize) -> String {
    let room = width.saturating_sub(indent);
    let sizes: Vec<Size> =
        columns.iter().enumerate().map(|(i, &column)| Size::of(column, rows.iter().map(|row| &row[i]))).collect();
    let all: Vec<usize> = (0..columns.len()).collect();
    let least = |shown: &[usize]| shown.iter().map(|&i| sizes[i].least + GAP).sum::<usize>().saturating_sub(GAP);
    let is_text = |i: &usize| matches!(columns[*i], Column::Text(_));
    // Sentences go below, if they must; then columns go into tables of their own, each with the first column.
    let (below, beside): (Vec<usize>, Vec<usize>) = match least(&all) <= room {
        true => (Vec::new(), all),
        false => all.into_iter().partition(is_text),
    };
    let mut blocks: Vec<Vec<usize>> = vec![Vec::new()];
    for i in beside {
        let longer = [blocks[blocks.len() - 1].as_slice(), &[i]].concat();
        if longer.len() < 3 || least(&longer) <= room {
            *blocks.last_mut().expect("there is one") = longer;
        } else {
            blocks.push(vec![0, i]);
        }
    }
    let last = blocks.len() - 1;
    let table = |(at, shown): (usize, &Vec<usize>)| {
        let widths = widths(shown, &sizes, room);
        let mut lines = line(shown, &widths, |i| wrap(columns[i].heading(), widths[position(shown, i)]), columns, true);
        for row in rows {
            let cell = |i: usize| {
                let width = widths[position(shown, i)];
                match columns[i] {
                    Column::Text(_) => wrap(&row[i], width),
                    Column::Left(_) | Column::Right(_) => vec![middle(&row[i], width)],
                }
            };
            lines.extend(line(shown, &widths, cell, columns, false));
            let sentences = below.iter().filter(|_| at == last).flat_map(|&i| wrap(&row[i], room.saturating_sub(4)));
            lines.extend(sentences.map(|sentence| format!("    {sentence}")));
        }
        let indented = lines.into_iter().map(|line| format!("{:indent$}{line}", "").trim_end().to_owned());
        indented.collect::<Vec<_>>().join("\n")
    };
    blocks.iter().enumerate().map(table).collect::<Vec<_>>().join("\n\n")
}

impl<'a> Column<'a> {
    fn heading(self) -> &'a str {
        let (Self::Left(heading) | Self::Right(heading) | Self::Text(heading)) = self;
        heading
    }
}

/// Columns of the screen that a column of the table takes.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Nothing shortened, the heading on one line.
    full: usize,
    /// Nothing shortened, the heading on several lines.
    cells: usize,
    /// As narrow as it gets.
    least: usize,
}

impl Size {
    fn of<'a>(column: Column, cells: impl Iterator<Item = &'a String>) -> Self {
        let cells = cells.map(|cell| measure_text_width(cell)).max().unwrap_or(0);
        let word = column.heading().split(' ').map(measure_text_width).max().unwrap_or(0);
        let least = match column {
            Column::Left(_) => cells.min(NAME),
            Column::Right(_) => cells,
            Column::Text(_) => cells.min(SENTENCE),
        };
        let heading = measure_text_width(column.heading());
        Self { full: cells.max(heading), cells: cells.max(word), least: least.max(word) }
    }
}

/// The widths of these columns in this room: first headings give way, then names and sentences; of these the widest first.
fn widths(shown: &[usize], sizes: &[Size], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = shown.iter().map(|&i| sizes[i].full).collect();
    let gaps = GAP * shown.len().saturating_sub(1);
    for floor in [|size: &Size| size.cells, |size: &Size| size.least] {
        while widths.iter().sum::<usize>() + gaps > room {
            let can_give = (0..shown.len()).filter(|&at| widths[at] > floor(&sizes[shown[at]]));
            let Some(widest) = can_give.max_by_key(|&at| widths[at]) else { break };
            widths[widest] -= 1;
        }
    }
    widths
}

fn position(shown: &[usize], column: usize) -> usize {
    shown.iter().position(|&i| i == column).unwrap_or(0)
}

/// A row, on as many lines as its tallest cell has; headings stand at the bottom of theirs.
fn line(
    shown: &[usize],
    widths: &[usize],
    cell: impl Fn(usize) -> Vec<String>,
    columns: &[Column],
    is_heading: bool,
) -> Vec<String> {
    let cells: Vec<Vec<String>> = shown.iter().map(|&i| cell(i)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let cells = cells.iter().zip(shown).zip(widths).map(|((lines, &i), &width)| {
            let skipped = if is_heading { height - lines.len() } else { 0 };
            let words = at.checked_sub(skipped).and_then(|at| lines.get(at)).map_or("", String::as_str);
            let space = " ".repeat(width.saturating_sub(measure_text_width(words)));
            match columns[i] {
                Column::Right(_) => format!("{space}{words}"),
                Column::Left(_) | Column::Text(_) => format!("{words}{space}"),
            }
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP))
    };
    (0..height).map(line).collect()
}

/// The words on lines of this width; a word that is longer is shortened.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(middle(word, width)),
        }
    }
    lines
}

/// The text, without its middle if it is wider than this: beginnings and ends of names tell them apart.
fn middle(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let short = |n: usize| {
        let (head, tail) = (n.div_ceil(2), n / 2);
        let [head, tail] =
            [&letters[..head], &letters[letters.len() - tail..]].map(|part| part.iter().collect::<String>());
        format!("{head}…{tail}")
    };
    (0..letters.len()).rev().map(short).find(|short| measure_text_width(short) <= width).unwrap_or_default()
}

/// A text of others as it may stand on a terminal: what would move the cursor, change colours, begin a line or turn the
/// direction of reading is written out. Notes, names and paths may hold anything.
pub fn plain(text: &str) -> Cow<'_, str> {
    plain_but(text, &[])
}

/// As [`plain`], of a text that may have lines of its own.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    plain_but(text, &['\n', '\t'])
}

fn plain_but<'a>(text: &'a str, kept: &[char]) -> Cow<'a, str> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    let is_bad = |c: char| (c.is_control() || turns(c)) && !kept.contains(&c);
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_bad(c) { plain.extend(c.escape_default()) } else { plain.push(c) }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::Column::{Left, Right, Text};
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        assert_eq!(plain("a bird\u{1b}[2J\nslice 1: core"), "a bird\\u{1b}[2J\\nslice 1: core");
        assert_eq!(plain_lines("a\n\tb\u{7}\u{202e}"), "a\n\tb\\u{7}\\u{202e}");
        assert!(matches!(plain("größe 名前"), Cow::Borrowed(_)));
    }

    fn rows<const N: usize>(rows: &[[&str; N]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.map(str::to_owned).into()).collect()
    }

    #[track_caller]
    fn fits(text: &str, width: usize) {
        for line in text.lines() {
            assert!(measure_text_width(line) <= width, "{} columns: {line}\n{text}", measure_text_width(line));
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_on_the_screen() {
        let columns = [Left("name"), Right("images"), Left("remarks")];
        let expected = "  name        images  remarks\n  鳥               7  far\n    landbird    1200";
        assert_eq!(fitted(2, &columns, &rows(&[["鳥", "7", "far"], ["  landbird", "1200", ""]]), 80), expected);
    }

    #[test]
    fn long_names_lose_their_middle_and_numbers_nothing() {
        let long = format!("photos/{}/0017.png", "x".repeat(200));
        let text = fitted(2, &[Right("row"), Left("image")], &rows(&[["123456", &long]]), 80);
        fits(&text, 80);
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("  123456  photos/") && line.contains('…') && line.ends_with("/0017.png"), "{text}");
        assert_eq!(middle("鳥鳥鳥鳥", 5), "鳥…鳥");
        assert_eq!(middle("abcdef", 4), "ab…f");
    }

    #[test]
    fn headings_are_wrapped_before_names_are_shortened() {
        let columns = [Left("slice"), Right("follows the attributed region"), Left("mostly")];
        let text = fitted(0, &columns, &rows(&[["3", "57 %", "landbird → waterbird"]]), 50);
        fits(&text, 50);
        assert!(text.contains("landbird → waterbird") && text.lines().count() > 2, "{text}");
        let columns = [Right("images"), Right("95 % interval of the share"), Left("mostly"), Left("main known group")];
        let text = fitted(0, &columns, &rows(&[["12", "0–13 %", "disc → square", "shape=disc,ground=water"]]), 60);
        fits(&text, 60);
        assert!(text.contains("disc → square  shape=disc,ground=water"), "{text}");
    }

    #[test]
    fn sentences_go_beside_the_row_or_below_it() {
        let why = "the model is right on the object and on what is around it, so that neither explains it";
        let narrow = rows(&[["3", why], ["4", why]]);
        let beside = fitted(0, &[Right("slice"), Text("why")], &narrow, 80);
        fits(&beside, 80);
        assert_eq!(beside.lines().count(), 5, "{beside}");
        let wide = "a rather long name of seventy letters, which cannot be shortened, or so";
        let below = fitted(0, &[Right("slice"), Text("why")], &rows(&[[wide, why]]), 80);
        fits(&below, 80);
        assert!(below.lines().nth(2).unwrap().starts_with("    the model is right"), "{below}");
    }

    #[test]
    fn markdown_becomes_a_table_like_all_others() {
        let text = "# Slicers\n\n| slicer | P@10 |  s |\n|---|--:|--:|\n| `kmeans` | 0.5 | 12 |\n| `gmm` | not possible: no | |\n\nDone.";
        let expected = "# Slicers\n\nslicer  P@10   s\nkmeans   0.5  12\ngmm: not possible: no\n\nDone.";
        assert_eq!(of_markdown(text), expected);
    }

    /// What does not fit beside each other is put below each other; each part says which rows it is about.
    #[test]
    fn more_numbers_than_fit_make_several_tables() {
        let columns: Vec<Column> =
            [Left("method")].into_iter().chain(["a", "b", "c", "d", "e", "f", "g"].map(Right)).collect();
        let figures = ["0.271 ± 0.040"; 7];
        let cells: Vec<Vec<String>> = vec![std::iter::once("grad_cam").chain(figures).map(str::to_owned).collect()];
        let text = fitted(2, &columns, &cells, 80);
        fits(&text, 80);
        assert_eq!((text.matches("grad_cam").count(), text.matches("0.271 ± 0.040").count()), (2, 7), "{text}");
    }
}
