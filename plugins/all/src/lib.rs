//! The one list of the workspace's plugin libraries. Program, tests and benches depend on this crate and keep no list
//! of their own.
//!
//! As dependencies of this one, cargo builds the libraries beside every program that depends on it, whether or not the
//! program links them.

// A library that is a dependency and was forgotten in the list below is an error of the lints, not a plugin less.
#![warn(unused_crate_dependencies)]

use ascan_core::abi::EntryPoint;

/// Calls a macro with the crates of all libraries, separated by commas.
///
/// For what is needed once per library, such as a test of its own. [`LIBRARIES`] serves where a loop does.
#[macro_export]
macro_rules! libraries {
    ($callback:ident) => {
        $callback! {
            ascan_attention,
            ascan_baseline,
            ascan_burn,
            ascan_cam,
            ascan_density,
            ascan_discovery,
            ascan_gradient,
            ascan_ort,
            ascan_partition,
            ascan_perturbation,
            ascan_process,
            ascan_projection,
            ascan_regularization,
            ascan_tract,
        }
    };
}

macro_rules! entry_points {
    ($($library:ident,)+) => {
        &[$((stringify!($library), $library::ascan_library)),+]
    };
}

/// The stem of each library's file (`ascan_cam` of `libascan_cam.so`) with the entry point that it shares with the
/// linked crate.
pub const LIBRARIES: &[(&str, EntryPoint)] = libraries!(entry_points);
