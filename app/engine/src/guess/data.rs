//! What the data set is: its form, its columns, its split.

use super::{Draft, classes};
use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use ascan_images::{ImageSet, is_table, label_column, lists_classes, manifest_columns, yes_no_columns};
use ascan_onnx::Classifier;
use std::path::{Path, PathBuf};

const MANIFESTS: [&str; 3] = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];
/// Names under which data sets publish an annotated attribute beside the label.
const ATTRIBUTES: [&str; 6] = ["place", "background", "a", "attribute", "confounder", "spurious"];
const MASKS: [&str; 4] = ["mask", "mask_path", "mask_filename", "segmentation"];
/// Splits that a model was most likely not trained on, best first; "2" is how Waterbirds and its kin write test.
const SPLITS: [&str; 8] = ["test", "testing", "val", "valid", "validation", "eval", "dev", "2"];

/// What was found: the number of images, or nothing where a person has to say first which column holds them.
type Found = Option<usize>;

/// Guesses the section, and says how many images there are.
pub(super) fn guess(data: &Path, model: &Path, classifier: &Classifier, draft: &mut Draft) -> Result<Found> {
    let mut section = source(data, draft)?;
    if let Some(manifest) = section.manifest.clone()
        && let Err(error) = columns(&manifest, &mut section, draft)
    {
        return undecided(&manifest, error, draft);
    }
    let mut images = match (ImageSet::open(&section), &section.manifest) {
        (Ok(images), _) => images,
        (Err(error), Some(manifest)) => return undecided(manifest, error, draft),
        (Err(error), None) => return Err(error),
    };
    if let Some((prefix, folder)) = moved(&images) {
        let why = "the table names files of another machine, and they are here";
        draft.guess("data.root_map", serde_json::json!({ &prefix: draft.path(&folder) }), why);
        section.root_map.insert(prefix, folder);
        images = ImageSet::open(&section)?;
    }
    draft.notes.push(format!("the data set is {} with {} images", images.form, images.len()));
    draft.notes.extend(images.notes.iter().cloned());
    if let Some(split) = SPLITS.iter().find(|&&name| images.splits.iter().any(|split| split.eq_ignore_ascii_case(name)))
        && section.split.is_none()
    {
        let written = images.splits.iter().find(|known| known.eq_ignore_ascii_case(split));
        let why = format!(
            "one of {}: errors show best on images that the model was not trained on",
            images.splits.join(", ")
        );
        section.split = written.cloned();
        draft.guess("data.split", section.split.clone().unwrap_or_default(), why);
        images = ImageSet::open(&section)?;
    }
    classes::guess(&images, &mut section, model, classifier, draft);
    Ok(Some(images.len()))
}

/// A table whose columns nobody can guess still gives a configuration, which lists them; any other error stays one.
fn undecided(manifest: &Path, error: Error, draft: &mut Draft) -> Result<Found> {
    let is_about_columns = match &error {
        Error::Param { key, .. } => key.starts_with("data.columns"),
        Error::UnknownName { kind, .. } => kind.starts_with("column"),
        _ => false,
    };
    if !is_about_columns {
        return Err(error);
    }
    let listed = manifest_columns(manifest)?.join(", ");
    let to_do = format!("to do: say which column is meant; {error}. The columns are: {listed}");
    draft.undecided("data.columns.path", "auto", &to_do);
    draft.undecided("data.columns.label", "auto", &format!("to do: the ground truth, or \"none\"; one of: {listed}"));
    Ok(None)
}

/// For a table of absolute paths of another machine: what they begin with, and the folder here in which the rest is found.
fn moved(images: &ImageSet) -> Option<(String, PathBuf)> {
    let uri = &images.samples.first()?.uri;
    let parts: Vec<&str> = uri.split('/').collect();
    let is_absolute = uri.starts_with('/') || parts[0].ends_with(':');
    if !is_absolute || Path::new(uri).exists() {
        return None;
    }
    // The longest rest that is here.
    let at = (1..parts.len()).find(|&at| images.root.join(parts[at..].join("/")).is_file())?;
    Some((parts[..at].join("/"), images.root.clone()))
}

