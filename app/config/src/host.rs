//! The plugin host: where plugin libraries are looked for, and which plugin answers to a name.

use crate::trust::{Permits, Wish};
use ascan_core::abi::{EntryPoint, Library, LoadedPlugin};
use ascan_core::params::{ParamMap, Resolved};
use ascan_core::{Attributor, Error, Kind, Projector, Regularizer, Result, Runtime, Slicer};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Variable with further plugin folders, separated as in `PATH`.
pub const PLUGIN_PATH: &str = "ASCAN_PLUGIN_PATH";

/// How far a plugin has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// Found and sound, but another one of the same kind and name was found first.
    Declared,
    /// Ready to be used.
    Loaded,
    /// Its library cannot be used.
    Failed,
}

/// A line of `ascan plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginRow {
    /// Name in configurations; of a library that failed, its file name without `lib` and extension.
    pub name: String,
    /// What it is; unknown if its library failed.
    pub kind: Option<Kind>,
    /// Version of its library.
    pub version: String,
    /// Its library; none if it is built in.
    pub file: Option<PathBuf>,
    /// How far it has come.
    pub state: PluginState,
    /// Why it is not in use; empty if it is.
    pub reason: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// One line about it.
    pub summary: String,
}

/// The plugins of this program, by kind and name.
#[derive(Debug, Clone, Default)]
pub struct PluginHost {
    plugins: Vec<LoadedPlugin>,
    failed: Vec<PluginRow>,
    searched: Vec<PathBuf>,
    permits: Permits,
}

impl PluginHost {
    /// Looks for plugin libraries, in this order; of two plugins of one kind and name the first wins:
    /// `extra_dirs`, the folders of `ASCAN_PLUGIN_PATH`, `plugins/` beside the executable, cargo's `deps/` there,
    /// the executable's own folder, and `ascan/plugins` in the user's data folder.
    ///
    /// A library that cannot be used is listed with its reason and disturbs no other.
    pub fn discover(extra_dirs: &[PathBuf]) -> Self {
        Self::default().search(extra_dirs)
    }

    /// A host of plugins that are linked into the program; a library of the same name wins over them.
    ///
    /// # Errors
    /// `Plugin` if one of them breaks the contract.
    pub fn with_static(entries: &[EntryPoint]) -> Result<Self> {
        let libraries = entries.iter().map(|&entry| Library::from_static(entry));
        let libraries: Vec<Library> = libraries.collect::<Result<_>>()?;
        Ok(Self { plugins: libraries.iter().flat_map(Library::plugins).cloned().collect(), ..Self::default() })
    }

    /// Adds what is found in the places of [`Self::discover`].
    pub fn search(mut self, extra_dirs: &[PathBuf]) -> Self {
        for dir in extra_dirs {
            if dir.is_dir() {
                self.search_dir(dir);
            } else {
                let error = Error::file(dir, "there is no such folder", "check `--plugin-dir`");
                self.fail(dir, &error);
            }
        }
        // What cargo built beside a program that has its plugins linked in is the same again.
        let has_own = !self.plugins.is_empty();
        for dir in default_dirs().into_iter().filter(|dir| !(has_own && is_deps(dir))) {
            self.search_dir(&dir);
        }
        self
    }

    fn search_dir(&mut self, dir: &Path) {
        self.searched.push(dir.to_owned());
        let is_deps = is_deps(dir);
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        // Sorted: the order in which a folder lists its files is no order.
        let files: BTreeSet<PathBuf> = files.filter(|file| is_library(file, is_deps)).collect();
        for file in files {
            // Cargo links some of our own in `deps/` to the folder above it, and leaves old links there.
            let in_deps = file.file_name().map(|name| dir.join("deps").join(name));
            if !(stem(&file).starts_with("ascan_") && in_deps.is_some_and(|twin| twin.exists())) {
                self.load(&file);
            }
        }
    }

    /// Adds the plugins of one library file.
    pub fn load(&mut self, file: &Path) {
        let known = |plugin: &LoadedPlugin| plugin.path().is_some_and(|path| same_file(path, file));
        if self.plugins.iter().any(known) {
            return;
        }
        match Library::load(file) {
            Ok(library) => self.plugins.extend_from_slice(library.plugins()),
            Err(error) => self.fail(file, &error),
        }
    }

    fn fail(&mut self, file: &Path, error: &Error) {
        let reason = match error {
            Error::Plugin { message, .. } | Error::File { message, .. } => message.clone(),
            other => other.to_string(),
        };
        self.failed.push(PluginRow {
            name: stem(file),
            kind: None,
            version: String::new(),
            file: Some(file.to_owned()),
            state: PluginState::Failed,
            reason,
            hint: error.hint().unwrap_or_default(),
            summary: String::new(),
        });
    }

