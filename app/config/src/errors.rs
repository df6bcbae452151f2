//! Configuration errors: all of them at once, each with its place.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use ascan_core::Error;
use serde_json::{Value, json};
use std::fmt;
use std::ops::Range;

/// Where a value of the configuration came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File(String),
    /// A piece of its text.
    Text(TextPlace),
    /// A `--set` flag, as `key=value`.
    Flag(String),
}

/// A piece of text in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPlace {
    /// The file, as the user named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub width: usize,
    /// The whole line.
    pub source: String,
}

impl TextPlace {
    /// The place of the bytes `span` of `text`; a span over several lines is cut at the end of its first.
    pub fn new(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let source = text[line_start..].lines().next().unwrap_or_default();
        let end = floor_char_boundary(text, span.end).clamp(start, (line_start + source.len()).max(start));
        Self {
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end].chars().count().max(1),
            source: source.to_owned(),
        }
    }

    /// The bytes of `source` to underline.
    fn span(&self) -> Range<usize> {
        let byte = |n: usize| self.source.char_indices().nth(n).map_or(self.source.len(), |(at, _)| at);
        byte(self.column - 1)..byte(self.column - 1 + self.width)
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key it is about, dotted; empty for the file as a whole.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do, if known.
    pub hint: Option<String>,
}

impl ConfigError {
    /// An error at a place; an empty hint is none.
    pub fn new(key: &[&str], place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self { key: key.join("."), place, message: message.into(), hint }
    }

    /// An error of the engine or a plugin, at the place that caused it.
    pub fn from_error(key: &[&str], place: Place, error: &Error) -> Self {
        Self::new(key, place, error.to_string(), error.hint().unwrap_or_default())
    }

    /// Whether it is about the key at `path`, or one below it.
    pub fn is_in(&self, path: &[&str]) -> bool {
        self.key.strip_prefix(&path.join(".")).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// In a frame with its place; the alternate form (`{:#}`) is coloured, for a terminal.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let framed = match &self.place {
            Place::File(file) => title.element(Origin::path(file.as_str())),
            Place::Flag(flag) => title.element(Origin::path(format!("--set {flag}"))),
            Place::Text(place) => {
                let underlined = AnnotationKind::Primary.span(place.span());
                let snippet = Snippet::source(place.source.as_str()).path(place.file.as_str()).line_start(place.line);
                title.element(snippet.annotation(underlined))
            }
        };
        let hint = self.hint.as_deref().map(|hint| Level::HELP.with_name("hint").message(hint));
        let renderer = if f.alternate() { Renderer::styled() } else { Renderer::plain() };
        f.write_str(&renderer.render(&[framed.elements(hint)]))
    }
}

/// Everything that is wrong with a configuration, in the order of its text; flags come last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Leaves out those that do not count.
    pub(crate) fn retain(&mut self, counts: impl FnMut(&ConfigError) -> bool) {
        self.0.retain(counts);
    }

    /// Adds an error; one that is already there at the same place is not repeated.
    pub fn push(&mut self, error: ConfigError) {
        if !self.0.contains(&error) {
            self.0.push(error);
            self.0.sort_by(|a, b| a.place.cmp(&b.place));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl ConfigErrors {
    /// For machines: an array of `{key, message, hint, file, line, column, flag}`, what does not apply being null.
    pub fn to_json(&self) -> Value {
        let entry = |error: &ConfigError| {
            let (file, text, flag) = match &error.place {
                Place::File(file) => (Some(file), None, None),
                Place::Text(text) => (Some(&text.file), Some(text), None),
                Place::Flag(flag) => (None, None, Some(flag)),
            };
            json!({
                "key": error.key, "message": error.message, "hint": error.hint, "file": file,
                "line": text.map(|text| text.line), "column": text.map(|text| text.column), "flag": flag,
            })
        };
        self.0.iter().map(entry).collect()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n\n" };
            f.write_str(gap)?;
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_and_underlined() {
        let text = "[data]\n\tä = \"größe\"\n";
        let start = text.find("\"größe\"").unwrap();
        let place = TextPlace::new("run.toml", text, start..start + "\"größe\"".len());
        assert_eq!((place.line, place.column, place.width), (2, 6, 7));
        let error = ConfigError::new(&[], Place::Text(place), "too large", "");
        let expected = "error: too large\n --> run.toml:2:6\n  |\n2 |     ä = \"größe\"\n  |         ^^^^^^^";
        assert_eq!(error.to_string(), expected);
        assert!(format!("{error:#}").starts_with("\x1b["), "the alternate form is coloured");
    }

    #[test]
    fn wide_characters_are_underlined_as_wide_as_they_are() {
        let text = "名前 = \"画像\"";
        let place = Place::Text(TextPlace::new("run.toml", text, text.find('"').unwrap()..text.len()));
        let error = ConfigError::new(&[], place, "no such folder", "");
        let expected = "error: no such folder\n --> run.toml:1:6\n  |\n1 | 名前 = \"画像\"\n  |        ^^^^^^";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_span_past_the_end_or_over_lines_is_cut() {
        let place = TextPlace::new("run.toml", "a = [\n1]", 4..8);
        assert_eq!((place.line, place.column, place.width), (1, 5, 1));
        let place = TextPlace::new("run.toml", "a =", 3..9);
        assert_eq!((place.line, place.column, place.width), (1, 4, 1));
        assert_eq!(TextPlace::new("run.toml", "", 0..0).line, 1);
    }

    #[test]
    fn errors_are_printed_in_the_order_of_the_text_and_flags_last() {
        let text = "a = 1\nb = 2\n";
        let at = |span| Place::Text(TextPlace::new("run.toml", text, span));
        let mut errors = ConfigErrors::from(ConfigError::new(&[], Place::Flag("c=3".into()), "third", ""));
        errors.push(ConfigError::new(&[], at(6..7), "second", "do this"));
        errors.push(ConfigError::new(&[], at(0..1), "first", ""));
        errors.push(ConfigError::new(&[], at(0..1), "first", ""));
        let expected = "error: first\n --> run.toml:1:1\n  |\n1 | a = 1\n  | ^\n\n\
                        error: second\n --> run.toml:2:1\n  |\n2 | b = 2\n  | ^\n  |\n  = hint: do this\n\n\
                        error: third\n--> --set c=3";
        assert_eq!(errors.to_string(), expected);
    }
}
