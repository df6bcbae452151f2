//! Copies of a model, one a thread, that work through images together.

use ascan_core::{Context, Error, ModelBackend, OpenModel, Result, Runtime};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Copies of a model, each with one thread.
pub struct Workers {
    backends: Vec<Mutex<Box<dyn ModelBackend>>>,
}

impl Workers {
    /// Opens a copy for each thread.
    ///
    /// # Errors
    /// What opening the model reports.
    pub fn open(runtime: &dyn Runtime, open: &OpenModel, context: &Context) -> Result<Self> {
        let open = OpenModel { n_threads: 1, ..open.clone() };
        let backends = (0..context.n_threads.max(1)).map(|_| Ok(Mutex::new(runtime.open(&open)?)));
        Ok(Self { backends: backends.collect::<Result<_>>()? })
    }

    /// What `work` makes of each of `n` items, in their order. It is given ranges of as many items as the model likes
    /// best at once, or of one, and gives a value for each.
    ///
    /// # Errors
    /// The first error of `work`, which ends it.
    pub fn map<T: Send>(
        &self,
        n: usize,
        one_by_one: bool,
        work: impl Fn(&dyn ModelBackend, Range<usize>) -> Result<Vec<T>> + Sync,
    ) -> Result<Vec<T>> {
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<(usize, Vec<T>)>> = Mutex::default();
        let worker = |backend: &Mutex<Box<dyn ModelBackend>>| -> Result<()> {
            let backend = backend.lock().unwrap_or_else(PoisonError::into_inner);
            let size = if one_by_one { 1 } else { backend.info().preferred_batch.max(1) };
            loop {
                let start = next.fetch_add(size, Ordering::Relaxed);
                if start >= n {
                    return Ok(());
                }
                let range = start..(start + size).min(n);
                let made = work(&**backend, range.clone()).inspect_err(|_| next.store(n, Ordering::Relaxed))?;
                if made.len() != range.len() {
                    return Err(Error::shape("results of a worker", format!("{} values", range.len()), made.len()));
                }
                found.lock().unwrap_or_else(PoisonError::into_inner).push((start, made));
            }
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                self.backends.iter().take(n.max(1)).map(|backend| scope.spawn(|| worker(backend))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        results.into_iter().collect::<Result<Vec<()>>>()?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_unstable_by_key(|(start, _)| *start);
        Ok(found.into_iter().flat_map(|(_, made)| made).collect())
    }
}
