//! Slicers that look for dense places: they find the number of slices, and what lies between the places is noise.
//!
//! | `plugin =` | a slice is | needs |
//! |---|---|---|
//! | [`dbscan`] | what is joined by steps of at most `eps` from one dense place to the next | a distance, which may be found |
//! | [`optics`] | a valley of the reachability distance, cut at `eps` | a distance, which may be found |
//! | [`hdbscan`] | what is denser than its surroundings, at whatever density | the size of the smallest slice |
//!
//! DBSCAN and OPTICS are written here and not taken from linfa-clustering (0.8.1): its OPTICS gives the first image of a
//! dense place its own core distance as reachability, where it should have none, so that a cut cannot tell where a slice
//! begins; its DBSCAN does not say which images are cores, which images of another table need. How long either takes,
//! measured: `cargo bench -p ascan-benches --bench linfa`.

mod cores;
pub mod dbscan;
pub mod hdbscan;
mod knee;
pub mod optics;
#[cfg(test)]
mod testing;

pub use dbscan::{Dbscan, DbscanParams};
pub use hdbscan::{Hdbscan, HdbscanParams};
pub use optics::{Optics, OpticsParams};

ascan_core::export_library!(ascan_density: slicer Dbscan, slicer Hdbscan, slicer Optics);
