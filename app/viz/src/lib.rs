//! Plain pixels: colour maps, heat maps over pictures, tiles and their layout, scatters, text, the mosaic. No window,
//! no GPU.
//!
//! Everything here takes numbers and pictures and gives pictures; what they mean is the engine's business.

pub mod chart;
pub mod color;
pub mod grid;
pub mod heat;
mod isoline;
pub mod layout;
pub mod mosaic;
pub mod raster;
pub mod scatter;
pub mod shape;
pub mod spark;
pub mod text;
pub mod theme;
pub mod tile;
pub mod words;

pub use color::Rgb;
pub use heat::{Heat, HeatSum};
