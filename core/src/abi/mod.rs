//! The plugin boundary: a small C ABI. Beside it, files as memory ([`Mapped`]): the only unsafe code of the workspace.
//!
//! A library exports one symbol, `ascan_library_<stem>` (`<stem>` is its file name without `lib` and
//! extension), which returns its [`AscanLibrary`]: magic number, ABI version, and a list of
//! [`AscanPlugin`] descriptors. Each descriptor points to the function table of its kind.
//!
//! Rules, the same in every call:
//! - Arguments are borrowed for the length of the call; nothing is kept.
//! - A call returns 0 or an [`crate::ErrorCode`]. It fills an [`AscanReply`] with what it made (JSON text,
//!   named tensors) or with what went wrong, and the caller hands it back through the reply's own `release`.
//! - Nothing unwinds across the boundary: the exporting side catches panics and reports them.
//! - Attributors, slicers, projectors and what they fit do not change: they may be called from several threads
//!   at once. Backends, trainers and regularizers are called from one thread at a time, but may move between threads.
//!   Each state is freed once, by its own `destroy`.
//! - Text is UTF-8; tensors are `f32`, row-major unless `strides` says otherwise.
//!
//! For each kind the module of its name holds the table, the export half (a table from a Rust
//! implementation) and the foreign half (the ordinary Rust trait over a table). The host treats a
//! plugin linked into the program just like one it loaded: both arrive as an [`AscanLibrary`].
//!
//! Minor versions: tables and structs grow at their end alone, and each begins with its size. A table of an older
//! version is shorter; what it lacks is what its plugin cannot do.
//!
//! `include/ascan.h` is generated from these types by `cargo test -p ascan-core --test header`.

// The one module that may: see the workspace lints.
#![allow(unsafe_code)]

mod attributor;
mod backend;
mod explain;
mod host;
mod library;
mod load;
mod mapped;
mod projector;
mod regularizer;
mod reply;
mod slicer;
mod trainer;
mod types;

pub use attributor::{AscanAttributionBatch, AscanAttributorTable};
pub use backend::{AscanBackend, AscanBackendTable, AscanRuntimeTable};
pub use explain::AscanCotangent;
pub use library::{AscanLibrary, AscanPlugin, ExportPlugin, export_plugin, library_descriptor};
pub use load::{EntryPoint, Library, LoadedPlugin};
pub use mapped::Mapped;
pub use projector::AscanProjectorTable;
pub use regularizer::{AscanRegularizerTable, AscanTrainingBatch, AscanTrainingSet};
pub use slicer::{AscanSliceTable, AscanSlicerTable};
pub use trainer::{AscanTrainerTable, AscanTrainingStep};
pub use types::{
    ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC, AscanHost, AscanNamedTensor, AscanReply, AscanStr, AscanTensor,
};
