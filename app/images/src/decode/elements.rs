//! The elements of a DICOM file, walked over before it is read: its reader believes every length, and takes that much
//! memory for a value that the file does not hold.

const UNDEFINED: u32 = u32::MAX;
/// Types whose length has two bytes; of all others, unknown ones too, it has four (DICOM PS3.5, 7.1.2).
const SHORT: [&[u8]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
];
const TRANSFER_SYNTAX: (u16, u16) = (2, 0x10);
const PIXEL_DATA: (u16, u16) = (0x7fe0, 0x10);
const ITEM_GROUP: u16 = 0xfffe;
const ITEM: u16 = 0xe000;
const END_OF_SEQUENCE: u16 = 0xe0dd;

/// # Errors
/// A sentence, if a value is longer than what is left of the file.
pub(super) fn check_lengths(bytes: &[u8]) -> Result<(), String> {
    let mut walk = Walk { bytes, at: 132, is_big_endian: false, is_implicit: false, is_in_fragments: false };
    let mut syntax = String::new();
    let mut is_meta = true;
    while let Some(tag) = walk.tag() {
        // The meta group is always written in the same way; the data set says there how it is written itself.
        if is_meta && tag.0 != 2 {
            is_meta = false;
            walk.is_implicit = syntax == "1.2.840.10008.1.2";
            walk.is_big_endian = syntax == "1.2.840.10008.1.2.2";
            continue;
        }
        let value = walk.step(tag)?;
        if tag == TRANSFER_SYNTAX {
            syntax = String::from_utf8_lossy(value).trim_end_matches(['\0', ' ']).to_owned();
        }
    }
    Ok(())
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big_endian: bool,
    is_implicit: bool,
    /// Inside compressed pixels, whose parts are not elements.
    is_in_fragments: bool,
}

impl<'a> Walk<'a> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.first_chunk().copied()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.first_chunk().copied()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Group and element of what comes next; `None` at the end.
    fn tag(&self) -> Option<(u16, u16)> {
        Some((self.u16(self.at)?, self.u16(self.at + 2)?))
    }

    /// Goes over one element, or into it where it holds others; returns its value.
    fn step(&mut self, (group, element): (u16, u16)) -> Result<&'a [u8], String> {
        let cut_off = || "is a DICOM file that is cut off, or damaged".to_owned();
        let kind = self.bytes.get(self.at + 4..self.at + 6).unwrap_or_default();
        let is_explicit = !self.is_implicit && group != ITEM_GROUP;
        let (header, length) = match (is_explicit, SHORT.contains(&kind)) {
            (true, true) => (8, self.u16(self.at + 6).map(u32::from)),
            (true, false) => (12, self.u32(self.at + 8)),
            (false, _) => (8, self.u32(self.at + 4)),
        };
        let length = length.ok_or_else(cut_off)?;
        let rest = self.bytes.get(self.at + header..).ok_or_else(cut_off)?;
        if length != UNDEFINED && length as usize > rest.len() {
            return Err(cut_off());
        }
        self.at += header;
        if group == ITEM_GROUP {
            self.is_in_fragments &= element != END_OF_SEQUENCE;
            if element == ITEM && self.is_in_fragments && length != UNDEFINED {
                self.at += length as usize;
            }
            return Ok(&[]);
        }
        if length == UNDEFINED || (is_explicit && kind == b"SQ") {
            self.is_in_fragments |= (group, element) == PIXEL_DATA;
            return Ok(&[]);
        }
        self.at += length as usize;
        Ok(&rest[..length as usize])
    }
}
