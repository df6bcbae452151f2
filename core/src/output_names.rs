//! Names of a model's outputs, in the forms in which people keep them beside it.

use serde_json::Value;
use std::collections::BTreeMap;

/// More outputs than this are a mistake.
const MAX_OUTPUTS: usize = 1 << 20;
/// Keys under which a configuration of a model has them.
const KEYS: [&str; 3] = ["id2label", "names", "class_names"];

/// The names in the order of the outputs; `None` if the text says none.
///
/// - JSON: a list, `{"0": name}`, `{name: 0}`, `{"0": [id, name]}`, or one of these under `id2label` or `names`;
/// - a Python dictionary `{0: 'name'}`, as Ultralytics writes it into models;
/// - lines: a name each, `0 name` as Teachable Machine writes, or `n01440764 tench, Tinca tinca` as ImageNet does. An id and
///   what follows it are synonyms.
pub fn parse(text: &str) -> Option<Vec<String>> {
    let trimmed = text.trim();
    if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str::<Value>(trimmed) {
        return of_json(&value);
    }
    if trimmed.starts_with(['{', '[']) {
        return in_order(python(trimmed)?);
    }
    of_lines(text)
}

fn of_json(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list.iter().map(name).collect::<Option<Vec<String>>>().filter(|names| !names.is_empty()),
        Value::Object(fields) => {
            if let Some(inner) = KEYS.iter().find_map(|key| fields.get(*key)) {
                return of_json(inner);
            }
            let by_key = || fields.iter().map(|(key, value)| Some((key.parse().ok()?, name(value)?))).collect();
            let by_value = || {
                fields.iter().map(|(key, value)| Some((usize::try_from(value.as_u64()?).ok()?, key.clone()))).collect()
            };
            let pairs: Option<BTreeMap<usize, String>> = by_key();
            in_order(pairs.or_else(by_value)?)
        }
        _ => None,
    }
}

/// A name, or an id with its name.
fn name(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => Some(name.clone()),
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            parts.map(|parts| parts.join(", "))
        }
        _ => None,
    }
}

/// Names without a gap from 0 on.
fn in_order(pairs: BTreeMap<usize, String>) -> Option<Vec<String>> {
    let is_whole = !pairs.is_empty() && pairs.len() <= MAX_OUTPUTS && pairs.keys().copied().eq(0..pairs.len());
    is_whole.then(|| pairs.into_values().collect())
}

/// `{0: 'tench', 1: "cat's"}`, or `['tench', "cat's"]`.
fn python(text: &str) -> Option<BTreeMap<usize, String>> {
    let is_list = text.starts_with('[');
    let mut rest = text.strip_prefix(['{', '['])?.strip_suffix(['}', ']'])?.trim_start();
    let mut pairs = BTreeMap::new();
    while !rest.is_empty() {
        let key = if is_list {
            pairs.len()
        } else {
            let (key, after) = rest.split_once(':')?;
            rest = after.trim_start();
            key.trim().parse().ok()?
        };
        let (name, after) = quoted(rest)?;
        pairs.insert(key, name);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(pairs)
}

/// A text in quotes of either kind, with `\` before what stands for itself; and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next().filter(|(_, letter)| ['"', '\''].contains(letter))?;
    let mut name = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            letter if letter == quote => return Some((name, &text[at + letter.len_utf8()..])),
            letter => name.push(letter),
        }
    }
    None
}

fn of_lines(text: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
    let numbered = |(i, line): (usize, &&str)| {
        let rest = line.strip_prefix(&i.to_string())?;
        let name = rest.trim_start_matches([':', ',']).trim();
        (name.len() < rest.len() && !name.is_empty()).then(|| name.to_owned())
    };
    if let Some(names) = lines.iter().enumerate().map(numbered).collect() {
        return Some(names).filter(|names: &Vec<String>| !names.is_empty());
    }
    let synset = |line: &&str| {
        let (id, name) = line.split_once([' ', '\t'])?;
        let digits = id.strip_prefix('n')?;
        let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then(|| format!("{id}, {}", name.trim()))
    };
    let names: Option<Vec<String>> = lines.iter().map(synset).collect();
    let names = names.unwrap_or_else(|| lines.iter().map(|line| (*line).to_owned()).collect());
    names.iter().any(|name| !name.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse(text).unwrap_or_default()
    }

    #[test]
    fn every_usual_form_gives_the_names_in_order() {
        let expected = ["cat", "dog"];
        for text in [
            "cat\ndog\n",
            "0 cat\r\n1 dog",
            "0: cat\n1: dog",
            r#"["cat", "dog"]"#,
            r#"{"0": "cat", "1": "dog"}"#,
            r#"{"dog": 1, "cat": 0}"#,
            r#"{"model_type": "vit", "id2label": {"1": "dog", "0": "cat"}}"#,
            "{0: 'cat', 1: \"dog\"}",
            "['cat', \"dog\"]",
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_and_names_are_synonyms() {
        assert_eq!(
            names("n01440764 tench, Tinca tinca\nn01443537 goldfish"),
            ["n01440764, tench, Tinca tinca", "n01443537, goldfish"]
        );
        assert_eq!(names(r#"{"0": ["n01440764", "tench"]}"#), ["n01440764, tench"]);
    }

    #[test]
    fn names_that_only_look_numbered_stay() {
        assert_eq!(names("0 degrees\n90 degrees"), ["0 degrees", "90 degrees"]);
        assert_eq!(names("{0: 'cat\\'s', 1: 'a, b'}"), ["cat's", "a, b"]);
    }

    #[test]
    fn what_has_gaps_or_no_names_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"0": "cat", "2": "dog"}"#,
            "{0: 'cat'",
            r#"{"a": "b"}"#,
            "[1, 2]",
            "['cat",
            "{0: 'a', 0: 'b', 2: 'c'}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
