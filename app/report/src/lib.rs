//! Everything that is made for people from a scan: pages, pictures and tables.
//!
//! [`album`] reads the pictures and maps of a scan; [`mosaic`] draws all slices at once, [`report`] writes one page of
//! them, [`gallery`] shows images under several attribution methods, [`compare`] sets two models side by side,
//! [`curves`] and [`bench`](mod@bench) draw charts, and [`export`] hands everything to other programs.

pub mod album;
pub mod bench;
pub mod compare;
pub mod curves;
pub mod export;
pub mod gallery;
pub mod mosaic;
pub mod report;
