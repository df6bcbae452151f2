//! Opening a library: the handshake, and what is in it.

use super::attributor::ForeignAttributor;
use super::backend::{AscanBackendTable, AscanRuntimeTable, ForeignRuntime};
use super::library::{AscanLibrary, AscanPlugin};
use super::projector::ForeignProjector;
use super::regularizer::ForeignRegularizer;
use super::reply::{Reply, ask};
use super::slicer::ForeignSlicer;
use super::types::{ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC, AscanStr};
use crate::params::Resolved;
use crate::{Attributor, Error, Kind, ParamMap, Projector, Regularizer, Result, Runtime, Slicer};
use std::ffi::c_void;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The function that a library exports as `ascan_library_<stem>`.
pub type EntryPoint = extern "C" fn() -> *const AscanLibrary;

const REBUILD: &str = "build the plugin against this version of ascan-core (or its ascan.h)";
const AUTHOR: &str = "this is a mistake in the plugin: tell its author";

/// A library whose handshake went well. It is never unloaded.
#[derive(Debug, Clone)]
pub struct Library {
    plugins: Vec<LoadedPlugin>,
}

/// A plugin of a library, ready to be made.
#[derive(Debug, Clone)]
pub struct LoadedPlugin {
    name: Arc<str>,
    kind: Kind,
    summary: String,
    version: String,
    path: Option<PathBuf>,
    raw: AscanPlugin,
}

// SAFETY: a descriptor is constant, and its functions may be called from any thread.
unsafe impl Send for LoadedPlugin {}
// SAFETY: as above.
unsafe impl Sync for LoadedPlugin {}

impl Library {
    /// Loads a library file.
    ///
    /// # Errors
    /// `Plugin`, naming the file: it is missing, no library, has no entry point, another ABI, or a
    /// broken descriptor.
    pub fn load(path: &Path) -> Result<Self> {
        let fail = |message: String, hint: &str| Error::plugin(path.display().to_string(), message, hint);
        if !path.is_file() {
            return Err(fail("there is no such file".into(), "give the path of a plugin library"));
        }
        let symbol = format!("ascan_library_{}", stem(path));
        // SAFETY: loading runs the library's initialisers; the user chose to trust it by putting it where plugins are.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|error| fail(format!("cannot be loaded: {error}"), "is it a library for this system?"))?;
        // SAFETY: the symbol's type is part of the contract.
        let entry = unsafe { library.get::<Option<EntryPoint>>(symbol.as_bytes()) };
        let entry = entry.map(|symbol| *symbol).map_err(|_| {
            fail(
                format!("is no plugin: it has no function `{symbol}`"),
                "the function is named after the file: a renamed library no longer answers",
            )
        });
        // Kept loaded for the life of the process, whatever comes: its code may have started threads.
        std::mem::forget(library);
        let entry = entry?.ok_or_else(|| fail(format!("the function `{symbol}` is NULL"), AUTHOR))?;
        Self::open(entry, Some(path))
    }

