//! Which output of the model each label means.

use crate::labels::{list, parse_index, read_names};
use crate::sample::Sample;
use crate::set::ImageSet;
use crate::text;
use ascan_config::sections::{ClassMap, DataSection};
use ascan_core::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// The output of the model that each image's label means, −1 where the label is unknown.
///
/// # Shapes
/// Returns `[images.len()]`, each −1 or in `0..n_outputs`.
///
/// # Errors
/// `Param` with both sides (labels of the data set, outputs of the model) and the fix, if a label has no output.
pub fn map_to_outputs(images: &ImageSet, data: &DataSection, n_outputs: usize) -> Result<Vec<i32>> {
    let by_index = index_to_output(images, labels_of(images), data, n_outputs)?;
    // Every spelling of a label has the output of its index: `3` and `3.0` are one label. Outputs are counted in `i32`
    // throughout the scan table.
    let output = |sample: &Sample| sample.label_index.and_then(|index| by_index.get(&index)).map_or(-1, |&o| o as i32);
    Ok(images.samples.iter().map(output).collect())
}

/// Which classes each image has, where it may have several.
///
/// # Shapes
/// Returns `[images.len(), n_outputs]`, row by row: 1 where the image has the class, 0 where not, NaN where nothing is known
/// of the image. Of an image with one label the other classes count as absent.
///
/// # Errors
/// As [`map_to_outputs`].
pub fn presences(images: &ImageSet, data: &DataSection, n_outputs: usize) -> Result<Vec<f32>> {
    let marked = images.marked_classes.iter().enumerate().map(|(i, name)| (i, (name.as_str(), name.as_str())));
    let has_marks = !images.marked_classes.is_empty();
    let labels = if has_marks { marked.collect() } else { labels_of(images) };
    let by_index = index_to_output(images, labels, data, n_outputs)?;
    let mut rows = Vec::with_capacity(images.len() * n_outputs);
    for sample in &images.samples {
        let indices: Vec<usize> =
            if has_marks { sample.marks.clone() } else { sample.label_index.into_iter().collect() };
        let is_known = has_marks || !indices.is_empty();
        let first = rows.len();
        rows.resize(first + n_outputs, if is_known { 0.0 } else { f32::NAN });
        for output in indices.iter().filter_map(|index| by_index.get(index)) {
            rows[first + output] = 1.0;
        }
    }
    Ok(rows)
}

/// The quantity that each image is labelled with, `[images.len()]`; NaN where it has no label.
///
/// # Errors
/// `Param`, naming the first image whose label is no number.
pub fn quantities(images: &ImageSet) -> Result<Vec<f32>> {
    let value = |sample: &Sample| match sample.label.as_deref() {
        None => Ok(f32::NAN),
        Some(label) => label.trim().parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| {
            let message = format!("label `{label}` of `{}` is no number", sample.uri);
            Error::param("data.columns.label", message, "a model of a quantity (`model.output.kind`) needs numbers")
        }),
    };
    images.samples.iter().map(value).collect()
}

/// The output of the label of each index.
fn index_to_output(
    images: &ImageSet,
    labels: Labels,
    data: &DataSection,
    n_outputs: usize,
) -> Result<BTreeMap<usize, usize>> {
    let output_names = data.output_names.as_ref().map(read_names).transpose()?;
    if let Some(names) = &output_names
        && names.len() != n_outputs
    {
        let message = format!("has {} names, but the model has {n_outputs} outputs", names.len());
        return Err(Error::param("data.output_names", message, "one name per output, in their order"));
    }
    let sides = Sides { images, labels, output_names: output_names.as_deref(), n_outputs };
    match &data.class_map {
        ClassMap::Rule(rule) if rule == "auto" => {
            let named = output_names.as_deref().map_or(0, |names| n_among(&sides.labels, names));
            if named > 0 && !images.labels_are_indices { sides.by_name() } else { sides.by_index() }
        }
        ClassMap::Rule(rule) if rule == "index" => sides.by_index(),
        ClassMap::Rule(rule) if rule == "name" => sides.by_name(),
        ClassMap::Rule(file) => sides.by_table(&read_table(Path::new(file))?),
        ClassMap::Table(table) => sides.by_table(table),
    }
}

