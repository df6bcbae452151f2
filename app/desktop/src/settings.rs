//! What outlives the program: recent scans, the arrangement of the window, saved views.

use super::command::View;
use ascan_core::{Error, Result};
use ascan_viz::heat::Look;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const N_RECENT: usize = 12;

/// Kept in the user's configuration folder, as TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark colours.
    pub dark: bool,
    /// Size of text, 1 is the system's.
    pub text_scale: f32,
    /// Width of the list.
    pub table_px: f32,
    /// Width of the inspector.
    pub inspector_px: f32,
    /// Whether the list is shown.
    pub table_visible: bool,
    /// Whether the inspector is shown.
    pub inspector_visible: bool,
    /// How pictures are drawn, in tiles as in the grid of images.
    pub look: Look,
    /// Who judges; empty: the user's name on this machine.
    pub author: String,
    /// Scans opened lately, the last one first.
    pub recent: Vec<PathBuf>,
    /// Named views.
    pub views: Vec<SavedView>,
}

/// A view to come back to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedView {
    /// Its name.
    pub name: String,
    /// What is in the middle.
    pub view: View,
    /// Layout of the mosaic.
    pub layout: usize,
    /// Its colours.
    pub metric: usize,
    /// Its areas.
    pub size: usize,
    /// Order of the list.
    pub sort: Option<(usize, bool)>,
    /// Search of the list.
    pub search: String,
    /// Only what is clearly worse.
    pub worse_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dark: true,
            text_scale: 1.0,
            table_px: 300.0,
            inspector_px: 340.0,
            table_visible: true,
            inspector_visible: true,
            look: Look::default(),
            author: String::new(),
            recent: Vec::new(),
            views: Vec::new(),
        }
    }
}

impl Settings {
    /// Where they are kept; `None` without a home folder.
    pub fn path() -> Option<PathBuf> {
        let folder = std::env::var_os("ASCAN_CONFIG_DIR").map(PathBuf::from);
        folder.or_else(|| dirs::config_dir().map(|dir| dir.join("ascan"))).map(|dir| dir.join("desktop.toml"))
    }

    /// Those of this user. A file that is missing or damaged is no reason not to start.
    pub fn load() -> Self {
        let text = Self::path().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }

    /// Keeps them.
    ///
    /// # Errors
    /// `File` if they cannot be written.
    pub fn save(&self) -> Result<()> {
        let Some(path) = Self::path() else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| Error::file(&path, format!("cannot be written: {error}"), "");
        let text = toml::to_string_pretty(self).map_err(|error| failed(&error))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        ascan_store::disk::write(&path, text.as_bytes()).map_err(|error| failed(&error))
    }

    /// Notes that a scan was opened.
    pub fn opened(&mut self, scan: &Path) {
        let scan = scan.canonicalize().unwrap_or_else(|_| scan.to_owned());
        self.recent.retain(|other| *other != scan);
        self.recent.insert(0, scan);
        self.recent.truncate(N_RECENT);
    }

    /// Who judges.
    pub fn author(&self) -> String {
        if self.author.trim().is_empty() { ascan_store::annotations::default_author() } else { self.author.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_a_round_trip_and_unknown_files() {
        let mut settings = Settings { dark: false, ..Settings::default() };
        settings.views.push(SavedView { name: "worst".into(), sort: Some((3, true)), ..SavedView::default() });
        let text = toml::to_string_pretty(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
        assert_eq!(toml::from_str::<Settings>("table_px = 200.0").unwrap().table_px, 200.0);
    }

    #[test]
    fn a_scan_opened_again_moves_to_the_front() {
        let mut settings = Settings::default();
        for name in ["a", "b", "a"] {
            settings.opened(Path::new(name));
        }
        assert_eq!(settings.recent, [PathBuf::from("a"), PathBuf::from("b")]);
    }
}
