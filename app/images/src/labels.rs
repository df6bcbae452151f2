//! Labels: from what a data set writes to an index into its classes.

use crate::sample::Sample;
use crate::text;
use ascan_config::sections::ClassNames;
use ascan_core::{Error, Result, output_names};
use std::collections::{BTreeSet, HashMap};

/// How many names a message lists before it says how many more there are.
const N_LISTED: usize = 12;

/// The names of a list, or of a file in one of the forms of [`output_names::parse`].
///
/// # Errors
/// `File` if the file cannot be read or holds no name.
pub fn read_names(names: &ClassNames) -> Result<Vec<String>> {
    let path = match names {
        ClassNames::List(names) => return Ok(names.clone()),
        ClassNames::File(path) => path,
    };
    let hint = "a text file with one name per line, or JSON from index to name";
    let text = text::read(path, hint)?.text;
    output_names::parse(&text).ok_or_else(|| Error::file(path, "holds no names", hint))
}

/// What [`assign_indices`] found out about the labels.
pub(crate) struct Indexed {
    pub class_names: Vec<String>,
    pub labels_are_indices: bool,
    pub note: Option<String>,
}

/// Gives every labelled sample its index: the place of its name in `classes`, a bare integer as it is (folders too, if all
/// of them are integers), or the place of its name among all names, sorted by their bytes.
pub(crate) fn assign_indices(
    samples: &mut [Sample],
    classes: Option<Vec<String>>,
    labels_are_names: bool,
) -> Result<Indexed> {
    let distinct: BTreeSet<String> = samples.iter().filter_map(|sample| sample.label.clone()).collect();
    let numbers: Option<Vec<usize>> = distinct.iter().map(|label| parse_index(label)).collect();
    let labels_are_indices = classes.is_none() && numbers.is_some() && !distinct.is_empty();
    let mut note = None;
    let (index_of, class_names): (HashMap<String, usize>, Vec<String>) = match classes {
        Some(classes) => {
            let place = |label: &String| {
                let by_number = || parse_index(label).filter(|&index| index < classes.len());
                classes.iter().position(|class| class == label).or_else(by_number)
            };
            let mut index_of = HashMap::new();
            for label in distinct {
                let Some(index) = place(&label) else {
                    let message =
                        format!("label `{label}` is outside the {} classes: {}", classes.len(), list(&classes));
                    let example = samples.iter().find(|sample| sample.label.as_ref() == Some(&label));
                    let example = example.map_or_else(String::new, |sample| format!(" (first of `{}`)", sample.uri));
                    let hint = "`data.classes` lists all classes in the order of their index";
                    return Err(Error::param("data.classes", format!("{message}{example}"), hint));
                };
                index_of.insert(label, index);
            }
            (index_of, classes)
        }
        None if labels_are_indices => {
            if labels_are_names {
                note = Some("the folders are numbers, and stand for the outputs of these numbers".to_owned());
            }
            (distinct.into_iter().filter_map(|label| parse_index(&label).map(|index| (label, index))).collect(), vec![])
        }
        None => {
            let names: Vec<String> = distinct.into_iter().collect();
            (names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect(), names)
        }
    };
    for sample in samples {
        sample.label_index = sample.label.as_ref().and_then(|label| index_of.get(label).copied());
    }
    Ok(Indexed { class_names, labels_are_indices, note })
}

/// A label that is an index: `3`, or `3.0` as tables with gaps write it.
pub(crate) fn parse_index(label: &str) -> Option<usize> {
    label.strip_suffix(".0").unwrap_or(label).parse().ok()
}

/// Up to a dozen names, and how many more there are.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(N_LISTED).map(S::as_ref).collect();
    let more = names.len().saturating_sub(N_LISTED);
    let more = if more > 0 { format!(", … and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
