//! The Attribution Mosaic of a set of slices: every slice at a glance, similar ones next to each other.

use crate::figures::tells_confidence;
use crate::judged::{Judged, JudgedElsewhere, mark_color};
use ascan_core::{Error, Result, Tensor};
use ascan_engine::classes::{class_name, outcome, said_of, slice_title};
use ascan_engine::faithfulness::Faithfulness;
use ascan_engine::question::ClassFigures;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_store::disk;
use ascan_store::table::ScanTable;
use ascan_viz::heat::Look;
use ascan_viz::mosaic::{FRAME, Mosaic, Tile};
use ascan_viz::shape::{PICTURES_PX, tile_aspect};
use ascan_viz::text::Style;
use ascan_viz::theme::DARK;
use ascan_viz::tile::{Drawn, N_SMALL, TilePicture};
use ascan_viz::words::{images, percent, thousands};
use ascan_viz::{Heat, HeatSum, Rgb, color, grid, text};
use image::{ImageBuffer, PixelWithColorType, RgbImage};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

/// More tiles than this cannot be told apart; the first slices of the set are shown.
pub const MAX_TILES: usize = 240;
/// Images behind a mean picture: enough that one more does not show, spread evenly over the slice.
const N_MEAN: usize = 32;
/// Rows whose maps are summed before they are added to the others: enough for threads, few sums in memory.
const N_BLOCK: usize = 4096;
/// Width over height of a page of tiles.
const PAGE_ASPECT: f64 = 1.25;

/// Gives the picture of a scan row as the model sees it, its longer side this many pixels.
pub type Pictures<'a> = dyn Fn(usize, u32) -> Result<RgbImage> + Sync + 'a;

/// Gives the raw attribution map `[h, w]` of a scan row.
pub type Maps<'a> = dyn Fn(usize) -> Result<Tensor> + Sync + 'a;

/// What pictures of slices are made from.
pub struct Scene<'a> {
    /// The scan.
    pub table: &'a ScanTable,
    /// Names of the model's outputs; may be shorter than their number.
    pub class_names: &'a [String],
    /// Where pictures come from. One that cannot be had becomes a grey placeholder.
    pub pictures: Box<Pictures<'a>>,
    /// The scan's attribution methods by name, the one that weights the features first, with where their maps come
    /// from. A map that cannot be had is drawn as an empty one.
    pub methods: Vec<(String, Box<Maps<'a>>)>,
    /// What stands for a slice instead of its mean image, where that was made; see [`ascan_engine::inversion`].
    pub inversions: BTreeMap<i32, RgbImage>,
    /// Whether negative attribution counts by its size, as it did for the features.
    pub absolute: bool,
    /// What people call slices, by slice.
    pub names: BTreeMap<i32, String>,
    /// Verdicts on slices, by slice.
    pub verdicts: BTreeMap<i32, Judged>,
    /// Verdicts on anything else, in order of time.
    pub elsewhere: Vec<JudgedElsewhere>,
    /// Which attribution method to trust, if that was tested.
    pub faithfulness: Option<&'a Faithfulness>,
    /// How well each class is found, where an image may have several.
    pub classes: Vec<ClassFigures>,
    /// What was scanned, for the heading.
    pub title: String,
    /// What of the scan itself could not be read; see [`Self::check`].
    pub unread: OnceLock<Error>,
}

