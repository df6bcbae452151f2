//! A scan on disk: its settings, its rows in shards, and the slice sets made from them.
//!
//! ```text
//! scan.toml                     the resolved configuration
//! plan.json                     what the rows depend on
//! data/samples-00017.parquet    one row per image, for people and other programs
//! data/features-00017.arrow     embeddings and raw attribution maps
//! commits/00017.json            names, sizes and hashes; a shard exists when its commit does
//! slices/<id>/                  params.json, assignment.parquet, report.json
//! annotations/                  verdicts, one file per process
//! spread/                       spuriousness of every image, from the marks; spread.json, review.json
//! cache/                        can be deleted at any time
//! ```
//!
//! Files are written under a temporary name, flushed and renamed, and a shard's commit is written last:
//! whenever a scan is killed, what is there is whole, and the rest is done again by the next run.

pub mod annotations;
mod commit;
pub mod disk;
mod features;
pub mod layout;
mod lock;
mod part;
pub mod plan;
mod read;
pub mod row;
mod samples;
mod slices;
mod spread;
mod storage;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

pub use lock::ScanLock;
pub use part::Part;
pub use plan::ScanPlan;
pub use row::{Facts, Outcome, ScanRow};
pub use slices::StoredSlices;
pub use spread::StoredSpread;
pub use storage::{LocalStorage, Storage};
pub use writer::ScanWriter;

use ascan_config::RunConfig;
use ascan_core::{Error, Result};
use commit::Commit;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Whether a message about a file says that what is in it is wrong, and not that the machine could not read it.
pub fn is_damage(message: &str) -> bool {
    message.starts_with(UNPARSED)
}

/// How such a message begins.
const UNPARSED: &str = "cannot be parsed";

/// A scan that can be read.
pub struct Scan {
    /// Its folder.
    pub dir: PathBuf,
    /// `scan.toml`.
    pub config: RunConfig,
    /// `plan.json`.
    pub plan: ScanPlan,
    /// A shard whose files are missing or have another size than was written, each with the reason.
    pub damaged: Vec<String>,
    storage: Box<dyn Storage>,
    commits: Vec<Option<Commit>>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("dir", &self.dir).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Scan {
    /// Opens a scan, finished or not.
    ///
    /// # Errors
    /// `File` if the folder holds no scan, or one of another format version.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_in(dir, Box::new(LocalStorage::new(dir)))
    }

    /// Opens a scan as far as it can be understood, with what could not be, and why.
    ///
    /// # Errors
    /// `File` if the folder holds no scan, or one whose plan cannot be read at all.
    pub fn open_partly(dir: &Path) -> Result<(Self, Vec<Error>)> {
        Self::open_partly_in(dir, Box::new(LocalStorage::new(dir)))
    }

    /// As [`Self::open`], from any storage; `dir` is where messages say that it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(dir: &Path, storage: Box<dyn Storage>) -> Result<Self> {
        let (scan, problems) = Self::open_partly_in(dir, storage)?;
        problems.into_iter().next().map_or(Ok(scan), Err)
    }

    /// As [`Self::open_partly`], from any storage.
    ///
    /// # Errors
    /// As [`Self::open_partly`].
    pub fn open_partly_in(dir: &Path, storage: Box<dyn Storage>) -> Result<(Self, Vec<Error>)> {
        if !storage.exists(layout::PLAN)? {
            return Err(Error::file(dir, "holds no scan", "make one with `ascan scan CONFIG --out FOLDER`"));
        }
        let (plan, newer) = ScanPlan::read(&storage.get(layout::PLAN)?, dir)?;
        let mut problems: Vec<Error> = newer.into_iter().collect();
        let config = read_config(&*storage, dir).unwrap_or_else(|error| {
            problems.push(error);
            RunConfig::default()
        });
        let mut damaged = Vec::new();
        let mut commits = Vec::new();
        let there: BTreeSet<String> =
            storage.list(layout::COMMITS)?.into_iter().map(|name| format!("{}/{name}", layout::COMMITS)).collect();
        for shard in 0..plan.n_shards() {
            if !there.contains(&layout::commit(shard)) {
                commits.push(None);
                continue;
            }
            let commit = read_commit(&*storage, &plan, shard)?.and_then(|commit| {
                let checked = commit.check_sizes(&*storage);
                checked.inspect_err(|reason| damaged.push(reason.clone())).ok().map(|()| commit)
            });
            commits.push(commit);
        }
        Ok((Self { dir: dir.to_owned(), config, plan, damaged, storage, commits }, problems))
    }

    /// Rows in complete shards.
    pub fn n_rows_done(&self) -> usize {
        self.commits.iter().flatten().map(|commit| commit.n_rows).sum()
    }

    /// Whether every row is there.
    pub fn is_complete(&self) -> bool {
        self.commits.iter().all(Option::is_some)
    }

    /// Whether slices and verdicts can be kept with the scan.
    ///
    /// # Errors
    /// `File`, with the reason.
    pub fn check_writable(&self) -> Result<()> {
        self.storage.check_writable()
    }

    /// The lock of a folder of the scan, where it is one of this machine.
    fn lock(&self, folder: &str) -> Result<Option<ScanLock>> {
        self.storage.path(folder).map(|_| ScanLock::wait(&self.dir, folder)).transpose()
    }

    /// What was kept under this name in the cache; it may be gone at any time.
    pub fn cached(&self, name: &str) -> Option<Vec<u8>> {
        self.storage.get(&layout::cache_file(name)).ok()
    }

    /// Keeps what can be computed again. Where nothing can be written, nothing is kept.
    pub fn cache(&self, name: &str, bytes: &[u8]) {
        let _ = self.keep(name, bytes);
    }

    /// As [`Self::cache`], for what somebody asked for.
    ///
    /// # Errors
    /// `File` if it cannot be written.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.storage.put(&layout::cache_file(name), bytes)
    }
}

fn read_config(storage: &dyn Storage, dir: &Path) -> Result<RunConfig> {
    let path = dir.join(layout::CONFIG);
    let hint = "pictures cannot be found without it: scan again into a new folder, or restore the file";
    let bytes = storage.get(layout::CONFIG)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| Error::file(&path, error, hint))?;
    toml::from_str(text).map_err(|error: toml::de::Error| Error::file(&path, error.message(), hint))
}

/// The commit of a shard; `None` if there is none, or one that says nothing about this shard.
fn read_commit(storage: &dyn Storage, plan: &ScanPlan, shard: usize) -> Result<Option<Commit>> {
    let name = layout::commit(shard);
    if !storage.exists(&name)? {
        return Ok(None);
    }
    let rows = plan.rows(shard);
    let commit: Option<Commit> = serde_json::from_slice(&storage.get(&name)?).ok();
    Ok(commit.filter(|commit| {
        let names: Vec<&str> = commit.files.iter().map(|file| file.name.as_str()).collect();
        (commit.shard, commit.first_row, commit.n_rows) == (shard, rows.start, rows.len())
            && names == [layout::samples(shard), layout::features(shard)]
    }))
}
