use super::{fixture, golden, max_difference};
use crate::decode::decode;

/// Every fixture and how far its pixels may be from Pillow's.
const FILES: &[(&str, u8)] = &[
    ("444.jpg", 0),
    ("422.jpg", 0),
    ("420.jpg", 0),
    ("progressive.jpg", 0),
    ("restart.jpg", 0),
    ("gray.jpg", 0),
    ("cmyk.jpg", 0),
    ("exif_2.jpg", 0),
    ("exif_3.jpg", 0),
    ("exif_4.jpg", 0),
    ("exif_5.jpg", 0),
    ("exif_6.jpg", 0),
    ("exif_7.jpg", 0),
    ("exif_8.jpg", 0),
    ("rgb.png", 0),
    ("gray.png", 0),
    ("gray_alpha.png", 0),
    ("rgba.png", 0),
    ("one_bit.png", 0),
    ("palette.png", 0),
    ("palette_transparent.png", 0),
    ("gray_16.png", 0),
    ("lossless.webp", 0),
    // Another decoder than Pillow's: chroma is rounded in another way.
    ("lossy.webp", 3),
    ("rgb.bmp", 0),
    ("palette.bmp", 0),
    ("rgb.tif", 0),
    ("rgba.tif", 0),
    ("gray_16.tif", 0),
    // CMYK outside JPEG is converted in floating point and cut, Pillow rounds.
    ("cmyk.tif", 1),
];

#[test]
fn pixels_are_those_of_pillow() {
    for &(name, tolerance) in FILES {
        let image = decode(&fixture(name)).unwrap_or_else(|error| panic!("{name} {error}"));
        let difference = max_difference(&image, &golden(name));
        assert!(difference <= tolerance, "{name}: differs by {difference}");
    }
}

#[test]
fn what_is_not_an_image_is_a_sentence() {
    let says = |bytes: &[u8], part: &str| {
        let error = decode(bytes).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    says(b"", "is empty");
    says(b"hello, world", "is not an image: expected JPEG, PNG, WebP, BMP or TIFF");
    says(b"GIF89a\x01\x00\x01\x00", "Gif file, which is not supported");
    says(b"\xff\xd8\xff", "cut off");
    // Headers alone, then the end: nothing that could be decoded.
    says(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9", "damaged");
}

/// A PNG of a few bytes that promises this many pixels.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    bytes.extend(13u32.to_be_bytes());
    bytes.extend(&header);
    bytes.extend(crc.sum().to_be_bytes());
    // The start of an image data chunk, so that the header is complete.
    bytes.extend(b"\x00\x00\x00\x0aIDAT\x78\x9c");
    bytes
}

#[test]
fn a_decompression_bomb_is_refused_before_memory_is_taken() {
    for (width, height) in [(60_000, 60_000), (i32::MAX as u32, i32::MAX as u32)] {
        let error = decode(&png_bomb(width, height)).unwrap_err();
        assert!(error.contains("too large"), "{error}");
    }
    let mut jpeg = fixture("444.jpg");
    let at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 5;
    jpeg[at..at + 4].copy_from_slice(&[0xf0; 4]);
    let error = decode(&jpeg).unwrap_err();
    assert!(error.contains("too large: 61680×61680"), "{error}");
    let mut bmp = fixture("rgb.bmp");
    bmp[18..22].copy_from_slice(&60_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000u32.to_le_bytes());
    assert!(decode(&bmp).unwrap_err().contains("too large"));
}

#[test]
fn a_jpeg_that_is_cut_off_is_an_error_wherever_it_is_cut() {
    for name in ["420.jpg", "progressive.jpg", "restart.jpg", "exif_6.jpg"] {
        let bytes = fixture(name);
        for n in 0..bytes.len() {
            assert!(decode(&bytes[..n]).is_err(), "{name} cut to {n} bytes");
        }
    }
}

#[test]
fn other_files_that_are_cut_in_half_are_errors() {
    for &(name, _) in FILES.iter().filter(|(name, _)| !name.ends_with(".jpg")) {
        let bytes = fixture(name);
        for n in 0..bytes.len() {
            // No panic anywhere; and half a file is never taken for a whole one.
            let result = decode(&bytes[..n]);
            assert!(result.is_err() || n > bytes.len() / 2, "{name} cut to {n} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn hostile_bytes_never_panic() {
    // A fixed linear congruential generator (Knuth's MMIX): the same flips in every run.
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut n_errors = 0;
    for &(name, _) in FILES {
        let bytes = fixture(name);
        for _ in 0..120 {
            let mut hostile = bytes.clone();
            for _ in 0..=random(3) {
                let at = random(hostile.len());
                hostile[at] ^= 1 << random(8);
            }
            n_errors += usize::from(decode(&hostile).is_err());
        }
    }
    assert!(n_errors > 0);
}
