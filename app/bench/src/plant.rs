//! Real pictures with a planted shortcut: a mark on nearly all images of one class and on few of the others, so that a model
//! which is trained on them learns the mark. Where it is, is known exactly.

use ascan_core::{Error, Result};
use ascan_engine::seeds::seed_of;
use ascan_images::ImageSet;
use image::{GrayImage, Luma, RgbImage};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cue {
    /// A translucent white ring with a bar in the lower right corner, a quarter of a side wide.
    Watermark,
    /// A dark red frame, an eleventh of a side wide.
    Border,
    /// More red and less blue in all of the picture.
    ColourCast,
}

/// What to plant, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Planting {
    /// The mark.
    pub cue: Cue,
    /// The class that gets it, by name.
    pub class: String,
    /// Share of its images that have it in the splits `train` and `val`; of the other classes as many have not.
    pub share: f64,
    /// Images per class at most; 0 for all.
    pub per_class: usize,
    /// Seed of splits and choice.
    pub seed: u64,
}

/// A row of the table that is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planted {
    /// Path from the table's folder.
    pub filename: String,
    /// Name of the class.
    pub label: String,
    /// `train` (six tenths of each class), `val` (one) or `test` (three, of which every other image has the mark).
    pub split: &'static str,
    /// Whether it has the mark: `yes` or `no`.
    pub planted: &'static str,
    /// Path of the mask of the mark's place, white where it is or would be.
    pub mask: String,
}

/// Writes the pictures, their masks and `metadata.csv` to a folder.
///
/// # Errors
/// `UnknownName` for a class that the set lacks; `File` for a picture that cannot be read, or a folder that cannot be written.
pub fn plant(images: &ImageSet, planting: &Planting, out: &Path) -> Result<Vec<Planted>> {
    let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, sample) in images.samples.iter().enumerate() {
        let name = sample.label_index.and_then(|index| images.class_names.get(index));
        if let Some(class) = name.or(sample.label.as_ref()) {
            classes.entry(class).or_default().push(row);
        }
    }
    if !classes.contains_key(planting.class.as_str()) {
        return Err(Error::unknown_name("class", &planting.class, classes.keys().copied()));
    }
    let write = |path: &Path, error: &dyn std::fmt::Display| {
        Error::file(path, format!("cannot be written: {error}"), "choose a folder you may write to with --out")
    };
    for folder in ["images", "masks"] {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| write(&folder, &error))?;
    }
    let mut planted = Vec::new();
    for (number, (&class, rows)) in classes.iter_mut().enumerate() {
        rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(planting.seed, [30, number as u64])));
        if planting.per_class > 0 {
            rows.truncate(planting.per_class);
        }
        let share = if class == planting.class { planting.share } else { 1.0 - planting.share };
        let (mut n_of_split, n) = (BTreeMap::new(), rows.len());
        for (i, &row) in rows.iter().enumerate() {
            let split = match (i * 10) / n {
                0..6 => "train",
                6 => "val",
                _ => "test",
            };
            let share = if split == "test" { 0.5 } else { share };
            // Spread evenly: after k images ⌊k · share⌋ have the mark.
            let k: &mut usize = n_of_split.entry(split).or_default();
            let has = ((*k + 1) as f64 * share).floor() > (*k as f64 * share).floor();
            *k += 1;
            let mut picture = images.load(row)?;
            let mask = GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
                Luma([if strength(planting.cue, (x, y), picture.dimensions()) > 0.0 { 255 } else { 0 }])
            });
            if has {
                draw(planting.cue, &mut picture);
            }
            let name = format!("{number:03}_{row:06}.png");
            let (filename, mask_name) = (format!("images/{name}"), format!("masks/{name}"));
            picture.save(out.join(&filename)).map_err(|error| write(&out.join(&filename), &error))?;
            mask.save(out.join(&mask_name)).map_err(|error| write(&out.join(&mask_name), &error))?;
            let has = if has { "yes" } else { "no" };
            planted.push(Planted { filename, label: class.to_owned(), split, planted: has, mask: mask_name });
        }
    }
    let path = out.join("metadata.csv");
    let mut table = csv::Writer::from_path(&path).map_err(|error| write(&path, &error))?;
    planted.iter().try_for_each(|row| table.serialize(row)).map_err(|error| write(&path, &error))?;
    table.flush().map_err(|error| write(&path, &error))?;
    Ok(planted)
}

