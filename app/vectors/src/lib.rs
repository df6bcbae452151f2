//! A scan without a model: vectors that somebody else computed, with what their model said where that is known.
//!
//! Slicers, mosaic, window, verdicts and spreading work as for any scan. There are no maps, and what would ask the model
//! says that there is none.

mod keep;
mod plan;

pub use keep::keep;
pub use plan::VectorPlan;
