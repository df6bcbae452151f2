//! How the pixels of a TIFF are laid out: chunks (strips or tiles), planes, bits.

use super::tags::Tags;
use crate::decode::limits::{MAX_BYTES, check_size};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS_PER_SAMPLE: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES_PER_PIXEL: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const SAMPLE_FORMAT: u16 = 339;
const JPEG_TABLES: u16 = 347;
const SUBSAMPLING: u16 = 530;

/// Bytes of a picture that is unpacked.
const MAX_UNPACKED: u64 = MAX_BYTES / 4 * 3;
/// Bytes of padding that tiles of any picture may have.
const FREE_PADDING: u64 = 64 << 20;

/// What the numbers of a pixel mean.
pub(super) mod photometric {
    pub const WHITE_IS_ZERO: u64 = 0;
    pub const BLACK_IS_ZERO: u64 = 1;
    pub const RGB: u64 = 2;
    pub const PALETTE: u64 = 3;
    pub const INKS: u64 = 5;
    pub const YCBCR: u64 = 6;
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Format {
    Unsigned,
    Signed,
    Float,
}

/// Where the pixels are and how they are written.
pub(super) struct Layout<'a> {
    pub width: u32,
    pub height: u32,
    /// Numbers per pixel.
    pub n_samples: usize,
    pub bits: u32,
    pub format: Format,
    pub photometric: u64,
    pub compression: u64,
    pub predictor: u64,
    pub is_bit_reversed: bool,
    pub is_big_endian: bool,
    /// One plane after the other instead of the numbers of a pixel side by side.
    pub is_planar: bool,
    /// Pixels of a chunk; the last strip has fewer rows.
    pub chunk: (usize, usize),
    pub is_tiled: bool,
    /// Bytes of each chunk: those of the first plane in rows, then those of the next.
    pub chunks: Vec<&'a [u8]>,
    pub jpeg_tables: Option<&'a [u8]>,
    /// Pixels across and down that share a chroma.
    pub subsampling: (usize, usize),
}

