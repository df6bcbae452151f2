//! Writing a scan: begin or resume, then shard by shard.

use super::commit::{Commit, CommittedFile};
use super::plan::ScanPlan;
use super::row::ScanRow;
use super::storage::Storage;
use super::{features, layout, read_commit, samples};
use ascan_config::RunConfig;
use ascan_core::{Error, Result};
use std::path::{Path, PathBuf};

/// A scan being written.
pub struct ScanWriter<'a> {
    storage: &'a dyn Storage,
    /// Where messages say that it is.
    dir: PathBuf,
    plan: &'a ScanPlan,
    /// Hash of the plan.
    plan_hash: String,
    /// Shards still to be written, in order.
    pub missing: Vec<usize>,
    /// Shards that were written before and are no longer what they were; they are among the missing. With the reason.
    pub damaged: Vec<String>,
}

impl<'a> ScanWriter<'a> {
    /// Begins a scan, or goes on with the one that is there: what is planned minus what is committed is missing.
    ///
    /// # Errors
    /// `File` if the folder holds a scan with another plan (it says what differs), or things that are no scan.
    pub fn begin(storage: &'a dyn Storage, dir: &Path, config: &RunConfig, plan: &'a ScanPlan) -> Result<Self> {
        let there = storage.exists(layout::PLAN)?;
        if there {
            check_same_plan(storage, dir, plan)?;
        } else {
            check_no_strangers(storage, dir)?;
        }
        ["", layout::DATA, layout::COMMITS].iter().for_each(|folder| storage.sweep(folder));
        let plan_hash = plan.hash()?;
        if !there {
            drop_rows_of_others(storage, &plan_hash)?;
        }
        // The plan is written last: with it the scan exists. The configuration may have changed where it does not matter.
        storage.put(layout::CONFIG, config.to_toml()?.as_bytes())?;
        if !there {
            storage.put(layout::PLAN, &plan.to_json()?)?;
        }
        let (mut missing, mut damaged) = (Vec::new(), Vec::new());
        for shard in 0..plan.n_shards() {
            let Some(commit) = read_commit(storage, plan, shard)? else {
                missing.push(shard);
                continue;
            };
            let broken = commit.files.iter().find_map(|file| commit.read(storage, &file.name).err());
            if let Some(reason) = broken {
                missing.push(shard);
                damaged.push(reason);
            }
        }
        Ok(Self { storage, dir: dir.to_owned(), plan, plan_hash, missing, damaged })
    }

    /// Does the shards again that have rows with such an error.
    ///
    /// # Errors
    /// `File` if a shard cannot be read.
    pub fn redo(&mut self, row_is_to_be_redone: impl Fn(usize, &str) -> bool) -> Result<()> {
        for shard in (0..self.plan.n_shards()).filter(|shard| !self.missing.contains(shard)).collect::<Vec<_>>() {
            let (name, first) = (layout::samples(shard), self.plan.rows(shard).start);
            let errors = samples::decode_errors(self.storage.get(&name)?)
                .map_err(|error| Error::file(&name, format!("cannot be parsed: {error}"), ""))?;
            let mut failed = errors.iter().enumerate().filter_map(|(i, error)| Some((first + i, error.as_deref()?)));
            if failed.any(|(row, error)| row_is_to_be_redone(row, error)) {
                self.missing.push(shard);
            }
        }
        self.missing.sort_unstable();
        Ok(())
    }

    /// Writes a shard and commits it.
    ///
    /// # Errors
    /// `File`; the shard then does not exist.
    pub fn write_shard(&self, shard: usize, rows: &[ScanRow]) -> Result<()> {
        let range = self.plan.rows(shard);
        let failed = |name: &str| {
            let name = name.to_owned();
            move |error: Box<dyn std::error::Error + Send + Sync>| Error::file(name, error, "")
        };
        let (samples_name, features_name) = (layout::samples(shard), layout::features(shard));
        let samples = samples::encode(self.plan, range.start, rows).map_err(failed(&samples_name))?;
        let features = features::encode(self.plan, rows).map_err(failed(&features_name))?;
        if !self.storage.exists(layout::PLAN)? {
            let hint = "scan again, and leave the folder alone until the scan is done";
            return Err(Error::file(&self.dir, "was removed, or another took its place, while it was written", hint));
        }
        self.storage.put(&samples_name, &samples)?;
        self.storage.put(&features_name, &features)?;
        let files = vec![CommittedFile::of(samples_name, &samples), CommittedFile::of(features_name, &features)];
        let plan = self.plan_hash.clone();
        let commit = Commit { shard, first_row: range.start, n_rows: range.len(), files, plan };
        self.storage.put(&layout::commit(shard), &commit.to_json()?)
    }
}

fn check_same_plan(storage: &dyn Storage, dir: &Path, plan: &ScanPlan) -> Result<()> {
    let before = ScanPlan::from_json(&storage.get(layout::PLAN)?, dir)?;
    let differences = before.differences(plan);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::file(
        dir,
        format!("holds a scan with other settings:\n  {}", differences.join("\n  ")),
        "choose another folder with --out, or go back to the settings of the scan",
    ))
}

/// Takes back the commits of another plan in a folder that has lost its own: their rows are not what is asked for now.
fn drop_rows_of_others(storage: &dyn Storage, plan: &str) -> Result<()> {
    for name in storage.list(layout::COMMITS)? {
        let name = format!("{}/{name}", layout::COMMITS);
        let commit: Option<Commit> = storage.get(&name).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if commit.is_none_or(|commit| commit.plan != plan) {
            storage.remove(&name)?;
        }
    }
    Ok(())
}

/// A scan does not move into a folder with other things in it.
fn check_no_strangers(storage: &dyn Storage, dir: &Path) -> Result<()> {
    let names = storage.list("")?;
    match names.iter().find(|name| !name.starts_with('.') && !layout::TOP_LEVEL.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::file(
            dir,
            format!("is not empty and holds no scan: it contains `{name}`"),
            "choose a new folder with --out",
        )),
    }
}