/// The distinct labels in the order of their index, each as it is written and its name.
type Labels<'a> = BTreeMap<usize, (&'a str, &'a str)>;

fn labels_of(images: &ImageSet) -> Labels<'_> {
    let mut labels = BTreeMap::new();
    for sample in &images.samples {
        if let (Some(label), Some(index)) = (&sample.label, sample.label_index) {
            let name = images.class_names.get(index).unwrap_or(label);
            labels.insert(index, (label.as_str(), name.as_str()));
        }
    }
    labels
}

fn n_among(labels: &Labels, output_names: &[String]) -> usize {
    let outputs = OutputNames::new(output_names);
    labels.values().filter(|(_, name)| !outputs.find(name).is_empty()).count()
}

/// How many distinct labels of the set are the name of an output, or one of its synonyms.
pub fn n_named(images: &ImageSet, output_names: &[String]) -> usize {
    n_among(&labels_of(images), output_names)
}

/// Both sides that have to meet.
struct Sides<'a> {
    images: &'a ImageSet,
    labels: Labels<'a>,
    output_names: Option<&'a [String]>,
    n_outputs: usize,
}

impl Sides<'_> {
    fn by_index(&self) -> Result<BTreeMap<usize, usize>> {
        let n_classes = self.images.class_names.len();
        if !self.images.labels_are_indices && n_classes != 0 && n_classes != self.n_outputs {
            let message = format!("the {n_classes} classes cannot be matched with {} outputs by index", self.n_outputs);
            return Err(self.mismatch(message));
        }
        if let Some((&index, (label, _))) = self.labels.iter().find(|&(&index, _)| index >= self.n_outputs) {
            let example = self.images.samples.iter().find(|sample| sample.label_index == Some(index));
            let example = example.map_or("", |sample| sample.uri.as_str());
            let message =
                format!("label {label} of `{example}` is outside the model's outputs 0..{}", self.n_outputs - 1);
            return Err(self.mismatch(message));
        }
        Ok(self.labels.keys().map(|&index| (index, index)).collect())
    }

    fn by_name(&self) -> Result<BTreeMap<usize, usize>> {
        let Some(output_names) = self.output_names else {
            let hint = "set `data.output_names` to a text file with one name per line, or to a list";
            return Err(Error::param("data.class_map", "\"name\" needs the names of the model's outputs", hint));
        };
        if self.images.labels_are_indices {
            let hint = "set `data.classes` to the names in the order of their index, or `class_map = \"index\"`";
            return Err(Error::param("data.class_map", "\"name\" needs class names, but the labels are numbers", hint));
        }
        let outputs = OutputNames::new(output_names);
        let mut by_index = BTreeMap::new();
        let mut missing = Vec::new();
        for (&index, (_, name)) in &self.labels {
            match outputs.find(name) {
                [output] => drop(by_index.insert(index, *output)),
                [] => missing.push(name),
                several => {
                    let message = format!("class `{name}` is the name of more than one output: {several:?}");
                    let hint = format!("set `data.class_map` to a table, as {{ {} = {}, … }}", quote(name), several[0]);
                    return Err(Error::param("data.class_map", message, hint));
                }
            }
        }
        if let Some(first) = missing.first() {
            let closest =
                outputs.closest(first).map_or_else(String::new, |name| format!("; closest to `{first}`: `{name}`"));
            return Err(self.mismatch(format!("no output is named {}{closest}", list(&missing))));
        }
        Ok(by_index)
    }

    fn by_table(&self, table: &BTreeMap<String, usize>) -> Result<BTreeMap<usize, usize>> {
        if let Some((label, output)) = table.iter().find(|&(_, &output)| output >= self.n_outputs) {
            let message = format!("`{label}` = {output}, but the model's outputs are 0..{}", self.n_outputs - 1);
            return Err(Error::param("data.class_map", message, ""));
        }
        let mut by_index = BTreeMap::new();
        let mut missing = Vec::new();
        for (&index, &(label, name)) in &self.labels {
            match table.get(label).or_else(|| table.get(name)) {
                Some(&output) => drop(by_index.insert(index, output)),
                None => missing.push(label),
            }
        }
        if missing.is_empty() {
            return Ok(by_index);
        }
        let keys: Vec<&String> = table.keys().collect();
        Err(self.mismatch(format!("the table has no entry for {}; it has {}", list(&missing), list(&keys))))
    }

    /// Says what each side has, and the three ways to bring them together.
    fn mismatch(&self, message: String) -> Error {
        let labels: Vec<&str> = self.labels.values().map(|(_, name)| *name).collect();
        let outputs = match self.output_names {
            Some(names) => list(names),
            None => format!("0..{}, without names", self.n_outputs.saturating_sub(1)),
        };
        let message = format!(
            "{message}\n  the data set has {} labels: {}\n  the model has {} outputs: {outputs}",
            labels.len(),
            list(&labels),
            self.n_outputs
        );
        let example = labels.first().map_or_else(String::new, |label| quote(label));
        let hint = format!(
            "set `data.class_map` to a table from label to output, for example {{ {example} = 0, … }}, or to a .csv or .json file \
             with such a table, or to \"name\" with `data.output_names`; or set `data.classes` to all classes in the order of the outputs"
        );
        Error::param("data.class_map", message, hint)
    }
}

