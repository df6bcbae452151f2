//! A scan opened for looking at it, in memory that hardly grows with it: an overview of its rows, and numbers and
//! pictures of single rows on demand.

mod attribute;
mod heading;
mod layout;
mod neighbours;
mod shards;
#[cfg(test)]
mod tests;
mod verdicts;

pub use heading::scanned;

use crate::export::Image;
use crate::judged::Judged;
use crate::mosaic::{Maps, Scene, heat};
use ascan_core::{Error, Result, Tensor};
use ascan_engine::faithfulness::Faithfulness;
use ascan_engine::inversion;
use ascan_engine::sanity::doubts;
use ascan_engine::scan::figures_of_scan;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_images::{ImageSet, Preprocess};
use ascan_store::annotations::Annotations;
use ascan_store::plan::AttributionPlan;
use ascan_store::table::ScanTable;
use ascan_store::{Part, Scan};
use ascan_viz::Heat;
use image::RgbImage;
use shards::Shards;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// Bytes of shards that are kept: the maps of 100,000 images at 7 × 7, or 5,000 pictures' at 56 × 56.
const MAX_CACHED_BYTES: usize = 64 << 20;

/// A scan with its pictures. Several threads may use it at once.
pub struct Album {
    /// The scan.
    pub scan: Scan,
    /// Its rows, without tensors.
    pub table: ScanTable,
    /// Names of the model's outputs, where known.
    pub class_names: Vec<String>,
    /// What was scanned, in a few words: `model on data`.
    pub title: String,
    /// Which attribution method to trust, if that was tested.
    pub faithfulness: Option<Faithfulness>,
    /// What is missing of the scan, one sentence each, with what to do; empty for an album opened by [`Self::open`].
    /// Pictures are looked for when the first is asked for: see [`Self::missing`].
    pub problems: Vec<String>,
    pictures: OnceLock<Result<(ImageSet, Preprocess)>>,
    shards: Shards,
}

impl std::fmt::Debug for Album {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Album").field("scan", &self.scan).field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Album {
    /// Opens the album of a complete scan. Images that have moved away since are no error.
    ///
    /// # Errors
    /// `File` if the scan is incomplete or damaged.
    pub fn open(scan: Scan) -> Result<Self> {
        let table = scan.overview()?;
        Ok(Self::of(scan, table, &[]))
    }

    /// Opens the scan in a folder as far as it can be read: unfinished, damaged, read-only or of a newer version.
    /// Rows that cannot be read have an error; [`Self::problems`] says what is missing and what to do.
    ///
    /// # Errors
    /// `File` if the folder holds no scan, or one whose plan cannot be read at all.
    pub fn open_partial(dir: &Path) -> Result<Self> {
        let (scan, mut problems) = Scan::open_partly(dir)?;
        let (table, more) = scan.overview_partly();
        problems.extend(more);
        problems.extend(scan.check_writable().err());
        Ok(Self::of(scan, table, &problems))
    }

