//! A scan on disk: its settings, its rows in shards, and the slice sets made from them.
//!
//! ```text
//! scan.toml                     the resolved configuration
//! plan.json                     what the rows depend on
//! data/samples-00017.parquet    a row an image, for people and other programs
//! data/features-00017.arrow     embeddings and raw attribution maps
//! commits/00017.json            names, sizes and hashes; a shard exists when its commit does
//! slices/<id>/                  params.json, assignment.parquet, report.json
//! annotations/                  verdicts, a file a process
//! spread/                       spuriousness of every image, from the marks; spread.json, review.json
//! cache/                        can be deleted at any time
//! ```
//!
//! Files are written under a temporary name, flushed and renamed, and a shard's commit is written last:
//! whenever a scan is killed, what is there is whole, and the rest is done again by the next run.

mod commit;
mod features;
pub mod layout;
mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub mod plan;
pub mod row;
mod samples;
mod slices;
mod spread;
mod storage;
#[cfg(test)]
mod tests;
mod writer;

pub use lock::ScanLock;
pub use plan::ScanPlan;
pub use row::{Facts, Outcome, ScanRow};
pub use slices::StoredSlices;
pub use spread::StoredSpread;
pub(crate) use storage::sync_folder;
pub use storage::{LocalStorage, Storage};
pub use writer::ScanWriter;

use crate::config::RunConfig;
use crate::table::ScanTable;
use ascan_core::{Error, Result, Tensor};
use commit::Commit;
use std::path::{Path, PathBuf};

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

    pub(crate) fn open_in(dir: &Path, storage: Box<dyn Storage>) -> Result<Self> {
        if !storage.exists(layout::PLAN)? {
            return Err(Error::file(dir, "holds no scan", "make one with `ascan scan CONFIG --out FOLDER`"));
        }
        let plan = ScanPlan::from_json(&storage.get(layout::PLAN)?, dir)?;
        let path = dir.join(layout::CONFIG);
        let config = storage.get(layout::CONFIG)?;
        let config = std::str::from_utf8(&config).map_err(|error| Error::file(&path, error, ""))?;
        let config = toml::from_str(config).map_err(|error| Error::file(&path, error.message(), ""))?;
        let mut damaged = Vec::new();
        let mut commits = Vec::new();
        for shard in 0..plan.n_shards() {
            let commit = read_commit(&*storage, &plan, shard)?.and_then(|commit| {
                let checked = commit.check_sizes(&*storage);
                checked.inspect_err(|reason| damaged.push(reason.clone())).ok().map(|()| commit)
            });
            commits.push(commit);
        }
        Ok(Self { dir: dir.to_owned(), config, plan, damaged, storage, commits })
    }

    /// Rows in complete shards.
    pub fn n_rows_done(&self) -> usize {
        self.commits.iter().flatten().map(|commit| commit.n_rows).sum()
    }

    /// Whether every row is there.
    pub fn is_complete(&self) -> bool {
        self.commits.iter().all(Option::is_some)
    }

    /// All rows.
    ///
    /// # Errors
    /// `File` if shards are missing or damaged; it names them and says how to mend the scan.
    pub fn table(&self) -> Result<ScanTable> {
        self.check_complete()?;
        let n = self.plan.data.n_rows;
        let [h, w] = self.plan.attribution.stored_map_size;
        let (d, k) = (self.plan.features.n_dims, self.plan.model.n_classes);
        let mut table = ScanTable::default();
        let mut probs = Vec::with_capacity(n * k);
        let mut embeddings = Vec::with_capacity(n * d);
        let mut maps = Vec::with_capacity(n * h * w);
        for commit in self.commits.iter().flatten() {
            self.read_samples(commit, &mut table, &mut probs)?;
            let name = layout::features(commit.shard);
            let bytes = commit.read(&*self.storage, &name).map_err(|reason| self.damage(&reason))?;
            features::decode(&bytes, &mut embeddings, &mut maps).map_err(|error| self.unreadable(&name, error))?;
        }
        table.probs = Tensor::new([n, k], probs)?;
        table.embeddings = Tensor::new([n, d], embeddings)?;
        table.maps = Tensor::new([n, h, w], maps)?;
        Ok(table)
    }

    /// Visits the rows a shard at a time, without embeddings, maps and probabilities: in memory that does not grow.
    ///
    /// # Errors
    /// As [`Self::table`].
    pub fn for_each_shard(&self, mut visit: impl FnMut(&ScanTable)) -> Result<()> {
        self.check_complete()?;
        for commit in self.commits.iter().flatten() {
            let mut table = ScanTable::default();
            self.read_samples(commit, &mut table, &mut Vec::new())?;
            visit(&table);
        }
        Ok(())
    }

    fn read_samples(&self, commit: &Commit, table: &mut ScanTable, probs: &mut Vec<f32>) -> Result<()> {
        let name = layout::samples(commit.shard);
        let bytes = commit.read(&*self.storage, &name).map_err(|reason| self.damage(&reason))?;
        samples::decode(bytes, &self.plan, table, probs).map_err(|error| self.unreadable(&name, error))
    }

    fn check_complete(&self) -> Result<()> {
        if let Some(reason) = self.damaged.first() {
            return Err(self.damage(reason));
        }
        let n_missing = self.commits.iter().filter(|commit| commit.is_none()).count();
        if n_missing > 0 {
            let (done, n) = (self.n_rows_done(), self.plan.data.n_rows);
            let message = format!("the scan is not finished: {done} of {n} images are done");
            return Err(Error::file(&self.dir, message, "run `ascan scan` again with the same --out to go on"));
        }
        Ok(())
    }

    fn damage(&self, reason: &str) -> Error {
        let message = format!("the scan is damaged: {reason}");
        Error::file(&self.dir, message, "run `ascan scan` again with the same --out: damaged shards are done again")
    }

    fn unreadable(&self, name: &str, error: impl std::fmt::Display) -> Error {
        Error::file(self.dir.join(name), format!("cannot be understood: {error}"), "scan again into a new folder")
    }
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
