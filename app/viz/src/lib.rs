//! Plain pixels: colour maps, heat maps over pictures, grid layout, text, the mosaic. No window, no GPU.
//!
//! Everything here takes numbers and pictures and gives pictures; what they mean is the engine's business.

pub mod chart;
pub mod color;
pub mod grid;
pub mod heat;
pub mod mosaic;
pub mod text;

pub use color::Rgb;
pub use heat::Heat;
