//! The picture of an AVIF file: luma and chroma as RGB.

use super::limits::check_size;
use super::raw::{Raw, Values};
use avif_parse::AvifData;
use image::metadata::Orientation;
use re_rav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::{Decoder, Picture, PixelLayout, PlanarImageComponent, Plane, Settings};

/// Properties stand in the first bytes of a file.
const MAX_HEADER: usize = 1 << 16;
/// The decoder keeps some frames of its own at work; one thread is enough for one picture.
const N_THREADS: u32 = 1;

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, String> {
    let container = AvifData::from_reader(&mut &bytes[..]).map_err(damaged)?;
    let declared = container.primary_item_metadata().map_err(damaged)?;
    check_size(declared.max_frame_width.get().into(), declared.max_frame_height.get().into(), bytes.len())?;
    let picture = first_picture(&container.primary_item)?;
    check_size(picture.width().into(), picture.height().into(), bytes.len())?;
    Ok(Raw { orientation: orientation(bytes), ..Colours::of(&picture)?.into_raw() })
}

/// How the container wants the picture turned (`irot`), then mirrored (`imir`): boxes of nine bytes among its properties.
fn orientation(bytes: &[u8]) -> Orientation {
    let property = |name: &[u8; 4]| {
        let header = [&[0, 0, 0, 9], &name[..]].concat();
        let at = bytes.windows(header.len()).take(MAX_HEADER).position(|window| window == header)?;
        bytes.get(at + header.len()).copied()
    };
    // Quarters against the clock, and the axis: 0 exchanges top and bottom, 1 left and right.
    let (turns, axis) = (property(b"irot").unwrap_or(0) & 3, property(b"imir").map(|axis| axis & 1));
    let exif = match (turns, axis) {
        (0, None) => 1,
        (0, Some(1)) | (2, Some(0)) => 2,
        (2, None) => 3,
        (0, Some(_)) | (2, Some(_)) => 4,
        (1, Some(0)) | (3, Some(1)) => 5,
        (3, None) => 6,
        (1, Some(_)) | (3, Some(_)) => 7,
        _ => 8,
    };
    Orientation::from_exif(exif).unwrap_or(Orientation::NoTransforms)
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("is a damaged AVIF: {error}")
}

fn first_picture(stream: &[u8]) -> Result<Picture, String> {
    let mut settings = Settings::new();
    settings.set_n_threads(N_THREADS);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(super::MAX_PIXELS as u32);
    let mut decoder = Decoder::with_settings(&settings).map_err(damaged)?;
    decoder.send_data(stream.to_vec(), None, None, None).map_err(damaged)?;
    decoder.get_picture().map_err(damaged)
}

/// How luma and chroma become colours.
struct Colours {
    matrix: Matrix,
    luma: Samples,
    /// Blue and red; none of a grey picture.
    chroma: Option<[Samples; 2]>,
}

/// How colours were made luma and chroma.
#[derive(Clone, Copy)]
enum Matrix {
    /// What red, green and blue weigh in luma.
    Weights([f32; 3]),
    /// The planes are green, blue and red.
    Identity,
}

