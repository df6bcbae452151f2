//! Numerical methods that several plugins share.
//!
//! - [`points`]: rows to work on, normalised and in blocks; [`lookup`]: finds known rows again
//! - [`kmeans`], [`minibatch`]: k-means, on a whole table or on small batches of it
//! - [`mixture`]: Gaussian mixtures, also with categorical columns
//! - [`knn`]: nearest neighbours; [`tiles`]: which pairs of rows can be near, by matrix products
//! - [`graph`]: weighted graphs of neighbours; [`spectral`]: eigenvectors of their Laplacian
//! - [`label_spreading`]: from a few labels to all rows; [`ridge`]: classes by a linear function, in closed form
//! - [`quality`]: indices of cluster quality; [`trustworthiness`]: the quality of a layout
//! - [`resize`]: maps at another size; [`lanes`]: sums in independent lanes
//! - [`pool`]: the threads of a computation; [`barrier`]: where they wait for each other
//!
//! Everything here gives the same bits at any number of threads: sums are taken over fixed blocks in a
//! fixed order, and matrix products always have the same size.

pub mod barrier;
mod best;
mod exact;
pub mod graph;
mod inverted_file;
pub mod kmeans;
pub mod knn;
pub mod label_spreading;
pub mod lanes;
pub mod likeness;
pub mod lookup;
pub mod minibatch;
pub mod mixture;
mod neighbours;
pub mod points;
pub mod quality;
pub mod resize;
pub mod ridge;
mod sketch;
pub mod spectral;
pub mod tiles;
pub mod trustworthiness;

use ascan_core::{Context, Error, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads that the host lends to the computation of `plugin`: a pool of its own, since global pools are
/// duplicated in every dynamic library. Where the system gives fewer threads, with those: no result depends on their number.
///
/// # Errors
/// `Plugin` if no thread can be started.
pub fn pool(plugin: &str, context: &Context) -> Result<ThreadPool> {
    let mut n = context.n_threads.max(1);
    loop {
        match ThreadPoolBuilder::new().num_threads(n).build() {
            Err(error) if n == 1 => {
                return Err(Error::plugin(plugin, format!("cannot start a thread: {error}"), "end other programs"));
            }
            Err(_) => n /= 2,
            Ok(pool) => return Ok(pool),
        }
    }
}

/// Runs `loops` compiled for the widest lanes that this machine has. The closure and what it calls take part where they
/// are `#[inline(always)]`. Nothing is fused or reordered by that: the same bits on every machine.
#[inline(always)]
pub(crate) fn wide<R>(loops: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(loops)
}