impl<'a> Layout<'a> {
    /// # Errors
    /// A sentence, if tags are missing, contradict each other or promise too much.
    pub fn of(bytes: &'a [u8], tags: &Tags<'a>) -> Result<Self, String> {
        let missing = |what: &str| format!("is a damaged TIFF file: it does not say its {what}");
        let side = |tag: u16, what: &str| {
            tags.number(tag).and_then(|side| u32::try_from(side).ok()).ok_or_else(|| missing(what))
        };
        let (width, height) = (side(WIDTH, "width")?, side(HEIGHT, "height")?);
        check_size(width.into(), height.into(), bytes.len())?;
        let n_samples = tags.number(SAMPLES_PER_PIXEL).unwrap_or(1) as usize;
        let all_bits = tags.numbers(BITS_PER_SAMPLE).unwrap_or_else(|| vec![1]);
        let bits = all_bits.first().copied().unwrap_or(1);
        if n_samples == 0 || all_bits.iter().any(|&other| other != bits) || !(1..=64).contains(&bits) {
            return Err(format!("is a TIFF file of {n_samples} channels with {all_bits:?} bits, which cannot be read"));
        }
        let n_bytes = u64::from(width) * u64::from(height) * n_samples as u64 * bits.div_ceil(8).min(4);
        if n_bytes > MAX_UNPACKED {
            return Err(format!("is too large: {width}×{height} pixels of {n_samples} channels with {bits} bits"));
        }
        let format = match tags.number(SAMPLE_FORMAT).unwrap_or(1) {
            1 | 4 => Format::Unsigned,
            2 => Format::Signed,
            3 => Format::Float,
            _ => return Err("is a TIFF file of complex numbers, which cannot be read".into()),
        };
        let by_count = if n_samples >= 3 { photometric::RGB } else { photometric::BLACK_IS_ZERO };
        let is_tiled = tags.numbers(TILE_OFFSETS).is_some();
        let (offsets, lengths, chunk) = if is_tiled {
            let size = (side(TILE_WIDTH, "tiles")? as usize, side(TILE_HEIGHT, "tiles")? as usize);
            (TILE_OFFSETS, TILE_BYTES, size)
        } else {
            let rows = tags.number(ROWS_PER_STRIP).map_or(height as usize, |rows| rows.min(height.into()) as usize);
            (STRIP_OFFSETS, STRIP_BYTES, (width as usize, rows))
        };
        let offsets = tags.numbers(offsets).ok_or_else(|| missing("strips or tiles"))?;
        let is_planar = tags.number(PLANAR) == Some(2) && n_samples > 1;
        let layout = Self {
            width,
            height,
            n_samples,
            bits: bits as u32,
            format,
            photometric: tags.number(PHOTOMETRIC).unwrap_or(by_count),
            compression: tags.number(COMPRESSION).unwrap_or(1),
            predictor: tags.number(PREDICTOR).unwrap_or(1),
            is_bit_reversed: tags.number(FILL_ORDER) == Some(2),
            is_big_endian: tags.is_big_endian,
            is_planar,
            chunk,
            is_tiled,
            chunks: Vec::new(),
            jpeg_tables: tags.bytes(JPEG_TABLES),
            subsampling: match tags.numbers(SUBSAMPLING).as_deref() {
                Some(&[h @ (1 | 2 | 4), v @ (1 | 2 | 4)]) => (h as usize, v as usize),
                _ => (2, 2),
            },
        };
        let is_chunk = chunk.0 > 0 && chunk.1 > 0 && layout.bytes_of(chunk).is_some_and(|n| n as u64 <= MAX_BYTES / 4);
        if !is_chunk {
            return Err(format!("is a TIFF file with chunks of {}×{} pixels, which cannot be read", chunk.0, chunk.1));
        }
        let n_chunks = layout.across() * layout.down() * if is_planar { n_samples } else { 1 };
        // Tiles are padded, but not to many times the picture.
        let unpacked = (n_chunks as u64).saturating_mul(layout.bytes_of(chunk).unwrap_or(usize::MAX) as u64);
        if unpacked > 4 * n_bytes + FREE_PADDING {
            return Err(format!(
                "is a TIFF file of {n_chunks} chunks of {}×{} pixels, which cannot be read",
                chunk.0, chunk.1
            ));
        }
        let mut lengths = tags.numbers(lengths).unwrap_or_default();
        if lengths.is_empty() && n_chunks == 1 {
            lengths.push(bytes.len() as u64);
        }
        if offsets.len() < n_chunks || lengths.len() < n_chunks {
            return Err(format!("is a damaged TIFF file: it lists {} of {n_chunks} strips or tiles", offsets.len()));
        }
        let span = |(&at, &length): (&u64, &u64)| {
            let at = usize::try_from(at).ok()?;
            let end = at.saturating_add(usize::try_from(length).ok()?).min(bytes.len());
            bytes.get(at..end)
        };
        let chunks: Option<Vec<&[u8]>> = offsets.iter().zip(&lengths).take(n_chunks).map(span).collect();
        Ok(Self { chunks: chunks.ok_or("is a TIFF file that is cut off")?, ..layout })
    }

    /// Chunks in a row of them.
    pub fn across(&self) -> usize {
        (self.width as usize).div_ceil(self.chunk.0)
    }

    /// Rows of chunks in a plane.
    pub fn down(&self) -> usize {
        (self.height as usize).div_ceil(self.chunk.1)
    }

    /// Numbers of a pixel that lie together.
    pub fn n_together(&self) -> usize {
        if self.is_planar { 1 } else { self.n_samples }
    }

    /// Whether chroma is stored once for several pixels.
    pub fn is_subsampled(&self) -> bool {
        const JPEG: u64 = 7;
        let is_ycbcr = self.photometric == photometric::YCBCR && self.compression != JPEG && self.n_samples == 3;
        is_ycbcr && !self.is_planar && self.bits == 8 && self.subsampling != (1, 1)
    }

    /// Bytes of a chunk of this many pixels when it is unpacked; `None` for more than can be counted.
    pub fn bytes_of(&self, (width, height): (usize, usize)) -> Option<usize> {
        if self.is_subsampled() {
            let (h, v) = self.subsampling;
            return width.div_ceil(h).checked_mul(height.div_ceil(v))?.checked_mul(h * v + 2);
        }
        let row = width.checked_mul(self.n_together())?.checked_mul(self.bits as usize)?.div_ceil(8);
        row.checked_mul(height)
    }
}
