//! The foreign half of an engine: [`Runtime`] over a table.

use crate::abi::backend::{AscanBackendTable, AscanRuntimeTable};
use crate::abi::foreign_backend::ForeignBackend;
use crate::abi::reply::{ask, to_json};
use crate::abi::state::State;
use crate::abi::types::AscanStr;
use crate::{Capabilities, ModelBackend, OpenModel, Result, Runtime};
use std::sync::atomic::{AtomicU64, Ordering};

/// An engine of a library.
pub(super) struct ForeignRuntime {
    pub state: State<AscanRuntimeTable>,
    /// Functions of the models that it opens.
    pub models: ModelTable,
}

/// A table of functions; what it points to is constant.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelTable(pub AscanBackendTable);

// SAFETY: a table is constant.
unsafe impl Send for ModelTable {}
// SAFETY: as above.
unsafe impl Sync for ModelTable {}

impl Runtime for ForeignRuntime {
    fn capabilities(&self) -> Capabilities {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        let sent = unsafe { ask(state.plugin(), |reply| (state.table().capabilities)(state.ptr(), reply)) };
        // What it does not say it does not have.
        sent.and_then(|sent| sent.json()).unwrap_or_default()
    }

    fn available(&self) -> Result<()> {
        let state = &self.state;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(state.plugin(), |reply| (state.table().available)(state.ptr(), reply)) }.map(drop)
    }

    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let (state, models) = (&self.state, self.models.0);
        let request = to_json(request)?;
        let mut backend = std::ptr::null_mut();
        // SAFETY: the arguments are valid for the call.
        unsafe {
            ask(state.plugin(), |reply| {
                (state.table().open)(state.ptr(), AscanStr::new(&request), &raw mut backend, reply)
            })
        }?;
        // SAFETY: the engine just opened it.
        let opened = unsafe { State::made(state.plugin(), backend, models, models.destroy) }?;
        Ok(Box::new(ForeignBackend::opened(opened, NEXT_ID.fetch_add(1, Ordering::Relaxed))?))
    }
}