    fn of(scan: Scan, table: ScanTable, problems: &[Error]) -> Self {
        let sentence = |error: &Error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        };
        // Of a scan that is not finished yet little can be said.
        let doubts = if problems.is_empty() { doubts(&table, &scan.plan.model.class_names) } else { Vec::new() };
        Self {
            class_names: scan.plan.model.class_names.clone(),
            title: heading::title(&scan.config),
            faithfulness: Faithfulness::load(&scan),
            problems: problems.iter().map(sentence).chain(doubts.iter().map(ToString::to_string)).collect(),
            pictures: OnceLock::new(),
            shards: Shards::new(MAX_CACHED_BYTES),
            scan,
            table,
        }
    }

    /// What pictures of these slices of a set are made from.
    pub fn scene_of<'a>(&'a self, set: &str, slices: impl IntoIterator<Item = &'a SliceReport>) -> Scene<'a> {
        let (annotations, unread) = self.annotations();
        let judged = |slice: i32| Some((slice, Judged::of(annotations.as_ref()?.of_slice(set, slice)?)?));
        let slices: Vec<&SliceReport> = slices.into_iter().collect();
        let kept = slices.iter().filter_map(|slice| Some((slice.id, inversion::kept(&self.scan, set, slice.id)?)));
        let verdicts = slices.iter().filter_map(|slice| judged(slice.id)).collect();
        let named = |slice: i32| Some((slice, annotations.as_ref()?.name_of(set, slice)?.to_owned()));
        let names = slices.iter().filter_map(|slice| named(slice.id)).collect();
        Scene { inversions: kept.collect(), names, verdicts, unread, ..self.scene() }
    }

    /// What a page about a set of slices is made from: as [`Self::scene_of`], with what was said of anything else.
    pub fn scene_of_set<'a>(&'a self, set: &'a SliceSet) -> Scene<'a> {
        let (annotations, unread) = self.annotations();
        let elsewhere = annotations.map(|annotations| verdicts::elsewhere(&annotations, &self.scan, &set.id));
        let scene = self.scene_of(&set.id, &set.slices);
        if let Some(error) = unread.into_inner() {
            let _ = scene.unread.set(error);
        }
        // A scan that is not finished has no figures yet.
        let classes = figures_of_scan(&self.scan).unwrap_or_default();
        Scene { classes, elsewhere: elsewhere.unwrap_or_default(), ..scene }
    }

    /// The verdicts, or why they cannot be read.
    fn annotations(&self) -> (Option<Annotations>, OnceLock<Error>) {
        match Annotations::read(&self.scan.dir) {
            Ok(annotations) => (Some(annotations), OnceLock::new()),
            Err(error) => (None, error.into()),
        }
    }

    /// What pictures of images are made from.
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            table: &self.table,
            class_names: &self.class_names,
            pictures: Box::new(|row, side_px| self.picture(row, side_px)),
            methods: self.methods().map(|(name, part)| (name.to_owned(), self.maps_of(part))).collect(),
            classes: Vec::new(),
            faithfulness: self.faithfulness.as_ref(),
            inversions: BTreeMap::new(),
            names: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            elsewhere: Vec::new(),
            absolute: self.is_absolute(),
            title: self.title.clone(),
            unread: OnceLock::new(),
        }
    }

    /// The scan's attribution methods by name, the one that weights the features first, and where their maps lie.
    fn methods(&self) -> impl Iterator<Item = (&str, Part)> {
        let parts = std::iter::once(Part::Maps).chain((0..).map(Part::Also));
        self.scan.plan.methods().map(AttributionPlan::title).zip(parts)
    }

    fn maps_of(&self, part: Part) -> Box<Maps<'_>> {
        Box::new(move |row| self.part(row, part))
    }

    /// Whether negative attribution counts by its size, as it did for the features.
    fn is_absolute(&self) -> bool {
        self.scan.config.features.sign == "absolute"
    }

    /// A part of a row.
    ///
    /// # Shapes
    /// As [`Part`] says.
    ///
    /// # Errors
    /// `File` if the row's shard is missing or damaged.
    pub fn part(&self, row: usize, part: Part) -> Result<Tensor> {
        let shard_rows = self.scan.plan.shard_rows.max(1);
        let shard = row / shard_rows;
        let rows = self.shards.get((part, shard), || self.scan.part(shard, part))?;
        let i = row % shard_rows;
        if i >= rows.n_rows() {
            return Err(Error::shape("row", format!("one of {}", self.table.n()), row));
        }
        Tensor::new(&rows.shape()[1..], rows.row(i).to_vec())
    }

    /// The raw attribution map of a row, `[h, w]`.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn map(&self, row: usize) -> Result<Tensor> {
        self.part(row, Part::Maps)
    }

    /// The attribution of a row, ready for drawing; empty if its shard cannot be read.
    pub fn heat(&self, row: usize) -> Heat {
        heat(self.map(row), self.is_absolute())
    }

    /// The attributions of a row by the scan's further methods, each with its name.
    pub fn also(&self, row: usize) -> Vec<(String, Heat)> {
        let further = self.methods().skip(1);
        further.map(|(name, part)| (name.to_owned(), heat(self.part(row, part), self.is_absolute()))).collect()
    }

    /// The probabilities of a row, one per class.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn probs(&self, row: usize) -> Result<Vec<f32>> {
        self.part(row, Part::Probs).map(Tensor::into_data)
    }

    /// The image set. The first call walks all image files, which takes seconds for many: not on the thread of a window.
    fn pictures(&self) -> &Result<(ImageSet, Preprocess)> {
        self.pictures.get_or_init(|| {
            let (config, plan) = (&self.scan.config, &self.scan.plan);
            let images = ImageSet::open(&config.data)?;
            Ok((images, Preprocess::new(&config.model.preprocess, plan.model.input_shape)?))
        })
    }

    /// Why there are no pictures, if there are none. May take as long as [`Self::picture`].
    pub fn missing(&self) -> Option<&Error> {
        self.pictures().as_ref().err()
    }

    /// The image set, if it still holds this row's image at the same place.
    fn holding(&self, row: usize) -> Result<&(ImageSet, Preprocess)> {
        let pictures = self.pictures().as_ref().ok().filter(|(images, _)| {
            images.samples.get(row).is_some_and(|sample| Some(&sample.uri) == self.table.uris.get(row))
        });
        pictures.ok_or_else(|| {
            let uri = self.table.uris.get(row).cloned().unwrap_or_default();
            Error::file(uri, "is no longer where it was scanned", "bring the images back, or scan again")
        })
    }

    /// The picture of a row as the model sees it, its longer side `side_px` pixels.
    ///
    /// The first call opens the image set, which takes long where there are many files: not on the thread of a window.
    ///
    /// # Errors
    /// `File` if the image is gone or cannot be read.
    pub fn picture(&self, row: usize, side_px: u32) -> Result<RgbImage> {
        let (images, preprocess) = self.holding(row)?;
        preprocess.picture(images, row, side_px)
    }

    /// The image of a row as it is, for other programs.
    ///
    /// # Errors
    /// As [`Self::picture`].
    pub fn original(&self, row: usize) -> Result<Image> {
        let (images, _) = self.holding(row)?;
        let path = images.root.join(&images.samples[row].uri);
        if path.is_file() { Ok(Image::File(path)) } else { images.load(row).map(Image::Decoded) }
    }
}
