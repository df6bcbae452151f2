//! From a configuration to a scan on disk, its slices and its report. No GUI.
//!
//! The data flows one way: [`config`] → `plan` → `images` → `scan` (into `store`) → [`table`] → `slices` → `mosaic` → `report`.

pub mod album;
pub mod config;
pub mod demo;
pub mod export;
pub mod host;
pub mod mosaic;
pub mod report;
pub mod slices;
pub mod images;
pub mod features;
pub mod scan;
pub mod store;
pub mod plan;
pub mod table;