impl Colours {
    fn of(picture: &Picture) -> Result<Self, String> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let [half_w, half_h] = [width.div_ceil(2), height.div_ceil(2)];
        // ITU-T H.273; what is not said is BT.601, as in libavif.
        let matrix = match picture.matrix_coefficients() {
            MatrixCoefficients::Identity => Matrix::Identity,
            MatrixCoefficients::BT709 => Matrix::Weights([0.2126, 0.7152, 0.0722]),
            MatrixCoefficients::BT2020NonConstantLuminance => Matrix::Weights([0.2627, 0.678, 0.0593]),
            MatrixCoefficients::Unspecified | MatrixCoefficients::BT470BG | MatrixCoefficients::ST170M => {
                Matrix::Weights([0.299, 0.587, 0.114])
            }
            other => return Err(format!("is an AVIF whose colours are coded in a way that is not read ({other:?})")),
        };
        let steps = (1u32 << (picture.bit_depth() - 8)) as f32;
        let is_full = picture.color_range() == YUVRange::Full;
        let full = 256.0 * steps - 1.0;
        let luma_range = if is_full { [0.0, full] } else { [16.0 * steps, 219.0 * steps] };
        let chroma_range = match matrix {
            Matrix::Identity => luma_range,
            Matrix::Weights(_) => [128.0 * steps, if is_full { full } else { 224.0 * steps }],
        };
        let samples = |component, size, range| Samples::of(picture, component, size, range);
        let chroma_size = match picture.pixel_layout() {
            PixelLayout::I400 => None,
            PixelLayout::I420 => Some([half_w, half_h]),
            PixelLayout::I422 => Some([half_w, height]),
            PixelLayout::I444 => Some([width, height]),
        };
        let chroma = |size| -> Result<[Samples; 2], String> {
            let [blue, red] = [PlanarImageComponent::U, PlanarImageComponent::V];
            Ok([samples(blue, size, chroma_range)?, samples(red, size, chroma_range)?])
        };
        let luma = samples(PlanarImageComponent::Y, [width, height], luma_range)?;
        Ok(Self { matrix, luma, chroma: chroma_size.map(chroma).transpose()? })
    }

    fn into_raw(self) -> Raw {
        let [width, height] = self.luma.size;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| [x, y]));
        let byte = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
        let (n_channels, bytes) = match &self.chroma {
            None => (1, places.map(|at| byte(self.luma.at(at))).collect()),
            Some([blue, red]) => {
                let pixel = |at| {
                    let y = self.luma.at(at);
                    let [cb, cr] = [blue, red].map(|plane| plane.between(at, self.luma.size));
                    match self.matrix {
                        Matrix::Identity => [cr, y, cb].map(byte),
                        Matrix::Weights([red, green, blue]) => {
                            let (r, b) = (y + cr * (2.0 - 2.0 * red), y + cb * (2.0 - 2.0 * blue));
                            [r, (y - blue * b - red * r) / green, b].map(byte)
                        }
                    }
                };
                (3, places.flat_map(pixel).collect())
            }
        };
        Raw::new(width as u32, height as u32, n_channels, Values::U8(bytes))
    }
}

/// A plane of a decoded picture, as it lies in the decoder's memory.
struct Samples {
    bytes: Plane,
    /// Bytes of a row.
    stride: usize,
    is_wide: bool,
    /// Width and height.
    size: [usize; 2],
    /// What is stored for 0, and how much more for 1.
    range: [f32; 2],
}

impl Samples {
    fn of(
        picture: &Picture,
        component: PlanarImageComponent,
        size: [usize; 2],
        range: [f32; 2],
    ) -> Result<Self, String> {
        let (bytes, stride) = (picture.plane(component), picture.stride(component) as usize);
        let is_wide = picture.bit_depth() > 8;
        let last = size[1].saturating_sub(1) * stride + size[0] * if is_wide { 2 } else { 1 };
        match last <= bytes.len() {
            true => Ok(Self { bytes, stride, is_wide, size, range }),
            false => Err("is damaged: pixels are missing".into()),
        }
    }

    fn at(&self, [x, y]: [usize; 2]) -> f32 {
        let row = y * self.stride;
        let value = match self.is_wide {
            true => f32::from(u16::from_ne_bytes([self.bytes[row + 2 * x], self.bytes[row + 2 * x + 1]])),
            false => f32::from(self.bytes[row + x]),
        };
        (value - self.range[0]) / self.range[1]
    }

    /// The value at a place of a picture of this size. Coarser samples lie in the middle of what they stand for.
    fn between(&self, [x, y]: [usize; 2], full: [usize; 2]) -> f32 {
        let ([x0, x1], fx) = match x + 1 == full[0] {
            // The last place of an odd row has its sample alone, as in libyuv.
            true => ([self.size[0] - 1; 2], 0.0),
            false => neighbours(x, full[0], self.size[0]),
        };
        let ([y0, y1], fy) = neighbours(y, full[1], self.size[1]);
        let row = |y: usize| self.at([x0, y]) * (1.0 - fx) + self.at([x1, y]) * fx;
        row(y0) * (1.0 - fy) + row(y1) * fy
    }
}

/// The two samples of a side of `n` that a place of the full side lies between, and how far it is to the second.
fn neighbours(at: usize, full: usize, n: usize) -> ([usize; 2], f32) {
    if n == full {
        return ([at; 2], 0.0);
    }
    let place = (at as f32 / 2.0 - 0.25).clamp(0.0, (n - 1) as f32);
    let first = place as usize;
    ([first, (first + 1).min(n - 1)], place - first as f32)
}
