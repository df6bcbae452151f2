//! What a file is, by how it begins.

use image::ImageFormat;

const FORMATS: &str = "JPEG, PNG, WebP, AVIF, BMP, GIF, TIFF, PPM, PGM or DICOM";

/// A kind of image that can be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Jpeg,
    Avif,
    Gif,
    Tiff,
    Dicom,
    /// Those that one library reads.
    Common(ImageFormat),
}

/// Beginnings of what can be read. A file of the first family is named by bytes 8 to 12 as well, see [`of`].
const KNOWN: [(&[u8], Kind); 10] = [
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Common(ImageFormat::Png)),
    (b"GIF8", Kind::Gif),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0", Kind::Tiff),
    (b"MM\0+", Kind::Tiff),
    (b"BM", Kind::Common(ImageFormat::Bmp)),
    // Older cameras write no more of a start than this.
    (b"\xff\xd8", Kind::Jpeg),
    (b"RIFF", Kind::Common(ImageFormat::WebP)),
];

/// Beginnings of what cannot be read, and its name.
const NAMED: [(&[u8], &str); 14] = [
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL image"),
    (b"\xff\x0a", "JPEG XL image"),
    (b"8BPS", "Photoshop file"),
    (b"v/1\x01", "OpenEXR image"),
    (b"#?RADIANCE", "Radiance HDR image"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x89HDF", "HDF5 file"),
    (b"%PDF", "PDF document"),
    (b"<svg", "SVG drawing"),
    (b"<!DOCTYPE", "web page, perhaps the answer of a failed download"),
    (b"<html", "web page, perhaps the answer of a failed download"),
    (b"version https://git-lfs", "Git LFS pointer: the image itself was not fetched (`git lfs pull`)"),
];

/// Brands of an ISO container (bytes 8 to 12), and the name of what it holds.
const BRANDS: [(&[u8], &str); 7] = [
    (b"heic", "HEIC image"),
    (b"heix", "HEIC image"),
    (b"hevc", "HEIC image"),
    (b"heim", "HEIC image"),
    (b"mif1", "HEIF image"),
    (b"msf1", "HEIF image"),
    (b"jp2 ", "JPEG 2000 image"),
];

/// # Errors
/// What it is instead, where that is known.
pub(super) fn of(bytes: &[u8]) -> Result<Kind, String> {
    let expected = format!("expected {FORMATS}");
    let is_webp = bytes.get(8..12) == Some(b"WEBP");
    let known = KNOWN.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, kind)| kind);
    if let Some(kind) = known.filter(|&kind| kind != Kind::Common(ImageFormat::WebP) || is_webp) {
        return Ok(kind);
    }
    // `P1` to `P7`, then white space.
    if let [b'P', b'1'..=b'7', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return Ok(Kind::Common(ImageFormat::Pnm));
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Ok(Kind::Dicom);
    }
    if is_avif(bytes) {
        return Ok(Kind::Avif);
    }
    let brand = (bytes.get(4..8) == Some(b"ftyp")).then(|| bytes.get(8..12).unwrap_or_default());
    let name = match brand {
        Some(brand) => BRANDS.iter().find(|(known, _)| brand == *known).map(|&(_, name)| name),
        None => NAMED.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, name)| name),
    };
    Err(match (name, brand) {
        (Some(name), _) => format!("is {} {name}, which cannot be read: {expected}", article(name)),
        (None, Some(_)) => format!("is a video or another ISO media file: {expected}"),
        (None, None) => format!("is not an image: {expected}"),
    })
}

/// An ISO container that says it is AVIF, as its own or as a compatible brand.
fn is_avif(bytes: &[u8]) -> bool {
    let Some((&[a, b, c, d, b'f', b't', b'y', b'p'], brands)) = bytes.split_first_chunk() else { return false };
    let len = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(8).min(brands.len()).min(256);
    brands[..len].chunks_exact(4).any(|brand| brand == b"avif" || brand == b"avis")
}

fn article(name: &str) -> &'static str {
    let an = ["HEIC", "HEIF", "OpenEXR", "SVG", "HDF5"];
    // As it is said aloud.
    if an.iter().any(|word| name.starts_with(word) && !name.starts_with("HEI")) { "an" } else { "a" }
}
