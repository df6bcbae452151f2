//! What a decoder hands over, and colours made of it.

use image::RgbImage;
use image::metadata::Orientation;

/// What is wanted of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Want {
    /// Grey or RGB, as people see it.
    Colours,
    /// Every channel, as it is stored.
    Samples,
}

/// A decoded picture: pixels in rows, the channels of each pixel side by side.
#[derive(Debug)]
pub(super) struct Raw {
    pub width: u32,
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; more have no colour.
    pub n_channels: usize,
    pub values: Values,
    /// What still has to be turned to make it upright.
    pub orientation: Orientation,
    /// What is to be said about the file although it could be read.
    pub remark: Option<&'static str>,
}

/// Numbers of a picture, 0 for black; white is 255 or 65535, and unknown for floating point.
#[derive(Debug)]
pub(super) enum Values {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl Raw {
    /// A picture that is upright, and of which nothing is to be said.
    pub fn new(width: u32, height: u32, n_channels: usize, values: Values) -> Self {
        Self { width, height, n_channels, values, orientation: Orientation::NoTransforms, remark: None }
    }

    /// # Errors
    /// A sentence, if nobody knows which channels are colours, or how bright white is.
    pub fn into_rgb(self) -> Result<RgbImage, String> {
        let Self { width, height, n_channels, values, orientation, .. } = self;
        if n_channels > 4 {
            let message = "say which are the colours with `model.preprocess.channels`, for example [2, 1, 0]";
            return Err(format!("has {n_channels} channels: {message}"));
        }
        let bytes = match values {
            Values::U8(bytes) => rgb(bytes, n_channels, |byte| byte),
            // Rounded: 65535 / 255 is 257.
            Values::U16(values) => rgb(values, n_channels, |value| ((u32::from(value) + 128) / 257) as u8),
            Values::F32(_) => {
                let hint = "name its channels with `model.preprocess.channels`, and set `scale`";
                return Err(format!("holds numbers whose range is unknown (floating-point, signed or 32-bit): {hint}"));
            }
        };
        let ((width, height), bytes) = upright(bytes, (width, height), 3, orientation);
        RgbImage::from_raw(width, height, bytes).ok_or_else(|| "is damaged: pixels are missing".into())
    }
}

/// Grey is repeated, alpha dropped. What has three bytes per pixel stays where it is.
fn rgb<T: Copy + 'static>(values: Vec<T>, n_channels: usize, byte: fn(T) -> u8) -> Vec<u8> {
    match n_channels {
        1 | 2 => values.chunks_exact(n_channels).flat_map(|pixel| [byte(pixel[0]); 3]).collect(),
        3 => values.into_iter().map(byte).collect(),
        _ => values.chunks_exact(n_channels).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]].map(byte)).collect(),
    }
}

/// What red, green and blue weigh in luma by ITU-R BT.601, as JPEG and DICOM have it.
pub(super) const BT_601: [f64; 3] = [0.299, 0.587, 0.114];

/// Luma and chroma as RGB; `weights` are those of red, green and blue in luma.
pub(super) fn ycbcr_to_rgb([y, cb, cr]: [u8; 3], [red, green, blue]: [f64; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    let (r, b) = (y + cr * (2.0 - 2.0 * red), y + cb * (2.0 - 2.0 * blue));
    [r, (y - blue * b - red * r) / green, b].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// The pixels turned as EXIF says, and the size that they then have.
pub(super) fn upright<T: Copy>(
    values: Vec<T>,
    (width, height): (u32, u32),
    n_channels: usize,
    orientation: Orientation,
) -> ((u32, u32), Vec<T>) {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    let (w, h) = (width as usize, height as usize);
    if orientation == NoTransforms || values.len() != w * h * n_channels {
        return ((width, height), values);
    }
    let is_turned = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    let (new_w, new_h) = if is_turned { (h, w) } else { (w, h) };
    let mut turned = Vec::with_capacity(values.len());
    for y in 0..new_h {
        for x in 0..new_w {
            let (from_x, from_y) = match orientation {
                NoTransforms => (x, y),
                FlipHorizontal => (w - 1 - x, y),
                FlipVertical => (x, h - 1 - y),
                Rotate180 => (w - 1 - x, h - 1 - y),
                Rotate90 => (y, h - 1 - x),
                Rotate270 => (w - 1 - y, x),
                Rotate90FlipH => (y, x),
                Rotate270FlipH => (w - 1 - y, h - 1 - x),
            };
            let at = (from_y * w + from_x) * n_channels;
            turned.extend_from_slice(&values[at..at + n_channels]);
        }
    }
    ((new_w as u32, new_h as u32), turned)
}
