//! What the data set is: its form, its columns, its split.

use super::{Draft, classes};
use ascan_config::sections::DataSection;
use ascan_core::{Error, Result};
use ascan_images::{ImageSet, manifest_columns};
use ascan_onnx::Classifier;
use std::path::{Path, PathBuf};

const MANIFESTS: [&str; 3] = ["metadata.csv", "metadata.jsonl", "metadata.parquet"];
const LABELS: [&str; 4] = ["label", "y", "class", "target"];
/// Names under which data sets publish an annotated attribute beside the label.
const ATTRIBUTES: [&str; 6] = ["place", "background", "a", "attribute", "confounder", "spurious"];
const MASKS: [&str; 4] = ["mask", "mask_path", "mask_filename", "segmentation"];
/// Splits that a model was most likely not trained on, best first; "2" is how Waterbirds and its kin write test.
const SPLITS: [&str; 8] = ["test", "testing", "val", "valid", "validation", "eval", "dev", "2"];

/// Guesses the section, and says how many images there are.
pub(super) fn guess(data: &Path, model: &Path, classifier: &Classifier, draft: &mut Draft) -> Result<usize> {
    let mut section = source(data, draft)?;
    if let Some(manifest) = section.manifest.clone() {
        columns(&manifest, &mut section, draft)?;
    }
    let mut images = ImageSet::open(&section)?;
    draft.notes.push(format!("the data set is {} with {} images", images.form, images.len()));
    if let Some(split) = SPLITS.iter().find(|&&name| images.splits.iter().any(|split| split.eq_ignore_ascii_case(name)))
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
    Ok(images.len())
}

/// Which of the four sources a path is.
fn source(data: &Path, draft: &mut Draft) -> Result<DataSection> {
    let mut section = DataSection::default();
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
            None => {
                draft.set("data.images", draft.path(data));
                section.images = Some(data.to_owned());
            }
        }
    } else if ends(&[".csv", ".jsonl", ".ndjson", ".parquet"]) {
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
        let hint =
            "give a folder of images, a .csv, .jsonl or .parquet manifest, a .tar or .tar.gz archive, or an idx file";
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

/// The columns that score: groups and masks. Path, label and split are found by their names.
fn columns(manifest: &Path, section: &mut DataSection, draft: &mut Draft) -> Result<()> {
    let columns = manifest_columns(manifest)?;
    let known = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .filter(|name| columns.iter().any(|column| column == *name))
            .map(|name| (*name).to_owned())
            .collect()
    };
    let (label, attributes) = (known(&LABELS).into_iter().next(), known(&ATTRIBUTES));
    if let Some(label) = &label {
        draft.guess(
            "data.columns.label",
            label.clone(),
            format!("the first of {} among the columns", LABELS.join(", ")),
        );
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
    if let Some(mask) = known(&MASKS).into_iter().next() {
        draft.guess("data.columns.mask", mask.clone(), "it looks like a mask of the object; used only to score");
        section.columns.mask = mask;
    }
    Ok(())
}
