//! Pictures in [0, 1], before the numbers of the model's preprocessing: what is disturbed, cropped or optimised.

use crate::preprocess::{Preprocess, white};
use ascan_config::sections::PreprocessSection;
use ascan_core::Result;

/// The numbers that turn a picture in [0, 1] into the model's input, one set per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalise {
    /// What 1 is in pixels.
    white: f32,
    scale: f32,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalise {
    /// From a section with every number written out, as a scan keeps it.
    pub fn new(section: &PreprocessSection) -> Self {
        Self {
            white: white(section),
            scale: section.scale.unwrap_or(1.0),
            mean: section.mean.clone().unwrap_or_default(),
            std: section.std.clone().unwrap_or_default(),
        }
    }

    /// Images in [0, 1] as the model's input, in place.
    ///
    /// # Shapes
    /// `images`: `[n, c, h, w]`
    pub fn apply(&self, images: &mut [f32], [c, h, w]: [usize; 3]) {
        for (i, plane) in images.chunks_exact_mut(h * w).enumerate() {
            let (mean, std) = (self.mean[i % c], self.std[i % c]);
            plane.iter_mut().for_each(|value| *value = (*value * self.white * self.scale - mean) / std);
        }
    }
}

/// The scan's own steps from a file to the model's input, but for the numbers: pictures in [0, 1].
///
/// # Errors
/// `Param` for a section that does not fit the model.
pub fn unit_pictures(section: &PreprocessSection, input_shape: [usize; 3]) -> Result<Preprocess> {
    let c = input_shape[0];
    let section = PreprocessSection {
        preset: None,
        scale: Some(1.0 / white(section)),
        mean: Some(vec![0.0; c]),
        std: Some(vec![1.0; c]),
        ..section.clone()
    };
    Preprocess::new(&section, input_shape)
}
