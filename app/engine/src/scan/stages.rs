//! Where the time goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Decode,
    /// The pass through the model, with the gradients that the methods share.
    Forward,
    Attribution,
    Features,
    Write,
}

const STAGES: [(Stage, &str); 6] = [
    (Stage::Open, "open"),
    (Stage::Decode, "decode"),
    (Stage::Forward, "forward"),
    (Stage::Attribution, "attribution"),
    (Stage::Features, "features"),
    (Stage::Write, "write"),
];

/// Time spent in each stage, summed over all threads.
#[derive(Debug, Default)]
pub(super) struct Stages {
    nanos: [AtomicU64; STAGES.len()],
}

impl Stages {
    /// Runs a piece of work and adds the time it took.
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.nanos[stage as usize].fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    /// Seconds by stage.
    pub fn seconds(&self) -> BTreeMap<String, f64> {
        let seconds = |stage: Stage| self.nanos[stage as usize].load(Ordering::Relaxed) as f64 / 1e9;
        STAGES.iter().map(|&(stage, name)| (name.to_owned(), seconds(stage))).collect()
    }
}
