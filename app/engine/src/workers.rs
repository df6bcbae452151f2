//! Copies of a model, one per thread, that work through images together.

use ascan_core::{Context, Forward, ModelBackend, OpenModel, Result, Runtime, TensorView};
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

    /// What `pick` takes of a forward pass for each of `n` inputs, `[c, h, w]`, given the pass and the row in it. `None`
    /// for an input that cannot be loaded. `progress` hears how many are done.
    ///
    /// # Errors
    /// What running the model reports, and what `progress` says.
    pub fn forward<T: Send>(
        &self,
        n: usize,
        layers: &[&str],
        load: impl Fn(usize) -> Result<Vec<f32>> + Sync,
        pick: impl Fn(&Forward, usize) -> Option<T> + Sync,
        progress: impl Fn(usize) -> Result<()> + Sync,
    ) -> Result<Vec<Option<T>>> {
        self.in_ranges(n, None, |backend, range| {
            progress(range.start)?;
            let [c, h, w] = backend.info().input_shape;
            let loaded: Vec<Option<Vec<f32>>> = range.map(|i| load(i).ok()).collect();
            let images: Vec<f32> = loaded.iter().flatten().flatten().copied().collect();
            let n_loaded = loaded.iter().flatten().count();
            if n_loaded == 0 {
                return Ok(loaded.iter().map(|_| None).collect());
            }
            let forward = backend.forward(TensorView::new(&[n_loaded, c, h, w], &images)?, layers)?;
            let mut rows = 0..n_loaded;
            Ok(loaded.into_iter().map(|image| image.and_then(|_| pick(&forward, rows.next()?))).collect())
        })
    }

    /// What `work` makes of each of `n` items, in their order.
    ///
    /// # Errors
    /// The first error of `work`, which ends it.
    pub fn map<T: Send>(
        &self,
        n: usize,
        work: impl Fn(&dyn ModelBackend, usize) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        self.in_ranges(n, Some(1), |backend, range| Ok(vec![work(backend, range.start)?]))
    }

    /// What `work` makes of ranges of `size` items, or of as many as the model likes best at once: a value for each.
    fn in_ranges<T: Send>(
        &self,
        n: usize,
        size: Option<usize>,
        work: impl Fn(&dyn ModelBackend, Range<usize>) -> Result<Vec<T>> + Sync,
    ) -> Result<Vec<T>> {
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<(usize, Vec<T>)>> = Mutex::default();
        let worker = |backend: &Mutex<Box<dyn ModelBackend>>| -> Result<()> {
            let backend = backend.lock().unwrap_or_else(PoisonError::into_inner);
            let size = size.unwrap_or(backend.info().preferred_batch).max(1);
            loop {
                let start = next.fetch_add(size, Ordering::Relaxed);
                if start >= n {
                    return Ok(());
                }
                let made =
                    work(&**backend, start..(start + size).min(n)).inspect_err(|_| next.store(n, Ordering::Relaxed))?;
                found.lock().unwrap_or_else(PoisonError::into_inner).push((start, made));
            }
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let (first, others) = self.backends.split_at(1);
            // Where the system gives no more threads, those that are there do all.
            let (worker, others) = (&worker, others.iter().take(n.saturating_sub(1)));
            let threads: Vec<_> = others
                .filter_map(|backend| std::thread::Builder::new().spawn_scoped(scope, move || worker(backend)).ok())
                .collect();
            let own: Vec<Result<()>> = first.iter().map(worker).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            own.into_iter().chain(threads.into_iter().map(join)).collect()
        });
        results.into_iter().collect::<Result<Vec<()>>>()?;
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_unstable_by_key(|(start, _)| *start);
        Ok(found.into_iter().flat_map(|(_, made)| made).collect())
    }
}

/// Gives the model's input for an image by its place, `[c, h, w]`.
pub type Load<'a> = dyn Fn(usize) -> Result<Vec<f32>> + Sync + 'a;

/// The logits of images, by their places; those that cannot be read are left out.
///
/// # Errors
/// What opening or running the model reports; `Cancelled`.
pub fn logits(
    runtime: &dyn Runtime,
    open: &OpenModel,
    n: usize,
    load: &Load,
    context: &Context,
) -> Result<Vec<Option<Vec<f32>>>> {
    let pick = |forward: &Forward, row: usize| Some(forward.logits.row(row).to_vec());
    let progress = |done| context.progress("running the model", done, n);
    Workers::open(runtime, open, context)?.forward(n, &[], load, pick, progress)
}
