//! From a decoded picture to the model's input: geometry, channels, numbers.

use crate::decode::Samples;
use crate::fit::{Fit, Grid, Pixel, fitted, resample};
use crate::set::ImageSet;
use ascan_config::sections::{ChannelOrder, PreprocessSection};
use ascan_core::{Error, Result};
use fast_image_resize::FilterType;
use image::RgbImage;
use std::borrow::Cow;

/// What happens to every picture before the model sees it.
#[derive(Debug, Clone)]
pub struct Preprocess {
    section: PreprocessSection,
    channels: Channels,
    fit: Fit,
    filter: Option<FilterType>,
    width: u32,
    height: u32,
    /// Value of each 8-bit pixel, one table per channel of the model's input.
    tables: Vec<[f32; 256]>,
    /// The same for other pixels, in 64 bits: value = (pixel · scale − mean) / std, scale first.
    numbers: (f64, Vec<(f64, f64)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Channels {
    Rgb,
    Bgr,
    Gray,
    /// Of the file, as they are stored.
    Indices(Vec<usize>),
}

/// A named preset: what holds where nothing is set by hand. Means and deviations are one number for all channels,
/// or three in the order of `channels`.
struct Preset {
    name: &'static str,
    channels: &'static str,
    scale: f32,
    mean: &'static [f32],
    std: &'static [f32],
    resize: &'static str,
}

const DEFAULT_CROP_FRACTION: f32 = 0.875;

const PRESETS: [Preset; 5] = [
    Preset {
        name: "imagenet",
        channels: "rgb",
        scale: 1.0 / 255.0,
        mean: &[0.485, 0.456, 0.406],
        std: &[0.229, 0.224, 0.225],
        resize: "crop",
    },
    Preset { name: "tf", channels: "rgb", scale: 1.0 / 127.5, mean: &[1.0], std: &[1.0], resize: "crop" },
    Preset { name: "unit", channels: "rgb", scale: 1.0 / 255.0, mean: &[0.0], std: &[1.0], resize: "squash" },
    Preset { name: "caffe", channels: "bgr", scale: 1.0, mean: &[104.0, 117.0, 123.0], std: &[1.0], resize: "crop" },
    Preset { name: "raw", channels: "rgb", scale: 1.0, mean: &[0.0], std: &[1.0], resize: "squash" },
];

impl Preprocess {
    /// The steps that a section describes, for a model with this input.
    ///
    /// A picture that already has the model's size is used as it is, unless `crop_fraction` is set by hand.
    /// Presets crop (`imagenet`, `tf`, `caffe`) or squash (`unit`, `raw`, none).
    ///
    /// # Shapes
    /// - `input_shape`: `[c, h, w]` of the model; `c` is 1 or 3, or as many as `channels` lists
    ///
    /// # Errors
    /// `Param` for a channel count that does not fit, numbers missing, or a list of another length than the channels.
    pub fn new(section: &PreprocessSection, input_shape: [usize; 3]) -> Result<Self> {
        let [n_channels, height, width] = input_shape;
        let preset = match &section.preset {
            Some(name) => match PRESETS.iter().find(|preset| preset.name == name) {
                Some(preset) => Some(preset),
                None => return Err(Error::unknown_name("preset", name, PRESETS.map(|preset| preset.name))),
            },
            None => None,
        };
        let (channel_order, channels) = resolve_channels(section, preset, n_channels)?;
        let by_hand = "set it, or a `preset` (imagenet, tf, unit, caffe, raw)";
        let missing = |key: &str| Error::param(format!("model.preprocess.{key}"), "is missing", by_hand);
        let is_reversed = match &channel_order {
            ChannelOrder::Named(name) => preset.is_some_and(|preset| preset.channels != name),
            ChannelOrder::Indices(_) => false,
        };
        let per_channel = |key: &str, given: &Option<Vec<f32>>, preset: Option<&[f32]>| match (given, preset) {
            (Some(given), _) if given.len() == n_channels => Ok(given.clone()),
            (Some(given), _) => {
                let message = format!("has {} values, but the model has {n_channels} channels", given.len());
                Err(Error::param(format!("model.preprocess.{key}"), message, "one value per channel"))
            }
            (None, Some([one])) => Ok(vec![*one; n_channels]),
            (None, Some(values)) if values.len() == n_channels => {
                let mut values = values.to_vec();
                if is_reversed {
                    values.reverse();
                }
                Ok(values)
            }
            (None, Some(values)) => {
                let message = format!("the preset has {} values, but the model has {n_channels} channel", values.len());
                Err(Error::param("model.preprocess.preset", message, "set `mean` and `std` by hand"))
            }
            (None, None) => Err(missing(key)),
        };
        let mean = per_channel("mean", &section.mean, preset.map(|preset| preset.mean))?;
        let std = per_channel("std", &section.std, preset.map(|preset| preset.std))?;
        let scale = section.scale.or(preset.map(|preset| preset.scale)).ok_or_else(|| missing("scale"))?;
        let numbers_ok = scale.is_finite() && mean.iter().all(|m| m.is_finite()) && std.iter().all(|&s| s > 0.0);
        if !numbers_ok {
            let message = format!("scale {scale}, mean {mean:?}, std {std:?}: must be numbers, and std above 0");
            return Err(Error::param("model.preprocess.std", message, ""));
        }

        let resize = section.resize.as_deref().unwrap_or(preset.map_or("squash", |preset| preset.resize));
        let fraction = section.crop_fraction.unwrap_or(DEFAULT_CROP_FRACTION);
        let fit = match resize {
            "squash" => Fit::Squash,
            "crop" if fraction > 0.0 && fraction <= 1.0 => {
                Fit::Crop { fraction: f64::from(fraction), always: section.crop_fraction.is_some() }
            }
            "crop" => {
                let message = format!("must be above 0 and at most 1, got {fraction}");
                return Err(Error::param("model.preprocess.crop_fraction", message, ""));
            }
            "pad" => Fit::Pad,
            "paste" => Fit::Paste,
            other => return Err(Error::unknown_name("resize mode", other, ["squash", "crop", "pad", "paste"])),
        };
        let interpolation = section.interpolation.as_deref().unwrap_or("bilinear");
        let filter = match interpolation {
            "bilinear" => Some(FilterType::Bilinear),
            // Pillow's bicubic has a = −0.5, which is Catmull and Rom's.
            "bicubic" => Some(FilterType::CatmullRom),
            "nearest" => None,
            other => return Err(Error::unknown_name("interpolation", other, ["bilinear", "bicubic", "nearest"])),
        };
        let side = |side: usize| u32::try_from(side).ok().filter(|side| (1..=1 << 14).contains(side));
        let (Some(width), Some(height)) = (side(width), side(height)) else {
            return Err(Error::shape("model input", "[c, h, w] with sides of 1 to 16384 pixels", input_shape));
        };
        let tables = mean.iter().zip(&std).map(|(&mean, &std)| value_table(scale, mean, std)).collect();
        let numbers = mean.iter().zip(&std).map(|(&mean, &std)| (f64::from(mean), f64::from(std))).collect();
        let numbers = (f64::from(scale), numbers);
        let section = PreprocessSection {
            preset: section.preset.clone(),
            channels: Some(channel_order),
            scale: Some(scale),
            mean: Some(mean),
            std: Some(std),
            resize: Some(resize.to_owned()),
            crop_fraction: section.crop_fraction,
            interpolation: Some(interpolation.to_owned()),
        };
        Ok(Self { section, channels, fit, filter, width, height, tables, numbers })
    }

    /// The section with every number written out.
    pub fn section(&self) -> &PreprocessSection {
        &self.section
    }

    /// `[c, h, w]` of what [`load`](Self::load) gives.
    pub fn input_shape(&self) -> [usize; 3] {
        [self.tables.len(), self.height as usize, self.width as usize]
    }

    /// Image `i` of a set as the model's input, `[c, h, w]`.
    ///
    /// # Errors
    /// `File`, naming the image.
    pub fn load(&self, images: &ImageSet, i: usize) -> Result<Vec<f32>> {
        match &self.channels {
            Channels::Indices(indices) => {
                let samples = images.load_samples(i)?;
                let has = |index: usize| samples.planes.get(index).map(Vec::as_slice);
                self.apply_planes(&samples, indices, has).map_err(|message| images.error(i, message))
            }
            _ => Ok(self.apply(&images.load(i)?)),
        }
    }

    /// A picture in colours as the model's input, `[c, h, w]`. Where the model takes channels by index, these are red, green
    /// and blue, and blue for each that is beyond.
    pub fn apply(&self, image: &RgbImage) -> Vec<f32> {
        let grid = grid(image);
        let order = match &self.channels {
            Channels::Gray => {
                let fitted = self.fitted(&grid, (self.width, self.height));
                return fitted.pixels.iter().map(|pixel| self.tables[0][usize::from(gray(pixel))]).collect();
            }
            Channels::Rgb => [0, 1, 2],
            Channels::Bgr => [2, 1, 0],
            Channels::Indices(indices) => {
                let samples = Samples::of_rgb(image);
                let clamped = |index: usize| Some(samples.planes[index.min(2)].as_slice());
                return self.apply_planes(&samples, indices, clamped).unwrap_or_default();
            }
        };
        let fitted = self.fitted(&grid, (self.width, self.height));
        let planes = self.tables.iter().zip(order);
        planes
            .flat_map(|(table, from)| fitted.pixels.iter().map(move |pixel| table[usize::from(pixel[from])]))
            .collect()
    }

    /// Channels by index, of a picture with these planes.
    fn apply_planes<'a>(
        &self,
        samples: &Samples,
        indices: &[usize],
        plane: impl Fn(usize) -> Option<&'a [f32]>,
    ) -> Result<Vec<f32>, String> {
        let (scale, numbers) = &self.numbers;
        let mut values = Vec::with_capacity(indices.len() * self.width as usize * self.height as usize);
        for (&index, &(mean, std)) in indices.iter().zip(numbers) {
            let plane = plane(index).ok_or_else(|| {
                let n = samples.planes.len();
                format!("has {n} channels, but `model.preprocess.channels` asks for number {index}, counted from 0")
            })?;
            let grid = Grid { size: (samples.width, samples.height), pixels: Cow::Borrowed(plane) };
            let fitted = self.fitted(&grid, (self.width, self.height));
            values.extend(fitted.pixels.iter().map(|&pixel| ((f64::from(pixel) * scale - mean) / std) as f32));
        }
        Ok(values)
    }

    /// Image `i` as the model sees it, for drawing: the same part of it, in colours people know, its longer side
    /// `side` pixels. Of channels by index, the first three are red, green and blue, or the first one is grey.
    ///
    /// # Errors
    /// `File`, naming the image.
    pub fn picture(&self, images: &ImageSet, i: usize, side: u32) -> Result<RgbImage> {
        let Channels::Indices(indices) = &self.channels else { return Ok(self.draw(&images.load(i)?, side)) };
        let samples = images.load_samples(i)?;
        let white = white(&self.section);
        let shown = if indices.len() >= 3 { [indices[0], indices[1], indices[2]] } else { [indices[0]; 3] };
        let missing = || images.error(i, format!("has {} channels, not those that are shown", samples.planes.len()));
        let planes = shown.map(|index| samples.planes.get(index));
        let [Some(red), Some(green), Some(blue)] = planes else { return Err(missing()) };
        let byte = |value: f32| (value / white * 255.0).round().clamp(0.0, 255.0) as u8;
        let pixels: Vec<u8> = (0..red.len()).flat_map(|i| [red[i], green[i], blue[i]].map(byte)).collect();
        let image = RgbImage::from_raw(samples.width, samples.height, pixels).ok_or_else(missing)?;
        Ok(self.draw(&image, side))
    }

    /// A picture in colours as the model sees it, for drawing; see [`picture`](Self::picture).
    pub fn draw(&self, image: &RgbImage, side: u32) -> RgbImage {
        let longer = self.width.max(self.height);
        let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
        let frame = (scaled(self.width), scaled(self.height));
        let grid = grid(image);
        let drawn = match self.fit {
            // Without scaling, what is inside the frame depends on the frame's size.
            Fit::Paste => resample(&self.fitted(&grid, (self.width, self.height)), frame, self.filter).into_owned(),
            _ if self.is_used_as_it_is(grid.size) => resample(&grid, frame, self.filter),
            _ => self.fitted(&grid, frame),
        };
        let bytes = drawn.pixels.into_owned().into_flattened();
        let mut picture =
            RgbImage::from_raw(frame.0, frame.1, bytes).unwrap_or_else(|| RgbImage::new(frame.0, frame.1));
        if self.channels == Channels::Gray {
            picture.pixels_mut().for_each(|pixel| pixel.0 = [gray(&pixel.0); 3]);
        }
        picture
    }

    fn is_used_as_it_is(&self, size: (u32, u32)) -> bool {
        size == (self.width, self.height) && !matches!(self.fit, Fit::Crop { always: true, .. })
    }

    /// The picture in a frame of this size.
    fn fitted<'a, P: Pixel>(&self, picture: &'a Grid<P>, frame: (u32, u32)) -> Grid<'a, P> {
        if self.is_used_as_it_is(picture.size) && picture.size == frame {
            return Grid { size: frame, pixels: Cow::Borrowed(&picture.pixels) };
        }
        fitted(picture, frame, self.fit, self.filter)
    }
}

