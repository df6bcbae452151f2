//! Rows as text: `0-4,9` are the first five and the tenth.

use serde::{Deserialize, Deserializer, Serializer};

/// Rising rows, each run of them as `first-last`.
pub(super) fn to_text(rows: &[usize]) -> String {
    let runs = rows.chunk_by(|a, b| *b == a + 1).map(|run| match run {
        [only] => only.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// The rows that [`to_text`] wrote; `None` for any other text.
pub(super) fn from_text(text: &str) -> Option<Vec<usize>> {
    let mut rows = Vec::new();
    for run in text.split(',') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // A scan has far fewer rows than this; a damaged number must not ask for all memory.
        if last < first || last > u32::MAX as usize || rows.last().is_some_and(|&row| row >= first) {
            return None;
        }
        rows.extend(first..=last);
    }
    Some(rows)
}

/// The last row of such a text, without making the list: the largest number in it.
pub(super) fn last(text: &str) -> Option<usize> {
    text.split([',', '-']).filter_map(|number| number.parse().ok()).max()
}

pub(super) fn serialize<S: Serializer>(rows: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(rows))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    from_text(&text).ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not a list of rows")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for (rows, text) in [(vec![0, 1, 2, 3, 4, 9], "0-4,9"), (vec![7], "7"), (vec![2, 4, 5], "2,4-5")] {
            assert_eq!(to_text(&rows), text);
            assert_eq!(from_text(text), Some(rows));
        }
    }

    #[test]
    fn the_last_row_is_known_without_the_list() {
        assert_eq!([last("0-4,9"), last("0-4294967295"), last("")], [Some(9), Some(u32::MAX as usize), None]);
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "a", "5-3", "3,3", "9,1-4", "1-", "0-99999999999"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
