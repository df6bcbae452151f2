//! The scan: every image through model, attribution and features, into the store.

mod batch;
mod job;
mod pipeline;
mod planned;
mod stages;
mod summary;
#[cfg(test)]
mod tests;

pub use job::{Images, Job, Target};
pub use planned::{explain, scan};
pub use summary::{FailedImage, ScanSummary, figures_of_scan};

use crate::memory::peak_rss_mib;
use ascan_config::RunConfig;
use ascan_core::{Level, Reporter, Result};
use ascan_images::may_pass;
use ascan_store::{Scan, ScanLock, ScanRow, ScanWriter, Storage};
use pipeline::Progress;
use stages::{Stage, Stages};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// Does what is missing of a scan in `dir`, over `storage`.
///
/// # Errors
/// As [`scan`].
pub fn run_job(
    job: &Job,
    config: &RunConfig,
    dir: &Path,
    storage: Box<dyn Storage>,
    reporter: &dyn Reporter,
) -> Result<ScanSummary> {
    let start = Instant::now();
    let _lock = ScanLock::take(dir)?;
    let stages = Stages::default();
    let mut writer = ScanWriter::begin(&*storage, dir, config, job.plan)?;
    // What the machine had against an image may be over.
    writer.redo(|row, reason| may_pass(reason) && job.images.load(row).is_ok())?;
    for reason in &writer.damaged {
        reporter.log(Level::Warning, &format!("{reason}: these rows are computed again"));
    }
    let n_missing: usize = writer.missing.iter().map(|&shard| job.plan.rows(shard).len()).sum();
    let n_resumed = job.plan.data.n_rows - n_missing;
    let batches = batches(job, &writer.missing);
    if !batches.is_empty() {
        let progress = Progress { reporter, done_before: n_resumed, n_rows: job.plan.data.n_rows };
        let mut rows: Vec<ScanRow> = Vec::new();
        pipeline::run(job, &batches, &progress, &stages, |range, outcomes| {
            rows.extend(
                range.clone().zip(outcomes).map(|(row, outcome)| ScanRow { facts: job.images.facts(row), outcome }),
            );
            // Batches arrive in order and do not cross shards.
            let shard = range.start / job.plan.shard_rows;
            if range.end == job.plan.rows(shard).end {
                stages.time(Stage::Write, || writer.write_shard(shard, &rows))?;
                rows.clear();
            }
            Ok(())
        })?;
    }
    drop(writer);
    let total = start.elapsed().as_secs_f64();
    let mut summary = ScanSummary::of(&Scan::open_in(dir, storage)?)?;
    summary.n_resumed = n_resumed;
    summary.seconds = stages.seconds();
    summary.seconds.insert("total".into(), total);
    summary.images_per_second = n_missing as f64 / total;
    summary.peak_rss_mib = peak_rss_mib();
    Ok(summary)
}

/// The work, in order: a batch never crosses a shard, so a resumed scan makes the same calls as an undisturbed one.
fn batches(job: &Job, missing: &[usize]) -> Vec<Range<usize>> {
    let size = job.plan.batch_size.max(1);
    let of_shard = |&shard: &usize| {
        let rows = job.plan.rows(shard);
        rows.clone().step_by(size).map(move |start| start..(start + size).min(rows.end))
    };
    missing.iter().flat_map(of_shard).collect()
}
