//! TIFF as Pillow reads it and more: strips and tiles, planes, palettes, YCbCr, inks, 1 to 64 bits, many channels, BigTIFF.
//!
//! Written here because no library reads all of it: the usual one refuses planes, palettes, subsampled YCbCr and bands.

mod layout;
mod tags;
mod unpack;

use super::jpeg::paper_to_rgb;
use super::raw::{BT_601, Raw, Values, Want, ycbcr_to_rgb};
use image::metadata::Orientation;
use layout::{Format, Layout, photometric};
use tags::Tags;

const ORIENTATION: u16 = 274;
const COLOUR_MAP: u16 = 320;
const COEFFICIENTS: u16 = 529;
const JPEG: u64 = 7;

pub(super) fn decode(bytes: &[u8], want: Want) -> Result<Raw, String> {
    let tags = Tags::first(bytes)?;
    let layout = Layout::of(bytes, &tags)?;
    let values = if layout.is_subsampled() { shared_chroma(&layout)? } else { read(&layout)? };
    let (n_channels, values) = coloured(&layout, &tags, values, want)?;
    let orientation = tags.number(ORIENTATION).and_then(|n| Orientation::from_exif(n as u8));
    let remark = tags.has_more_pages().then_some("a TIFF file of several pages, of which the first is read");
    let raw = Raw::new(layout.width, layout.height, n_channels, values);
    Ok(Raw { orientation: orientation.unwrap_or(Orientation::NoTransforms), remark, ..raw })
}

/// All numbers as they are stored, those of a pixel side by side.
fn read(layout: &Layout) -> Result<Values, String> {
    let n = layout.width as usize * layout.height as usize * layout.n_samples;
    match (layout.format, layout.bits) {
        (Format::Unsigned, 1..=8) => {
            let mut values = vec![0; n];
            fill(layout, |at, value| values[at] = value as u8)?;
            Ok(Values::U8(values))
        }
        (Format::Unsigned, 9..=16) => {
            let mut values = vec![0; n];
            fill(layout, |at, value| values[at] = value as u16)?;
            Ok(Values::U16(values))
        }
        (Format::Float, bits) if ![16, 32, 64].contains(&bits) => {
            Err(format!("is a TIFF file of {bits}-bit floating-point numbers, which cannot be read"))
        }
        _ => {
            let mut values = vec![0.0; n];
            fill(layout, |at, value| values[at] = value as f32)?;
            Ok(Values::F32(values))
        }
    }
}

/// Calls `put` with the place and the value of every number.
fn fill(layout: &Layout, mut put: impl FnMut(usize, f64)) -> Result<(), String> {
    let (width, height) = (layout.width as usize, layout.height as usize);
    let (across, down, together) = (layout.across(), layout.down(), layout.n_together());
    for (i, bytes) in layout.chunks.iter().enumerate() {
        let (plane, in_plane) = (i / (across * down), i % (across * down));
        let (left, top) = (in_plane % across * layout.chunk.0, in_plane / across * layout.chunk.1);
        // Tiles are padded to their whole size, strips end with the picture.
        let rows = layout.chunk.1.min(height - top);
        let size = (layout.chunk.0, if layout.is_tiled { layout.chunk.1 } else { rows });
        let unpacked = unpack::unpack(layout, bytes, size)?;
        let row_bytes = (size.0 * together * layout.bits as usize).div_ceil(8);
        let columns = layout.chunk.0.min(width - left);
        for (y, row) in unpacked.chunks_exact(row_bytes).take(rows).enumerate() {
            let start = ((top + y) * width + left) * layout.n_samples + plane;
            unpack::numbers(layout, row, columns * together, |i, value| {
                put(start + i / together * layout.n_samples + i % together, value);
            });
        }
    }
    Ok(())
}

/// Luma and chroma where several pixels share a chroma: for each block of pixels its lumas, then one Cb and one Cr.
fn shared_chroma(layout: &Layout) -> Result<Values, String> {
    let (width, height) = (layout.width as usize, layout.height as usize);
    let (h, v) = layout.subsampling;
    let mut values = vec![0; width * height * 3];
    for (i, bytes) in layout.chunks.iter().enumerate() {
        let (left, top) = (i % layout.across() * layout.chunk.0, i / layout.across() * layout.chunk.1);
        let rows = layout.chunk.1.min(height - top);
        let size = (layout.chunk.0, if layout.is_tiled { layout.chunk.1 } else { rows });
        let unpacked = unpack::unpack(layout, bytes, size)?;
        let blocks_across = size.0.div_ceil(h);
        for (block, numbers) in unpacked.chunks_exact(h * v + 2).enumerate() {
            let (x, y) = (left + block % blocks_across * h, top + block / blocks_across * v);
            for (j, &luma) in numbers[..h * v].iter().enumerate() {
                let (x, y) = (x + j % h, y + j / h);
                if x < width && y < height && x < left + size.0 && y < top + rows {
                    let at = (y * width + x) * 3;
                    values[at..at + 3].copy_from_slice(&[luma, numbers[h * v], numbers[h * v + 1]]);
                }
            }
        }
    }
    Ok(Values::U8(values))
}

