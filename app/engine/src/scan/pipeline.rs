//! Decoders, model workers and the order of their results.
//!
//! ```text
//! decoder ─┐             ┌─ model worker ─┐
//! decoder ─┴─ (queue) ───┴─ model worker ─┴─ (queue) ── collector, in the order of the rows
//!    └─────────────── one permit per batch, returned when it is collected ────────────────┘
//! ```
//!
//! Batches are fixed by their rows, so nothing depends on how the threads interleave. A decoder takes a
//! permit before it takes a batch and the collector hands it back once every batch before that one has
//! arrived: what is in memory is bounded, also where one image takes longer than thousands.

use super::batch::{self, Batch, BatchOutcome, guarded};
use super::job::Job;
use super::stages::{Stage, Stages};
use ascan_core::{Context, Error, Level, OpenModel, Reporter, Result};
use ascan_store::Outcome;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How often the reporter is asked whether to go on while nothing arrives.
const POLL: Duration = Duration::from_millis(100);
/// Where nothing has arrived for this long, it is said what is waited for: a net that never ends, an image on a dead disk.
const STALL: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 60 });
/// Batches in memory for each model worker: one in work, one waiting, one being decoded, one to be collected.
const BATCHES_PER_WORKER: usize = 4;
/// The run is given up when the model or the attributor failed on all of this many batches and images from the start.
const HOPELESS_BATCHES: usize = 3;
const HOPELESS_IMAGES: usize = 8;

/// Progress of a whole scan, of which this run may do only the rest.
pub(super) struct Progress<'a> {
    /// Where it is reported.
    pub reporter: &'a dyn Reporter,
    /// Rows done before this run.
    pub done_before: usize,
    /// Rows of the scan.
    pub n_rows: usize,
}

impl Progress<'_> {
    fn report(&self, done: usize) -> Result<()> {
        let go_on = self.reporter.progress("scan", (self.done_before + done) as u64, self.n_rows as u64);
        if go_on { Ok(()) } else { Err(Error::Cancelled) }
    }
}

/// Runs all batches; `collect` receives the rows of each in order.
///
/// # Errors
/// The first error of opening the model or of `collect`; the plugin's error if it fails on everything;
/// `Cancelled` on request. Errors of single images are in their rows.
pub(super) fn run(
    job: &Job,
    batches: &[Range<usize>],
    progress: &Progress,
    stages: &Stages,
    mut collect: impl FnMut(&Range<usize>, Vec<Result<Outcome, String>>) -> Result<()>,
) -> Result<()> {
    let n_workers = if job.open.device == "cpu" { job.n_threads.clamp(1, batches.len().max(1)) } else { 1 };
    let n_decoders = job.n_threads.clamp(1, batches.len().max(1));
    let n_permits = BATCHES_PER_WORKER * n_workers.max(n_decoders);
    let shared = Shared { job, batches, stages, next: AtomicUsize::new(0), stop: AtomicBool::new(false) };
    let shared = &shared;
    let messages = &Messages { reporter: progress.reporter, stop: &shared.stop, said: Mutex::default() };

    std::thread::scope(|scope| {
        let (permit_sender, permits) = bounded(n_permits);
        let (batch_sender, batch_receiver) = bounded(n_workers);
        let (outcome_sender, outcomes) = bounded(n_permits);
        for _ in 0..n_permits {
            // The queue is as long as there are permits.
            let _ = permit_sender.try_send(());
        }
        // Where the system gives no more threads, those that are there do all: nothing depends on their number.
        let mut refused = None;
        for i in 0..n_decoders {
            let (permits, batch_sender) = (permits.clone(), batch_sender.clone());
            let started = Builder::new().spawn_scoped(scope, move || shared.decode_batches(permits, batch_sender));
            refused = started.err().filter(|_| i == 0).or(refused);
        }
        for i in 0..n_workers {
            let (batches, outcomes) = (batch_receiver.clone(), outcome_sender.clone());
            let started = Builder::new().spawn_scoped(scope, move || shared.run_batches(batches, outcomes, messages));
            refused = started.err().filter(|_| i == 0).or(refused);
        }
        // Only the threads hold these now: when they end, the queues do.
        drop((permits, batch_sender, batch_receiver, outcome_sender));
        let result = match refused {
            Some(error) => Err(Error::unsupported(format!("no thread can be started: {error}"), "end other programs")),
            None => collect_in_order(shared, &outcomes, &permit_sender, progress, &mut collect),
        };
        shared.stop.store(true, Ordering::Relaxed);
        result
        // The queues to the collector close here, so that threads that wait for them end.
    })
}

