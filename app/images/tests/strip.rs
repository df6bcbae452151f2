//! A picture of extreme proportions costs no more than a usual one. A file of its own: the memory of the whole process is
//! measured.

use ascan_config::sections::PreprocessSection;
use ascan_images::Preprocess;
use ascan_images::decode::decode;
use image::{ImageFormat, RgbImage};
use std::io::Cursor;

const SIDE: usize = 224;
/// Of the program itself, a picture of 40,000 pixels and the model's input.
const MAX_KIB: u64 = 120 * 1024;

/// F4: a PNG of some 200 bytes, 40,000 pixels wide, took 8 GB and 25 s, because it was scaled to the height of the model
/// before it was cut.
#[test]
fn f4_a_strip_of_40000_pixels() {
    for (width, height) in [(40_000, 1), (1, 40_000), (65_000, 1), (1_000_000, 3)] {
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50])).write_to(&mut png, ImageFormat::Png).unwrap();
        let image = decode(png.get_ref()).unwrap();
        for resize in ["crop", "squash", "pad", "paste"] {
            for interpolation in ["bilinear", "bicubic", "nearest"] {
                let section = PreprocessSection {
                    preset: Some("raw".into()),
                    resize: Some(resize.into()),
                    interpolation: Some(interpolation.into()),
                    ..Default::default()
                };
                let preprocess = Preprocess::new(&section, [3, SIDE, SIDE]).unwrap();
                let input = preprocess.apply(&image);
                // One colour stays that colour.
                let middle = SIDE / 2 * SIDE + SIDE / 2;
                let is_inside = ["crop", "squash"].contains(&resize);
                assert!(!is_inside || input[middle] == 200.0, "{width}×{height}, {resize}, {interpolation}");
                assert_eq!(preprocess.draw(&image, 96).dimensions(), (96, 96));
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: Option<u64> = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
    match peak {
        Some(peak) => assert!(peak < MAX_KIB, "{peak} KiB"),
        None => println!("skipped: this system does not say how much memory a process had"),
    }
}
