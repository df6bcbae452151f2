//! From a decoded picture to the model's input: geometry, channels, numbers.

use super::ImageSet;
use ascan_config::sections::PreprocessSection;
use ascan_core::{Error, Result};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{RgbImage, imageops};
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
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Channels {
    Rgb,
    Bgr,
    Gray,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fit {
    Squash,
    Crop { fraction: f64, always: bool },
    Pad,
    Paste,
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
    /// - `input_shape`: `[c, h, w]` of the model, `c` 1 or 3
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
        let (channel_name, channels) = resolve_channels(section, preset, n_channels)?;
        let by_hand = "set it, or a `preset` (imagenet, tf, unit, caffe, raw)";
        let missing = |key: &str| Error::param(format!("model.preprocess.{key}"), "is missing", by_hand);
        let preset_order = preset.map(|preset| preset.channels);
        let per_channel = |key: &str, given: &Option<Vec<f32>>, preset: Option<&[f32]>| match (given, preset) {
            (Some(given), _) if given.len() == n_channels => Ok(given.clone()),
            (Some(given), _) => {
                let message = format!("has {} values, but the model has {n_channels} channels", given.len());
                Err(Error::param(format!("model.preprocess.{key}"), message, "one value per channel"))
            }
            (None, Some([one])) => Ok(vec![*one; n_channels]),
            (None, Some(values)) if values.len() == n_channels => {
                let mut values = values.to_vec();
                if preset_order != Some(channel_name) {
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
        let section = PreprocessSection {
            preset: section.preset.clone(),
            channels: Some(channel_name.to_owned()),
            scale: Some(scale),
            mean: Some(mean),
            std: Some(std),
            resize: Some(resize.to_owned()),
            crop_fraction: section.crop_fraction,
            interpolation: Some(interpolation.to_owned()),
        };
        Ok(Self { section, channels, fit, filter, width, height, tables })
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
        Ok(self.apply(&images.load(i)?))
    }

    /// A decoded picture as the model's input, `[c, h, w]`.
    pub fn apply(&self, image: &RgbImage) -> Vec<f32> {
        let fitted = self.fitted(image, self.width, self.height);
        let pixels = fitted.as_raw();
        let n = pixels.len() / 3;
        let mut values = vec![0.0; n * self.tables.len()];
        if self.channels == Channels::Gray {
            for (value, pixel) in values.iter_mut().zip(pixels.chunks_exact(3)) {
                *value = self.tables[0][usize::from(gray(pixel))];
            }
            return values;
        }
        let order = if self.channels == Channels::Bgr { [2, 1, 0] } else { [0, 1, 2] };
        for ((plane, table), from) in values.chunks_exact_mut(n).zip(&self.tables).zip(order) {
            for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(3)) {
                *value = table[usize::from(pixel[from])];
            }
        }
        values
    }

    /// Image `i` as the model sees it, for drawing: the same part of it, in colours people know, its longer side
    /// `side` pixels.
    ///
    /// # Errors
    /// `File`, naming the image.
    pub fn picture(&self, images: &ImageSet, i: usize, side: u32) -> Result<RgbImage> {
        Ok(self.draw(&images.load(i)?, side))
    }

    /// A decoded picture as the model sees it, for drawing; see [`picture`](Self::picture).
    pub fn draw(&self, image: &RgbImage, side: u32) -> RgbImage {
        let longer = self.width.max(self.height);
        let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
        let (width, height) = (scaled(self.width), scaled(self.height));
        let mut picture = match self.fit {
            // Without scaling, what is inside the frame depends on the frame's size.
            Fit::Paste => self.resample(&self.fitted(image, self.width, self.height), width, height).into_owned(),
            _ if self.is_used_as_it_is(image) => self.resample(image, width, height).into_owned(),
            _ => self.fitted(image, width, height).into_owned(),
        };
        if self.channels == Channels::Gray {
            picture.pixels_mut().for_each(|pixel| pixel.0 = [gray(&pixel.0); 3]);
        }
        picture
    }

    fn is_used_as_it_is(&self, image: &RgbImage) -> bool {
        image.dimensions() == (self.width, self.height) && !matches!(self.fit, Fit::Crop { always: true, .. })
    }

    /// The picture in a frame of this size.
    fn fitted<'a>(&self, image: &'a RgbImage, width: u32, height: u32) -> Cow<'a, RgbImage> {
        if self.is_used_as_it_is(image) && image.dimensions() == (width, height) {
            return Cow::Borrowed(image);
        }
        match self.fit {
            Fit::Squash => self.resample(image, width, height),
            Fit::Crop { fraction, .. } => {
                let (w, h) = covering_size(image.dimensions(), (width, height), fraction);
                let scaled = self.resample(image, w, h);
                // Half a pixel goes to the even side, as in torchvision's CenterCrop.
                let middle = |have: u32, want: u32| (f64::from(have - want) / 2.0).round_ties_even() as u32;
                let (x, y) = (middle(w, width), middle(h, height));
                Cow::Owned(imageops::crop_imm(scaled.as_ref(), x, y, width, height).to_image())
            }
            Fit::Pad => {
                let (w, h) = contained_size(image.dimensions(), (width, height));
                let scaled = self.resample(image, w, h);
                Cow::Owned(framed(&scaled, width, height, (width - w) / 2, (height - h) / 2))
            }
            Fit::Paste => Cow::Owned(framed(image, width, height, 0, 0)),
        }
    }

    /// Resampling as Pillow does it: the filter widens when the picture shrinks (antialiasing), rows come first,
    /// and what lies between the two passes is rounded to 8 bits.
    fn resample<'a>(&self, image: &'a RgbImage, width: u32, height: u32) -> Cow<'a, RgbImage> {
        let across = self.resample_pass(Cow::Borrowed(image), width, image.height());
        self.resample_pass(across, width, height)
    }

    fn resample_pass<'a>(&self, image: Cow<'a, RgbImage>, width: u32, height: u32) -> Cow<'a, RgbImage> {
        if image.dimensions() == (width, height) {
            return image;
        }
        let algorithm = self.filter.map_or(ResizeAlg::Nearest, ResizeAlg::Convolution);
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        let mut resized = Image::new(width, height, PixelType::U8x3);
        // Neither can fail: the buffer has the size of the image, and both have the same pixels.
        if let Ok(source) = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3) {
            let _ = Resizer::new().resize(&source, &mut resized, &options);
        }
        let resized = RgbImage::from_raw(width, height, resized.into_vec());
        Cow::Owned(resized.unwrap_or_else(|| RgbImage::new(width, height)))
    }
}

