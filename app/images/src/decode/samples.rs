//! A picture with all of its channels: satellite bands, medical images, 16 bits and floating point.

use super::limits::check_samples;
use super::raw::{Raw, Values, upright};
use image::RgbImage;

/// Every channel of a picture as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// One plane per channel, `[height, width]` each. Units: as stored, 0 to 255 or 0 to 65535; any number where the
    /// file holds floating point, Hounsfield units and the like.
    pub planes: Vec<Vec<f32>>,
}

impl Samples {
    /// # Errors
    /// A sentence, if it would take too much memory.
    pub(super) fn of(raw: Raw) -> Result<Self, String> {
        let Raw { width, height, n_channels, values, orientation, .. } = raw;
        check_samples(width, height, n_channels)?;
        let size = (width, height);
        let mut upright_size = size;
        let mut planes = Vec::with_capacity(n_channels);
        for channel in 0..n_channels {
            let plane: Vec<f32> = match &values {
                Values::U8(values) => plane(values, channel, n_channels),
                Values::U16(values) => plane(values, channel, n_channels),
                Values::F32(values) => plane(values, channel, n_channels),
            };
            let (size, plane) = upright(plane, size, 1, orientation);
            upright_size = size;
            planes.push(plane);
        }
        Ok(Self { width: upright_size.0, height: upright_size.1, planes })
    }

    /// The three channels of a picture in colours.
    pub fn of_rgb(image: &RgbImage) -> Self {
        let planes = (0..3).map(|channel| plane(image.as_raw(), channel, 3)).collect();
        Self { width: image.width(), height: image.height(), planes }
    }
}

fn plane<T: Copy + Into<f32>>(values: &[T], channel: usize, n_channels: usize) -> Vec<f32> {
    values.iter().skip(channel).step_by(n_channels).map(|&value| value.into()).collect()
}