impl Scene<'_> {
    /// Name of a class; `?` where the label is unknown.
    pub fn class(&self, class: i32) -> String {
        class_name(self.class_names, class)
    }

    /// `landbird`, or `landbird → waterbird` where they differ.
    pub fn outcome(&self, label: i32, predicted_class: i32) -> String {
        outcome(self.class_names, label, predicted_class)
    }

    /// What the model made of an image.
    pub fn said_of(&self, row: usize) -> String {
        said_of(self.table, self.class_names, row)
    }

    /// What people call the slice, or what most of its images are and what they are taken for.
    pub fn title(&self, slice: &SliceReport) -> String {
        self.names.get(&slice.id).cloned().unwrap_or_else(|| slice_title(self.class_names, slice))
    }

    /// The attribution of a row, ready for drawing.
    pub fn heat(&self, row: usize) -> Heat {
        self.heat_by(0, row)
    }

    /// The same by one of [`Self::methods`].
    pub fn heat_by(&self, method: usize, row: usize) -> Heat {
        heat(self.map(method, row), self.absolute)
    }

    /// The raw attribution map of a row by one of [`Self::methods`].
    pub(crate) fn map(&self, method: usize, row: usize) -> Result<Tensor> {
        (self.methods[method].1)(row).inspect_err(|error| drop(self.unread.set(error.clone())))
    }

    /// Whether all of the scan could be read that was drawn so far. An image that is gone is drawn as a grey field that says
    /// so; a page that leaves out maps or verdicts would say what is not so.
    ///
    /// # Errors
    /// `File`: the first that could not be read.
    pub fn check(&self) -> Result<()> {
        self.unread.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The picture of a row, or a placeholder that says that there is none.
    pub fn picture(&self, row: usize, side_px: u32) -> RgbImage {
        (self.pictures)(row, side_px).unwrap_or_else(|_| placeholder(side_px))
    }

    /// The pictures of a slice's tile, drawn as `look` says, the longer side of the large one `side_px` pixels.
    ///
    /// `mean` is the slice's own of [`Self::mean_heats`].
    pub fn tile_picture(
        &self,
        slice: &SliceReport,
        members: &[usize],
        mean: &Heat,
        look: &Look,
        side_px: u32,
    ) -> TilePicture {
        let drawn = |&row: &usize| self.drawn(row, look, side_px);
        let nothing = || Drawn { picture: placeholder(side_px), heat: Heat::default() };
        TilePicture {
            large: slice.typical.first().map_or_else(nothing, drawn),
            crops: slice.typical.iter().skip(1).take(N_SMALL - 1).map(drawn).collect(),
            mean: self.whole(slice.id, members, mean, look, side_px / 2),
        }
    }

    /// So many images of a slice, the most typical ones first, drawn as `look` says.
    pub fn sheet(&self, slice: &SliceReport, members: &[usize], n: usize, look: &Look, side_px: u32) -> Vec<Drawn> {
        let others: Vec<usize> = members.iter().copied().filter(|row| !slice.typical.contains(row)).collect();
        // What the typical ones do not fill is an even sample of the rest.
        let wanted = n.saturating_sub(slice.typical.len());
        let step = others.len().div_ceil(wanted.max(1)).max(1);
        let rows = slice.typical.iter().copied().chain(others.into_iter().step_by(step)).take(n);
        rows.map(|row| self.drawn(row, look, side_px)).collect()
    }

    fn drawn(&self, row: usize, look: &Look, side_px: u32) -> Drawn {
        let (picture, heat) = (self.picture(row, side_px), self.heat(row));
        Drawn { picture: look.draw(&picture, &heat.plane(picture.width(), picture.height())), heat }
    }

    /// What stands for a slice as a whole: the image with its features where there is one, else the mean of its pictures
    /// under its mean attribution.
    fn whole(&self, slice: i32, members: &[usize], mean: &Heat, look: &Look, side_px: u32) -> RgbImage {
        if let Some(picture) = self.inversions.get(&slice) {
            return picture.clone();
        }
        let picture = self.mean_picture(members, side_px);
        look.draw(&picture, &mean.plane(picture.width(), picture.height()))
    }

    /// The mean of a slice's pictures, of up to 32, spread evenly.
    pub fn mean_picture(&self, members: &[usize], side_px: u32) -> RgbImage {
        let step = members.len().div_ceil(N_MEAN).max(1);
        let sample = members.iter().step_by(step).filter_map(|&row| (self.pictures)(row, side_px).ok());
        mean_picture(sample).unwrap_or_else(|| placeholder(side_px))
    }

    /// The mean attribution of each slice, of all its members: one pass over the rows in their order, since maps are
    /// read a shard at a time.
    pub fn mean_heats(&self, slices: &[Vec<usize>]) -> Vec<Heat> {
        self.mean_heats_by(0, slices)
    }

    /// The same by one of the scan's methods, as [`Self::heat_by`].
    pub fn mean_heats_by(&self, method: usize, slices: &[Vec<usize>]) -> Vec<Heat> {
        let rows = slices.iter().enumerate().flat_map(|(slice, members)| members.iter().map(move |&row| (row, slice)));
        let mut rows: Vec<(usize, usize)> = rows.collect();
        rows.sort_unstable();
        let blocks: Vec<BTreeMap<usize, HeatSum>> = rows
            .par_chunks(N_BLOCK)
            .map(|block| {
                let mut sums: BTreeMap<usize, HeatSum> = BTreeMap::new();
                block.iter().for_each(|&(row, slice)| sums.entry(slice).or_default().add(&self.heat_by(method, row)));
                sums
            })
            .collect();
        // Summed in the order of blocks, so that threads change nothing.
        let mut means = vec![HeatSum::default(); slices.len()];
        blocks.into_iter().flatten().for_each(|(slice, sum)| means[slice].merge(sum));
        means.into_iter().map(HeatSum::mean).collect()
    }
}

