//! The host's side of the boundary: loading libraries, and the ordinary traits over their tables.

mod attributor;
mod context;
mod first;
mod load;
mod mapped;
mod plugin;
mod projector;
mod regularizer;
mod runtime;
mod slicer;

pub use load::Library;
pub use mapped::Mapped;
pub use plugin::LoadedPlugin;
#[cfg(test)]
pub(super) use regularizer::ForeignRegularizer;