/// What all threads see.
struct Shared<'a> {
    job: &'a Job<'a>,
    batches: &'a [Range<usize>],
    stages: &'a Stages,
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Shared<'_> {
    fn decode_batches(&self, permits: Receiver<()>, sender: Sender<Batch>) {
        while permits.recv().is_ok() && !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(rows) = self.batches.get(index) else { return };
            if sender.send(batch::decode(self.job, index, rows.clone(), self.stages)).is_err() {
                return;
            }
        }
    }

    /// What nothing has come back of.
    fn waits_for(&self, rows: &Range<usize>) -> String {
        let [first, last] = [rows.start, rows.end - 1].map(|row| self.job.images.facts(row).uri);
        format!(
            "nothing has come back for {} s: the images from `{first}` to `{last}` are being read, or are with the model. To stop: Ctrl-C \
             keeps what is done, Ctrl-C twice ends at once",
            STALL.as_secs()
        )
    }

    fn run_batches(&self, batches: Receiver<Batch>, outcomes: Sender<Result<BatchOutcome>>, messages: &Messages) {
        // Where the device is not shared out among workers, the only one has all threads.
        let n_threads = if self.job.open.device == "cpu" { self.job.open.n_threads } else { self.job.n_threads };
        let request = OpenModel { n_threads, ..self.job.open.clone() };
        let open = || guarded("the backend", || self.job.runtime.open(&request));
        let backend = match self.stages.time(Stage::Open, open) {
            Ok(backend) => backend,
            Err(error) => return drop(outcomes.send(Err(error))),
        };
        let context = Context { seed: self.job.plan.seed, n_threads: 1, reporter: messages };
        for batch in batches {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let outcome = guarded("the scan", || batch::run(self.job, &*backend, batch, &context, self.stages));
            if outcomes.send(outcome).is_err() {
                return;
            }
        }
    }
}

fn collect_in_order(
    shared: &Shared,
    outcomes: &Receiver<Result<BatchOutcome>>,
    permits: &Sender<()>,
    progress: &Progress,
    collect: &mut impl FnMut(&Range<usize>, Vec<Result<Outcome, String>>) -> Result<()>,
) -> Result<()> {
    let batches = shared.batches;
    let mut last = Instant::now();
    let mut early = BTreeMap::new();
    let mut failures = Failures::default();
    let (mut n_collected, mut n_rows) = (0, 0);
    progress.report(0)?;
    while n_collected < batches.len() {
        match outcomes.recv_timeout(POLL) {
            Ok(outcome) => {
                let outcome = outcome?;
                last = Instant::now();
                early.insert(outcome.index, outcome);
            }
            Err(RecvTimeoutError::Timeout) => {
                progress.report(n_rows)?;
                if last.elapsed() >= STALL {
                    last = Instant::now();
                    progress.reporter.log(Level::Warning, &shared.waits_for(&batches[n_collected]));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::plugin("the scan", "all workers ended early", "this is a defect: please report it"));
            }
        }
        while let Some(outcome) = early.remove(&n_collected) {
            let rows = &batches[n_collected];
            n_collected += 1;
            n_rows += rows.len();
            // A run that only ends a scan may well consist of bad images.
            failures.check(&outcome, n_collected == batches.len() && progress.done_before == 0)?;
            collect(rows, outcome.rows)?;
            // Every permit was taken from this queue, so there is room for it.
            let _ = permits.try_send(());
            match progress.report(n_rows) {
                // Too late to stop: everything is done.
                Err(_) if n_collected == batches.len() => {}
                reported => reported?,
            }
        }
    }
    Ok(())
}

/// Tells a plugin that fails on everything from a few bad images.
#[derive(Default)]
struct Failures {
    some_worked: bool,
    n_batches: usize,
    n_images: usize,
}

impl Failures {
    fn check(&mut self, outcome: &BatchOutcome, is_last: bool) -> Result<()> {
        let Some(error) = &outcome.failed else {
            // A batch of undecodable images says nothing about the plugin.
            self.some_worked |= outcome.rows.iter().any(Result::is_ok);
            return Ok(());
        };
        self.n_batches += 1;
        self.n_images += outcome.rows.len();
        let enough = self.n_batches >= HOPELESS_BATCHES && self.n_images >= HOPELESS_IMAGES;
        if !self.some_worked && (enough || is_last) { Err(error.clone()) } else { Ok(()) }
    }
}

/// The reporter of the workers: the same message is passed on once, and a stop reaches long computations.
struct Messages<'a> {
    reporter: &'a dyn Reporter,
    stop: &'a AtomicBool,
    said: Mutex<HashSet<String>>,
}

impl Reporter for Messages<'_> {
    fn log(&self, level: Level, message: &str) {
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if said.insert(message.to_owned()) {
            self.reporter.log(level, message);
        }
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}
