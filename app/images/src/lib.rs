//! Sets of images: what they hold, how each image is read, and how it becomes the input of a model.
//!
//! [`ImageSet::open`] reads names, labels, splits and groups; no image is decoded then, so a missing or damaged image is
//! an error of that image when it is loaded, never of the set. [`decode`] makes pictures of bytes, [`Preprocess`] makes
//! the model's input of a picture.

mod archive;
mod columns;
pub mod decode;
mod embedded;
mod files;
mod fit;
mod folder;
mod guard;
mod idx;
pub mod labels;
mod manifest;
mod names;
mod npy;
mod opened;
pub mod outputs;
mod packed;
mod places;
pub mod preprocess;
mod sample;
mod set;
mod table;
mod text;
pub mod unit;

pub use embedded::Embedded;
pub use files::{may_pass, read_file};
pub use manifest::{columns as manifest_columns, is_table, label_column, lists_classes, yes_no_columns};
pub use preprocess::Preprocess;
pub use sample::Sample;
pub use set::ImageSet;
pub use table::TextTable;

#[cfg(test)]
mod tests;
