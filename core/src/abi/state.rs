//! What a plugin made, held by whoever asked for it.

use super::reply::CONTRACT;
use crate::{Error, Result};
use std::ffi::c_void;
use std::sync::Arc;

/// Frees what a plugin made.
pub(super) type Destroy = unsafe extern "C" fn(state: *mut c_void);

/// A state that a plugin made, with its functions; the plugin frees it when this goes.
///
/// It moves between threads. Only where the table says so ([`ManyThreads`]) may several call it at once.
pub(super) struct State<T> {
    plugin: Arc<str>,
    ptr: *mut c_void,
    table: T,
    /// None for one that is only lent.
    destroy: Option<Destroy>,
}

/// A table whose functions several threads may call at once, with the same state.
///
/// # Safety
/// The contract of [`super`] says so for this kind.
pub(super) unsafe trait ManyThreads {}

// SAFETY: the boundary allows every state to move between threads.
unsafe impl<T> Send for State<T> {}
// SAFETY: as the contract says of these tables.
unsafe impl<T: ManyThreads> Sync for State<T> {}

impl<T> State<T> {
    /// Takes over what a plugin says that it made.
    ///
    /// # Safety
    /// `table` belongs to `ptr`, and `destroy` frees it; it may be NULL.
    pub(super) unsafe fn made(plugin: &str, ptr: *mut c_void, table: T, destroy: Destroy) -> Result<Self> {
        if ptr.is_null() {
            return Err(Error::plugin(plugin, "reported success but made nothing", CONTRACT));
        }
        Ok(Self { plugin: plugin.into(), ptr, table, destroy: Some(destroy) })
    }

    /// A state that somebody else frees.
    ///
    /// # Safety
    /// `table` belongs to `ptr`, and both are valid as long as this.
    pub(super) unsafe fn lent(plugin: &str, ptr: *mut c_void, table: T) -> Self {
        Self { plugin: plugin.into(), ptr, table, destroy: None }
    }

    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    pub(super) fn ptr(&self) -> *mut c_void {
        self.ptr
    }

    pub(super) fn table(&self) -> &T {
        &self.table
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: freed once, by its maker.
            unsafe { destroy(self.ptr) }
        }
    }
}