/// How strong the mark is at a place, in [0, 1]; 0 outside.
fn strength(cue: Cue, (x, y): (u32, u32), (w, h): (u32, u32)) -> f32 {
    let (w, h) = (w as f32, h as f32);
    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
    match cue {
        Cue::ColourCast => 1.0,
        Cue::Border => f32::from(u8::from(x.min(w - x).min(y).min(h - y) < w.min(h) / 11.0)),
        Cue::Watermark => {
            let radius = w.min(h) / 8.0;
            let (dx, dy) = (x - (w - 1.4 * radius), y - (h - 1.4 * radius));
            let distance = dx.hypot(dy) / radius;
            let is_mark = (0.6..=1.0).contains(&distance) || (distance < 0.6 && dy.abs() < 0.25 * radius);
            // The place is the whole disc; what lies between ring and bar is hardly changed.
            if is_mark { 0.75 } else { f32::from(u8::from(distance <= 1.0)) * 0.02 }
        }
    }
}

fn draw(cue: Cue, picture: &mut RgbImage) {
    let size = picture.dimensions();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let strength = strength(cue, (x, y), size);
        let [r, g, b] = pixel.0.map(f32::from);
        let to = match cue {
            Cue::Watermark => [255.0, 255.0, 255.0],
            Cue::Border => [120.0, 20.0, 30.0],
            Cue::ColourCast => [r * 1.3 + 12.0, g, b * 0.7],
        };
        let mixed = [r, g, b]
            .into_iter()
            .zip(to)
            .map(|(own, to)| (own + strength * (to - own)).round().clamp(0.0, 255.0) as u8);
        mixed.zip(&mut pixel.0).for_each(|(value, channel)| *channel = value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_config::sections::DataSection;
    use image::Rgb;

    #[test]
    fn the_mark_is_where_its_mask_is_and_as_frequent_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        for (class, grey) in [("cat", 90), ("dog", 160)] {
            let folder = dir.path().join("source").join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..40 {
                RgbImage::from_pixel(32, 32, Rgb([grey, grey, grey])).save(folder.join(format!("{i:02}.png"))).unwrap();
            }
        }
        let data = DataSection { images: Some(dir.path().join("source")), ..DataSection::default() };
        let images = ImageSet::open(&data).unwrap();
        for cue in [Cue::Watermark, Cue::Border, Cue::ColourCast] {
            let planting = Planting { cue, class: "dog".into(), share: 0.75, per_class: 40, seed: 1 };
            let out = dir.path().join(format!("{cue:?}"));
            let rows = plant(&images, &planting, &out).unwrap();
            let count = |label: &str, split: &str, planted: &str| {
                rows.iter()
                    .filter(|row| (row.label.as_str(), row.split, row.planted) == (label, split, planted))
                    .count()
            };
            assert_eq!((count("dog", "train", "yes"), count("dog", "train", "no")), (18, 6));
            assert_eq!((count("cat", "train", "yes"), count("cat", "train", "no")), (6, 18));
            assert_eq!((count("cat", "test", "yes"), count("cat", "test", "no")), (6, 6));
            for row in &rows {
                let picture = image::open(out.join(&row.filename)).unwrap().into_rgb8();
                let mask = image::open(out.join(&row.mask)).unwrap().into_luma8();
                let own = if row.label == "dog" { 160 } else { 90 };
                let changed = picture.pixels().zip(mask.pixels()).filter(|(pixel, _)| pixel.0 != [own; 3]);
                let outside = changed.clone().filter(|(_, mask)| mask.0 == [0]).count();
                assert_eq!((outside, changed.count() > 30), (0, row.planted == "yes"), "{row:?}");
            }
            let again = std::fs::read(out.join("metadata.csv")).unwrap();
            plant(&images, &planting, &out).unwrap();
            assert_eq!(std::fs::read(out.join("metadata.csv")).unwrap(), again);
        }
        let planting = Planting { cue: Cue::Border, class: "cow".into(), share: 0.9, per_class: 0, seed: 1 };
        let error = plant(&images, &planting, dir.path()).unwrap_err();
        assert!(error.to_string().contains("cow") && error.hint().unwrap().contains("dog"), "{error}");
    }
}
