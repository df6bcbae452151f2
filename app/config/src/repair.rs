//! The configuration of `ascan repair`: a file of its own, or the `[repair]` and `[run]` of a scan's.

use super::sections::RunSection;
use super::{ConfigErrors, Document, Loaded, SECTIONS};
use crate::host::PluginHost;
use crate::sections::RepairSection;
use ascan_core::Kind;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a model is repaired, its regularizer found and all parameters written out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RepairConfig {
    /// `[run]`: seed and threads.
    pub run: RunSection,
    /// `[repair]`
    pub repair: RepairSection,
}

impl RepairConfig {
    /// Reads a configuration and checks it, with its plugin. The other sections of a scan's configuration are left
    /// to the scan.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn load(path: &Path, overrides: &[String], host: &PluginHost) -> Result<Self, ConfigErrors> {
        Self::check(Document::read(path)?, overrides, host)
    }

    /// As [`Self::load`], of text in memory.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(name: &str, text: &str, overrides: &[String], host: &PluginHost) -> Result<Self, ConfigErrors> {
        Self::check(Document::parse(name, text, Path::new("."))?, overrides, host)
    }

    fn check(mut document: Document, overrides: &[String], host: &PluginHost) -> Result<Self, ConfigErrors> {
        let errors = document.apply(overrides);
        let mut loaded = Loaded { config: Self::default(), errors, document };
        loaded.check_sections(&SECTIONS);
        let masks = loaded.section(&["repair", "masks"]);
        let mut repair = RepairSection { masks, ..loaded.section_beside(&["repair"], &["masks"]) };
        repair.params = loaded.plugin(host, Kind::Regularizer, &["repair"], &repair.plugin, &repair.params);
        loaded.config = Self { run: loaded.section(&["run"]), repair };
        loaded.finish().map(|loaded| loaded.config)
    }
}
