//! What a library says about itself, and the macro that makes a Rust plugin say it.

use super::reply::{Reply, answer, argument};
use super::types::{ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC, AscanReply, AscanStr};
use crate::params::{parse, resolve};
use crate::{Kind, ParamMap, Plugin};
use std::ffi::c_void;

// In Rust nobody but this module makes a descriptor, so a program can believe one that is linked in: see `EntryPoint`.
/// The descriptor of a library, returned by its entry point; lives as long as the process.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanLibrary {
    /// [`ASCAN_MAGIC`]: everything else is read only if this is right.
    pub(super) magic: u64,
    /// [`ASCAN_ABI_MAJOR`] the library was built against.
    pub(super) abi_major: u32,
    /// [`ASCAN_ABI_MINOR`] the library was built against.
    pub(super) abi_minor: u32,
    /// `sizeof(AscanLibrary)` on the library's side.
    pub(super) size: usize,
    /// Version of the library, for the user.
    pub(super) version: AscanStr,
    /// Compiler, for the user.
    pub(super) compiler: AscanStr,
    /// The plugins in it.
    pub(super) plugins: *const AscanPlugin,
    /// Number of plugins.
    pub(super) n_plugins: usize,
}

// SAFETY: a descriptor and all it points to is constant.
unsafe impl Sync for AscanLibrary {}

/// The descriptor of a plugin.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct AscanPlugin {
    /// `sizeof(AscanPlugin)` on the library's side.
    pub(super) size: usize,
    /// 1 backend, 2 attributor, 3 slicer, 4 projector, 5 regularizer.
    pub(super) kind: u32,
    /// Name in configurations.
    pub(super) name: AscanStr,
    /// One line for the user.
    pub(super) summary: AscanStr,
    /// Parameters as a JSON object → reply JSON
    /// `{"params": {…all, with defaults}, "problems": [{"key", "message", "hint"}], "help": [["key", "text"]], "detail": ""}`.
    pub(super) resolve: Option<unsafe extern "C" fn(params: AscanStr, reply: *mut AscanReply) -> i32>,
    /// Makes a state from parameters.
    pub(super) create:
        Option<unsafe extern "C" fn(params: AscanStr, state: *mut *mut c_void, reply: *mut AscanReply) -> i32>,
    /// Frees a state.
    pub(super) destroy: Option<unsafe extern "C" fn(state: *mut c_void)>,
    /// The function table of the kind.
    pub(super) table: *const c_void,
    /// Of a backend: forward passes of ResNet-18 beside PyTorch's on the same CPU, in percent, as its author measured;
    /// 0 if nobody has (minor version 2).
    pub(super) speed: u32,
    /// Of a projector that suits a map for people to look at: its parameters for one beside `n_dims`, a JSON object;
    /// empty for all others (minor version 2).
    pub(super) map_params: AscanStr,
    /// Of a regularizer: 1 if it decides itself how often each image comes, plus 2 if it is not meant to change where a model
    /// looks, plus 4 if it needs the `disagreement` of a training set, plus 8 if it has a direction to suppress (minor version 3).
    pub(super) habits: u32,
}

// SAFETY: a descriptor and all it points to is constant.
unsafe impl Sync for AscanPlugin {}

/// The plugins of a crate, for the program that links it: `ascan_kmeans::ascan_library`, say.
#[derive(Debug, Clone, Copy)]
pub struct EntryPoint(
    #[cfg_attr(not(feature = "host"), allow(dead_code))] // only a host reads it
    pub(super)  &'static AscanLibrary,
);

impl EntryPoint {
    /// For [`crate::export_library!`], which has a descriptor.
    #[doc(hidden)]
    pub const fn new(library: &'static AscanLibrary) -> Self {
        Self(library)
    }
}

/// Implemented for every [`Plugin`] by its kind; see [`crate::export_library!`].
///
/// `KIND` is what tells the implementations for slicers, attributors, … apart.
///
/// # Safety
/// `TABLE` is the function table of `KIND`, for the states of [`Self::into_state`].
pub unsafe trait ExportPlugin<const KIND: u32>: Plugin {
    /// The table of the kind.
    const TABLE: *const c_void;

    /// Boxes the plugin as the trait object of its kind.
    fn into_state(self) -> *mut c_void;

    /// Frees what [`Self::into_state`] made.
    ///
    /// # Safety
    /// `state` came from `into_state` of the same type and is used no more.
    unsafe fn free_state(state: *mut c_void);
}

/// The descriptor of `P` as a plugin of kind `KIND`.
pub const fn export_plugin<P: ExportPlugin<KIND>, const KIND: u32>() -> AscanPlugin {
    AscanPlugin {
        size: size_of::<AscanPlugin>(),
        kind: KIND,
        name: AscanStr::new(P::NAME),
        summary: AscanStr::new(P::SUMMARY),
        resolve: Some(resolve_params::<P>),
        create: Some(create::<P, KIND>),
        destroy: Some(destroy::<P, KIND>),
        table: P::TABLE,
        speed: P::STRENGTHS.speed,
        map_params: match P::STRENGTHS.map_params {
            Some(params) => AscanStr::new(params),
            None => AscanStr::EMPTY,
        },
        habits: P::STRENGTHS.habits.bits(),
    }
}

/// The descriptor of a library of these plugins.
pub const fn library_descriptor(version: &'static str, plugins: &'static [AscanPlugin]) -> AscanLibrary {
    AscanLibrary {
        magic: ASCAN_MAGIC,
        abi_major: ASCAN_ABI_MAJOR,
        abi_minor: ASCAN_ABI_MINOR,
        size: size_of::<AscanLibrary>(),
        version: AscanStr::new(version),
        compiler: AscanStr::new("rustc"),
        plugins: plugins.as_ptr(),
        n_plugins: plugins.len(),
    }
}

