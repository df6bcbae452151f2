use super::{fixture, golden, max_difference};
use crate::decode::{decode, decode_samples};

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
    // libyuv computes with whole numbers, and rounds chroma where it interpolates.
    ("420.avif", 2),
    ("422.avif", 2),
    ("444.avif", 1),
    ("gray.avif", 1),
    ("exif_2.avif", 2),
    ("exif_5.avif", 2),
    ("exif_6.avif", 2),
    ("exif_7.avif", 2),
    ("exif_8.avif", 2),
    ("rgb.bmp", 0),
    ("palette.bmp", 0),
    ("rgb.tif", 0),
    ("rgba.tif", 0),
    ("gray_16.tif", 0),
    ("cmyk.tif", 0),
    ("palette.gif", 0),
    ("transparent.gif", 0),
    ("animated.gif", 0),
    ("rgb.ppm", 0),
    ("gray.pgm", 0),
    ("one_bit.pbm", 0),
    ("maxval_15.ppm", 0),
    ("exif_mark.webp", 0),
    ("tiled.tif", 0),
    ("planar.tif", 0),
    ("planar_tiled.tif", 0),
    ("big.tif", 0),
    ("big_endian.tif", 0),
    ("jpeg.tif", 0),
    ("jpeg_rgb.tif", 0),
    ("zstd.tif", 0),
    ("pages.tif", 0),
    ("turned.tif", 0),
    ("palette.tif", 0),
    ("one_bit.tif", 0),
    ("two_bit.tif", 0),
    ("four_bit.tif", 0),
    ("white_is_zero.tif", 0),
    // libtiff converts with tables of whole numbers.
    ("shared_chroma.tif", 1),
    ("window.dcm", 1),
    ("monochrome_1.dcm", 1),
    ("rgb.dcm", 0),
];

#[test]
fn pixels_are_those_of_pillow() {
    let far = |&(name, tolerance): &(&'static str, u8)| {
        let image = decode(&fixture(name)).unwrap_or_else(|error| panic!("{name} {error}"));
        let difference = max_difference(&image, &golden(name));
        (difference > tolerance).then_some((name, difference))
    };
    let far: Vec<_> = FILES.iter().filter_map(far).collect();
    assert!(far.is_empty(), "{far:?}");
}

