//! The text of a file, in whichever of the usual encodings it was saved.

use crate::files::{cannot_read, facts, file_name};
use ascan_core::{Error, Result};
use std::path::Path;

/// Larger texts are refused before they are read.
const MAX_BYTES: u64 = 2 << 30;

/// A text and what is to be said about it.
pub(crate) struct Text {
    pub text: String,
    pub note: Option<String>,
}

/// Reads UTF-8, UTF-16, and what is neither as Windows-1252, which contains Latin-1.
///
/// # Errors
/// `File`, with this hint, if it cannot be read.
pub(crate) fn read(path: &Path, hint: &str) -> Result<Text> {
    let fail = |message: String| Error::file(path, message, hint);
    let size = facts(path).map_err(fail)?.len();
    if size > MAX_BYTES {
        return Err(fail(format!("is too large for a text: {size} bytes, allowed are {MAX_BYTES}")));
    }
    let bytes = std::fs::read(path).map_err(|error| fail(cannot_read(error)))?;
    let (text, encoding) = decode(bytes);
    let note = encoding.map(|encoding| {
        let name = file_name(path);
        format!("{name} is not UTF-8 and was read as {encoding}: save it as UTF-8 if its names look wrong")
    });
    Ok(Text { text, note })
}

/// The text, and the encoding where it had to be guessed.
pub(crate) fn decode(bytes: Vec<u8>) -> (String, Option<&'static str>) {
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] if std::str::from_utf8(rest).is_ok() => {
            (String::from_utf8_lossy(rest).into_owned(), None)
        }
        // A mark at the start says UTF-16 for certain.
        [0xff, 0xfe, rest @ ..] => (utf_16(rest, u16::from_le_bytes), None),
        [0xfe, 0xff, rest @ ..] => (utf_16(rest, u16::from_be_bytes), None),
        bytes if zeros(bytes, 1) => (utf_16(bytes, u16::from_le_bytes), Some("UTF-16 (little-endian)")),
        bytes if zeros(bytes, 0) => (utf_16(bytes, u16::from_be_bytes), Some("UTF-16 (big-endian)")),
        _ => match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                (error.as_bytes().iter().map(|&byte| windows_1252(byte)).collect(), Some("Windows-1252 (Latin-1)"))
            }
        },
    }
}

/// Whether at least half of every second byte of the beginning, from `from`, is zero, and none of the others: ASCII in
/// UTF-16.
fn zeros(bytes: &[u8], from: usize) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    let n = |from: usize| head.iter().skip(from).step_by(2).filter(|&&byte| byte == 0).count();
    head.len() >= 4 && n(from) * 4 >= head.len() && n(1 - from) == 0
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The characters that Windows puts where Latin-1 has control codes.
fn windows_1252(byte: u8) -> char {
    const C1: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => C1[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}