unsafe extern "C" fn resolve_params<P: Plugin>(params: AscanStr, reply: *mut AscanReply) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let mut resolved = resolve::<P::Params>(&argument::<ParamMap>(params)?);
            resolved.detail = P::detail();
            Reply::json(&resolved)
        })
    }
}

unsafe extern "C" fn create<P: ExportPlugin<KIND>, const KIND: u32>(
    params: AscanStr,
    state: *mut *mut c_void,
    reply: *mut AscanReply,
) -> i32 {
    // SAFETY: the caller keeps the contract of the boundary.
    unsafe {
        answer(reply, || {
            let plugin = P::new(parse::<P::Params>(&argument::<ParamMap>(params)?)?)?;
            state.write(plugin.into_state());
            Ok(Reply::default())
        })
    }
}

unsafe extern "C" fn destroy<P: ExportPlugin<KIND>, const KIND: u32>(state: *mut c_void) {
    // A panic while freeing must not cross; what it held is lost.
    // SAFETY: the state came from `create` of the same plugin.
    let _ = std::panic::catch_unwind(|| unsafe { P::free_state(state) });
}

/// A thin pointer to a trait object: a box that holds the fat one.
pub(super) fn into_state<T: ?Sized>(object: Box<T>) -> *mut c_void {
    Box::into_raw(Box::new(Box::into_raw(object))).cast()
}

/// The trait object behind a state that changes.
///
/// # Safety
/// `state` came from [`into_state`] of the same type, and no other reference to it is alive.
pub(super) unsafe fn state_mut<'a, T: ?Sized>(state: *mut c_void) -> &'a mut T {
    // SAFETY: as required of the caller.
    unsafe { &mut **state.cast::<*mut T>() }
}

/// The trait object behind a state that does not change.
///
/// # Safety
/// `state` points to a pointer to a living object of the type: that of [`into_state`], or one that is lent.
pub(super) unsafe fn state_ref<'a, T: ?Sized>(state: *mut c_void) -> &'a T {
    // SAFETY: as required of the caller.
    unsafe { &**state.cast::<*const T>() }
}

/// Frees a state.
///
/// # Safety
/// `state` came from [`into_state`] of the same type and is used no more.
pub(super) unsafe fn free_state<T: ?Sized>(state: *mut c_void) {
    // SAFETY: as required of the caller.
    drop(unsafe { Box::from_raw(*Box::from_raw(state.cast::<*mut T>())) });
}

/// Implements [`ExportPlugin`] for one kind.
macro_rules! impl_export {
    ($kind:ident, $object:path, $table:path) => {
        // SAFETY: the table's functions take states of this trait object.
        unsafe impl<P: Plugin + $object> ExportPlugin<{ Kind::$kind as u32 }> for P {
            const TABLE: *const c_void = (&raw const $table).cast();

            fn into_state(self) -> *mut c_void {
                into_state::<dyn $object>(Box::new(self))
            }

            unsafe fn free_state(state: *mut c_void) {
                // SAFETY: as required of the caller.
                unsafe { free_state::<dyn $object>(state) }
            }
        }
    };
}

impl_export!(Backend, crate::Runtime, super::backend::EXPORT);
impl_export!(Attributor, crate::Attributor, super::attributor::EXPORT);
impl_export!(Slicer, crate::Slicer, super::slicer::EXPORT);
impl_export!(Projector, crate::Projector, super::projector::EXPORT);
impl_export!(Regularizer, crate::Regularizer, super::regularizer::EXPORT);

/// Exports the plugins of a crate.
///
/// ```ignore
/// ascan_core::export_library!(ascan_kmeans: slicer KMeans, slicer MiniBatchKMeans);
/// ```
///
/// The first word is the stem of the library file: cargo names `libascan_kmeans.so` after the
/// library target `ascan_kmeans`. A program that links the crate statically hands
/// `ascan_kmeans::ascan_library` to its plugin host.
#[macro_export]
macro_rules! export_library {
    ($stem:ident: $($kind:ident $plugin:ty),+ $(,)?) => {
        /// The plugins of this crate, for a program that links it.
        #[allow(non_upper_case_globals)] // named like the symbol that the loader looks up
        pub const ascan_library: $crate::abi::EntryPoint = {
            static PLUGINS: &[$crate::abi::AscanPlugin] = &[$(
                $crate::abi::export_plugin::<$plugin, { $crate::export_library!(@kind $kind) }>()
            ),+];
            static LIBRARY: $crate::abi::AscanLibrary =
                $crate::abi::library_descriptor(env!("CARGO_PKG_VERSION"), PLUGINS);
            #[allow(unsafe_code)] // the one symbol that the loader looks up
            #[unsafe(export_name = concat!("ascan_library_", stringify!($stem)))]
            extern "C" fn entry() -> *const $crate::abi::AscanLibrary {
                &raw const LIBRARY
            }
            $crate::abi::EntryPoint::new(&LIBRARY)
        };
    };
    (@kind backend) => { $crate::Kind::Backend as u32 };
    (@kind attributor) => { $crate::Kind::Attributor as u32 };
    (@kind slicer) => { $crate::Kind::Slicer as u32 };
    (@kind projector) => { $crate::Kind::Projector as u32 };
    (@kind regularizer) => { $crate::Kind::Regularizer as u32 };
}
