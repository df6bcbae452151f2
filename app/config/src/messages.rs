//! The messages of serde and of checks, in the words of a person who edits a TOML file.

use serde_json::Value;

/// `invalid type: integer `3`, expected path string` → `expected a string, got the integer 3`.
pub(super) fn plain(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once("expected ") else { return untagged(message).to_owned() };
    let expected = type_name(expected);
    let got = message.split_once(": ").and_then(|(_, rest)| rest.rsplit_once(", expected ")).map(|(got, _)| got);
    let variant = message.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "));
    let length = message.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "));
    match (got, variant.or(length)) {
        (_, Some((name, _))) => format!("expected {expected}, got {name}"),
        (Some(got), None) => format!("expected {expected}, got {}", value_name(got)),
        (None, None) => message.to_owned(),
    }
}

/// What a wrong type most often means.
pub(super) fn type_hint(message: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if message.starts_with("expected a string") => format!("put it in quotes: \"{number}\""),
        Value::String(text) if message.starts_with("expected a") && text.parse::<f64>().is_ok() => {
            format!("write it without quotes: {text}")
        }
        Value::String(text) if message.starts_with("expected true or false") => {
            format!("write it without quotes: {text}")
        }
        _ => String::new(),
    }
}

fn type_name(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number, 0 or above".into(),
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "path string" | "a string" | "a borrowed string" => "a string".into(),
        "a sequence" => "an array".into(),
        "a map" => "a table".into(),
        other if other.starts_with("struct ") => "a table".into(),
        other => match other.strip_prefix("an array of length ") {
            Some(n) => format!("an array of {n} values"),
            None => other.to_owned(),
        },
    }
}

fn value_name(got: &str) -> String {
    let parts = got.split_once(" `").map(|(kind, value)| (kind, value.trim_end_matches('`')));
    match (got, parts) {
        ("sequence", _) => "an array".into(),
        ("map", _) => "a table".into(),
        ("null", _) => "nothing".into(),
        (_, Some(("integer", value))) => format!("the whole number {value}"),
        (_, Some(("floating point", value))) => format!("the number {value}"),
        (_, Some(("boolean", value))) => value.into(),
        (got, _) if got.starts_with("string ") => format!("the {got}"),
        (got, _) => got.into(),
    }
}

/// Serde does not say what the forms of an untagged enum are.
fn untagged(message: &str) -> &str {
    match message.rsplit(' ').next() {
        Some("ClassNames") => "expected the name of a text file, or an array of names",
        Some("ClassMap") => "expected \"index\", \"name\", the name of a file, or a table from label to output index",
        _ => message,
    }
}

/// The known name nearest to a mistyped one, if any is near.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.filter(|(score, _)| *score > 0.8).map(|(_, candidate)| candidate)
}

/// `did you mean `a`? available: a, b`.
pub(super) fn suggestion(name: &str, known: &[&str]) -> String {
    let available =
        if known.is_empty() { "there are none".to_owned() } else { format!("available: {}", known.join(", ")) };
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {available}"),
        None => available,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use std::path::PathBuf;

    fn message<T: DeserializeOwned>(value: Value) -> String {
        plain(&serde_json::from_value::<T>(value).map(drop).unwrap_err().to_string())
    }

    #[test]
    fn serde_speaks_toml() {
        assert_eq!(message::<usize>(json!("a")), "expected a whole number, 0 or above, got the string \"a\"");
        assert_eq!(message::<usize>(json!(-3)), "expected a whole number, 0 or above, got the whole number -3");
        assert_eq!(message::<usize>(json!(2.5)), "expected a whole number, 0 or above, got the number 2.5");
        assert_eq!(message::<Option<PathBuf>>(json!(3)), "expected a string, got the whole number 3");
        assert_eq!(message::<String>(json!([1])), "expected a string, got an array");
        assert_eq!(message::<Vec<f32>>(json!([1.0, "x"])), "expected a number, got the string \"x\"");
        assert_eq!(message::<bool>(json!("yes")), "expected true or false, got the string \"yes\"");
        assert_eq!(message::<Vec<f32>>(json!({"a": 1})), "expected an array, got a table");
        assert_eq!(message::<[usize; 2]>(json!([1])), "expected an array of 2 values, got 1");
        assert!(message::<crate::sections::ClassNames>(json!(3)).contains("text file"));
        assert!(message::<crate::sections::ClassMap>(json!(3)).contains("table from label"));
    }

    #[test]
    fn variants_are_listed() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Init {
            Random,
            PlusPlus,
        }
        let text = message::<Init>(json!("rnd"));
        assert_eq!(text, "expected `random` or `plus_plus`, got `rnd`");
        assert_ne!(format!("{:?}", Init::Random), format!("{:?}", Init::PlusPlus));
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["n_slices", "init", "seed"];
        assert_eq!(nearest("n_slice", known), Some("n_slices"));
        assert_eq!(nearest("gamma", known), None);
    }

    #[test]
    fn hints_follow_the_type() {
        assert_eq!(type_hint("expected a string, got the whole number 2", &json!(2)), "put it in quotes: \"2\"");
        assert_eq!(type_hint("expected a number, got the string \"2\"", &json!("2")), "write it without quotes: 2");
    }
}