    /// Every plugin that was found, by kind and name, and then every library that failed.
    pub fn list(&self) -> Vec<PluginRow> {
        let mut rows: Vec<PluginRow> = self.plugins.iter().map(|plugin| self.row(plugin)).collect();
        rows.sort_by_key(|row| (row.kind.map(|kind| Kind::ALL.iter().position(|&k| k == kind)), row.name.clone()));
        rows.extend(self.failed.iter().cloned());
        rows
    }

    fn row(&self, plugin: &LoadedPlugin) -> PluginRow {
        // Every plugin is in the list, so one is found.
        let first = self.find(plugin.kind(), plugin.name()).unwrap_or(plugin);
        let in_use = std::ptr::eq(first, plugin);
        let winner = first.path().map_or("the one built in".to_owned(), |path| path.display().to_string());
        PluginRow {
            name: plugin.name().to_owned(),
            kind: Some(plugin.kind()),
            version: plugin.version().to_owned(),
            file: plugin.path().map(Path::to_owned),
            state: if in_use { PluginState::Loaded } else { PluginState::Declared },
            reason: if in_use { String::new() } else { format!("shadowed by {winner}") },
            hint: String::new(),
            summary: plugin.summary().to_owned(),
        }
    }

    /// The folders that were searched, in order.
    pub fn searched(&self) -> &[PathBuf] {
        &self.searched
    }

    /// The names of all plugins of a kind, sorted.
    pub fn names(&self, kind: Kind) -> Vec<&str> {
        let names: BTreeSet<&str> = self.plugins.iter().filter(|p| p.kind() == kind).map(LoadedPlugin::name).collect();
        names.into_iter().collect()
    }

    /// The names of all backends, those first that say they are fastest.
    pub fn fastest_first(&self) -> Vec<&str> {
        let mut names = self.names(Kind::Backend);
        names.sort_by_key(|name| Reverse(self.find(Kind::Backend, name).map_or(0, LoadedPlugin::speed)));
        names
    }

    /// The names of all projectors that say they suit a map for people to look at, sorted.
    pub fn map_projectors(&self) -> Vec<&str> {
        let suits = |name: &&str| self.find(Kind::Projector, name).is_some_and(|plugin| plugin.map_params().is_some());
        self.names(Kind::Projector).into_iter().filter(suits).collect()
    }

    /// What is wrong with the plugins as a whole, a sentence each: none was found, or one is in two libraries of one folder, and
    /// which of them is used is decided by the names of the files alone (most often an older version left one there).
    pub fn warnings(&self) -> Vec<String> {
        if self.plugins.is_empty() {
            let searched: Vec<String> = self.searched.iter().map(|dir| dir.display().to_string()).collect();
            return vec![format!(
                "no plugin was found, and the program does nothing without them: keep the folder `deps` of the build (libraries \
                 named ascan_*) beside it, name their folder with --plugin-dir, or build it with the feature `static-plugins`; searched: {}",
                searched.join(", ")
            )];
        }
        let shadowed = self.plugins.iter().filter_map(|plugin| {
            let used = self.find(plugin.kind(), plugin.name())?;
            let (used, unused) = (used.path()?, plugin.path()?);
            (used != unused && used.parent() == unused.parent()).then(|| {
                format!(
                    "the {} `{}` is in two libraries: {} is used and {} is not; delete the older one",
                    plugin.kind(),
                    plugin.name(),
                    used.display(),
                    unused.display()
                )
            })
        });
        shadowed.chain(self.replaced()).collect()
    }

    /// Which libraries are used in place of what is linked in, a sentence each.
    fn replaced(&self) -> impl Iterator<Item = String> {
        let mut by_file: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
        for own in self.plugins.iter().filter(|plugin| plugin.path().is_none()) {
            let used = self.find(own.kind(), own.name());
            if let Some(file) = used.and_then(LoadedPlugin::path) {
                by_file.entry(file).or_default().push(format!("the {} `{}`", own.kind(), own.name()));
            }
        }
        by_file.into_iter().map(|(file, names)| {
            format!("{} is used in place of what is built in: {}", file.display(), names.join(", "))
        })
    }

