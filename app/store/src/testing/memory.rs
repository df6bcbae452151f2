//! A store for tests that can break down at a chosen step.

use crate::Storage;
use ascan_core::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blobs in memory; clones share them.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    /// By name.
    pub blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Writes that still succeed; `None`: all.
    pub writes_left: Option<Arc<AtomicUsize>>,
    /// The write that breaks down is done, and only its answer is lost.
    pub breaks_after: bool,
}

impl MemoryStorage {
    /// The same blobs through a store that breaks down after `n` writes.
    pub fn breaking(&self, n: usize, breaks_after: bool) -> Self {
        Self { writes_left: Some(Arc::new(n.into())), breaks_after, ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blob of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn blob(&self, name: &str) -> Vec<u8> {
        self.lock()[name].clone()
    }

    /// Everything that was written.
    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().clone()
    }
}

impl Storage for MemoryStorage {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let left = self.writes_left.as_ref();
        let ok = left.is_none_or(|n| n.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok());
        if ok || self.breaks_after {
            self.lock().insert(name.to_owned(), bytes.to_vec());
        }
        if ok { Ok(()) } else { Err(Error::file(name, "the store broke down", "")) }
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        self.lock().get(name).cloned().ok_or_else(|| Error::file(name, "is not there", ""))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let blobs = self.lock();
        let inside = blobs.keys().filter_map(|name| name.strip_prefix(&prefix));
        let mut names: Vec<String> = inside.map(|name| name.split('/').next().unwrap_or_default().to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.lock().get(name).map(|bytes| bytes.len() as u64))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.lock().remove(name);
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        match &self.writes_left {
            Some(n) if n.load(Ordering::SeqCst) == 0 => Err(Error::file("", "the store broke down", "")),
            _ => Ok(()),
        }
    }
}
