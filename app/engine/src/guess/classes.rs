//! How the labels of the data set map to the outputs of the model.

use super::Draft;
use ascan_config::sections::{ClassMap, ClassNames, DataSection};
use ascan_images::{ImageSet, labels};
use ascan_onnx::Classifier;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tries the simple ways first: by the names in the model's file, by index, by name, by a table beside the data.
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
    let meets = |section: &DataSection| labels::map_to_outputs(images, section, n_classes).is_ok();
    if !classifier.class_names.is_empty() {
        let output_names = Some(ClassNames::List(classifier.class_names.clone()));
        let by_name = DataSection { output_names, class_map: ClassMap::Rule("name".into()), ..section.clone() };
        if meets(&by_name) {
            let why = format!(
                "the model's file names its outputs ({}), every label among them",
                list(&classifier.class_names)
            );
            draft.guess("data.class_map", "name", why);
            return;
        }
    }
    if meets(section) {
        let why = if images.class_names.is_empty() {
            format!("labels are numbers, and the model has {n_classes} outputs")
        } else {
            format!("{n_classes} classes map to {n_classes} outputs in this order: {}", list(&images.class_names))
        };
        draft.guess("data.class_map", "index", why);
        return;
    }
    let folders = [source_folder(section), model.parent().map(Path::to_owned)];
    let folders: Vec<PathBuf> = folders.into_iter().flatten().collect();
    for file in folders.iter().flat_map(|dir| files(dir, "txt")) {
        let names = ClassNames::File(file.clone());
        if labels::read_names(&names).is_ok_and(|names| names.len() == n_classes) {
            let by_name =
                DataSection { output_names: Some(names), class_map: ClassMap::Rule("name".into()), ..section.clone() };
            let fits = meets(&by_name);
            let why = format!("it has {n_classes} lines, as many as the model has outputs");
            draft.guess("data.output_names", draft.path(&file), why);
            section.output_names = by_name.output_names.clone();
            if fits {
                draft.guess("data.class_map", "name", "every label is the name of an output");
                return;
            }
            break;
        }
    }
    for file in folders.iter().flat_map(|dir| files(dir, "csv")) {
        if let Some((table, columns)) = table(&file, &labels, n_classes) {
            let why = format!("from the columns {columns} of {}", file.display());
            draft.guess("data.class_map", serde_json::json!(table), why);
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

/// Files with this extension, sorted.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
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
