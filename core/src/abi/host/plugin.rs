//! A plugin of a library: its descriptor and tables, checked, from which instances are made.

use super::attributor::ForeignAttributor;
use super::first::read_regularizer;
use super::projector::ForeignProjector;
use super::regularizer::ForeignRegularizer;
use super::runtime::{ForeignRuntime, ModelTable};
use super::slicer::ForeignSlicer;
use crate::abi::backend::AscanRuntimeTable;
use crate::abi::library::AscanPlugin;
use crate::abi::reply::{CONTRACT, ask, to_json};
use crate::abi::state::{Destroy, State};
use crate::abi::trainer::read_trainers;
use crate::abi::types::{AscanReply, AscanStr};
use crate::abi::{AscanAttributorTable, AscanProjectorTable, AscanRegularizerTable, AscanSlicerTable, table};
use crate::params::Resolved;
use crate::{Attributor, Error, Habits, Kind, ParamMap, Projector, Regularizer, Result, Runtime, Slicer};
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A plugin of a library, ready to be made.
#[derive(Debug, Clone)]
pub struct LoadedPlugin {
    name: Arc<str>,
    kind: Kind,
    summary: String,
    version: String,
    path: Option<PathBuf>,
    speed: u32,
    map_params: Option<ParamMap>,
    habits: Habits,
    functions: Functions,
}

/// The functions of a plugin; none is NULL.
#[derive(Debug, Clone, Copy)]
struct Functions {
    resolve: unsafe extern "C" fn(params: AscanStr, reply: *mut AscanReply) -> i32,
    create: unsafe extern "C" fn(params: AscanStr, state: *mut *mut c_void, reply: *mut AscanReply) -> i32,
    destroy: Destroy,
    of_kind: OfKind,
}

/// The table of the kind, and those that it points to.
#[derive(Debug, Clone, Copy)]
enum OfKind {
    Backend(AscanRuntimeTable, ModelTable),
    Attributor(AscanAttributorTable),
    Slicer(AscanSlicerTable),
    Projector(AscanProjectorTable),
    Regularizer { table: AscanRegularizerTable, takes_first: bool },
}

// SAFETY: tables are constant, and their functions may be called from any thread.
unsafe impl Send for Functions {}
// SAFETY: as above.
unsafe impl Sync for Functions {}

impl OfKind {
    /// Every table of a plugin, checked; the reason if one cannot be used.
    ///
    /// # Safety
    /// `table` points to a table of the kind, or to less: its size says so. All it points to lives as long as the
    /// process.
    unsafe fn read(kind: Kind, table: *const c_void) -> Result<Self, String> {
        // SAFETY: as required of the caller.
        unsafe {
            Ok(match kind {
                Kind::Backend => {
                    let runtime = table::read::<AscanRuntimeTable>(table.cast())?;
                    let models = table::read(runtime.backend)?;
                    if !models.trainers.is_null() {
                        read_trainers(models.trainers)?;
                    }
                    Self::Backend(runtime, ModelTable(models))
                }
                Kind::Attributor => Self::Attributor(table::read(table.cast())?),
                Kind::Slicer => Self::Slicer(table::read(table.cast())?),
                Kind::Projector => Self::Projector(table::read(table.cast())?),
                Kind::Regularizer => {
                    let (table, takes_first) = read_regularizer(table)?;
                    Self::Regularizer { table, takes_first }
                }
            })
        }
    }
}

