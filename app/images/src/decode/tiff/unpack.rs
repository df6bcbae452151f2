//! From the compressed bytes of a chunk to rows of numbers.

use super::layout::{Format, Layout, photometric};
use crate::decode::jpeg;
use flate2::read::ZlibDecoder;
use std::io::Read;
use weezl::{BitOrder, LzwStatus};

/// Compressions that are not read, and their names.
const OTHERS: [(u64, &str); 9] = [
    (2, "CCITT fax"),
    (3, "CCITT fax, group 3"),
    (4, "CCITT fax, group 4"),
    (6, "JPEG of the old kind"),
    (34712, "JPEG 2000"),
    (34925, "LZMA"),
    (34887, "LERC"),
    (50001, "WebP"),
    (50002, "JPEG XL"),
];

/// A chunk of this many pixels, unpacked: the bytes that the layout says, in the order of the file.
///
/// # Errors
/// A sentence, if it is damaged, cut off, or compressed in a way that is not read.
pub(super) fn unpack(layout: &Layout, bytes: &[u8], size: (usize, usize)) -> Result<Vec<u8>, String> {
    // Checked when the layout was read.
    let n = layout.bytes_of(size).unwrap_or(0);
    let reversed: Vec<u8>;
    let bytes = if layout.is_bit_reversed {
        reversed = bytes.iter().map(|byte| byte.reverse_bits()).collect();
        &reversed
    } else {
        bytes
    };
    let unpacked = match layout.compression {
        1 => bytes.get(..n).ok_or_else(cut_off)?.to_vec(),
        5 => lzw(bytes, n)?,
        7 => return jpeg_chunk(layout, bytes, size),
        8 | 32946 => read_exactly(ZlibDecoder::new(bytes), n)?,
        32773 => pack_bits(bytes, n)?,
        50000 => read_exactly(zstd::Decoder::new(bytes).map_err(|error| error.to_string())?, n)?,
        other => {
            let name = OTHERS.iter().find(|(code, _)| *code == other).map(|&(_, name)| name);
            let name = name.map_or_else(|| format!("number {other}"), str::to_owned);
            return Err(format!(
                "is a TIFF file with a compression that is not read ({name}): save it with LZW or Deflate"
            ));
        }
    };
    Ok(unpredicted(layout, unpacked, size.0))
}

fn cut_off() -> String {
    "is a TIFF file that is cut off, or damaged".into()
}

fn read_exactly(mut reader: impl Read, n: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; n];
    reader.read_exact(&mut bytes).map_err(|_| cut_off())?;
    Ok(bytes)
}

fn lzw(bytes: &[u8], n: usize) -> Result<Vec<u8>, String> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let mut unpacked = vec![0; n];
    let (mut from, mut to) = (0, 0);
    while to < n {
        let step = decoder.decode_bytes(&bytes[from..], &mut unpacked[to..]);
        from += step.consumed_in;
        to += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            _ => break,
        }
    }
    if to == n { Ok(unpacked) } else { Err(cut_off()) }
}

/// Runs: a count, then bytes as they are, or one byte that is repeated.
fn pack_bits(bytes: &[u8], n: usize) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::with_capacity(n);
    let mut rest = bytes;
    while unpacked.len() < n {
        let (&count, after) = rest.split_first().ok_or_else(cut_off)?;
        rest = after;
        match count {
            0..=127 => {
                let (run, after) = rest.split_at_checked(usize::from(count) + 1).ok_or_else(cut_off)?;
                unpacked.extend_from_slice(run);
                rest = after;
            }
            128 => {}
            129..=255 => {
                let (&byte, after) = rest.split_first().ok_or_else(cut_off)?;
                unpacked.resize(unpacked.len() + 257 - usize::from(count), byte);
                rest = after;
            }
        }
    }
    unpacked.truncate(n);
    Ok(unpacked)
}

/// A JPEG whose tables may stand in a tag of their own.
fn jpeg_chunk(layout: &Layout, bytes: &[u8], size: (usize, usize)) -> Result<Vec<u8>, String> {
    let is_ycbcr = layout.photometric == photometric::YCBCR;
    // Tables are a whole JPEG without a picture: its end and the start of the picture's go.
    let whole = match (layout.jpeg_tables, bytes.get(2..)) {
        (Some(tables), Some(picture)) if tables.len() >= 4 => [&tables[..tables.len() - 2], picture].concat(),
        _ => bytes.to_vec(),
    };
    if layout.bits != 8 {
        return Err(format!("is a TIFF file of JPEGs with {} bits, which cannot be read", layout.bits));
    }
    jpeg::decode_part(&whole, size, layout.n_together(), is_ycbcr)
}

/// Differences to the pixel on the left summed up.
fn unpredicted(layout: &Layout, mut bytes: Vec<u8>, width: usize) -> Vec<u8> {
    let n = layout.n_together();
    let size = (layout.bits / 8) as usize;
    let is_whole = layout.bits.is_multiple_of(8) && [1, 2, 4, 8].contains(&size) && !layout.is_subsampled();
    for row in bytes.chunks_exact_mut((width * n * size).max(1)) {
        match layout.predictor {
            2 if is_whole => sum_up(row, n, size, layout.is_big_endian),
            3 if is_whole && layout.format == Format::Float => {
                // The highest byte of all numbers first, then the next; differences run over all of them.
                sum_up(row, n, 1, true);
                let together = row.to_vec();
                let count = row.len() / size;
                for (i, number) in row.chunks_exact_mut(size).enumerate() {
                    for (byte, to) in number.iter_mut().enumerate() {
                        let from = if layout.is_big_endian { byte } else { size - 1 - byte };
                        *to = together[from * count + i];
                    }
                }
            }
            _ => {}
        }
    }
    bytes
}

fn sum_up(row: &mut [u8], n_together: usize, size: usize, is_big_endian: bool) {
    let step = n_together * size;
    for at in (step..row.len()).step_by(size) {
        let mut carry = 0;
        for byte in 0..size {
            let i = at + if is_big_endian { size - 1 - byte } else { byte };
            let sum = u16::from(row[i]) + u16::from(row[i - step]) + carry;
            row[i] = sum as u8;
            carry = sum >> 8;
        }
    }
}

/// Puts the numbers of a row into `put`, one call each, as they are stored.
pub(super) fn numbers(layout: &Layout, row: &[u8], n: usize, mut put: impl FnMut(usize, f64)) {
    let bits = layout.bits as usize;
    for i in 0..n {
        let raw = if bits.is_multiple_of(8) {
            let bytes = &row[i * bits / 8..(i + 1) * bits / 8];
            let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
            if layout.is_big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
        } else {
            // Numbers that are no whole bytes begin at the highest bit.
            (i * bits..(i + 1) * bits).fold(0, |number, bit| number << 1 | u64::from(row[bit / 8] >> (7 - bit % 8) & 1))
        };
        put(i, value(raw, layout.bits, layout.format));
    }
}

fn value(raw: u64, bits: u32, format: Format) -> f64 {
    match (format, bits) {
        (Format::Float, 16) => f64::from(half(raw as u16)),
        (Format::Float, 32) => f64::from(f32::from_bits(raw as u32)),
        (Format::Float, 64) => f64::from_bits(raw),
        (Format::Signed, bits) => ((raw << (64 - bits)) as i64 >> (64 - bits)) as f64,
        _ => raw as f64,
    }
}

/// A number of 16 bits: sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f32.powi(-14),
        31 => {
            if fraction == 0.0 {
                f32::INFINITY
            } else {
                f32::NAN
            }
        }
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}
