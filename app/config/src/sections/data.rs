//! What is scanned: `[data]` and its columns.

use ascan_core::params::{Params, Problems};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `[data]`: the images and what is known about them. Exactly one of `images`, `manifest`, `archive`, `idx` is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSection {
    /// A folder with one folder per class, or one folder per split and in it one folder per class.
    pub images: Option<PathBuf>,
    /// A table of images (.csv, .tsv, .txt, .json, .jsonl, .parquet), or a folder of .parquet files; paths in it are
    /// relative to `root`.
    pub manifest: Option<PathBuf>,
    /// A .tar (or .tar.gz) of images with one folder per class inside, or described by `manifest`.
    pub archive: Option<PathBuf>,
    /// Images of a pair of idx files (MNIST), plain or .gz; labels in `idx_labels`.
    pub idx: Option<PathBuf>,
    /// Labels of the idx pair.
    pub idx_labels: Option<PathBuf>,
    /// Folder that the paths of a manifest are relative to; default: the manifest's folder, or the archive.
    pub root: Option<PathBuf>,
    /// What the paths of a manifest begin with, and the folder that is meant: for absolute paths of another machine.
    pub root_map: BTreeMap<String, PathBuf>,
    /// `[data.columns]`: which column of the manifest is what.
    pub columns: ColumnsSection,
    /// Keep only images of this split.
    pub split: Option<String>,
    /// Class names in the order of their index: a text file with one name per line, or a list.
    pub classes: Option<ClassNames>,
    /// How labels map to the model's outputs: `index` (label i is output i), `name` (by class name, with the names of
    /// the outputs), `auto` (by name where the outputs have names and a label is one of them, else by index), or a table
    /// from label to output index.
    pub class_map: ClassMap,
    /// Names of the model's outputs: a file in one of the forms of [`ascan_core::output_names::parse`], or a list. Where it
    /// is not set, the names in the model's metadata count.
    pub output_names: Option<ClassNames>,
}

/// A list of names, or a text file with one name per line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassNames {
    /// A text file.
    File(PathBuf),
    /// The names themselves.
    List(Vec<String>),
}

/// How the data set's labels map to the model's outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassMap {
    /// `"auto"`, `"index"` or `"name"`, or a .csv/.json file from label to output index.
    Rule(String),
    /// From label (as in the data set: folder name or value of the label column) to output index.
    Table(BTreeMap<String, usize>),
}

impl Default for ClassMap {
    fn default() -> Self {
        Self::Rule("auto".into())
    }
}

impl Params for DataSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("images", "a folder of images: one folder per class, or one folder per split and in it one folder per class"),
        ("manifest", "a table of images (.csv, .tsv, .txt, .json, .jsonl, .parquet), or a folder of .parquet files"),
        ("archive", "a .tar or .tar.gz of images"),
        ("idx", "an idx file of images (MNIST), plain or .gz"),
        ("idx_labels", "the idx file of their labels"),
        ("root", "folder that the manifest's paths are relative to; default: the manifest's own"),
        ("root_map", "for paths of another machine: what they begin with = the folder that is meant here"),
        ("columns", "which column of the manifest is what: path, label, one_hot = [..], split, group = [..], mask"),
        ("split", "keep only images of this split"),
        ("classes", "class names by label index: a text file with one name per line, or a list"),
        (
            "class_map",
            "how labels map to the model's outputs: \"auto\", \"index\", \"name\", a file, or a table label -> output",
        ),
        ("output_names", "names of the model's outputs, where its file holds none: a text file, a .json, or a list"),
    ];

    fn check(&self, problems: &mut Problems) {
        let sources = [&self.images, &self.manifest, &self.archive, &self.idx];
        // An archive may have a manifest that describes what is in it.
        let n = sources.iter().filter(|source| source.is_some()).count();
        let ok = n == 1 || (n == 2 && self.manifest.is_some() && self.archive.is_some());
        let got = format!("exactly one of `images`, `manifest`, `archive`, `idx` must be set, got {n}");
        problems.require(ok, "images", got, "an `archive` may also have a `manifest` that describes its members");
        problems.require(
            self.idx.is_some() == self.idx_labels.is_some(),
            "idx_labels",
            "`idx` and `idx_labels` go together",
            "",
        );
    }
}

/// `[data.columns]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnsSection {
    /// Path or id of the image, or a struct `{bytes, path}` in Parquet. `auto`: by its name (`file_name`, `path`,
    /// `image_id`, ...), or else the first column whose cells are names of images.
    pub path: String,
    /// Ground truth: an index or a class name. `auto`: by its name (`label`, `y`, `class`, `ClassId`, ...); `none`: no
    /// labels.
    pub label: String,
    /// Instead of `label`: one column per class, with 1 where the image has the class and 0 (or -1) where not.
    pub one_hot: Vec<String>,
    /// Instead of `label`: a column with all classes of the image, as a list or separated by `|`, `;` or `,`; `none`.
    pub label_list: String,
    /// Split of the image. `auto`: `split` where there is one; `none`.
    pub split: String,
    /// Annotated attributes, used only to score: the groups are their combinations.
    pub group: Vec<String>,
    /// Path of a mask of the object, used only to score; `none`.
    pub mask: String,
}

impl Default for ColumnsSection {
    fn default() -> Self {
        Self {
            path: "auto".into(),
            label: "auto".into(),
            one_hot: Vec::new(),
            label_list: "none".into(),
            split: "auto".into(),
            group: Vec::new(),
            mask: "none".into(),
        }
    }
}

impl Params for ColumnsSection {
    const HELP: &'static [(&'static str, &'static str)] = &[
        ("path", "column with the path or the id of the image"),
        ("label", "column with the ground truth, an index or a class name; \"none\": no labels"),
        ("one_hot", "instead of label: one column per class, 1 where the image has the class"),
        ("label_list", "instead of label: a column with all classes of the image, a list or separated by |, ; or ,"),
        ("split", "column with the split; \"none\": no splits"),
        ("group", "columns whose combinations are the known groups; used only to score, no slicer sees them"),
        ("mask", "column with the path of a mask of the object; used only to score"),
    ];

    fn check(&self, problems: &mut Problems) {
        let ok = self.one_hot.is_empty() || ["auto", "none"].contains(&self.label.as_str());
        problems.require(ok, "one_hot", "`label` and `one_hot` are both set", "remove one of them");
        let n = self.one_hot.len();
        problems.require(n != 1, "one_hot", "names one column", "two or more, one per class");
        let ok = self.label_list == "none" || (n == 0 && ["auto", "none"].contains(&self.label.as_str()));
        problems.require(ok, "label_list", "`label_list` is set beside `label` or `one_hot`", "keep one of them");
    }
}
