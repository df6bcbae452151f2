//! The first frame of a GIF, in the colours of its palette.

use super::limits::check_size;
use super::raw::{Raw, Values};
use gif::{ColorOutput, DecodeOptions};

pub(super) fn decode(bytes: &[u8]) -> Result<Raw, String> {
    let damaged = |error: gif::DecodingError| format!("is a damaged GIF: {error}");
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(bytes).map_err(damaged)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    check_size(width.into(), height.into(), bytes.len())?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let background = decoder.bg_color().unwrap_or(0);
    let frame = decoder.read_next_frame().map_err(damaged)?.ok_or("is a GIF without a frame")?;
    let palette = frame.palette.as_deref().or(global.as_deref()).ok_or("is a GIF without colours")?;
    // A transparent pixel has the colour that the palette gives it, as in Pillow; what the palette lacks is black.
    let colour = |index: usize| palette.get(3 * index..3 * index + 3).map_or([0; 3], |c| [c[0], c[1], c[2]]);
    let mut pixels = vec![colour(frame.transparent.map_or(background, usize::from)); (width * height) as usize];
    let (left, top, frame_width) = (usize::from(frame.left), usize::from(frame.top), usize::from(frame.width));
    for (y, row) in frame.buffer.chunks_exact(frame_width.max(1)).enumerate() {
        for (x, &index) in row.iter().enumerate() {
            let (x, y) = (left + x, top + y);
            if x < width as usize && y < height as usize {
                pixels[y * width as usize + x] = colour(index.into());
            }
        }
    }
    let is_animated = decoder.next_frame_info().is_ok_and(|next| next.is_some());
    let remark = is_animated.then_some("an animated GIF, of which the first frame is read");
    Ok(Raw { remark, ..Raw::new(width, height, 3, Values::U8(pixels.into_flattened())) })
}