/// The numbers as grey or RGB, where they are something else; with how many channels.
fn coloured(layout: &Layout, tags: &Tags, values: Values, want: Want) -> Result<(usize, Values), String> {
    let n = layout.n_samples;
    let is_as_stored = want == Want::Samples;
    match (layout.photometric, values) {
        (photometric::WHITE_IS_ZERO, Values::U8(values)) => {
            let white = (1u16 << layout.bits) as u8;
            Ok((
                n,
                scaled_8(
                    values.into_iter().map(|value| white.wrapping_sub(1).wrapping_sub(value)).collect(),
                    layout,
                    is_as_stored,
                ),
            ))
        }
        (photometric::WHITE_IS_ZERO, Values::U16(values)) => {
            let white = ((1u32 << layout.bits) - 1) as u16;
            Ok((
                n,
                scaled_16(values.into_iter().map(|value| white.wrapping_sub(value)).collect(), layout, is_as_stored),
            ))
        }
        (photometric::PALETTE, values) => {
            let map = tags.numbers(COLOUR_MAP).ok_or("is a TIFF file without its palette")?;
            let n_colours = map.len() / 3;
            let colour =
                |index: usize| [0, 1, 2].map(|c| map.get(c * n_colours + index).map_or(0, |value| (value >> 8) as u8));
            let pixels: Vec<[u8; 3]> = match values {
                Values::U8(values) => values.chunks_exact(n).map(|pixel| colour(pixel[0].into())).collect(),
                Values::U16(values) => values.chunks_exact(n).map(|pixel| colour(pixel[0].into())).collect(),
                Values::F32(_) => return Err("is a TIFF file with a palette of too many colours".into()),
            };
            Ok((3, Values::U8(pixels.into_flattened())))
        }
        (photometric::INKS, Values::U8(values)) if n >= 4 && !is_as_stored => {
            let rgb = |inks: &[u8]| paper_to_rgb([255 - inks[0], 255 - inks[1], 255 - inks[2], 255 - inks[3]]);
            Ok((3, Values::U8(values.chunks_exact(n).flat_map(rgb).collect())))
        }
        (photometric::YCBCR, Values::U8(values)) if layout.compression != JPEG && n == 3 => {
            let given = tags.fractions(COEFFICIENTS).filter(|c| c.len() == 3 && c.iter().all(|&c| c > 0.0 && c < 1.0));
            let weights = given.map_or(BT_601, |c| [c[0], c[1], c[2]]);
            let rgb = |p: &[u8]| ycbcr_to_rgb([p[0], p[1], p[2]], weights);
            Ok((3, Values::U8(values.chunks_exact(3).flat_map(rgb).collect())))
        }
        (photometric::YCBCR, values @ Values::U8(_)) if layout.compression == JPEG => Ok((n, values)),
        (photometric::BLACK_IS_ZERO | photometric::RGB, values) => {
            // Bands without a colour: two are grey and alpha, more are nothing that people see.
            let is_bands = layout.photometric == photometric::BLACK_IS_ZERO && n > 2 && !is_as_stored;
            let is_more = layout.photometric == photometric::RGB && n > 4 && !is_as_stored;
            if is_bands || (layout.photometric == photometric::RGB && n < 3) {
                return Err(format!(
                    "has {n} channels that are no colours: say which are with `model.preprocess.channels`"
                ));
            }
            let values = match values {
                Values::U8(values) => scaled_8(values, layout, is_as_stored),
                Values::U16(values) => scaled_16(values, layout, is_as_stored),
                values => values,
            };
            Ok(if is_more { (3, first_three(values, n)) } else { (n, values) })
        }
        (_, values) if is_as_stored => Ok((n, values)),
        (8..=10, _) => Err("is a TIFF file in Lab colours, which cannot be read: save it as RGB".into()),
        (other, _) => {
            Err(format!("is a TIFF file with colours that cannot be read (photometric interpretation {other})"))
        }
    }
}

/// Colours that other channels (infrared, masks) follow.
fn first_three(values: Values, n: usize) -> Values {
    match values {
        Values::U8(values) => {
            Values::U8(values.chunks_exact(n).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
        }
        Values::U16(values) => {
            Values::U16(values.chunks_exact(n).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
        }
        Values::F32(values) => {
            Values::F32(values.chunks_exact(n).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
        }
    }
}

/// 1 to 7 bits stretched to 8, unless they are wanted as they are.
fn scaled_8(values: Vec<u8>, layout: &Layout, is_as_stored: bool) -> Values {
    let white = (1u16 << layout.bits) - 1;
    match layout.bits == 8 || is_as_stored {
        true => Values::U8(values),
        false => Values::U8(values.into_iter().map(|value| (u16::from(value) * 255 / white) as u8).collect()),
    }
}

/// 9 to 15 bits stretched to 16, unless they are wanted as they are.
fn scaled_16(values: Vec<u16>, layout: &Layout, is_as_stored: bool) -> Values {
    let white = (1u32 << layout.bits) - 1;
    match layout.bits == 16 || is_as_stored {
        true => Values::U16(values),
        false => Values::U16(values.into_iter().map(|value| (u32::from(value) * 65535 / white) as u16).collect()),
    }
}
