//! Images with labels, of one scan or of several.

use ascan_core::Result;
use ascan_images::{ImageSet, Preprocess};
use serde_json::{Value, json};
use std::sync::Arc;

/// Images with labels, and how they are read.
#[derive(Debug, Clone, Default)]
pub struct Labelled {
    /// Where they come from.
    pub sets: Vec<Arc<ImageSet>>,
    /// `[n]`: the set of each image, and its row there.
    pub rows: Vec<(usize, usize)>,
    /// `[n]`
    pub labels: Vec<usize>,
}

impl Labelled {
    /// These rows of one set.
    pub fn of(images: ImageSet, rows: Vec<usize>, labels: Vec<usize>) -> Self {
        Self { sets: vec![Arc::new(images)], rows: rows.into_iter().map(|row| (0, row)).collect(), labels }
    }

    /// Number of images.
    pub fn n(&self) -> usize {
        self.rows.len()
    }

    /// These images and then others.
    pub fn append(&mut self, others: Self) {
        let n_sets = self.sets.len();
        self.sets.extend(others.sets);
        self.rows.extend(others.rows.into_iter().map(|(set, row)| (n_sets + set, row)));
        self.labels.extend(others.labels);
    }

    /// Some of the images, by their places here.
    pub fn pick(&self, places: &[usize]) -> Self {
        Self {
            sets: self.sets.clone(),
            rows: places.iter().map(|&i| self.rows[i]).collect(),
            labels: places.iter().map(|&i| self.labels[i]).collect(),
        }
    }

    /// Image `i`, through these steps.
    ///
    /// # Errors
    /// What reading it reports.
    pub fn load(&self, preprocess: &Preprocess, i: usize) -> Result<Vec<f32>> {
        let (set, row) = self.rows[i];
        preprocess.load(&self.sets[set], row)
    }

    /// What tells these images from others.
    pub fn facts(&self) -> Value {
        let images: Vec<String> = self.sets.iter().map(|set| set.fingerprint()).collect();
        json!({ "images": images, "rows": self.rows })
    }
}
