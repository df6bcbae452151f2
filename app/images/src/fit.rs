//! How a picture of any size fits the frame of a model. Memory is bounded by the frame: only what ends up in it is
//! resampled.

use bytemuck::Pod;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use std::borrow::Cow;

/// Width and height.
pub(crate) type Size = (u32, u32);

/// A pixel that can be resampled.
pub(crate) trait Pixel: Pod {
    const KIND: PixelType;
}

impl Pixel for [u8; 3] {
    const KIND: PixelType = PixelType::U8x3;
}

impl Pixel for f32 {
    const KIND: PixelType = PixelType::F32;
}

/// Pixels in rows, `[height, width]`.
#[derive(Debug, Clone)]
pub(crate) struct Grid<'a, P: Clone> {
    pub size: Size,
    pub pixels: Cow<'a, [P]>,
}

/// How a picture of another size comes into the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fit {
    Squash,
    Crop { fraction: f64, always: bool },
    Pad,
    Paste,
}

/// The part of a resampled picture that is wanted, in its pixels.
struct Window {
    /// Of the whole picture, resampled.
    whole: Size,
    left: u32,
    top: u32,
    size: Size,
}

/// A first pass that makes the picture larger may not take more pixels than this.
const MAX_GROWN: u64 = 1 << 24;

/// The picture in a frame of this size; `filter` is `None` for the nearest pixel.
pub(crate) fn fitted<'a, P: Pixel>(
    picture: &'a Grid<P>,
    frame: Size,
    fit: Fit,
    filter: Option<FilterType>,
) -> Grid<'a, P> {
    let (width, height) = frame;
    match fit {
        Fit::Squash => resample(picture, frame, filter),
        Fit::Crop { fraction, .. } => {
            let whole = covering_size(picture.size, frame, fraction);
            // Half a pixel goes to the even side, as in torchvision's CenterCrop.
            let middle = |have: u32, want: u32| (f64::from(have - want) / 2.0).round_ties_even() as u32;
            let window = Window { whole, left: middle(whole.0, width), top: middle(whole.1, height), size: frame };
            resample_window(picture, &window, filter)
        }
        Fit::Pad => {
            let inside = contained_size(picture.size, frame);
            let scaled = resample(picture, inside, filter);
            framed(&scaled, frame, (width - inside.0) / 2, (height - inside.1) / 2)
        }
        Fit::Paste => framed(picture, frame, 0, 0),
    }
}

/// The whole picture in another size.
pub(crate) fn resample<'a, P: Pixel>(picture: &'a Grid<P>, size: Size, filter: Option<FilterType>) -> Grid<'a, P> {
    resample_window(picture, &Window { whole: size, left: 0, top: 0, size }, filter)
}

/// Resampling as Pillow does it: the filter widens when the picture shrinks (antialiasing), rows come first, and what lies
/// between the two passes is rounded to 8 bits. Of a picture much longer than wide columns come first, since rows would
/// grow beyond measure.
fn resample_window<'a, P: Pixel>(picture: &'a Grid<P>, window: &Window, filter: Option<FilterType>) -> Grid<'a, P> {
    let (source, size) = (picture.size, window.size);
    if source == window.whole && source == size {
        return Grid { size, pixels: Cow::Borrowed(&picture.pixels) };
    }
    let across = Span::of(source.0, window.whole.0, window.left, size.0);
    let down = Span::of(source.1, window.whole.1, window.top, size.1);
    // Only the rows that the second pass will look at.
    let (first, n_rows) = down.needed(source.1, size.1);
    let grows = size.0 > source.0 && u64::from(size.0) * u64::from(n_rows) > MAX_GROWN;
    if grows {
        let columns = pass(picture, (source.0, size.1), Span::all(source.0), down, filter);
        return pass(&columns, size, across, Span::all(size.1), filter).into_owned();
    }
    let rows = Span { start: f64::from(first), length: f64::from(n_rows) };
    let rows = pass(picture, (size.0, n_rows), across, rows, filter);
    let down = Span { start: down.start - f64::from(first), ..down };
    pass(&rows, size, Span::all(size.0), down, filter).into_owned()
}