/// Which of the four sources a path is.
fn source(data: &Path, draft: &mut Draft) -> Result<DataSection> {
    // What was said with `--set` holds from the start.
    let mut section = draft.given.data.clone();
    let name = data.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if !data.exists() {
        return Err(Error::file(
            data,
            "there is no such file or folder",
            "give a folder of images, a manifest, an archive or an idx file",
        ));
    }
    if data.is_dir() {
        match MANIFESTS.iter().map(|name| data.join(name)).find(|file| file.is_file()) {
            Some(manifest) => {
                draft.guess(
                    "data.manifest",
                    draft.path(&manifest),
                    "it lies in the folder; to use folders as classes instead, remove this key and set `images`",
                );
                section.manifest = Some(manifest);
            }
            None if is_table(data) => {
                draft.guess("data.manifest", draft.path(data), "the folder holds .parquet files and no images");
                section.manifest = Some(data.to_owned());
            }
            None => {
                draft.set("data.images", draft.path(data));
                section.images = Some(data.to_owned());
            }
        }
    } else if ends(&[".csv", ".tsv", ".tab", ".txt", ".lst", ".json", ".jsonl", ".ndjson", ".parquet"]) {
        draft.set("data.manifest", draft.path(data));
        section.manifest = Some(data.to_owned());
    } else if ends(&[".tar", ".tar.gz", ".tgz"]) {
        draft.set("data.archive", draft.path(data));
        section.archive = Some(data.to_owned());
        if let Some(manifest) = manifest_of_archive(data) {
            draft.guess("data.manifest", draft.path(&manifest), "it lies beside the archive and has a column of paths");
            section.manifest = Some(manifest);
        }
    } else if ends(&["-ubyte", "-ubyte.gz", ".idx", ".idx.gz", ".idx3", ".idx3.gz"]) {
        draft.set("data.idx", draft.path(data));
        section.idx = Some(data.to_owned());
        let labels = labels_of_idx(data);
        draft.guess("data.idx_labels", draft.path(&labels), "named like the file of the images");
        section.idx_labels = Some(labels);
    } else {
        let hint = "give a folder of images, a table (.csv, .tsv, .txt, .json, .jsonl, .parquet), a .tar or .tar.gz archive, or an idx file";
        return Err(Error::file(data, "is not a known kind of image set", hint));
    }
    Ok(section)
}

/// `test.tar` goes with `test.csv` or `test_labels.csv`.
fn manifest_of_archive(archive: &Path) -> Option<PathBuf> {
    let name = archive.file_name()?.to_string_lossy().into_owned();
    let stem = name.split('.').next().unwrap_or(&name).to_owned();
    let names = [format!("{stem}.csv"), format!("{stem}_labels.csv"), format!("{stem}.jsonl"), "metadata.csv".into()];
    names.into_iter().map(|name| archive.with_file_name(name)).find(|file| file.is_file())
}

/// `t10k-images-idx3-ubyte.gz` goes with `t10k-labels-idx1-ubyte.gz`.
fn labels_of_idx(images: &Path) -> PathBuf {
    let name =
        images.file_name().unwrap_or_default().to_string_lossy().replace("images", "labels").replace("idx3", "idx1");
    images.with_file_name(name)
}

/// The columns of labels and those that score: groups and masks. Path and split are found by their names.
fn columns(manifest: &Path, section: &mut DataSection, draft: &mut Draft) -> Result<()> {
    let columns = manifest_columns(manifest)?;
    let known = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .filter(|name| columns.iter().any(|column| column == *name))
            .map(|name| (*name).to_owned())
            .collect()
    };
    let attributes = known(&ATTRIBUTES);
    let label = label_column(section)?.map(|column| columns[column].clone());
    if let Some(label) =
        label.as_ref().filter(|_| section.columns.one_hot.is_empty() && section.columns.label_list == "none")
    {
        if section.columns.label_list == "none" && lists_classes(manifest, label)? {
            draft.guess("data.columns.label_list", label.clone(), "its cells list several classes");
            section.columns.label_list.clone_from(label);
            section.columns.label = "auto".into();
        } else {
            draft.guess("data.columns.label", label.clone(), "it is named as labels are");
        }
    } else if section.columns.one_hot.is_empty() && section.columns.label == "auto" {
        let marks = yes_no_columns(manifest)?;
        if marks.len() > 1 {
            let why = "no column is named as labels are, and these hold only 0 and 1 (or -1): one per class";
            draft.guess("data.columns.one_hot", marks.clone(), why);
            section.columns.one_hot = marks;
        }
    }
    if !section.columns.group.is_empty() {
        return Ok(());
    }
    if let (Some(label), false) = (label, attributes.is_empty()) {
        section.columns.group = std::iter::once(label).chain(attributes).collect();
    } else {
        section.columns.group = known(&["group"]);
    }
    if !section.columns.group.is_empty() {
        let why = "columns that look like annotated groups; used only to score slices, no slicer sees them";
        draft.guess("data.columns.group", section.columns.group.clone(), why);
    }
    if let Some(mask) = known(&MASKS).into_iter().next().filter(|_| section.columns.mask == "none") {
        draft.guess("data.columns.mask", mask.clone(), "it looks like a mask of the object; used only to score");
        section.columns.mask = mask;
    }
    Ok(())
}