    /// The library of a crate that is linked into the program.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_static(entry: EntryPoint) -> Result<Self> {
        Self::open(entry, None)
    }

    /// The plugins in this library.
    pub fn plugins(&self) -> &[LoadedPlugin] {
        &self.plugins
    }

    fn open(entry: EntryPoint, path: Option<&Path>) -> Result<Self> {
        let shown = path.map_or("(built in)".into(), |path| path.display().to_string());
        let fail = |message: String, hint: &str| Err(Error::plugin(shown.clone(), message, hint));
        // SAFETY: the entry point of a library that follows the contract; the fields are read in handshake order.
        unsafe {
            let library = entry();
            if library.is_null() {
                return fail("its entry point gave NULL instead of a descriptor".into(), AUTHOR);
            }
            if (*library).magic != ASCAN_MAGIC {
                return fail("its entry point gave something that is no plugin descriptor".into(), AUTHOR);
            }
            let (major, minor) = ((*library).abi_major, (*library).abi_minor);
            if major != ASCAN_ABI_MAJOR || minor > ASCAN_ABI_MINOR {
                let message =
                    format!("speaks plugin ABI {major}.{minor}, this program {ASCAN_ABI_MAJOR}.{ASCAN_ABI_MINOR}");
                return fail(message, REBUILD);
            }
            let library = &*library;
            if library.size < size_of::<AscanLibrary>() || (library.plugins.is_null() && library.n_plugins > 0) {
                return fail("its descriptor is incomplete".into(), AUTHOR);
            }
            let version = library.version.get().into_owned();
            let mut plugins = Vec::new();
            let mut next: *const u8 = library.plugins.cast();
            for _ in 0..library.n_plugins {
                let raw = &*next.cast::<AscanPlugin>();
                if raw.size < size_of::<AscanPlugin>() {
                    return fail("the descriptor of a plugin in it is incomplete".into(), AUTHOR);
                }
                // A newer minor version may have longer descriptors: step by their own size.
                next = next.add(raw.size);
                plugins.push(LoadedPlugin::new(raw, &version, path)?);
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

impl LoadedPlugin {
    /// # Safety
    /// `raw` and all it points to is valid.
    unsafe fn new(raw: &AscanPlugin, version: &str, path: Option<&Path>) -> Result<Self> {
        // SAFETY: as required of the caller.
        unsafe {
            let name = raw.name.get();
            let fail = |message: &str| Err(Error::plugin(&*name, message, AUTHOR));
            let Some(kind) = Kind::from_u32(raw.kind) else {
                return fail(&format!("is of kind {}, which this program does not know", raw.kind));
            };
            if raw.resolve.is_none() || raw.create.is_none() || raw.destroy.is_none() || raw.table.is_null() {
                return fail("its descriptor has a NULL entry");
            }
            let complete = match kind {
                Kind::Backend => {
                    let table = raw.table.cast::<AscanRuntimeTable>();
                    is_complete(raw.table, size_of::<AscanRuntimeTable>(), None)
                        && is_complete(
                            (*table).backend.cast(),
                            AscanBackendTable::FIRST_SIZE,
                            Some(offset_of!(AscanBackendTable, trainers)),
                        )
                }
                Kind::Attributor => is_complete(raw.table, size_of::<super::AscanAttributorTable>(), None),
                Kind::Slicer => is_complete(raw.table, size_of::<super::AscanSlicerTable>(), None),
                Kind::Projector => is_complete(raw.table, size_of::<super::AscanProjectorTable>(), None),
                Kind::Regularizer => is_complete(raw.table, size_of::<super::AscanRegularizerTable>(), None),
            };
            if !complete {
                return fail("its function table is too small or has a NULL entry");
            }
            let (name, summary) = (name.into(), raw.summary.get().into_owned());
            Ok(Self { name, kind, summary, version: version.to_owned(), path: path.map(Into::into), raw: *raw })
        }
    }

    /// Name in configurations.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// One line for the user.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Version of its library.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// File of its library; none if it is linked into the program.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Defaults, problems and help for these parameters.
    ///
    /// # Errors
    /// `Plugin` if the plugin breaks the contract; problems of the parameters are in the result.
    pub fn resolve(&self, params: &ParamMap) -> Result<Resolved> {
        let json = Reply::json(params)?.json;
        let resolve = self.raw.resolve.ok_or(Error::Cancelled)?;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(&self.name, |reply| resolve(AscanStr::new(&json), reply)) }?.parse()
    }

    /// Makes a backend's engine.
    ///
    /// # Errors
    /// `Param` for bad parameters, `Plugin` if this is no backend.
    pub fn backend(&self, params: &ParamMap) -> Result<Box<dyn Runtime>> {
        Ok(Box::new(ForeignRuntime(self.create(Kind::Backend, params)?)))
    }

    /// Makes an attributor.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn attributor(&self, params: &ParamMap) -> Result<Box<dyn Attributor>> {
        Ok(Box::new(ForeignAttributor(self.create(Kind::Attributor, params)?)))
    }

    /// Makes a slicer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn slicer(&self, params: &ParamMap) -> Result<Box<dyn Slicer>> {
        Ok(Box::new(ForeignSlicer(self.create(Kind::Slicer, params)?)))
    }

    /// Makes a projector.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn projector(&self, params: &ParamMap) -> Result<Box<dyn Projector>> {
        Ok(Box::new(ForeignProjector(self.create(Kind::Projector, params)?)))
    }

    /// Makes a regularizer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn regularizer(&self, params: &ParamMap) -> Result<Box<dyn Regularizer>> {
        Ok(Box::new(ForeignRegularizer(self.create(Kind::Regularizer, params)?)))
    }

    fn create<T>(&self, kind: Kind, params: &ParamMap) -> Result<State<T>> {
        if kind != self.kind {
            return Err(Error::plugin(&*self.name, format!("is of kind {}, not {kind}", self.kind), ""));
        }
        let json = Reply::json(params)?.json;
        let mut state = std::ptr::null_mut();
        // Both are there: checked when the plugin was loaded.
        let (Some(create), Some(destroy)) = (self.raw.create, self.raw.destroy) else {
            return Err(Error::plugin(&*self.name, "its descriptor has a NULL entry", AUTHOR));
        };
        // SAFETY: the arguments are valid for the call; the table is that of the kind.
        unsafe {
            ask(&self.name, |reply| create(AscanStr::new(&json), &raw mut state, reply))?;
            State::new(&self.name, state, self.raw.table.cast(), destroy)
        }
    }
}