/// A stretch of the source, in its pixels.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    fn all(length: u32) -> Self {
        Self { start: 0.0, length: length.into() }
    }

    /// Where `length` pixels from `start` of a picture resampled from `source` to `whole` pixels come from.
    fn of(source: u32, whole: u32, start: u32, length: u32) -> Self {
        let scale = f64::from(source) / f64::from(whole);
        let start = f64::from(start) * scale;
        Self { start, length: (f64::from(length) * scale).min(f64::from(source) - start) }
    }

    /// The whole pixels that are looked at to make `size` of this stretch: the first one, and how many.
    fn needed(self, source: u32, size: u32) -> (u32, u32) {
        // Bicubic, the widest filter, looks two pixels far, in pixels of the smaller picture; two more for rounding.
        let reach = 2.0 * (self.length / f64::from(size)).max(1.0) + 2.0;
        let first = (self.start - reach).floor().max(0.0);
        let end = (self.start + self.length + reach).ceil().min(source.into());
        (first as u32, (end - first).max(1.0) as u32)
    }
}

/// One resampling of a part of the picture, `across` and `down`.
fn pass<'a, P: Pixel>(
    picture: &'a Grid<P>,
    size: Size,
    across: Span,
    down: Span,
    filter: Option<FilterType>,
) -> Grid<'a, P> {
    let is_all = across.length == f64::from(picture.size.0) && down.length == f64::from(picture.size.1);
    if is_all && picture.size == size {
        return Grid { size, pixels: Cow::Borrowed(&picture.pixels) };
    }
    let algorithm = filter.map_or(ResizeAlg::Nearest, ResizeAlg::Convolution);
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    let options = options.crop(across.start, down.start, across.length, down.length);
    let mut pixels = vec![P::zeroed(); size.0 as usize * size.1 as usize];
    let source = ImageRef::new(picture.size.0, picture.size.1, bytemuck::cast_slice(&picture.pixels), P::KIND);
    let target = Image::from_slice_u8(size.0, size.1, bytemuck::cast_slice_mut(&mut pixels), P::KIND);
    // None of it can fail: the buffers have the size of the pictures, both have the same pixels, and the part is inside.
    if let (Ok(source), Ok(mut target)) = (source, target) {
        let _ = Resizer::new().resize(&source, &mut target, &options);
    }
    Grid { size, pixels: Cow::Owned(pixels) }
}

impl<P: Pixel> Grid<'_, P> {
    pub fn into_owned<'b>(self) -> Grid<'b, P> {
        Grid { size: self.size, pixels: Cow::Owned(self.pixels.into_owned()) }
    }
}

/// The size whose centre crop fills the frame: the side that is shorter, measured against the frame, becomes
/// frame / fraction, the other keeps the proportion (cut to whole pixels, as torchvision's Resize).
fn covering_size((w, h): Size, (width, height): Size, fraction: f64) -> Size {
    let cover = |frame: u32| (f64::from(frame) / fraction).round() as u32;
    // At most 2^14 / 0.1 times as long as the other side of at most 2^28 pixels: counted in 64 bits, cut to 32.
    let proportional = |side: u32, from: u32, to: u32| {
        u32::try_from(u64::from(side) * u64::from(to) / u64::from(from)).unwrap_or(u32::MAX)
    };
    if u64::from(w) * u64::from(height) <= u64::from(h) * u64::from(width) {
        let to = cover(width);
        (to, proportional(h, w, to).max(height))
    } else {
        let to = cover(height);
        (proportional(w, h, to).max(width), to)
    }
}

/// The largest size of this proportion inside the frame.
fn contained_size((w, h): Size, (width, height): Size) -> Size {
    let ratio = (f64::from(width) / f64::from(w)).min(f64::from(height) / f64::from(h));
    let scaled = |side: u32, frame: u32| ((f64::from(side) * ratio).round() as u32).clamp(1, frame);
    (scaled(w, width), scaled(h, height))
}

/// The picture on black, with its top left corner at (x, y); what does not fit is cut off.
fn framed<'b, P: Pixel>(picture: &Grid<P>, size: Size, x: u32, y: u32) -> Grid<'b, P> {
    let mut pixels = vec![P::zeroed(); size.0 as usize * size.1 as usize];
    let n = picture.size.0.min(size.0.saturating_sub(x)) as usize;
    let rows = picture.pixels.chunks_exact(picture.size.0 as usize);
    for (row, line) in rows.zip(pixels.chunks_exact_mut(size.0 as usize).skip(y as usize)) {
        line[x as usize..x as usize + n].copy_from_slice(&row[..n]);
    }
    Grid { size, pixels: Cow::Owned(pixels) }
}