fn quote(label: &str) -> String {
    format!("\"{label}\"")
}

/// Output names as people write them: `tench, Tinca tinca` is found by either name, in any case.
struct OutputNames {
    whole: HashMap<String, Vec<usize>>,
    synonyms: HashMap<String, Vec<usize>>,
}

impl OutputNames {
    fn new(names: &[String]) -> Self {
        let (mut whole, mut synonyms) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (output, name) in names.iter().enumerate() {
            whole.entry(plain(name)).or_default().push(output);
            let parts: BTreeSet<String> = name.split(',').map(plain).collect();
            parts.into_iter().for_each(|part| synonyms.entry(part).or_default().push(output));
        }
        Self { whole, synonyms }
    }

    /// The outputs with this name; a name that is the whole of one output's comes before one of its synonyms.
    fn find(&self, name: &str) -> &[usize] {
        let name = plain(name);
        self.whole.get(&name).or_else(|| self.synonyms.get(&name)).map_or(&[], Vec::as_slice)
    }

    fn closest(&self, name: &str) -> Option<&str> {
        let name = plain(name);
        let score = |known: &String| strsim::jaro_winkler(&name, known);
        let known = self.synonyms.keys().map(|known| (score(known), known));
        let (score, known) = known.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))?;
        (score > 0.8).then_some(known)
    }
}

/// Lower case, with single spaces for underscores, hyphens and runs of space.
fn plain(name: &str) -> String {
    let spaced = name.to_lowercase().replace(['_', '-'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table from label to output: a .json object, or a .csv with the label first and the output in `index`, or second.
fn read_table(path: &Path) -> Result<BTreeMap<String, usize>> {
    let hint = "`class_map` is \"auto\", \"index\", \"name\", a table, or a .csv (label,index) or .json ({\"label\": index}) file";
    let fail = |message: String| Error::file(path, message, hint);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("json") => {
            let text = text::read(path, hint)?.text;
            serde_json::from_str(&text).map_err(|error| fail(format!("is not a table from label to index: {error}")))
        }
        Some("csv") => {
            let text = text::read(path, hint)?.text;
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let header = reader.headers().map_err(|error| fail(error.to_string()))?;
            let column = header.iter().position(|name| name.trim() == "index").unwrap_or(1);
            let mut table = BTreeMap::new();
            for (line, record) in (2..).zip(reader.records()) {
                let record = record.map_err(|error| fail(error.to_string()))?;
                let index = record.get(column).map(str::trim).and_then(parse_index);
                let index = index.ok_or_else(|| fail(format!("line {line} has no index in column {}", column + 1)))?;
                table.insert(record[0].trim().to_owned(), index);
            }
            Ok(table)
        }
        _ => Err(Error::param("data.class_map", format!("unknown rule \"{}\"", path.display()), hint)),
    }
}