/// Whether the table says it is at least `size` bytes long, and no entry in them is NULL but the one at the offset
/// that may be.
///
/// # Safety
/// `table` is NULL or points to a table that begins with its size, in bytes.
unsafe fn is_complete(table: *const c_void, size: usize, may_be_null: Option<usize>) -> bool {
    let n_words = size / size_of::<usize>();
    // SAFETY: as required of the caller; every field of a table is a word.
    unsafe {
        let words = table.cast::<usize>();
        if words.is_null() || *words < size {
            return false;
        }
        (1..n_words).all(|i| *words.add(i) != 0 || may_be_null == Some(i * size_of::<usize>()))
    }
}

/// A state that a plugin made, with its functions; freed by the plugin.
pub(super) struct State<T: 'static> {
    name: Arc<str>,
    ptr: *mut c_void,
    table: &'static T,
    destroy: unsafe extern "C" fn(*mut c_void),
}

// SAFETY: the boundary allows states to move between threads.
unsafe impl<T> Send for State<T> {}
// SAFETY: wrappers of states that one thread at a time may call are not `Sync` or take `&mut self`.
unsafe impl<T> Sync for State<T> {}

impl<T> State<T> {
    /// # Safety
    /// `table` lives as long as the process, and `destroy` frees `ptr`.
    pub(super) unsafe fn new(
        name: &str,
        ptr: *mut c_void,
        table: *const T,
        destroy: unsafe extern "C" fn(*mut c_void),
    ) -> Result<Self> {
        // SAFETY: as required of the caller.
        match unsafe { table.as_ref() } {
            Some(table) if !ptr.is_null() => Ok(Self { name: name.into(), ptr, table, destroy }),
            _ => Err(Error::plugin(name, "reported success but made nothing", AUTHOR)),
        }
    }

    /// Something else that this plugin made, with the same functions.
    pub(super) fn made(&self, ptr: *mut c_void, destroy: unsafe extern "C" fn(*mut c_void)) -> Result<Self> {
        // SAFETY: the table is this state's own; the plugin made `ptr` to be freed by `destroy`.
        unsafe { Self::new(&self.name, ptr, self.table, destroy) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ptr(&self) -> *mut c_void {
        self.ptr
    }

    pub(super) fn table(&self) -> &'static T {
        self.table
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        // SAFETY: freed once, by its maker.
        unsafe { (self.destroy)(self.ptr) }
    }
}
