//! Names of the classes in a model's metadata, as Ultralytics (`names`) and Hugging Face (`id2label`) write them.

use crate::proto::ModelProto;
use std::collections::BTreeMap;

/// Keys of the metadata that hold names of classes.
const KEYS: [&str; 4] = ["names", "id2label", "class_names", "labels"];

/// The names of all `n_classes` outputs, in their order; `None` if the metadata does not hold exactly as many.
pub(crate) fn of_metadata(model: &ModelProto, n_classes: usize) -> Option<Vec<String>> {
    let of_key = |key: &&str| model.metadata_props.iter().find(|entry| entry.key == **key);
    KEYS.iter().filter_map(of_key).filter_map(|entry| parse(&entry.value)).find(|names| names.len() == n_classes)
}

/// `{0: 'cat', 1: "dog"}` (Python), `{"0": "cat"}` (JSON), `['cat', 'dog']` (either); the keys have to be 0, 1, 2, ….
fn parse(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let is_list = text.starts_with('[');
    let inner = text.strip_prefix(['{', '['])?.strip_suffix(['}', ']'])?;
    let mut rest = inner.trim_start();
    let mut names = BTreeMap::new();
    while !rest.is_empty() {
        let key = if is_list {
            names.len()
        } else {
            let (key, behind) = rest.split_once(':')?;
            rest = behind.trim_start();
            key.trim().trim_matches(['"', '\'']).parse().ok()?
        };
        let (name, behind) = quoted(rest)?;
        names.insert(key, name);
        let behind = behind.trim_start();
        rest = behind.strip_prefix(',').unwrap_or(behind).trim_start();
    }
    names.keys().copied().eq(0..names.len()).then(|| names.into_values().collect())
}

/// A text in quotes of either kind, with `\` before what stands for itself, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().filter(|(_, c)| ['"', '\''].contains(c))?;
    let mut name = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            c if c == quote => return Some((name, &text[at + c.len_utf8()..])),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_ultralytics_and_hugging_face_write_them() {
        let expected = Some(vec!["cat".to_owned(), "it's a dog".to_owned()]);
        assert_eq!(parse("{0: 'cat', 1: \"it's a dog\"}"), expected);
        assert_eq!(parse(r#"{"1": "it's a dog", "0": "cat"}"#), expected);
        assert_eq!(parse(r"['cat', 'it\'s a dog']"), expected);
        for wrong in ["", "cat, dog", "{1: 'cat', 2: 'dog'}", "{0: 'cat', 0: 'dog', 2: 'x'}", "['cat", "{0: cat}"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
