//! Everything that is made for people from a scan: pages, pictures and tables.
//!
//! [`album`] reads the pictures and maps of a scan; [`mosaic`] draws all slices at once, [`report`] writes one page of
//! them, [`gallery`] shows images under several attribution methods, [`compare`] sets two models side by side,
//! [`curves`] and [`bench`](mod@bench) draw charts, and [`export`] hands everything to other programs. Pages share what is in `page`;
//! [`figures`] are called the same in pages and window.

pub mod album;
pub mod bench;
pub mod compare;
pub mod curves;
pub mod export;
pub mod figures;
pub mod gallery;
pub mod judged;
pub mod mosaic;
mod page;
pub mod report;
