//! The plugin boundary: a small C ABI, and the only unsafe code of the workspace.
//!
//! A library exports one symbol, `ascan_library_<stem>` (`<stem>` is its file name without `lib` and
//! extension), which returns its [`AscanLibrary`]: magic number, ABI version, and a list of
//! [`AscanPlugin`] descriptors. Each descriptor points to the function table of its kind.
//!
//! Rules, the same in every call:
//! - Arguments are borrowed for the length of the call; nothing is kept.
//! - A call returns 0 or an [`crate::ErrorCode`]. It fills an [`AscanReply`] with what it made (JSON text,
//!   named tensors) or with what went wrong, and the caller hands it back through the reply's own `release`.
//!   An error keeps its fields: they go as JSON.
//! - Nothing unwinds across the boundary: the exporting side catches panics and reports them.
//! - Engines, attributors, slicers, projectors and what the last two fit do not change: they may be called from several
//!   threads at once. Models, trainers and regularizers are called from one thread at a time, but may move between
//!   threads. Each state is freed once, by its own `destroy`.
//! - Text is UTF-8; tensors are `f32`, row-major unless `strides` says otherwise.
//!
//! # The two sides
//!
//! For each kind the module of its name holds the table and the export half (a table from a Rust
//! implementation). `host`, a feature that plugins do without, loads libraries and holds the foreign halves (the ordinary
//! Rust trait over a table) and `Mapped`, files as memory. Models are met by attributors too, so their foreign half is
//! always there. The host treats a plugin linked into the program just like one it loaded.
//!
//! # What is believed
//!
//! A library runs with all the rights of the program. Nothing here protects from malice; mistakes become sentences
//! that name the plugin, what was expected and what came ([`crate::Error::Plugin`]):
//! - Before anything is called: versions, sizes, and every entry of every table, those behind other tables too.
//! - Of each reply, before it is used: texts, the shape of each tensor before any value of it, numbers that index
//!   (sources, rows), ranges (shares, weights), and NaN where there must be numbers: memberships, projections, losses,
//!   what a trainer steps on. NaN in logits and maps is passed on: it is the image's, and whoever asked marks that image.
//! - A size, a length or a pointer that is plausible is believed.
//!
//! # Versions
//!
//! A program takes libraries of its own major version, and of its own minor version or an older one.
//! - **Grow at their end, with the minor version:** the two descriptors, every function table, and every struct that the
//!   host lends (batch, step, set, table of images, host). They hold their size in bytes: first of all, but in
//!   [`AscanLibrary`], where magic and version come before it.
//!   A table or descriptor of an older version is shorter; what it lacks is what its plugin cannot do.
//!   A struct that the host lends is never shorter than its plugin expects, since no library is newer than its host.
//! - **Frozen for the major version**, since they stand in arrays, in arguments, or in the caller's memory:
//!   [`AscanStr`], [`AscanTensor`], [`AscanNamedTensor`], [`AscanReply`], [`AscanBackend`]. What is new goes into the
//!   reply's JSON.
//! - Of version 1.0 there are two headers, which differ in trainers and regularizers; both are taken.
//!
//! `include/ascan.h` is generated from these types: `ASCAN_WRITE_HEADER=1 cargo test -p ascan-core --test header`.
//!
//! # Tests
//!
//! `cargo test -p ascan-core --features host,testing` changes each table, descriptor and reply in every way that there is, in
//! memory of just the bytes that it says it has. So tools that watch memory show what is read that is not there:
//!
//! ```sh
//! cargo +nightly miri test -p ascan-core --features host --lib abi::tests
//! cargo test -p ascan-core --features host,testing --no-run   # names the programs: put them below
//! valgrind --error-exitcode=1 target/debug/deps/ascan_core-… abi::
//! valgrind --error-exitcode=1 target/debug/deps/boundary-…
//! valgrind --error-exitcode=1 target/debug/deps/strangers-…
//! ```
//!
//! `tests/plugins` holds plugins in C of every kind that lie, that have holes, and that are built against the first
//! header.

// The one module that may: see the workspace lints.
#![allow(unsafe_code)]

mod attributor;
mod backend;
mod context;
mod explain;
mod foreign_backend;
#[cfg(feature = "host")]
mod host;
mod library;
mod projector;
mod regularizer;
mod reply;
mod slicer;
mod state;
mod table;
mod tensor;
#[cfg(all(test, feature = "host"))]
mod tests;
mod trainer;
mod types;

pub use attributor::{AscanAttributionBatch, AscanAttributorTable};
pub use backend::{AscanBackend, AscanBackendTable, AscanRuntimeTable};
pub use explain::AscanCotangent;
#[cfg(feature = "host")]
pub use host::{Library, LoadedPlugin, Mapped};
pub use library::{AscanLibrary, AscanPlugin, EntryPoint, ExportPlugin, export_plugin, library_descriptor};
pub use projector::AscanProjectorTable;
pub use regularizer::{AscanRegularizerTable, AscanTrainingBatch, AscanTrainingSet};
pub use slicer::{AscanSliceTable, AscanSlicerTable};
pub use tensor::{AscanNamedTensor, AscanTensor};
pub use trainer::{AscanTrainerTable, AscanTrainingStep};
pub use types::{ASCAN_ABI_MAJOR, ASCAN_ABI_MINOR, ASCAN_MAGIC, AscanHost, AscanReply, AscanStr};