#[test]
fn what_is_not_an_image_is_a_sentence() {
    let says = |bytes: &[u8], part: &str| {
        let error = decode(bytes).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    says(b"", "is empty");
    says(b"hello, world", "is not an image: expected JPEG, PNG, WebP, AVIF, BMP, GIF, TIFF, PPM, PGM or DICOM");
    says(b"GIF89a\x01\x00\x01\x00", "damaged GIF");
    // What is known but not read is named.
    says(b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC image, which cannot be read");
    says(b"\0\0\0\x18ftypavif\0\0\0\0", "is a damaged AVIF");
    let avif = fixture("420.avif");
    (1..avif.len()).step_by(7).for_each(|n| says(&avif[..n], if n < 24 { "is " } else { "damaged" }));
    says(b"\0\0\0\x0cjP  \r\n\x87\n", "is a JPEG 2000 image");
    says(b"\xff\x4f\xff\x51\0\0", "is a JPEG 2000 image");
    says(b"<!DOCTYPE html><html>", "web page, perhaps the answer of a failed download");
    says(b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer");
    says(&fixture("frames.dcm"), "is a DICOM file of 2 frames");
    // An element of a type that nobody knows has a length of four bytes: more than a gigabyte here.
    let mut unknown = fixture("window.dcm");
    unknown.splice(144..144, *b"\x02\0\x02\0CM\x02\0\0\0\0L");
    says(&unknown, "cut off, or damaged");
    // What pixels unpack to is in the header: BitsAllocated, (0028,0100).
    let mut wide = fixture("window.dcm");
    let at = wide.windows(6).position(|bytes| bytes == *b"\x28\0\0\x01US").unwrap();
    wide[at + 9] = 0x7f;
    says(&wide, "bits per pixel, which cannot be read");
    says(&fixture("bands.tif"), "has 5 channels that are no colours: say which are with `model.preprocess.channels`");
    says(&fixture("float.tif"), "holds numbers whose range is unknown");
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
fn a_jpeg_that_is_cut_off_is_an_error_unless_all_pixels_are_there() {
    for name in ["420.jpg", "progressive.jpg", "restart.jpg", "exif_6.jpg"] {
        let bytes = fixture(name);
        let whole = decode(&bytes).unwrap();
        let mut n_whole = 0;
        for n in 0..bytes.len() {
            if let Ok(image) = decode(&bytes[..n]) {
                assert_eq!(image, whole, "{name} cut to {n} bytes");
                n_whole += 1;
            }
        }
        // Only the mark of the end, or a part of it, may be missing; of several scans or parts not even that.
        assert!(n_whole <= if ["progressive.jpg", "restart.jpg"].contains(&name) { 0 } else { 4 }, "{name}: {n_whole}");
    }
}

#[test]
fn a_padded_end_is_told() {
    let (_, remark) = crate::decode::colours(&fixture("420.jpg")).unwrap();
    assert_eq!(remark, None);
    let jpeg = fixture("420.jpg");
    let without_end = &jpeg[..jpeg.len() - 2];
    for padding in [&[][..], &[0; 100], &[0xff; 100]] {
        let (image, remark) = crate::decode::colours(&[without_end, padding].concat()).unwrap();
        assert_eq!(image, decode(&jpeg).unwrap());
        assert!(remark.unwrap().contains("JPEG without its end"), "{remark:?}");
        // Half of it, padded to the size that it had.
        let half = [&jpeg[..jpeg.len() - 150], padding].concat();
        assert!(decode(&half).unwrap_err().contains("cut off"));
    }
    let after = [jpeg.as_slice(), &[0; 100]].concat();
    assert_eq!(crate::decode::colours(&after).unwrap().1, None);
    let png = fixture("rgb.png");
    let (image, remark) = crate::decode::colours(&png[..png.len() - 12]).unwrap();
    assert_eq!(image, decode(&png).unwrap());
    assert!(remark.unwrap().contains("PNG without its end"), "{remark:?}");
    for name in ["animated.gif", "pages.tif"] {
        assert!(crate::decode::colours(&fixture(name)).unwrap().1.unwrap().contains("first"), "{name}");
    }
}

/// The planes that numpy, tifffile and pydicom know.
#[test]
fn channels_are_kept_as_they_are_stored() {
    for name in ["bands.tif", "float.tif", "twelve_bit.png", "window.dcm", "monochrome_1.dcm"] {
        let samples = decode_samples(&fixture(name)).unwrap_or_else(|error| panic!("{name} {error}"));
        let bytes = fixture(&format!("{name}.f32"));
        let side = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        assert_eq!(
            (samples.width as usize, samples.height as usize, samples.planes.len()),
            (side(0), side(2), side(4))
        );
        let expected = bytes[6..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        assert!(samples.planes.concat().into_iter().eq(expected), "{name}");
    }
    let turned = decode_samples(&fixture("turned.tif")).unwrap();
    let image = golden("turned.tif");
    assert_eq!((turned.width, turned.height), image.dimensions());
    assert_eq!(turned.planes[1][5], f32::from(image.as_raw()[5 * 3 + 1]));
}

#[test]
fn other_files_that_are_cut_in_half_are_errors() {
    // A part of a GIF, of a text or of raw rows may be a whole smaller picture's file; those are told apart by others.
    let is_whole = |name: &str| [".jpg", ".gif"].iter().any(|ending| name.ends_with(ending));
    for &(name, _) in FILES.iter().filter(|(name, _)| !is_whole(name)) {
        let bytes = fixture(name);
        for n in 0..bytes.len() {
            // No panic anywhere; and half a file is never taken for a whole one.
            let result = decode(&bytes[..n]);
            assert!(result.is_err() || n > bytes.len() / 2, "{name} cut to {n} of {} bytes", bytes.len());
        }
    }
}