/// A map made ready for drawing; an empty one where there is none.
pub(crate) fn heat(map: Result<Tensor>, absolute: bool) -> Heat {
    map.ok()
        .filter(|map| !map.data().is_empty())
        .and_then(|map| Some(Heat::new(map.data(), *map.shape().first()?, *map.shape().get(1)?, absolute)))
        .unwrap_or_default()
}

/// Colour and words for a slice's bar: its accuracy around the overall one, or its confidence without labels.
pub fn bar(slice: &SliceReport, set: &SliceSet) -> (Rgb, String) {
    match (slice.accuracy, set.accuracy) {
        (Some(accuracy), Some(overall)) => (color::diverging(accuracy, overall), percent(accuracy)),
        (None, _) if set.accuracy.is_some() => (color::diverging(f64::NAN, f64::NAN), "no labels".to_owned()),
        _ if !tells_confidence(set) => (color::diverging(f64::NAN, f64::NAN), String::new()),
        _ => (color::sequential(slice.mean_confidence), format!("{} sure", percent(slice.mean_confidence))),
    }
}

/// Columns and rows of the grid, and the cell `[column, row]` of each of the first [`MAX_TILES`] slices.
pub fn cells(set: &SliceSet) -> (usize, usize, Vec<[usize; 2]>) {
    let positions: Vec<[f64; 2]> = set.slices.iter().take(MAX_TILES).map(|slice| slice.position).collect();
    let (columns, rows) = grid::shape(positions.len(), PAGE_ASPECT / tile_aspect());
    let cells = grid::assign(&positions, columns, rows);
    (columns, rows, cells)
}

/// Members of each slice of the set, in its order.
pub fn members(set: &SliceSet) -> Vec<Vec<usize>> {
    let of = |id: i32| (0..set.assignment.len()).filter(|&row| set.assignment[row] == id).collect();
    set.slices.iter().map(|slice| of(slice.id)).collect()
}

