//! Opening a library: the handshake, and what is in it.

use super::plugin::LoadedPlugin;
use crate::abi::library::{AscanLibrary, AscanPlugin, EntryPoint};
use crate::abi::reply::CONTRACT;
use crate::abi::tensor::is_readable;
use crate::abi::types::{ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC};
use crate::{Error, Result};
use std::error::Error as _;
use std::mem::{MaybeUninit, offset_of};
use std::path::Path;

/// The function that a library file exports as `ascan_library_<stem>`.
type Entry = unsafe extern "C" fn() -> *const AscanLibrary;

const REBUILD: &str = "build the plugin against this version of ascan-core (or its ascan.h)";
/// Most plugins of a library, and most bytes of a descriptor; numbers above are mistakes.
const MAX_PLUGINS: usize = 1 << 10;
const MAX_DESCRIPTOR: usize = 1 << 16;
/// Bytes of the descriptor of a plugin in every version.
const FIRST_DESCRIPTOR: usize = offset_of!(AscanPlugin, speed);

/// A library whose handshake went well. It is never unloaded.
#[derive(Debug, Clone)]
pub struct Library {
    plugins: Vec<LoadedPlugin>,
}

impl Library {
    /// Loads a library file. It runs with all the rights of the program: whoever puts it where plugins are trusts it.
    ///
    /// # Errors
    /// `Plugin`, naming the file: it is missing, no library, lacks another library, has no entry point, another ABI, or
    /// a broken descriptor or table.
    pub fn load(path: &Path) -> Result<Self> {
        let fail = |message: String, hint: &str| Error::plugin(path.display().to_string(), message, hint);
        if !path.is_file() {
            return Err(fail("there is no such file".into(), "give the path of a plugin library"));
        }
        let symbol = format!("ascan_library_{}", stem(path));
        // SAFETY: loading runs the library's initialisers; the user chose to trust it by putting it where plugins are.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
            // The system's own words, which name a library that this one needs and that is not there.
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            fail(
                format!("cannot be loaded: {reason}"),
                "is it a library for this system, and is all there that it needs?",
            )
        })?;
        // SAFETY: the symbol's type is part of the contract.
        let entry = unsafe { library.get::<Option<Entry>>(symbol.as_bytes()) };
        let entry = entry.map(|symbol| *symbol).map_err(|_| {
            fail(
                format!("is no plugin: it has no function `{symbol}`"),
                "the function is named after the file: a renamed library no longer answers",
            )
        });
        // Kept loaded for the life of the process, whatever comes: its code may have started threads.
        std::mem::forget(library);
        let entry = entry?.ok_or_else(|| fail(format!("the function `{symbol}` is NULL"), CONTRACT))?;
        // SAFETY: the entry point of a library that follows the contract.
        unsafe { Self::open(entry(), Some(path)) }
    }

    /// The library of a crate that is linked into the program.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_static(entry: EntryPoint) -> Result<Self> {
        // SAFETY: there is no such descriptor but those of this crate's own tables.
        unsafe { Self::open(entry.0, None) }
    }

    /// The plugins in this library.
    pub fn plugins(&self) -> &[LoadedPlugin] {
        &self.plugins
    }

    /// The handshake, in its order: magic, version, sizes, then each plugin.
    ///
    /// # Safety
    /// `library` is NULL or points to what a library calls its descriptor, which lives as long as the process.
    pub(in crate::abi) unsafe fn open(library: *const AscanLibrary, path: Option<&Path>) -> Result<Self> {
        let shown = path.map_or("(built in)".into(), |path| path.display().to_string());
        let fail = |message: String, hint: &str| Err(Error::plugin(shown.clone(), message, hint));
        if library.is_null() {
            return fail("its entry point gave NULL instead of a descriptor".into(), CONTRACT);
        }
        // SAFETY: what is read next is there if all before it was right.
        unsafe {
            if !is_readable(library) || (&raw const (*library).magic).read() != ASCAN_MAGIC {
                return fail("its entry point gave something that is no plugin descriptor".into(), CONTRACT);
            }
            let (major, minor) = ((&raw const (*library).abi_major).read(), (&raw const (*library).abi_minor).read());
            if major != ASCAN_ABI_MAJOR || minor > ASCAN_ABI_MINOR {
                let message =
                    format!("speaks plugin ABI {major}.{minor}, this program {ASCAN_ABI_MAJOR}.{ASCAN_ABI_MINOR}");
                return fail(message, REBUILD);
            }
            if (&raw const (*library).size).read() < size_of::<AscanLibrary>() {
                return fail("its descriptor is incomplete".into(), CONTRACT);
            }
            let library = library.read();
            let n = library.n_plugins;
            if n > MAX_PLUGINS {
                return fail(format!("says that it has {n} plugins, {MAX_PLUGINS} at most"), CONTRACT);
            }
            if n > 0 && !is_readable(library.plugins) {
                return fail("its descriptor is incomplete".into(), CONTRACT);
            }
            let version = library.version.lossy();
            let mut plugins = Vec::new();
            let mut next: *const u8 = library.plugins.cast();
            for _ in 0..n {
                let size = next.cast::<usize>().read();
                let is_size = (FIRST_DESCRIPTOR..=MAX_DESCRIPTOR).contains(&size);
                if !is_size || !size.is_multiple_of(align_of::<AscanPlugin>()) {
                    return fail("the descriptor of a plugin in it is incomplete".into(), CONTRACT);
                }
                // What an older version does not have is zero.
                let mut raw = MaybeUninit::<AscanPlugin>::zeroed();
                next.copy_to_nonoverlapping(raw.as_mut_ptr().cast(), size.min(size_of::<AscanPlugin>()));
                plugins.push(LoadedPlugin::new(&raw.assume_init(), &version, path)?);
                // The next one follows after as many bytes as this one says that it has.
                next = next.add(size);
            }
            Ok(Self { plugins })
        }
    }
}

/// File name without `lib` and extension.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if cfg!(windows) { stem } else { stem.strip_prefix("lib").map(str::to_owned).unwrap_or(stem) }
}
