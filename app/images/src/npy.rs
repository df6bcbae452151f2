//! Arrays in NumPy's own format (`.npy`): two axes of floating-point numbers.

use ascan_core::Tensor;
use half::f16;
use std::io::Read;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read: two axes need a hundred bytes.
const MAX_HEADER: usize = 1 << 16;

/// Reads `[n, d]` numbers of 16, 32 or 64 bits.
///
/// # Errors
/// What is wrong with it, in words that follow a file's name.
pub(crate) fn read(mut file: impl Read) -> Result<Tensor, String> {
    let cut = |error: std::io::Error| format!("ends too early: {error}");
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(cut)?;
    if !start.starts_with(MAGIC) {
        return Err("is no array of NumPy".into());
    }
    // Version 1 has a length of two bytes, later ones of four.
    let mut length = vec![0; if start[6] == 1 { 2 } else { 4 }];
    file.read_exact(&mut length).map_err(cut)?;
    let length = length.iter().rev().fold(0usize, |sum, &byte| (sum << 8) + usize::from(byte));
    if length > MAX_HEADER {
        return Err(format!("is damaged: its header has {length} bytes"));
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header).map_err(cut)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let [n, d] = shape(&header)?;
    let kind = text_after(&header, "'descr':").unwrap_or_default();
    let width = match kind.as_str() {
        "<f2" => 2,
        "<f4" => 4,
        "<f8" => 8,
        other => {
            return Err(format!("has numbers of type `{other}`, not floating point: save it `.astype(\"float32\")`"));
        }
    };
    if header.contains("'fortran_order': True") {
        return Err("is in Fortran's order: save `numpy.ascontiguousarray(…)` of it".into());
    }
    let len = n.checked_mul(d).and_then(|len| len.checked_mul(width)).ok_or("is damaged: its shape is too large")?;
    // One byte more than is announced, to see whether there is one.
    let mut bytes = Vec::new();
    file.take(len as u64 + 1).read_to_end(&mut bytes).map_err(cut)?;
    if bytes.len() != len {
        return Err(format!("has not the {len} bytes of its shape [{n}, {d}]"));
    }
    let values = bytes.chunks_exact(width).map(|bytes| match *bytes {
        [a, b] => f16::from_le_bytes([a, b]).to_f32(),
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
        _ => f32::NAN,
    });
    Tensor::new([n, d], values.collect()).map_err(|error| error.to_string())
}

fn shape(header: &str) -> Result<[usize; 2], String> {
    let inside = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).map(|(shape, _)| shape);
    let sides: Option<Vec<usize>> = inside.map(|inside| {
        let sides = inside.split(',').map(str::trim).filter(|side| !side.is_empty());
        sides.map(|side| side.parse().unwrap_or(usize::MAX)).collect()
    });
    match sides.as_deref() {
        Some(&[n, d]) if d > 0 => Ok([n, d]),
        _ => Err(format!("has the shape ({}), not [n, d]", inside.unwrap_or("?"))),
    }
}

/// The quoted word that follows.
fn text_after(header: &str, key: &str) -> Option<String> {
    let rest = header.split_once(key)?.1.trim_start().strip_prefix('\'')?;
    rest.split_once('\'').map(|(word, _)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn header(kind: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
    }

    #[test]
    fn numbers_of_any_width_are_read() {
        let single: Vec<u8> = [1.0f32, -2.5].into_iter().flat_map(f32::to_le_bytes).collect();
        let double: Vec<u8> = [1.0f64, -2.5].into_iter().flat_map(f64::to_le_bytes).collect();
        let half: Vec<u8> = [1.0, -2.5].into_iter().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect();
        for (kind, data) in [("<f4", single), ("<f8", double), ("<f2", half)] {
            let read = read(&npy(&header(kind, "(2, 1)"), &data)[..]).unwrap();
            assert_eq!((read.shape(), read.data()), (&[2, 1][..], &[1.0, -2.5][..]), "{kind}");
        }
    }

    #[test]
    fn other_files_say_what_they_are() {
        let wrong = |bytes: Vec<u8>| read(&bytes[..]).unwrap_err();
        assert!(wrong(b"PAR1PAR1PAR1".into()).contains("no array of NumPy"));
        assert!(wrong(npy(&header("<i8", "(1, 1)"), &[0; 8])).contains("`<i8`"));
        assert!(wrong(npy(&header("<f4", "(4,)"), &[0; 16])).contains("(4,)"));
        assert!(wrong(npy(&header("<f4", "(2, 2)"), &[0; 12])).contains("16 bytes"));
        assert!(wrong(npy(&header("<f4", "(1, 2)"), &[0; 12])).contains("8 bytes"));
        let huge = format!("({}, {})", u64::MAX / 2, u64::MAX / 2);
        assert!(wrong(npy(&header("<f4", &huge), &[])).contains("too large"));
        assert!(wrong(npy(&header("<f4", "(1, 1)").replace("False", "True"), &[0; 4])).contains("Fortran"));
    }
}
