//! Some images of a scan that is being made, as they are done.

use ascan_report::album::Album;
use ascan_viz::heat::Look;
use image::RgbImage;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Images that are shown.
const N_SHOWN: usize = 8;
/// Side of each, in pixels.
const SIDE_PX: u32 = 128;
/// Between two looks, at least, and in multiples of what the last one took: the scan comes first.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSES: u32 = 15;
/// How long the end of the scan may go unnoticed.
const NAP: Duration = Duration::from_millis(100);

/// The newest images of an unfinished scan, lit where the model looks; none before the first ones are on disk.
fn glance(dir: &Path) -> Vec<RgbImage> {
    let Ok(album) = Album::open_partial(dir) else { return Vec::new() };
    let done: Vec<usize> = (0..album.table.n()).filter(|&row| album.table.errors[row].is_none()).collect();
    let newest = &done[done.len().saturating_sub(N_SHOWN)..];
    let drawn = |&row: &usize| {
        let picture = album.picture(row, SIDE_PX).ok()?;
        Some(Look::default().draw(&picture, &album.heat(row).plane(picture.width(), picture.height())))
    };
    newest.iter().filter_map(drawn).collect()
}

/// Looks at a scan now and then until it is over.
pub fn watch(dir: &Path, is_over: &AtomicBool, show: impl Fn(Vec<RgbImage>)) {
    let mut pause = PAUSE;
    let mut looked = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(NAP);
        if looked.elapsed() < pause {
            continue;
        }
        let began = Instant::now();
        let tiles = glance(dir);
        if !tiles.is_empty() {
            show(tiles);
        }
        looked = Instant::now();
        pause = PAUSE.max(began.elapsed() * PAUSES);
    }
}
