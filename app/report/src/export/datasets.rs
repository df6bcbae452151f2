//! Data sets for other tools: FiftyOne and Hugging Face.

use super::{Export, Image, Table, make_dir, unwritable, write_file, write_json};
use crate::mosaic::save_png;
use ascan_core::{Error, Result};
use ascan_images::decode::is_image;
use ascan_images::read_file;
use ascan_store::disk;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// `metadata.json` and `samples.json`, in the form of FiftyOne datasets that carries no database internals:
/// its importer takes it for every `FiftyOneDataset` whose metadata has no `version`.
///
/// Images stay where they are if they have files of their own; others are written to `data/`.
pub(super) fn fiftyone(export: &Export, dir: &Path) -> Result<Vec<PathBuf>> {
    let scan = export.table;
    let classification = |class: i32, confidence: Option<f64>| match class {
        ..0 => Value::Null,
        class => {
            let name = export.class_name(class).map_or_else(|| class.to_string(), str::to_owned);
            let mut label = json!({"_cls": "Classification", "label": name});
            if let Some(confidence) = confidence {
                label["confidence"] = json!(confidence);
            }
            label
        }
    };
    let (mut samples, mut gone) = (Vec::new(), Gone::default());
    for row in scan.valid_rows() {
        let Some(file) = gone.take(file_of(export, row, dir, "data", false)?) else { continue };
        let mut sample = Map::new();
        let tags: Vec<&String> = scan.splits.iter().map(|splits| &splits[row]).collect();
        sample.insert("filepath".into(), json!(file));
        sample.insert("tags".into(), json!(tags));
        sample.insert("ground_truth".into(), classification(scan.labels[row], None));
        let confidence = Some(f64::from(scan.confidences[row]));
        sample.insert("predictions".into(), classification(scan.predicted_classes[row], confidence));
        let loss = scan.losses[row];
        sample.insert("loss".into(), if loss.is_finite() { json!(loss) } else { Value::Null });
        for group in &scan.groups {
            sample.insert(format!("group_{}", group.name), json!(group.values[row]));
        }
        if let Some(said) = export.review.of_image(row) {
            sample.insert("verdict".into(), json!(said.mark.name()));
            sample.insert("verdict_comment".into(), json!(said.note));
            sample.insert("verdict_author".into(), json!(said.author));
        }
        if let Some(&spuriousness) = export.review.spuriousness.get(row).filter(|value| value.is_finite()) {
            sample.insert("spuriousness".into(), json!(spuriousness));
        }
        for set in export.slice_sets {
            let slice = set.assignment[row];
            // A field name is a Python identifier.
            let id = set.id.replace(['-', '.'], "_");
            sample.insert(format!("slice_{id}"), json!(slice));
            if let Some(said) = export.review.of_slice(&set.id, slice) {
                sample.insert(format!("slice_verdict_{id}"), json!(said.mark.name()));
            }
        }
        samples.push(sample);
    }
    gone.check(samples.len())?;
    let paths = [dir.join("metadata.json"), dir.join("samples.json")];
    let info = json!({"made_by": format!("ascan {}", env!("CARGO_PKG_VERSION")), "slice_sets": export.judged_sets()?});
    let metadata = json!({"media_type": "image", "default_classes": export.class_names, "info": info});
    write_json(&paths[0], &metadata)?;
    write_json(&paths[1], &json!({"samples": samples}))?;
    Ok(paths.into())
}

/// `metadata.jsonl` with `file_name` first; the format wants the images inside the folder, so images that
/// are elsewhere are copied to `images/`.
pub(super) fn hugging_face(export: &Export, dir: &Path, samples: &Table) -> Result<Vec<PathBuf>> {
    let (mut lines, mut gone) = (Vec::new(), Gone::default());
    for row in export.table.valid_rows() {
        let Some(file) = gone.take(file_of(export, row, dir, "images", true)?) else { continue };
        let mut line = Map::new();
        line.insert("file_name".into(), json!(file));
        line.extend(samples.row(row).into_iter().filter(|(name, _)| name != "error"));
        lines.push(Value::Object(line).to_string());
    }
    gone.check(lines.len())?;
    let path = dir.join("metadata.jsonl");
    write_file(&path, (lines.join("\n") + "\n").as_bytes())?;
    Ok(vec![path])
}

/// Images that could not be had.
#[derive(Default)]
struct Gone {
    first: Option<Error>,
}

impl Gone {
    /// The file, or nothing for an image that is gone, of which the first is remembered.
    fn take(&mut self, file: Result<String, Error>) -> Option<String> {
        file.map_err(|error| self.first.get_or_insert(error)).ok()
    }

    /// A data set of images without any image is none.
    fn check(self, n_written: usize) -> Result<()> {
        match self.first {
            Some(error) if n_written == 0 => Err(error),
            _ => Ok(()),
        }
    }
}

/// The file name of a row's image, relative to `dir` with forward slashes if it lies inside, absolute otherwise.
/// An image without a file (or, with `copies`, outside `dir`) is put into `folder`. The inner error if it cannot be had any more.
fn file_of(export: &Export, row: usize, dir: &Path, folder: &str, copies: bool) -> Result<Result<String>> {
    let image = match (export.images)(row) {
        Ok(image) => image,
        Err(error) => return Ok(Err(error)),
    };
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let inside = |path: &Path| {
        let path = absolute(path);
        let parts: Option<Vec<&str>> =
            path.strip_prefix(absolute(dir)).ok()?.iter().map(|part| part.to_str()).collect();
        Some(parts?.join("/"))
    };
    let put = |name: String, write: &dyn Fn(&Path) -> Result<(), String>| {
        make_dir(&dir.join(folder))?;
        let path = dir.join(folder).join(&name);
        write(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Ok(format!("{folder}/{name}")))
    };
    match image {
        Image::Decoded(picture) => {
            put(format!("{row:06}.png"), &|path| save_png(&picture, path).map_err(|error| error.to_string()))
        }
        Image::File(path) => match inside(&path) {
            Some(name) => Ok(Ok(name)),
            None if copies => {
                let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("img");
                // A table of others may name any file of this machine: only images go into what may be passed on.
                let bytes = match read_file(&path) {
                    Ok(bytes) if is_image(&bytes) => bytes,
                    Ok(_) => return Ok(Err(Error::file(&path, "is no image", "correct the table that names it"))),
                    Err(reason) => return Ok(Err(Error::file(&path, reason, "bring the images back"))),
                };
                // Bytes only: a read-only original must not make a copy that cannot be replaced.
                let copy = |to: &Path| disk::write(to, &bytes).map_err(|error| error.to_string());
                put(format!("{row:06}.{extension}"), &copy)
            }
            None => {
                let named = absolute(&path).to_str().map(str::to_owned);
                Ok(named.ok_or_else(|| Error::file(&path, "has a name that is not text", "rename it")))
            }
        },
    }
}
