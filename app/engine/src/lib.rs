//! From a configuration to a scan on disk, its slices and its report. No GUI.
//!
//! The data flows one way: [`config`] → `plan` → `images` → `scan` (into `store`) → [`table`] → `slices` → `mosaic` → `report`;
//! beside it [`faithfulness`], which judges the attributions;
//! from verdicts on slices ([`annotations`]): [`mislabels`]; [`spread`] → [`repair`] → another scan → [`compare`].

pub mod album;
pub mod annotations;
pub mod bench;
pub mod compare;
pub mod config;
pub mod demo;
pub mod export;
pub mod faithfulness;
pub mod features;
pub mod gallery;
pub mod host;
pub mod images;
pub mod inversion;
pub mod likeness;
pub mod memory;
pub mod mislabels;
pub mod mosaic;
pub mod plan;
pub mod repair;
pub mod report;
pub mod scan;
pub mod slices;
pub mod spread;
pub mod store;
pub mod table;
mod workers;
