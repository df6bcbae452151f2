//! The demo's image set: discs and squares on sand and on water, where the ground gives the shape away.

use ascan_core::{Error, Result};
use image::{Rgb, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Write as _;
use std::path::Path;

/// Height and width of a picture.
pub const SIDE: u32 = 64;
/// The classes, in the order of their labels.
pub const CLASSES: [&str; 2] = ["disc", "square"];
/// What they lie on; the first is usual for discs, the second for squares.
pub const GROUNDS: [&str; 2] = ["sand", "water"];
/// Pictures of a class in the training split.
const TRAIN: usize = 400;
/// Pictures of a class in the review split: what a person looks through, and what the repair trains on.
const REVIEW: usize = 200;
/// Pictures of a class in the test split.
const TEST: usize = 200;
/// Training pictures in a hundred that lie on the other class's ground.
const UNUSUAL_PERCENT: usize = 3;
/// The same of the review split.
const REVIEW_UNUSUAL_PERCENT: usize = 20;
/// The splits.
const SPLITS: [&str; 3] = ["train", "test", "review"];

/// One picture of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path in the data folder.
    pub file_name: String,
    /// Index into [`CLASSES`].
    pub label: usize,
    /// Index into [`GROUNDS`].
    pub ground: usize,
    /// `train`, `test` or `review`.
    pub split: &'static str,
}

/// What is in the set. In `train` a class lies on its own ground but for a few, in `review` but for a fifth; in `test`
/// on both alike.
pub fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (split, n) in SPLITS.into_iter().zip([TRAIN, TEST, REVIEW]) {
        for (label, class) in CLASSES.into_iter().enumerate() {
            for i in 0..n {
                let unusual = match split {
                    "train" => i * 100 < n * UNUSUAL_PERCENT,
                    "review" => i * 100 < n * REVIEW_UNUSUAL_PERCENT,
                    _ => i % 2 == 0,
                };
                let ground = if unusual { 1 - label } else { label };
                let file_name = format!("{split}/{class}_{i:04}.png");
                entries.push(Entry { file_name, label, ground, split });
            }
        }
    }
    entries
}

/// Writes the pictures and `metadata.csv`.
///
/// # Errors
/// `File` if the folder cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Vec<Entry>> {
    let fail = |path: &Path, error: &dyn std::fmt::Display| {
        Error::file(path, format!("cannot be written: {error}"), "choose a folder you may write to with -o")
    };
    for split in SPLITS {
        let folder = folder.join(split);
        std::fs::create_dir_all(&folder).map_err(|error| fail(&folder, &error))?;
    }
    let entries = entries();
    let mut table = "file_name,label,split,shape,ground\n".to_owned();
    for (i, entry) in entries.iter().enumerate() {
        let path = folder.join(&entry.file_name);
        // One seed per picture, so that each can be drawn without the others.
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(i as u64));
        draw(entry, &mut rng).save(&path).map_err(|error| fail(&path, &error))?;
        let (shape, ground) = (CLASSES[entry.label], GROUNDS[entry.ground]);
        let _ = writeln!(table, "{},{},{},{shape},{ground}", entry.file_name, entry.label, entry.split);
    }
    let path = folder.join("metadata.csv");
    std::fs::write(&path, table).map_err(|error| fail(&path, &error))?;
    Ok(entries)
}

/// A small grey shape somewhere on a coloured, noisy ground.
pub fn draw(entry: &Entry, rng: &mut StdRng) -> RgbImage {
    let phase = rng.random_range(0.0..std::f32::consts::TAU);
    let slope = rng.random_range(-0.4..0.4f32);
    let light = rng.random_range(-18.0..18.0f32);
    let radius = rng.random_range(8.0..14.0f32);
    let margin = radius + 3.0;
    let (cx, cy) = (rng.random_range(margin..SIDE as f32 - margin), rng.random_range(margin..SIDE as f32 - margin));
    // Discs are lighter on the whole, squares darker: evidence that is really there, weaker than the ground.
    let grey = if entry.label == 0 { rng.random_range(120.0..235.0f32) } else { rng.random_range(20.0..135.0f32) };
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let noise = rng.random_range(-16.0..16.0f32);
        let (dx, dy) = ((x - cx).abs(), (y - cy).abs());
        let inside = match entry.label {
            0 => dx * dx + dy * dy <= radius * radius,
            // The square has the area of the disc: size does not give it away.
            _ => dx.max(dy) <= radius * 0.886,
        };
        let base = if inside {
            [grey; 3]
        } else if entry.ground == 0 {
            [196.0, 172.0, 120.0]
        } else {
            let wave = 26.0 * (0.55 * (y + slope * x) + phase).sin();
            [52.0 + 0.6 * wave, 112.0 + wave, 156.0 + wave]
        };
        Rgb(base.map(|v| (v + light + noise).clamp(0.0, 255.0) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_gives_the_shape_away_in_training_only() {
        let share = |split: &str| {
            let all: Vec<_> = entries().into_iter().filter(|entry| entry.split == split).collect();
            all.iter().filter(|entry| entry.label == entry.ground).count() as f64 / all.len() as f64
        };
        assert_eq!(share("train"), 0.97);
        assert_eq!(share("review"), 0.8);
        assert_eq!(share("test"), 0.5);
    }

    #[test]
    fn a_picture_depends_on_its_seed_alone() {
        let entry = &entries()[3];
        let picture = |seed| draw(entry, &mut StdRng::seed_from_u64(seed));
        assert_eq!(picture(1), picture(1));
        assert_ne!(picture(1), picture(2));
    }
}