/// Draws the mosaic of a set of slices.
pub fn mosaic(scene: &Scene, set: &SliceSet) -> RgbImage {
    let (columns, rows, cells) = cells(set);
    let mut members = members(set);
    members.truncate(cells.len());
    let means = scene.mean_heats(&members);
    let caption = match means.iter().any(|mean| !mean.is_empty()) {
        true => format!(
            "The model looks where a picture is lit, up to the white line. In a tile: the most typical image; the attributed part of the \
             next {}; the mean image under the mean attribution. Similar slices are neighbours.",
            N_SMALL - 1
        ),
        false => "There are no attribution maps, so nothing is lit. In a tile: the most typical images, and their mean. Similar slices are \
                  neighbours."
            .to_owned(),
    };
    let tiles = set.slices.par_iter().zip(members).zip(means).zip(cells);
    let tiles = tiles.map(|(((slice, members), mean), cell)| tile(scene, set, slice, &members, &mean, cell)).collect();
    let shown = match set.slices.len() {
        n if n > MAX_TILES => format!("the first {MAX_TILES} of {} slices", thousands(n)),
        n => format!("{n} slices"),
    };
    Mosaic {
        title: scene.title.clone(),
        subtitle: format!("{shown} of {}", set.summary(thousands, percent)),
        caption,
        legend: legend(set),
        columns,
        rows,
        tiles,
    }
    .draw()
}

/// Writes a picture as PNG, whatever the file's name ends in.
///
/// # Errors
/// `File` if it cannot be written.
pub fn save_png<P: PixelWithColorType<Subpixel = u8>>(picture: &ImageBuffer<P, Vec<u8>>, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    let saved = picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(std::io::Error::other);
    saved
        .and_then(|()| disk::write(path, bytes.get_ref()))
        .map_err(|error| Error::file(path, format!("cannot be written: {error}"), "choose another place with -o"))
}

fn legend(set: &SliceSet) -> Vec<(Rgb, String)> {
    if set.accuracy.is_none() && !tells_confidence(set) {
        return Vec::new();
    }
    let Some(overall) = set.accuracy else {
        return vec![
            (color::sequential(0.0), "unsure".to_owned()),
            (color::sequential(0.5), "half sure".to_owned()),
            (color::sequential(1.0), "sure".to_owned()),
        ];
    };
    let mut legend = vec![
        (color::diverging(0.0, overall), "0 % right".to_owned()),
        (color::diverging(overall, overall), format!("{} (overall)", percent(overall))),
        (color::diverging(1.0, overall), "100 %".to_owned()),
    ];
    if set.slices.iter().any(|slice| slice.needs_verdict) {
        legend.push((FRAME, "clearly worse".to_owned()));
    }
    legend
}

fn tile(scene: &Scene, set: &SliceSet, slice: &SliceReport, members: &[usize], mean: &Heat, cell: [usize; 2]) -> Tile {
    let (bar, metric) = bar(slice, set);
    Tile {
        pictures: scene.tile_picture(slice, members, mean, &Look::default(), PICTURES_PX[0]),
        title: scene.title(slice),
        id: slice.id.to_string(),
        bar,
        metric,
        size: images(slice.size),
        framed: slice.needs_verdict && !scene.verdicts.contains_key(&slice.id),
        verdict: scene.verdicts.get(&slice.id).map(|judged| (mark_color(judged.mark, &DARK), judged.words())),
        cell,
    }
}

fn mean_picture(mut pictures: impl Iterator<Item = RgbImage>) -> Option<RgbImage> {
    let first = pictures.next()?;
    let mut sums: Vec<u32> = first.iter().map(|&v| v.into()).collect();
    let mut n = 1;
    for picture in pictures.filter(|picture| picture.dimensions() == first.dimensions()) {
        sums.iter_mut().zip(picture.iter()).for_each(|(sum, &v)| *sum += u32::from(v));
        n += 1;
    }
    let means: Vec<u8> = sums.into_iter().map(|sum| (sum / n) as u8).collect();
    // Many images average out to grey: the contrast is stretched, or there is nothing to see.
    let mut sorted = means.clone();
    sorted.sort_unstable();
    let (low, high) = (f32::from(sorted[sorted.len() / 50]), f32::from(sorted[sorted.len() - 1 - sorted.len() / 50]));
    let stretched = |v: u8| ((f32::from(v) - low) / (high - low).max(1.0) * 235.0 + 10.0).clamp(0.0, 255.0) as u8;
    RgbImage::from_raw(first.width(), first.height(), means.into_iter().map(stretched).collect())
}

