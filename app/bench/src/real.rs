//! Real scans: made once, in the bench's folder, and resumed like any other.

use super::job::{Job, Task};
use ascan_config::ConfigErrors;
use ascan_config::bench::{BenchConfig, ScanSection};
use ascan_config::host::PluginHost;
use ascan_core::{Reporter, Result};
use ascan_engine::plan::RunPlan;
use ascan_engine::scan::scan;
use std::path::Path;

/// A data set whose model and images have been opened.
#[derive(Debug)]
pub struct PlannedScan {
    name: String,
    section: ScanSection,
    /// The split that is fitted to and the one that is scored.
    plans: [RunPlan; 2],
}

/// Opens the images and models of `[scans]`.
///
/// # Errors
/// Everything that is wrong with their configurations.
pub fn plan(config: &mut BenchConfig, host: &PluginHost) -> Result<Vec<PlannedScan>, ConfigErrors> {
    let mut planned = Vec::new();
    for (name, entry) in &mut config.scans {
        let Some(splits) = entry.splits.take() else { continue };
        let [fit, test] = *splits;
        let plans = [RunPlan::compile(fit, host)?, RunPlan::compile(test, host)?];
        planned.push(PlannedScan { name: name.clone(), section: entry.section.clone(), plans });
    }
    Ok(planned)
}

impl PlannedScan {
    /// Scans what is missing, and gives a job for each method and form of the features.
    pub(super) fn run(&self, config: &BenchConfig, out: &Path, reporter: &dyn Reporter) -> Result<Vec<Job>> {
        let folder = |split: &str| out.join("scans").join(format!("{}-{split}", self.name));
        let folders = [folder("fit"), folder("test")];
        for (plan, folder) in self.plans.iter().zip(&folders) {
            scan(plan, folder, reporter)?;
        }
        let [fit, test] = folders;
        let mut jobs = Vec::new();
        for (name, method) in &config.slicers {
            for &variant in &self.section.variants {
                let task = Task::Scan {
                    scan: self.name.clone(),
                    fit: fit.clone(),
                    test: test.clone(),
                    variant,
                    groups: self.section.groups.clone(),
                };
                jobs.push(super::job(config, name, method, task));
            }
        }
        Ok(jobs)
    }
}
