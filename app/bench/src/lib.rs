//! `ascan bench slicers`: every method on identical tables, quality beside time and memory. [`regularizers`] are compared by the
//! models that they make, on real pictures or those of [`plant`].
//!
//! Three sorts of tables: with a planted slice ([`planted`]), real scans in every form of their features ([`variants`]), and
//! tables of growing size. A measurement is a [`Job`], done in a process of its own; one that is done is kept under
//! `jobs/` by what it depends on, so that a bench that was stopped goes on where it was.

pub mod child;
pub mod job;
pub mod plant;
pub mod planted;
mod real;
pub mod regularizers;
pub mod results;
pub mod score;
mod tables;
#[cfg(test)]
mod tests;
pub mod variants;

pub use job::{Job, Measured, Outcome, Task};
pub use planted::Planted;
pub use real::{PlannedScan, plan};
pub use results::{BenchReport, JobResult};

use ascan_config::bench::{BenchConfig, Method};
use ascan_config::host::PluginHost;
use ascan_core::{Error, Kind, Level, Reporter, Result};
use ascan_store::{LocalStorage, Storage};
use planted::PlantedKind;
use std::path::{Path, PathBuf};

/// Does a job: in a child process, or (in tests) in this one.
pub type Work<'a> = dyn Fn(&Job) -> Result<Outcome> + 'a;

/// Which sorts of tables are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// `[planted]`
    pub planted: bool,
    /// `[scans]`
    pub scans: bool,
    /// `[cost]`
    pub cost: bool,
}

/// Measures what the configuration asks for and writes `table.md`, `table.csv` and `results.json` to `out`.
///
/// A method that fails is reported as failed and stops no other.
///
/// # Errors
/// `File` if `out` cannot be written, what a scan reports, `Cancelled` on request; what is done is kept.
pub fn run(
    config: &BenchConfig,
    scans: &[PlannedScan],
    parts: Parts,
    host: &PluginHost,
    out: &Path,
    work: &Work,
    reporter: &dyn Reporter,
) -> Result<BenchReport> {
    let storage = LocalStorage::new(out);
    let mut jobs = Vec::new();
    if parts.planted {
        jobs.extend(planted_jobs(config));
    }
    if parts.scans {
        for scan in scans {
            jobs.extend(scan.run(config, out, reporter)?);
        }
    }
    if parts.cost {
        jobs.extend(cost_jobs(config));
    }
    let mut results: Vec<JobResult> = Vec::with_capacity(jobs.len());
    let n_jobs = jobs.len();
    for (i, job) in jobs.into_iter().enumerate() {
        if !reporter.progress("bench", i as u64, n_jobs as u64) {
            return Err(Error::Cancelled);
        }
        let result = match too_slow(&job, &results) {
            Some(error) => JobResult { job, outcome: None, error: Some(error) },
            None => measure(job, host, &storage, work)?,
        };
        if let Some(error) = &result.error {
            reporter.log(Level::Warning, &format!("{}: {error}", result.job.name));
        }
        results.push(result);
    }
    reporter.progress("bench", n_jobs as u64, n_jobs as u64);
    let report = BenchReport::new(config.clone(), results);
    storage.put("table.md", report.to_markdown().as_bytes())?;
    storage.put("table.csv", report.to_csv()?.as_bytes())?;
    let json = serde_json::to_vec_pretty(&report).map_err(|error| Error::file(out, error, ""))?;
    storage.put("results.json", &json)?;
    Ok(report)
}

/// The result that is kept, or a new one.
fn measure(job: Job, host: &PluginHost, storage: &dyn Storage, work: &Work) -> Result<JobResult> {
    let name = format!("jobs/{}.json", key(&job, host)?);
    if storage.exists(&name)?
        && let Ok(result) = serde_json::from_slice(&storage.get(&name)?)
    {
        return Ok(result);
    }
    match work(&job) {
        Err(Error::Cancelled) => Err(Error::Cancelled),
        // Not kept: the reason may be gone the next time.
        Err(error) => Ok(JobResult { job, outcome: None, error: Some(error.to_string()) }),
        Ok(outcome) => {
            let result = JobResult { job, outcome: Some(outcome), error: None };
            let json = serde_json::to_vec(&result).map_err(|error| Error::file(&name, error, ""))?;
            storage.put(&name, &json)?;
            Ok(result)
        }
    }
}

/// A hash of all that a result depends on: the job, and the library that does it.
fn key(job: &Job, host: &PluginHost) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&serde_json::to_vec(job).map_err(|error| Error::param("bench", error.to_string(), ""))?);
    let kind = if matches!(job.task, Task::Projector { .. }) { Kind::Projector } else { Kind::Slicer };
    let projector = &job.method.projection.plugin;
    let used = [(kind, &job.method.plugin), (Kind::Projector, projector)];
    for (kind, plugin) in used.into_iter().filter(|(_, plugin)| !matches!(plugin.as_str(), "" | "none")) {
        let library = host.plugin(kind, plugin)?.path().map(PathBuf::from);
        if let Some(bytes) = library.or_else(|| std::env::current_exe().ok()).and_then(|file| std::fs::read(file).ok())
        {
            hasher.update(&bytes);
        }
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

fn job(config: &BenchConfig, name: &str, method: &Method, task: Task) -> Job {
    Job {
        name: name.into(),
        method: method.clone(),
        task,
        seed: config.run.seed,
        n_threads: ascan_config::sections::threads(config.run.n_threads),
    }
}

/// A job for each method, kind and strength.
fn planted_jobs(config: &BenchConfig) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (name, method) in &config.slicers {
        for kind in PlantedKind::ALL {
            for &strength in kind.strengths(&config.planted) {
                let table = |i: usize| {
                    // The same tables for every method, others for each kind and strength.
                    let seed = config.run.seed ^ (kind as u64) << 56 ^ ((strength * 1e6) as u64) << 24 ^ i as u64;
                    Planted { kind, strength, seed }
                };
                let tables = (0..config.planted.n_tables).map(table).collect();
                jobs.push(job(config, name, method, Task::Planted { tables, section: config.planted.clone() }));
            }
        }
    }
    jobs
}

/// Each method on tables of growing size, up to the largest that it is meant for.
fn cost_jobs(config: &BenchConfig) -> Vec<Job> {
    let mut rows = config.cost.rows.clone();
    rows.sort_unstable();
    rows.dedup();
    let n_dims = config.cost.n_dims;
    let mut jobs = Vec::new();
    for (methods, is_slicer) in [(&config.slicers, true), (&config.projectors, false)] {
        for (name, method) in methods {
            for &n_rows in rows.iter().filter(|&&n| n <= method.max_rows) {
                let task = if is_slicer { Task::Slicer { n_rows, n_dims } } else { Task::Projector { n_rows, n_dims } };
                jobs.push(job(config, name, method, task));
            }
        }
    }
    jobs
}

/// Why a larger table need not be tried: the method already failed on a smaller one.
fn too_slow(job: &Job, done: &[JobResult]) -> Option<String> {
    let size = |task: &Task| match task {
        Task::Slicer { n_rows, .. } => Some((0, *n_rows)),
        Task::Projector { n_rows, .. } => Some((1, *n_rows)),
        _ => None,
    };
    let (sort, n_rows) = size(&job.task)?;
    done.iter()
        .filter(|result| result.error.is_some() && result.job.name == job.name)
        .filter_map(|result| size(&result.job.task))
        .find(|&(other, smaller)| other == sort && smaller < n_rows)
        .map(|(_, smaller)| format!("not tried on {n_rows} rows: it failed on {smaller}"))
}
