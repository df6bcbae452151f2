//! The tags of the first page of a TIFF, classic or Big.

use std::collections::BTreeMap;

/// The tags of one page.
pub(super) struct Tags<'a> {
    bytes: &'a [u8],
    pub is_big_endian: bool,
    entries: BTreeMap<u16, Entry>,
    /// Where the next page is; 0 for none.
    next: u64,
    is_big: bool,
}

/// Where the values of a tag are.
struct Entry {
    kind: u16,
    count: u64,
    at: usize,
}

impl<'a> Tags<'a> {
    /// The first page.
    ///
    /// # Errors
    /// A sentence, if the file is damaged.
    pub fn first(bytes: &'a [u8]) -> Result<Self, String> {
        let is_big_endian = bytes.starts_with(b"MM");
        let mut tags = Self { bytes, is_big_endian, entries: BTreeMap::new(), next: 0, is_big: false };
        tags.is_big = tags.integer(2, 2) == Some(43);
        let first = if tags.is_big { tags.integer(8, 8) } else { tags.integer(4, 4) };
        tags.read(first.ok_or_else(cut_off)?)?;
        Ok(tags)
    }

    /// Whether another page with a picture of its own follows, which is neither a smaller copy nor a mask.
    pub fn has_more_pages(&self) -> bool {
        const NEW_SUBFILE_TYPE: u16 = 254;
        let Self { bytes, is_big_endian, is_big, .. } = *self;
        let mut page = Self { bytes, is_big_endian, entries: BTreeMap::new(), next: 0, is_big };
        self.next != 0 && page.read(self.next).is_ok() && page.number(NEW_SUBFILE_TYPE).unwrap_or(0) & 5 == 0
    }

    fn read(&mut self, at: u64) -> Result<(), String> {
        let (count_size, entry_size, value_size) = if self.is_big { (8, 20, 8) } else { (2, 12, 4) };
        let at = usize::try_from(at).map_err(|_| cut_off())?;
        let n = self.integer(at, count_size).ok_or_else(cut_off)?;
        let start = at + count_size;
        // Every entry lies in the file, so there are not more of them than bytes.
        for i in 0..usize::try_from(n).map_err(|_| cut_off())?.min(self.bytes.len()) {
            let at = start + i * entry_size;
            let (Some(tag), Some(kind)) = (self.integer(at, 2), self.integer(at + 2, 2)) else { return Err(cut_off()) };
            let count = self.integer(at + 4, value_size).ok_or_else(cut_off)?;
            let value_at = at + 4 + value_size;
            let fits = count.checked_mul(size_of(kind as u16) as u64).is_some_and(|n| n <= value_size as u64);
            let value_at = if fits { Some(value_at as u64) } else { self.integer(value_at, value_size) };
            let at = value_at.and_then(|at| usize::try_from(at).ok()).ok_or_else(cut_off)?;
            self.entries.insert(tag as u16, Entry { kind: kind as u16, count, at });
        }
        self.next = self.integer(start + n as usize * entry_size, value_size).unwrap_or(0);
        Ok(())
    }

    /// An unsigned number of `size` bytes; `None` after the end of the file.
    fn integer(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) })
    }

    /// All numbers of a tag; `None` if it is missing, of another type or outside the file.
    pub fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let Entry { kind, count, at } = self.entries.get(&tag)?;
        let size = size_of(*kind);
        if ![1, 3, 4, 6, 7, 8, 9, 13, 16, 17, 18].contains(kind)
            || count.checked_mul(size as u64)? > self.bytes.len() as u64
        {
            return None;
        }
        (0..*count as usize).map(|i| self.integer(at + i * size, size)).collect()
    }

    /// The first number of a tag.
    pub fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// The bytes of a tag.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let Entry { kind, count, at } = self.entries.get(&tag)?;
        let length = usize::try_from(*count).ok()?.checked_mul(size_of(*kind))?;
        self.bytes.get(*at..at.checked_add(length)?)
    }

    /// Fractions of a tag.
    pub fn fractions(&self, tag: u16) -> Option<Vec<f64>> {
        let Entry { kind, count, at } = self.entries.get(&tag)?;
        if *kind != 5 || *count > self.bytes.len() as u64 {
            return None;
        }
        let number = |at: usize| self.integer(at, 4).map(|number| number as f64);
        (0..*count as usize).map(|i| Some(number(at + 8 * i)? / number(at + 8 * i + 4)?)).collect()
    }
}

/// Bytes of a value of this type.
fn size_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

fn cut_off() -> String {
    "is a damaged TIFF file: its table of contents is cut off".into()
}