fn placeholder(side_px: u32) -> RgbImage {
    let mut picture = RgbImage::from_pixel(side_px, side_px, image::Rgb([88, 90, 94]));
    let style = Style { size_px: (side_px as f32 / 7.0).clamp(9.0, 22.0), bold: false, color: [190, 192, 196] };
    let words = "image not found";
    let x = (side_px as f32 - text::width(words, style)) / 2.0;
    text::draw(&mut picture, x, (side_px as f32 - style.size_px) / 2.0, words, style);
    picture
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ascan_engine::testing::{find_in, table};
    use ascan_store::annotations::Mark;

    /// The maps of a table that has them all.
    pub(crate) fn maps_of(table: &ScanTable) -> Box<Maps<'_>> {
        let shape = table.maps.shape()[1..].to_vec();
        Box::new(move |row| Tensor::new(&shape[..], table.maps.row(row).to_vec()))
    }

    /// A scene without verdicts whose first picture is gone.
    pub(crate) fn scene<'a>(table: &'a ScanTable, names: &'a [String]) -> Scene<'a> {
        let pictures = |row: usize, side: u32| match row {
            0 => Err(Error::unsupported("gone", "")),
            _ => Ok(RgbImage::from_pixel(side, side / 2, image::Rgb([200, 60, 60]))),
        };
        Scene {
            table,
            class_names: names,
            pictures: Box::new(pictures),
            methods: vec![("grad_cam".into(), maps_of(table))],
            classes: Vec::new(),
            faithfulness: None,
            inversions: BTreeMap::new(),
            names: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            elsewhere: Vec::new(),
            absolute: false,
            title: "a on b".into(),
            unread: OnceLock::new(),
        }
    }

    #[test]
    fn a_mosaic_has_one_tile_per_slice_even_where_images_are_gone() {
        let (table, names) = (table(), ["land".to_owned(), "water".to_owned()]);
        let set = find_in(&table);
        let scene = scene(&table, &names);
        let page = mosaic(&scene, &set);
        let (columns, rows, cells) = cells(&set);
        assert_eq!((columns * rows, cells.len()), (2, 2));
        let bars = set.slices.iter().map(|slice| bar(slice, &set).0);
        for color in bars {
            assert!(page.pixels().filter(|pixel| pixel.0 == color).count() > 1000, "{color:?}");
        }
        let judged = Judged { mark: Mark::Spurious, note: "water".into(), author: "ann".into() };
        let scene = Scene { verdicts: BTreeMap::from([(set.slices[0].id, judged)]), ..scene };
        let said = mosaic(&scene, &set);
        let of_mark = |page: &RgbImage| page.pixels().filter(|pixel| pixel.0 == DARK.spurious).count();
        assert!(of_mark(&page) == 0 && of_mark(&said) > 20, "a verdict is written on its tile");
        assert_eq!(scene.picture(0, 90).dimensions(), (90, 90));
        assert_eq!(scene.title(&set.slices[0]), "land → water");
    }

    #[test]
    fn a_mean_picture_is_stretched_and_leaves_out_what_is_gone() {
        let pictures = [10u8, 30].map(|v| RgbImage::from_fn(10, 10, |x, _| image::Rgb([v + (x as u8) * 4; 3])));
        let mean = mean_picture(pictures.into_iter()).unwrap();
        let (low, high) = (mean.get_pixel(0, 0).0[0], mean.get_pixel(9, 0).0[0]);
        assert!(low == 10 && high == 245, "{low} {high}");
        assert!(mean_picture(std::iter::empty()).is_none());
    }

    #[test]
    fn classes_without_a_name_have_a_number() {
        let (table, names) = (table(), ["land".to_owned()]);
        let scene = scene(&table, &names);
        assert_eq!([0, 1, -1].map(|class| scene.class(class)), ["land", "class 1", "?"]);
        assert_eq!(scene.outcome(0, 0), "land");
        assert_eq!(scene.outcome(-1, 1), "class 1");
    }
}
