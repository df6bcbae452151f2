//! How the labels of the data set map to the outputs of the model.

use super::Draft;
use super::names::{self, files};
use ascan_config::sections::{ClassNames, DataSection};
use ascan_core::OutputKind;
use ascan_images::labels::read_names;
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
    if labels.is_empty() && images.marked_classes.is_empty() {
        draft.notes.push("the data set has no labels: slices are found, but accuracy is unknown".into());
        return;
    }
    let folders = [model.parent().map(Path::to_owned), source_folder(section)];
    let folders: Vec<PathBuf> = folders.into_iter().flatten().collect();
    // The user's own names come before any that are found.
    let given = section.output_names.as_ref().and_then(|names| read_names(names).ok());
    let given = given.map(|names| (names, "`data.output_names`".to_owned()));
    let named = given.or_else(|| names_of_outputs(classifier, &folders, draft));
    section.output_names =
        named.as_ref().map(|(names, _)| ClassNames::List(names.clone())).or(section.output_names.take());
    if question(images, section, classifier, draft) {
        return;
    }
    let meets = |section: &DataSection| outputs::map_to_outputs(images, section, n_classes).is_ok();
    if let Some((names, source)) = &named {
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

/// Names of the outputs, and where they were found: in the model's file, else in one of these folders.
fn names_of_outputs(classifier: &Classifier, folders: &[PathBuf], draft: &mut Draft) -> Option<(Vec<String>, String)> {
    if !classifier.class_names.is_empty() {
        return Some((classifier.class_names.clone(), "the model's file".to_owned()));
    }
    let n = if classifier.kind == OutputKind::Binary { classifier.n_classes } else { classifier.n_scores };
    let (file, names) = names::find(folders, n).filter(|_| n > 1)?;
    draft.guess(
        "data.output_names",
        draft.path(&file),
        format!("a name for each of the {n} outputs: {}", list(&names)),
    );
    Some((names, file.file_name().unwrap_or_default().to_string_lossy().into_owned()))
}

/// Where images have several classes, or labels are quantities: what is asked of the model then. Says whether it is settled.
fn question(images: &ImageSet, section: &DataSection, classifier: &Classifier, draft: &mut Draft) -> bool {
    let samples = &images.samples;
    let n_several = samples.iter().filter(|sample| sample.marks.len() > 1).count();
    let given = draft.given.model.output.kind.clone();
    let is_asked = |kind: OutputKind| given == kind.name();
    let may_be_several = [OutputKind::Sigmoid, OutputKind::Logits].contains(&classifier.kind) && n_several > 0;
    if is_asked(OutputKind::MultiLabel) || (may_be_several && !is_asked(OutputKind::Sigmoid)) {
        let why = format!("{n_several} of {} images have several classes", samples.len());
        draft.guess("model.output.kind", OutputKind::MultiLabel.name(), why);
        match outputs::presences(images, section, classifier.n_scores) {
            Err(error) => draft.notes.push(format!("to do: {error}")),
            Ok(present) => {
                let n_of = |class: usize| {
                    present.iter().skip(class).step_by(classifier.n_scores).filter(|&&p| p > 0.5).count()
                };
                // Of a class that hardly an image has, or lacks, there is little to find.
                let balance = |&class: &usize| n_of(class).min(samples.len() - n_of(class));
                let class = (0..classifier.n_scores).rev().max_by_key(balance).unwrap_or(0);
                let name =
                    images.marked_classes.get(class).filter(|_| images.marked_classes.len() == classifier.n_scores);
                let written = name.cloned().unwrap_or_else(|| class.to_string());
                let why = format!(
                    "in {} of {} images; a scan asks for one class, and this one is most often both there and not",
                    n_of(class),
                    samples.len()
                );
                draft.guess("model.output.class", written, why);
            }
        }
        return true;
    }
    let labels: Vec<&str> = samples.iter().filter_map(|sample| sample.label.as_deref()).collect();
    let are_quantities = classifier.kind == OutputKind::Binary
        && !labels.is_empty()
        && labels.iter().all(|label| label.trim().parse::<f32>().is_ok_and(f32::is_finite))
        && labels.iter().any(|label| ![0.0, 1.0].contains(&label.trim().parse::<f32>().unwrap_or_default()));
    if are_quantities && given == "auto" {
        let why = "the model gives one number, and labels are numbers other than 0 and 1";
        draft.guess("model.output.kind", OutputKind::Regression.name(), why);
    }
    are_quantities || is_asked(OutputKind::Regression)
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
