//! What a bench found, and the figures drawn from it.

use super::job::{Job, Measured, Outcome, Task};
use super::score::FOUND;
use ascan_config::bench::{BenchConfig, Variant};
use serde::{Deserialize, Serialize};

/// `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Of the program.
    pub version: String,
    /// The configuration, every default written out.
    pub config: BenchConfig,
    /// Each job with what came out, in the order of methods within each sort of table.
    pub results: Vec<JobResult>,
    /// How the cost of each method grows.
    pub growth: Vec<Growth>,
}

/// A job and what came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// What was measured.
    pub job: Job,
    /// What came out, if it worked.
    pub outcome: Option<Outcome>,
    /// Why it did not.
    pub error: Option<String>,
}

/// Cost of a method as its table grows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Growth {
    /// The method.
    pub name: String,
    /// Whether it is a projector.
    pub is_projector: bool,
    /// Rows, seconds of fit and membership, and the most memory, of each table; without a value where it failed.
    pub points: Vec<(usize, Option<f64>, Option<f64>)>,
    /// `seconds ∝ rows^exponent`; see [`exponent`].
    pub exponent: Option<f64>,
}

/// Planted slices of one method, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedSummary {
    /// Mean over the planted slices.
    pub precision_at_10: f64,
    /// Mean over the planted slices.
    pub precision_at_25: f64,
    /// Mean over the planted slices.
    pub average_precision: f64,
    /// Share of the planted slices with a precision@10 of [`FOUND`] or more.
    pub found: f64,
    /// Share of the slices called clearly worse that hold no planted one; `None` if none was.
    pub false_discoveries: Option<f64>,
    /// Mean over the tables.
    pub nmi: f64,
    /// Mean over the tables.
    pub ari: f64,
    /// Slices that were made, mean over the tables.
    pub n_slices: f64,
    /// Mean over the tables.
    pub seconds: f64,
    /// The most over the tables.
    pub peak_mib: Option<f64>,
}

impl BenchReport {
    pub(super) fn new(config: BenchConfig, results: Vec<JobResult>) -> Self {
        let growth = growth(&results);
        Self { version: env!("CARGO_PKG_VERSION").into(), config, results, growth }
    }

    /// Names of the slicers, sorted.
    pub fn slicers(&self) -> impl Iterator<Item = &str> {
        self.config.slicers.keys().map(String::as_str)
    }

    /// What a slicer made of the planted tables of these sorts; `None` where it has no result.
    pub fn planted(&self, name: &str, select: impl Fn(&super::Planted) -> bool) -> Option<PlantedSummary> {
        let mut measured = Vec::new();
        for result in self.of(name) {
            if let (Task::Planted { tables, .. }, Some(outcome)) = (&result.job.task, &result.outcome) {
                let chosen = tables.iter().zip(&outcome.measured).filter(|(table, _)| select(table));
                measured.extend(chosen.map(|(_, measured)| measured));
            }
        }
        PlantedSummary::of(&measured)
    }

    /// What a slicer made of a scan in one form of its features.
    pub fn scan(&self, name: &str, scan: &str, variant: Variant) -> Option<&Measured> {
        self.of(name).find_map(|result| match (&result.job.task, &result.outcome) {
            (Task::Scan { scan: of, variant: form, .. }, Some(outcome)) if of == scan && *form == variant => {
                outcome.measured.first()
            }
            _ => None,
        })
    }

    /// The scans that were measured, with their forms of features.
    pub fn scans(&self) -> Vec<(&str, &[Variant])> {
        let measured = |name: &str| {
            self.results.iter().any(|result| matches!(&result.job.task, Task::Scan { scan, .. } if scan == name))
        };
        let scans = self.config.scans.iter().filter(|(name, _)| measured(name));
        scans.map(|(name, scan)| (name.as_str(), &scan.section.variants[..])).collect()
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &JobResult> {
        self.results.iter().filter(move |result| result.job.name == name)
    }
}

impl PlantedSummary {
    fn of(measured: &[&Measured]) -> Option<Self> {
        let scores: Vec<_> = measured.iter().filter_map(|measured| measured.score.as_ref()).collect();
        let found: Vec<_> = scores.iter().flat_map(|score| &score.found).collect();
        if found.is_empty() {
            return None;
        }
        let n_flagged: usize = scores.iter().map(|score| score.n_flagged).sum();
        let n_false: usize = scores.iter().map(|score| score.n_false).sum();
        Some(Self {
            precision_at_10: mean(found.iter().map(|found| found.precision_at_10)),
            precision_at_25: mean(found.iter().map(|found| found.precision_at_25)),
            average_precision: mean(found.iter().map(|found| found.average_precision)),
            found: mean(found.iter().map(|found| if found.precision_at_10 >= FOUND { 1.0 } else { 0.0 })),
            false_discoveries: (n_flagged > 0).then(|| n_false as f64 / n_flagged as f64),
            nmi: mean(scores.iter().map(|score| score.nmi)),
            ari: mean(scores.iter().map(|score| score.ari)),
            n_slices: mean(scores.iter().map(|score| score.n_slices as f64)),
            seconds: mean(measured.iter().map(|measured| measured.seconds())),
            peak_mib: measured.iter().filter_map(|measured| measured.peak_mib).reduce(f64::max),
        })
    }
}

/// Mean; NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    sum / n as f64
}

fn growth(results: &[JobResult]) -> Vec<Growth> {
    let mut all: Vec<Growth> = Vec::new();
    for result in results {
        let (is_projector, n_rows) = match result.job.task {
            Task::Slicer { n_rows, .. } => (false, n_rows),
            Task::Projector { n_rows, .. } => (true, n_rows),
            _ => continue,
        };
        let measured = result.outcome.as_ref().and_then(|outcome| outcome.measured.first());
        let point = (n_rows, measured.map(Measured::seconds), measured.and_then(|measured| measured.peak_mib));
        let name = &result.job.name;
        match all.iter_mut().find(|growth| growth.name == *name && growth.is_projector == is_projector) {
            Some(growth) => growth.points.push(point),
            None => all.push(Growth { name: name.clone(), is_projector, points: vec![point], exponent: None }),
        }
    }
    for growth in &mut all {
        let timed = growth.points.iter().filter_map(|&(rows, seconds, _)| Some((rows as f64, seconds?)));
        growth.exponent = exponent(&timed.collect::<Vec<_>>());
    }
    all
}

/// Below this, starting threads and reading the clock are most of what is measured.
const MIN_SECONDS: f64 = 0.01;

/// The slope of `ln seconds` over `ln rows` by least squares, over the tables that took at least 10 ms;
/// `None` for fewer than two of them.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> =
        points.iter().filter(|(_, seconds)| *seconds >= MIN_SECONDS).map(|(rows, s)| (rows.ln(), s.ln())).collect();
    let (x, y) = (mean(logs.iter().map(|log| log.0)), mean(logs.iter().map(|log| log.1)));
    let (xy, xx) =
        logs.iter().fold((0.0, 0.0), |(xy, xx), log| (xy + (log.0 - x) * (log.1 - y), xx + (log.0 - x).powi(2)));
    (logs.len() >= 2 && xx > 0.0).then(|| xy / xx)
}