/// What is drawn as white: 255, or what the numbers of the section say where pixels have more than 8 bits.
pub(crate) fn white(section: &PreprocessSection) -> f32 {
    const EIGHT_BITS: f32 = 255.0;
    let (Some(ChannelOrder::Indices(_)), Some(scale)) = (&section.channels, section.scale) else { return EIGHT_BITS };
    let numbers = section.mean.iter().flatten().zip(section.std.iter().flatten());
    let of_numbers = numbers.map(|(mean, std)| (mean + std) / scale).fold(0.0, f32::max);
    let of_scale = if scale < 1.0 / 256.0 { 1.0 / scale } else { EIGHT_BITS };
    of_numbers.max(of_scale).max(EIGHT_BITS)
}

fn grid(image: &RgbImage) -> Grid<'_, [u8; 3]> {
    let pixels = bytemuck::cast_slice(image.as_raw().as_slice());
    Grid { size: image.dimensions(), pixels: Cow::Borrowed(pixels) }
}

fn resolve_channels(
    section: &PreprocessSection,
    preset: Option<&Preset>,
    n_channels: usize,
) -> Result<(ChannelOrder, Channels)> {
    let key = "model.preprocess.channels";
    let name = match (&section.channels, n_channels) {
        (Some(ChannelOrder::Indices(indices)), _) if indices.len() == n_channels => {
            return Ok((ChannelOrder::Indices(indices.clone()), Channels::Indices(indices.clone())));
        }
        (Some(ChannelOrder::Indices(indices)), _) => {
            let message = format!("lists {} channels, but the model's input has {n_channels}", indices.len());
            return Err(Error::param(key, message, "one index per channel of the model"));
        }
        (Some(ChannelOrder::Named(name)), _) => name.as_str(),
        (None, 1) => "gray",
        (None, 3) => preset.map_or("rgb", |preset| preset.channels),
        (None, n) => {
            let message = format!("the model's input has {n} channels");
            return Err(Error::param(key, message, "say which channels of a file they are, for example [0, 1, 2, 3]"));
        }
    };
    let (name, channels) = match name {
        "rgb" => ("rgb", Channels::Rgb),
        "bgr" => ("bgr", Channels::Bgr),
        "gray" => ("gray", Channels::Gray),
        other => return Err(Error::unknown_name("channels", other, ["rgb", "bgr", "gray"])),
    };
    if n_channels != if channels == Channels::Gray { 1 } else { 3 } {
        let message = format!("is \"{name}\", but the model's input has {n_channels} channels");
        return Err(Error::param(
            key,
            message,
            "gray is for 1 channel, rgb and bgr are for 3, a list of indices for any number",
        ));
    }
    Ok((ChannelOrder::Named(name.to_owned()), channels))
}

fn value_table(scale: f32, mean: f32, std: f32) -> [f32; 256] {
    let [scale, mean, std] = [scale, mean, std].map(f64::from);
    // In f64, so that each value is rounded once.
    std::array::from_fn(|pixel| ((pixel as f64 * scale - mean) / std) as f32)
}

/// Luma as Pillow's mode `L`: (299 R + 587 G + 114 B) / 1000 in 16-bit fixed point.
fn gray(pixel: &[u8]) -> u8 {
    let [r, g, b] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}