    /// The first library with it, else the one that is linked in: who puts a library there wants it.
    fn find(&self, kind: Kind, name: &str) -> Option<&LoadedPlugin> {
        let mut found = self.plugins.iter().filter(|plugin| plugin.kind() == kind && plugin.name() == name);
        let first = found.next()?;
        if first.path().is_some() { Some(first) } else { found.find(|plugin| plugin.path().is_some()).or(Some(first)) }
    }

    /// The plugin of this kind and name.
    ///
    /// # Errors
    /// `Plugin` with the reason if a library of that name was found and failed, else `UnknownName` with the names that exist.
    pub fn plugin(&self, kind: Kind, name: &str) -> Result<&LoadedPlugin> {
        if let Some(plugin) = self.find(kind, name) {
            return Ok(plugin);
        }
        let failed = self.failed.iter().find(|row| row.name == name || row.name.strip_prefix("ascan_") == Some(name));
        match failed {
            Some(PluginRow { file: Some(file), reason, hint, .. }) => {
                Err(Error::plugin(name, format!("its library {} {reason}", file.display()), hint))
            }
            _ => Err(Error::unknown_name(kind.name(), name, self.names(kind))),
        }
    }

    /// Defaults, problems and help of a plugin for these parameters.
    ///
    /// # Errors
    /// As [`Self::plugin`].
    pub fn resolve(&self, kind: Kind, name: &str, params: &ParamMap) -> Result<Resolved> {
        self.plugin(kind, name)?.resolve(params)
    }

    /// The parameters of a plugin, defaults written out.
    ///
    /// # Errors
    /// As [`Self::plugin`]; `Param` for the first bad parameter.
    pub fn checked(&self, kind: Kind, name: &str, params: &ParamMap) -> Result<ParamMap> {
        let resolved = self.resolve(kind, name, params)?;
        match resolved.problems.into_iter().next() {
            Some(problem) => Err(Error::param(problem.key, problem.message, problem.hint)),
            None => Ok(resolved.params),
        }
    }

    /// What parameters may run.
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Permits what the parameters of a scan want to run, if that scan was made here with them.
    ///
    /// # Errors
    /// As [`Permits::ask`]; as [`Self::plugin`].
    pub fn ask(&self, scan: &Path, kind: Kind, name: &str, params: &ParamMap) -> Result<()> {
        let wishes = Wish::all(kind, name, &self.resolve(kind, name, params)?);
        wishes.into_iter().try_for_each(|wish| self.permits.ask(wish, scan))
    }

    /// A plugin that is about to be made with these parameters, of which none runs what nobody permitted.
    fn permitted(&self, kind: Kind, name: &str, params: &ParamMap) -> Result<&LoadedPlugin> {
        let plugin = self.plugin(kind, name)?;
        let wishes = Wish::all(kind, name, &plugin.resolve(params)?);
        match wishes.into_iter().find(|wish| !self.permits.allows(wish)) {
            Some(wish) => Err(wish.refusal()),
            None => Ok(plugin),
        }
    }

    /// The engine of a backend plugin.
    ///
    /// # Errors
    /// As [`Self::plugin`]; `Param` for bad parameters and for those that may not run what they name; what the engine
    /// reports.
    pub fn backend(&self, name: &str, params: &ParamMap) -> Result<Box<dyn Runtime>> {
        self.permitted(Kind::Backend, name, params)?.backend(params)
    }

    /// An attributor.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn attributor(&self, name: &str, params: &ParamMap) -> Result<Box<dyn Attributor>> {
        self.permitted(Kind::Attributor, name, params)?.attributor(params)
    }

    /// A slicer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn slicer(&self, name: &str, params: &ParamMap) -> Result<Box<dyn Slicer>> {
        self.permitted(Kind::Slicer, name, params)?.slicer(params)
    }

    /// A projector.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn projector(&self, name: &str, params: &ParamMap) -> Result<Box<dyn Projector>> {
        self.permitted(Kind::Projector, name, params)?.projector(params)
    }

    /// A regularizer.
    ///
    /// # Errors
    /// As [`Self::backend`].
    pub fn regularizer(&self, name: &str, params: &ParamMap) -> Result<Box<dyn Regularizer>> {
        self.permitted(Kind::Regularizer, name, params)?.regularizer(params)
    }
}

/// Whether this is where cargo puts libraries.
fn is_deps(dir: &Path) -> bool {
    dir.file_name() == Some(OsStr::new("deps"))
}

/// The places after `--plugin-dir`, those that exist.
fn default_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = std::env::var_os(PLUGIN_PATH)
        .map(|paths| std::env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let exe = std::env::current_exe().and_then(|exe| exe.canonicalize()).ok();
    if let Some(beside) = exe.as_deref().and_then(Path::parent) {
        dirs.extend([beside.join("plugins"), beside.join("deps"), beside.to_owned()]);
    }
    dirs.extend(dirs::data_dir().map(|data| data.join("ascan").join("plugins")));
    dirs.retain(|dir| dir.is_dir());
    dirs
}