fn resolve_channels(
    section: &PreprocessSection,
    preset: Option<&Preset>,
    n_channels: usize,
) -> Result<(&'static str, Channels)> {
    let key = "model.preprocess.channels";
    let default = match n_channels {
        1 => "gray",
        3 => preset.map_or("rgb", |preset| preset.channels),
        n => return Err(Error::param(key, format!("the model's input has {n} channels"), "expected 1 or 3")),
    };
    let (name, channels) = match section.channels.as_deref().unwrap_or(default) {
        "rgb" => ("rgb", Channels::Rgb),
        "bgr" => ("bgr", Channels::Bgr),
        "gray" => ("gray", Channels::Gray),
        other => return Err(Error::unknown_name("channels", other, ["rgb", "bgr", "gray"])),
    };
    if (channels == Channels::Gray) != (n_channels == 1) {
        let message = format!("is \"{name}\", but the model's input has {n_channels} channels");
        return Err(Error::param(key, message, "gray is for 1 channel, rgb and bgr are for 3"));
    }
    Ok((name, channels))
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

/// The size whose centre crop fills the frame: the side that is shorter, measured against the frame, becomes
/// frame / fraction, the other keeps the proportion (cut to whole pixels, as torchvision's Resize).
fn covering_size((w, h): (u32, u32), (width, height): (u32, u32), fraction: f64) -> (u32, u32) {
    let cover = |frame: u32| (f64::from(frame) / fraction).round() as u32;
    let proportional = |side: u32, from: u32, to: u32| (u64::from(side) * u64::from(to) / u64::from(from)) as u32;
    if u64::from(w) * u64::from(height) <= u64::from(h) * u64::from(width) {
        let to = cover(width);
        (to, proportional(h, w, to).max(height))
    } else {
        let to = cover(height);
        (proportional(w, h, to).max(width), to)
    }
}

/// The largest size of this proportion inside the frame.
fn contained_size((w, h): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    let ratio = (f64::from(width) / f64::from(w)).min(f64::from(height) / f64::from(h));
    let scaled = |side: u32, frame: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, frame);
    (scaled(w, width), scaled(h, height))
}

/// The picture on black, with its top left corner at (x, y); what does not fit is cut off.
fn framed(image: &RgbImage, width: u32, height: u32, x: u32, y: u32) -> RgbImage {
    let mut frame = RgbImage::new(width, height);
    imageops::replace(&mut frame, image, x.into(), y.into());
    frame
}
