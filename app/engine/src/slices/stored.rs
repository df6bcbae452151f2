//! Slice sets in a scan folder, side by side.

use super::SliceSet;
use ascan_core::{Error, Result};
use ascan_store::Scan;
use std::time::SystemTime;

impl SliceSet {
    /// Keeps the set in the folder of its scan; the same recipe replaces its earlier result.
    ///
    /// # Errors
    /// `File` if it cannot be written; `Shape` for a set of another scan.
    pub fn save(&self, scan: &Scan) -> Result<()> {
        let json = |value: serde_json::Result<serde_json::Value>| {
            value.map_err(|error| Error::unsupported(format!("slices cannot be written as JSON: {error}"), ""))
        };
        let (recipe, report) = (json(serde_json::to_value(&self.recipe))?, json(serde_json::to_value(self))?);
        scan.save_slices(&self.id, &recipe, &self.assignment, &report)
    }

    /// Reads a set of a scan: the one of this id, or the newest.
    ///
    /// # Errors
    /// `UnknownName` (lists those that exist); `File` if there is none, or if it is damaged.
    pub fn load(scan: &Scan, id: Option<&str>) -> Result<Self> {
        let newest = match id {
            Some(id) => Some(id.to_owned()),
            None => scan.slice_sets()?.into_iter().max_by_key(|id| (written(scan, id), id.clone())),
        };
        let Some(id) = newest else {
            let hint = format!("make some with `ascan slice {}`", scan.dir.display());
            return Err(Error::file(&scan.dir, "has no slices yet", hint));
        };
        let stored = scan.load_slices(&id)?;
        let damaged = |error: &dyn std::fmt::Display| {
            let path = scan.dir.join("slices").join(&id).join("report.json");
            Error::file(path, format!("cannot be parsed: {error}"), "slice again with `ascan slice`")
        };
        let set: Self = serde_json::from_value(stored.report).map_err(|error| damaged(&error))?;
        let rows = set.slices.iter().chain(&set.noise).flat_map(|slice| slice.typical.iter().chain(&slice.worst));
        if let Some(row) = rows.copied().find(|&row| row >= stored.assignment.len()) {
            return Err(damaged(&format!("it speaks of image {row}, and the scan has {}", stored.assignment.len())));
        }
        // Its folder is its name, whatever the file says: the name becomes part of other names.
        Ok(Self { id, assignment: stored.assignment, ..set })
    }

    /// Every set of a scan, by id.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_all(scan: &Scan) -> Result<Vec<Self>> {
        scan.slice_sets()?.iter().map(|id| Self::load(scan, Some(id))).collect()
    }
}

/// When a set was written; the epoch if the file system does not know.
fn written(scan: &Scan, id: &str) -> SystemTime {
    let report = scan.dir.join("slices").join(id).join("report.json");
    report.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
