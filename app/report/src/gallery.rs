//! The same few images under many attribution methods, in one picture.

use crate::album::Album;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Result};
use ascan_viz::heat::{Drawing, Look};
use ascan_viz::text::{self, Style};
use ascan_viz::theme::DARK;
use ascan_viz::{Heat, Rgb};
use image::{RgbImage, imageops};

/// Side of an image.
const SIDE_PX: u32 = 132;
/// Between and around things.
const GAP_PX: u32 = 10;
/// Height of a name.
const NAME_PX: u32 = 24;
/// Strips beside each other.
const N_COLUMNS: u32 = 3;
const PAGE: Rgb = DARK.page;
const NAME: Style = Style { size_px: 15.0, bold: true, color: DARK.ink };
const REASON: Style = Style { size_px: 13.0, bold: false, color: DARK.faint };

/// What one method says of the images, or why it says nothing.
type Strip = (String, Result<Vec<Heat>>);

/// Draws the images of these rows under each of these methods, one strip per method, the images themselves first.
///
/// # Errors
/// `File` if an image is gone; `UnknownName` for a method that does not exist; `Cancelled`. A method that does not go
/// with the model is no error: its strip says why.
pub fn gallery(
    album: &Album,
    rows: &[usize],
    methods: &[&str],
    host: &PluginHost,
    context: &Context,
) -> Result<RgbImage> {
    for method in methods {
        host.plugin(ascan_core::Kind::Attributor, method)?;
    }
    let pictures = rows.iter().map(|&row| album.picture(row, SIDE_PX)).collect::<Result<Vec<_>>>()?;
    let mut strips = Vec::with_capacity(methods.len());
    for (i, &method) in methods.iter().enumerate() {
        context.progress("attributing", i, methods.len())?;
        strips.push(match album.attribute(rows, method, host, &ascan_core::Silent) {
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            heats => (method.to_owned(), heats),
        });
    }
    Ok(draw(&pictures, &strips))
}

fn draw(pictures: &[RgbImage], strips: &[Strip]) -> RgbImage {
    let strip_width = pictures.len() as u32 * (SIDE_PX + 2) + GAP_PX;
    let strip_height = NAME_PX + SIDE_PX + GAP_PX;
    let n = strips.len() as u32 + 1;
    let columns = N_COLUMNS.min(n);
    let size = (columns * strip_width + GAP_PX, n.div_ceil(columns) * strip_height + GAP_PX);
    let mut page = RgbImage::from_pixel(size.0, size.1, image::Rgb(PAGE));
    let look = Look::default();
    let input = Look { drawing: Drawing::Input, ..look };
    for i in 0..n {
        let (x, y) = (GAP_PX + i % columns * strip_width, GAP_PX + i / columns * strip_height);
        let below = y + NAME_PX;
        let strip = i.checked_sub(1).map(|i| &strips[i as usize]);
        text::draw(&mut page, x as f32, y as f32, strip.map_or("the images", |(name, _)| name), NAME);
        if let Some((_, Err(error))) = strip {
            let reason = error.to_string();
            let lines = text::wrap(reason.lines().next().unwrap_or_default(), REASON, (strip_width - GAP_PX) as f32);
            for (k, line) in lines.iter().take(6).enumerate() {
                text::draw(&mut page, x as f32, below as f32 + 18.0 * k as f32, line, REASON);
            }
            continue;
        }
        for (k, picture) in pictures.iter().enumerate() {
            let heat = strip.and_then(|(_, heats)| heats.as_ref().ok()?.get(k)).cloned().unwrap_or_default();
            let look = if strip.is_some() { look } else { input };
            let drawn = look.draw(picture, &heat.plane(picture.width(), picture.height()));
            imageops::replace(&mut page, &drawn, i64::from(x + k as u32 * (SIDE_PX + 2)), i64::from(below));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_fails_has_its_reason_and_the_others_their_strips() {
        let pictures = vec![RgbImage::from_pixel(SIDE_PX, SIDE_PX, image::Rgb([200, 60, 60])); 2];
        let corner = Heat::new(&[1.0, 0.0, 0.0, 0.0], 2, 2, false);
        let strips = [
            ("good".to_owned(), Ok(vec![corner.clone(), corner])),
            ("bad".to_owned(), Err(Error::unsupported("no attention here", ""))),
        ];
        let page = draw(&pictures, &strips);
        let strip = 2 * (SIDE_PX + 2) + GAP_PX;
        let at = |strip_index: u32, k: u32, x: u32| {
            page.get_pixel(GAP_PX + strip_index * strip + k * (SIDE_PX + 2) + x, GAP_PX + NAME_PX + x).0
        };
        assert_eq!((at(0, 0, 5), at(0, 1, 100)), ([200, 60, 60], [200, 60, 60]), "the images as they are");
        assert!(at(1, 1, 5)[0] > 190 && at(1, 1, 120)[0] == at(1, 1, 120)[1], "colour where it looks, grey elsewhere");
        let ink = |x: u32| (0..SIDE_PX).any(|y| page.get_pixel(x, GAP_PX + NAME_PX + y).0[0] > 100);
        assert!((0..60).any(|x| ink(GAP_PX + 2 * strip + x)), "the reason");
        assert_eq!(page.height(), 2 * GAP_PX + NAME_PX + SIDE_PX);
    }
}
