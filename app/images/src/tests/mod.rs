//! Tests of image sets, on small files made here or kept in `fixtures` (see `fixtures/make.py`).

mod decode;
mod labels;
mod preprocess;
mod sets;
mod tables;

use image::RgbImage;
use std::path::{Path, PathBuf};

fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures").join(name)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixture_path(name)).unwrap()
}

/// The pixels that Pillow reads from a fixture, or makes of it.
fn golden(name: &str) -> RgbImage {
    let bytes = fixture(&format!("{name}.rgb"));
    let side = |at: usize| u32::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    RgbImage::from_raw(side(0), side(2), bytes[4..].to_vec()).unwrap()
}

/// Largest difference of a channel of a pixel.
fn max_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// Writes a file and the folders it lies in.
fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The shared real data, or `None` after saying that it is not here.
fn shared_data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !path.is_dir() {
        println!("skipped: ../shared/data is not here");
        return None;
    }
    Some(path)
}
