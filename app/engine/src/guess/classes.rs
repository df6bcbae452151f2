//! How the labels of the data set map to the outputs of the model.

use super::Draft;
use super::names::{self, files};
use ascan_config::sections::{ClassNames, DataSection};
use ascan_images::{ImageSet, outputs};
use ascan_onnx::Classifier;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tries the simple ways first: by the names in the model's file or beside it, by index, by a table beside the data.
pub(super) fn guess(
    images: &ImageSet,
    section: &mut DataSection,
    model: &Path,
    classifier: &Classifier,
    draft: &mut Draft,
) {
    let n_classes = classifier.n_classes;
    let labels: BTreeSet<&str> = images.samples.iter().filter_map(|sample| sample.label.as_deref()).collect();
    if labels.is_empty() {
        draft.notes.push("the data set has no labels: slices are found, but accuracy is unknown".into());
        return;
    }
    let meets = |section: &DataSection| outputs::map_to_outputs(images, section, n_classes).is_ok();
    let folders = [model.parent().map(Path::to_owned), source_folder(section)];
    let folders: Vec<PathBuf> = folders.into_iter().flatten().collect();
    let named = match names::find(&folders, n_classes) {
        _ if !classifier.class_names.is_empty() => {
            Some((classifier.class_names.clone(), "the model's file".to_owned()))
        }
        Some((file, names)) => {
            let why = format!("a name for each of the {n_classes} outputs: {}", list(&names));
            draft.guess("data.output_names", draft.path(&file), why);
            Some((names, file.file_name().unwrap_or_default().to_string_lossy().into_owned()))
        }
        None => None,
    };
    if let Some((names, source)) = &named {
        section.output_names = Some(ClassNames::List(names.clone()));
        let n_named = if images.labels_are_indices { 0 } else { outputs::n_named(images, names) };
        if n_named > 0 {
            let why = match labels.len() - n_named {
                0 => format!("{source} names the outputs ({}), every label among them", list(names)),
                n => format!(
                    "{n_named} labels are names of outputs in {source}, but {n} are not: `ascan check` lists them"
                ),
            };
            draft.guess("data.class_map", "name", why);
            return;
        }
    }
    if meets(section) {
        if let Some((_, source)) = named.filter(|_| !images.labels_are_indices) {
            draft.notes.push(format!(
                "no label is one of the names of outputs in {source}: they are matched by their order, which nothing confirms"
            ));
        }
        let why = if images.class_names.is_empty() {
            format!("labels are numbers, and the model has {n_classes} outputs")
        } else {
            format!("{n_classes} classes map to {n_classes} outputs in this order: {}", list(&images.class_names))
        };
        draft.guess("data.class_map", "index", why);
        return;
    }
    for file in folders.iter().flat_map(|dir| files(dir, "csv")) {
        if let Some((table, columns)) = table(&file, &labels, n_classes) {
            let why = format!("from the columns {columns} of {}", file.display());
            draft.guess("data.class_map", json!(table), why);
            return;
        }
    }
    let ids = labels.iter().all(|label| is_wordnet_id(label));
    let what = if ids { "WordNet ids, as in ImageNet" } else { "labels" };
    let some: Vec<&str> = labels.iter().copied().collect();
    let example = some.first().copied().unwrap_or_default();
    draft.notes.push(format!(
        "nothing about how the {} {what} ({}) map to the {n_classes} outputs: set data.class_map to a table, for example {{ {example} = 0, … }}, \
         or to a .csv file (label,index)",
        labels.len(),
        list(&some),
    ));
}

fn is_wordnet_id(label: &str) -> bool {
    label.strip_prefix('n').is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The folder that holds the data set.
fn source_folder(section: &DataSection) -> Option<PathBuf> {
    let beside = [&section.manifest, &section.archive, &section.idx].into_iter().flatten().next();
    section.images.clone().or_else(|| beside.and_then(|file| file.parent()).map(Path::to_owned))
}

/// A column that has every label, and another, named as an index, that gives each of them one output.
fn table(file: &Path, labels: &BTreeSet<&str>, n_classes: usize) -> Option<(BTreeMap<String, usize>, String)> {
    let mut reader = csv::Reader::from_path(file).ok()?;
    let header = reader.headers().ok()?.clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().ok()?;
    let is_index = |name: &str| name.to_lowercase().contains("index") || name.eq_ignore_ascii_case("output");
    for (index, index_name) in header.iter().enumerate().filter(|(_, name)| is_index(name)) {
        for (label, label_name) in header.iter().enumerate().filter(|(label, _)| *label != index) {
            let mut map = BTreeMap::new();
            let consistent =
                rows.iter().filter(|row| row.get(label).is_some_and(|value| labels.contains(value))).all(|row| {
                    let output =
                        row.get(index).and_then(|value| value.parse().ok()).filter(|&output| output < n_classes);
                    let known = row.get(label).zip(output);
                    known.is_some_and(|(label, output)| *map.entry(label.to_owned()).or_insert(output) == output)
                });
            if consistent && map.len() == labels.len() {
                return Some((map, format!("`{label_name}` and `{index_name}`")));
            }
        }
    }
    None
}

/// The first few.
fn list<S: AsRef<str>>(names: &[S]) -> String {
    const MAX: usize = 5;
    let shown: Vec<&str> = names.iter().take(MAX).map(S::as_ref).collect();
    if names.len() > MAX { format!("{}, …", shown.join(", ")) } else { shown.join(", ") }
}
