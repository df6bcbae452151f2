//! The methods: from a configuration to a scan, its slices, spread verdicts and a repaired model. No pages, no window.
//!
//! Data flows one way: [`plan`] (over the images of [`ascan_images`]) → [`scan`] (into [`ascan_store`]) → [`slices`];
//! beside it [`faithfulness`], which judges the attributions, and [`inversion`], which makes pictures of slices.
//! From the verdicts of people, with what [`reliance`] says about them: [`mislabels`]; [`spread`] → [`repair`] →
//! another scan.

pub mod classes;
pub mod faithfulness;
pub mod features;
pub mod guess;
pub mod inversion;
pub mod memory;
pub mod mislabels;
pub mod plan;
pub mod question;
pub mod reliance;
pub mod repair;
pub mod sanity;
pub mod scan;
pub mod scanned;
pub mod seeds;
pub mod slices;
pub mod spread;
mod tensors;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod workers;