/// Whether a file is to be tried as a plugin. Cargo's `deps/` is full of libraries that are none: only ours are tried there.
fn is_library(file: &Path, only_ours: bool) -> bool {
    let stem = stem(file);
    // onnxruntime is no plugin, but the `ort` plugin looks for it in the same folders.
    file.extension() == Some(OsStr::new(std::env::consts::DLL_EXTENSION))
        && (!only_ours || stem.starts_with("ascan_"))
        && !stem.starts_with("onnxruntime")
}

/// File name without `lib` and extension.
fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    stem.strip_prefix(std::env::consts::DLL_PREFIX).map(str::to_owned).unwrap_or(stem)
}

fn same_file(a: &Path, b: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    canonical(a) == canonical(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::params::NoParams;
    use ascan_core::{Context, ModelBackend, OpenModel, Plugin, Projection, Strengths, TensorView};

    /// A plugin of this name and strengths, both backend and projector.
    macro_rules! strong {
        ($($type:ident = $name:literal: $strengths:expr;)+) => {$(
            struct $type;

            impl Plugin for $type {
                const NAME: &'static str = $name;
                const SUMMARY: &'static str = "for these tests";
                const STRENGTHS: Strengths = $strengths;
                type Params = NoParams;

                fn new(_params: NoParams) -> Result<Self> {
                    Ok(Self)
                }
            }

            impl Runtime for $type {
                fn capabilities(&self) -> ascan_core::Capabilities {
                    Default::default()
                }

                fn open(&self, _request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
                    Err(Error::Cancelled)
                }
            }

            impl Projector for $type {
                fn fit(&self, _embeddings: TensorView, _context: &Context) -> Result<Box<dyn Projection>> {
                    Err(Error::Cancelled)
                }
            }
        )+};
    }

    strong! {
        Quick = "quick": Strengths { speed: 200, ..Strengths::none() };
        Slow = "slow": Strengths { speed: 20, ..Strengths::none() };
        Unknown = "an_unknown": Strengths::none();
        Maps = "maps": Strengths { map_params: Some("{}"), ..Strengths::none() };
    }

    ascan_core::export_library!(
        ascan_host_tests: backend Unknown, backend Slow, backend Quick, projector Slow, projector Maps
    );

    #[test]
    fn what_a_plugin_is_good_at_it_says_itself() {
        let host = PluginHost::with_static(&[ascan_library]).unwrap();
        assert_eq!(host.fastest_first(), ["quick", "slow", "an_unknown"]);
        assert_eq!(host.map_projectors(), ["maps"]);
    }

    #[test]
    fn deps_of_cargo_is_searched_for_our_libraries_only() {
        let name = |stem: &str| {
            PathBuf::from(format!("{}{stem}.{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_EXTENSION))
        };
        assert!(is_library(&name("ascan_kmeans"), true));
        assert!(!is_library(&name("serde_derive-0123"), true));
        assert!(is_library(&name("by_error"), false));
        assert!(!is_library(&name("onnxruntime"), false));
        assert!(!is_library(Path::new("libascan_kmeans.rlib"), true));
        assert_eq!(stem(&name("ascan_kmeans")), "ascan_kmeans");
    }

    #[test]
    fn a_folder_is_searched_in_the_order_of_its_names_and_every_failure_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let name = |stem: &str| format!("{}{stem}.{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_EXTENSION);
        for stem in ["b_text", "a_empty"] {
            std::fs::write(folder.path().join(name(stem)), if stem == "b_text" { "text" } else { "" }).unwrap();
        }
        let mut host = PluginHost::default();
        host.search_dir(folder.path());
        let rows = host.list();
        let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.state)).collect();
        assert_eq!(names, [("a_empty", PluginState::Failed), ("b_text", PluginState::Failed)]);
        assert!(rows.iter().all(|row| row.reason.starts_with("cannot be loaded") && !row.hint.is_empty()), "{rows:?}");
        let error = host.plugin(Kind::Slicer, "b_text").unwrap_err().to_string();
        assert!(error.contains("b_text") && error.contains("cannot be loaded"), "{error}");
        let unknown = host.plugin(Kind::Slicer, "kmeans").unwrap_err();
        assert_eq!(unknown, Error::unknown_name("slicer", "kmeans", [""; 0]));
    }
}