impl LoadedPlugin {
    /// # Safety
    /// All that `raw` points to is valid and lives as long as the process; it may be NULL.
    pub(super) unsafe fn new(raw: &AscanPlugin, version: &str, path: Option<&Path>) -> Result<Self> {
        // SAFETY: as required of the caller.
        unsafe {
            let name = raw.name.lossy();
            let fail = |message: String| Error::plugin(&*name, message, CONTRACT);
            raw.name.read().map_err(|why| fail(format!("its name {why}")))?;
            if name.is_empty() {
                return Err(fail("it has no name".into()));
            }
            let kind = Kind::from_u32(raw.kind)
                .ok_or_else(|| fail(format!("is of kind {}, which this program does not know", raw.kind)))?;
            let null = |entry: &str| fail(format!("its descriptor has a NULL entry: `{entry}`"));
            let functions = Functions {
                resolve: raw.resolve.ok_or_else(|| null("resolve"))?,
                create: raw.create.ok_or_else(|| null("create"))?,
                destroy: raw.destroy.ok_or_else(|| null("destroy"))?,
                of_kind: match raw.table.is_null() {
                    true => return Err(null("table")),
                    false => OfKind::read(kind, raw.table).map_err(fail)?,
                },
            };
            let map_params = match raw.map_params.read().map_err(|why| fail(format!("its `map_params` {why}")))? {
                "" => None,
                params => Some(serde_json::from_str(params).map_err(|e| fail(format!("its `map_params`: {e}")))?),
            };
            Ok(Self {
                name: (&*name).into(),
                kind,
                summary: raw.summary.lossy().into_owned(),
                version: version.to_owned(),
                path: path.map(Into::into),
                speed: raw.speed,
                map_params,
                habits: Habits::from_bits(raw.habits),
                functions,
            })
        }
    }

    /// Name in configurations.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// One line for the user.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Version of its library.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// File of its library; none if it is linked into the program.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// See [`crate::Strengths::speed`].
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// See [`crate::Strengths::map_params`].
    pub fn map_params(&self) -> Option<&ParamMap> {
        self.map_params.as_ref()
    }

    /// See [`crate::Strengths::habits`].
    pub fn habits(&self) -> Habits {
        self.habits
    }

    /// Defaults, problems and help for these parameters.
    ///
    /// # Errors
    /// `Plugin` if the plugin breaks the contract; problems of the parameters are in the result.
    pub fn resolve(&self, params: &ParamMap) -> Result<Resolved> {
        let json = to_json(params)?;
        // SAFETY: the arguments are valid for the call.
        unsafe { ask(&self.name, |reply| (self.functions.resolve)(AscanStr::new(&json), reply)) }?.json()
    }

    /// Makes a backend's engine.
    ///
    /// # Errors
    /// `Param` for bad parameters, `Plugin` if this is no backend.
    pub fn backend(&self, params: &ParamMap) -> Result<Box<dyn Runtime>> {
        let OfKind::Backend(table, models) = self.functions.of_kind else { return self.is_not(Kind::Backend) };
        Ok(Box::new(ForeignRuntime { state: self.create(table, params)?, models }))
    }

    /// Makes an attributor.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn attributor(&self, params: &ParamMap) -> Result<Box<dyn Attributor>> {
        let OfKind::Attributor(table) = self.functions.of_kind else { return self.is_not(Kind::Attributor) };
        Ok(Box::new(ForeignAttributor(self.create(table, params)?)))
    }

    /// Makes a slicer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn slicer(&self, params: &ParamMap) -> Result<Box<dyn Slicer>> {
        let OfKind::Slicer(table) = self.functions.of_kind else { return self.is_not(Kind::Slicer) };
        Ok(Box::new(ForeignSlicer(self.create(table, params)?)))
    }

    /// Makes a projector.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn projector(&self, params: &ParamMap) -> Result<Box<dyn Projector>> {
        let OfKind::Projector(table) = self.functions.of_kind else { return self.is_not(Kind::Projector) };
        Ok(Box::new(ForeignProjector(self.create(table, params)?)))
    }

    /// Makes a regularizer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn regularizer(&self, params: &ParamMap) -> Result<Box<dyn Regularizer>> {
        let OfKind::Regularizer { table, takes_first } = self.functions.of_kind else {
            return self.is_not(Kind::Regularizer);
        };
        Ok(Box::new(ForeignRegularizer { state: self.create(table, params)?, takes_first }))
    }

    fn is_not<T>(&self, kind: Kind) -> Result<T> {
        Err(Error::plugin(&*self.name, format!("is of kind {}, not {kind}", self.kind), ""))
    }

    fn create<T>(&self, table: T, params: &ParamMap) -> Result<State<T>> {
        let json = to_json(params)?;
        let mut state = std::ptr::null_mut();
        // SAFETY: the arguments are valid for the call; the table is that of the plugin's states.
        unsafe {
            ask(&self.name, |reply| (self.functions.create)(AscanStr::new(&json), &raw mut state, reply))?;
            State::made(&self.name, state, table, self.functions.destroy)
        }
    }
}
