//! `commits/NNNNN.json`: a shard exists when its commit does.

use super::storage::Storage;
use ascan_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a complete shard consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Number of the shard.
    pub shard: usize,
    /// First row.
    pub first_row: usize,
    /// Number of rows.
    pub n_rows: usize,
    /// Its files.
    pub files: Vec<CommittedFile>,
    /// The plan that its rows are of, [`crate::ScanPlan::hash`]; empty in scans from before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
}

/// A file of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedFile {
    /// Name in the scan.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// Hash of its content, hex.
    pub blake3: String,
}

impl CommittedFile {
    /// The record of these bytes.
    pub fn of(name: String, bytes: &[u8]) -> Self {
        Self { name, bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }
}

impl Commit {
    /// The bytes of the commit's file.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::file("commit", error, ""))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Checks that the files are there in their size, without reading them; the reason if not.
    pub fn check_sizes(&self, storage: &dyn Storage) -> Result<(), String> {
        for file in &self.files {
            match storage.size(&file.name) {
                Ok(Some(bytes)) if bytes == file.bytes => {}
                Ok(Some(bytes)) => {
                    return Err(format!("{} has {bytes} bytes, {} were written", file.name, file.bytes));
                }
                Ok(None) => return Err(format!("{} is missing", file.name)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Reads a file of the shard and checks its hash; the reason if it is damaged.
    pub fn read(&self, storage: &dyn Storage, name: &str) -> Result<Vec<u8>, String> {
        let file = self.files.iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| format!("{name} is not in the commit"))?;
        let bytes = storage.get(name).map_err(|error| error.to_string())?;
        if *file == CommittedFile::of(name.to_owned(), &bytes) {
            Ok(bytes)
        } else {
            Err(format!("{name} was changed after it was written"))
        }
    }
}
