//! Function tables are believed entry by entry: none is called before its size and every entry of it were looked at.

use super::tensor::is_readable;
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// An entry of a table.
pub(super) struct Entry {
    name: &'static str,
    may_be_null: bool,
    is_later: bool,
}

impl Entry {
    /// In every version, and never NULL.
    pub(super) const fn needed(name: &'static str) -> Self {
        Self { name, may_be_null: false, is_later: false }
    }

    /// In every version, and NULL where its plugin does without.
    pub(super) const fn optional(name: &'static str) -> Self {
        Self { name, may_be_null: true, is_later: false }
    }

    /// Of a later minor version: NULL, or beyond the table's end, where its plugin does without.
    pub(super) const fn later(name: &'static str) -> Self {
        Self { name, may_be_null: true, is_later: true }
    }
}

/// A function table: its size in bytes, then pointers.
///
/// # Safety
/// The type is `repr(C)`: a `usize`, then one pointer for each of `ENTRIES`, in order. All but the needed ones are of
/// types of which NULL is a value.
pub(super) unsafe trait Table: Copy {
    /// What it is called in messages.
    const WHAT: &'static str;
    /// What comes after its size.
    const ENTRIES: &'static [Entry];
}

/// A table without its entries, in messages.
pub(super) const HOLES: &str = "its function table is too small or has a NULL entry";

/// A copy of a library's table, checked; what a shorter one of an older version lacks is NULL. The reason if it cannot
/// be used.
///
/// # Safety
/// `table` points to a size in bytes and to as many bytes of a table, those of the size included; it may be NULL.
pub(super) unsafe fn read<T: Table>(table: *const T) -> Result<T, String> {
    const { assert!(size_of::<T>() == (1 + T::ENTRIES.len()) * size_of::<usize>()) };
    let holes = |reason: String| Err(format!("{HOLES}: {reason}"));
    if !is_readable(table) {
        return holes(format!("there is no {} table", T::WHAT));
    }
    let n_needed = T::ENTRIES.iter().filter(|entry| !entry.is_later).count();
    let needed = (1 + n_needed) * size_of::<usize>();
    // SAFETY: as required of the caller.
    let size = unsafe { table.cast::<usize>().read() };
    if size < needed {
        return holes(format!("its {} table says that it has {size} bytes, {needed} are needed", T::WHAT));
    }
    let n_words = (size / size_of::<usize>()).min(1 + T::ENTRIES.len());
    let mut read = MaybeUninit::<T>::zeroed();
    let words = read.as_mut_ptr().cast::<*const c_void>();
    // SAFETY: both have as many words; the size becomes that of the copy.
    unsafe {
        table.cast::<*const c_void>().copy_to_nonoverlapping(words, n_words);
        words.cast::<usize>().write(size_of::<T>());
    }
    for (i, entry) in T::ENTRIES.iter().enumerate() {
        // SAFETY: the table has a word for each entry after the first.
        if unsafe { *words.add(1 + i) }.is_null() && !entry.may_be_null {
            return holes(format!("`{}` of its {} table", entry.name, T::WHAT));
        }
    }
    // SAFETY: what must not be NULL is not, and NULL is a value of all the rest.
    Ok(unsafe { read.assume_init() })
}

/// Whether the table behind a pointer says that it has as many bytes as `T`, the first form.
///
/// # Safety
/// `table` is NULL or points to a table.
pub(super) unsafe fn is_first<T>(table: *const c_void) -> bool {
    // SAFETY: as required of the caller.
    is_readable(table.cast::<usize>()) && unsafe { table.cast::<usize>().read() } == size_of::<T>()
}
