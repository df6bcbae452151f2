//! The start page: recent scans, and a new one that runs in the background.

use super::Wake;
use super::settings::Settings;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Kind, Level, Reporter, Result};
use ascan_engine::guess::{Request, guess};
use ascan_engine::plan::RunPlan;
use ascan_engine::scan::scan;
use ascan_engine::slices;
use ascan_store::Scan;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lines of the log that are shown.
const N_LOG: usize = 6;

/// State of the start page.
pub struct Start {
    /// What outlives the program.
    pub settings: Settings,
    /// The model of a new scan.
    pub model: String,
    /// Its images.
    pub data: String,
    /// Its folder.
    pub out: String,
    /// Whether the folder was typed; else it follows the images.
    out_is_typed: bool,
    /// Attribution plugins.
    pub attributors: Vec<String>,
    /// The chosen one.
    pub attributor: usize,
    /// Slicer plugins.
    pub slicers: Vec<String>,
    /// The chosen one.
    pub slicer: usize,
    /// The configuration, as `ascan scan` takes it.
    pub config: String,
    /// What is wrong, with what to do.
    pub error: String,
    /// The scan that runs.
    pub running: Option<Arc<Running>>,
}

/// A scan in the background.
pub struct Running {
    stop: AtomicBool,
    state: Mutex<Progress>,
    wake: Wake,
}

/// How far a scan is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// What it does.
    pub stage: String,
    /// In [0, 1].
    pub share: f32,
    /// Messages, the last ones.
    pub log: Vec<String>,
    /// How it ended.
    pub ended: Option<Result<PathBuf, String>>,
}

impl Start {
    /// An empty page, with the plugins to choose from.
    pub fn new(settings: Settings, host: &PluginHost) -> Self {
        let mut start = Self {
            settings,
            model: String::new(),
            data: String::new(),
            out: String::new(),
            out_is_typed: false,
            attributors: Vec::new(),
            attributor: 0,
            slicers: Vec::new(),
            slicer: 0,
            config: String::new(),
            error: String::new(),
            running: None,
        };
        let names = |kind: Kind| host.names(kind).into_iter().map(str::to_owned).collect::<Vec<String>>();
        (start.attributors, start.slicers) = (names(Kind::Attributor), names(Kind::Slicer));
        let place = |names: &[String], name: &str| names.iter().position(|other| other == name).unwrap_or(0);
        start.attributor = place(&start.attributors, "grad_cam");
        start.slicer = place(&start.slicers, "kmeans");
        start
    }

    /// The model was typed or chosen.
    pub fn set_model(&mut self, path: String, host: &PluginHost) {
        self.model = path;
        self.guess(host);
    }

    /// The images were typed or chosen.
    pub fn set_data(&mut self, path: String, host: &PluginHost) {
        self.data = path;
        if !self.out_is_typed && !self.data.is_empty() {
            // Beside a folder of images; beside the folder that a manifest lies in.
            let data = Path::new(&self.data);
            let folder = if data.is_file() { data.parent().unwrap_or(data) } else { data };
            self.out = format!("{}-scan", folder.to_string_lossy().trim_end_matches(['/', '\\']));
        }
        self.guess(host);
    }

    /// The folder was typed or chosen.
    pub fn set_out(&mut self, path: String) {
        (self.out, self.out_is_typed) = (path, true);
    }

    /// Writes the configuration anew, if model and images are there.
    pub fn guess(&mut self, host: &PluginHost) {
        self.config.clear();
        self.error.clear();
        let (model, data) = (Path::new(&self.model), Path::new(&self.data));
        if !model.is_file() || !data.exists() {
            return;
        }
        let methods = [
            ("attribution.plugin", self.attributors.get(self.attributor)),
            ("slicing.plugin", self.slicers.get(self.slicer)),
        ];
        let methods = methods.into_iter().filter_map(|(key, name)| Some((key, name?.as_str())));
        let chosen: Vec<_> = methods.collect();
        match guess(&Request { model, data, chosen: &chosen, file: None }, host) {
            Ok(guess) => self.config = guess.text,
            Err(error) => self.error = super::with_hint(&error),
        }
    }

    /// Starts the scan in the background.
    pub fn run(&mut self, host: Arc<PluginHost>, wake: Wake) {
        self.error.clear();
        if self.config.is_empty() {
            self.error = "Choose a model (an ONNX file) and images first".to_owned();
            return;
        }
        if self.out.trim().is_empty() {
            self.error = "Choose a folder for the scan first".to_owned();
            return;
        }
        let running = Arc::new(Running { stop: AtomicBool::new(false), state: Mutex::default(), wake });
        self.running = Some(running.clone());
        let (text, out) = (self.config.clone(), PathBuf::from(&self.out));
        std::thread::spawn(move || {
            let ended = work(&text, &out, &host, &*running).map(|()| out).map_err(|error| match error {
                Failure::Stopped => "Stopped. Finished work is kept: start the scan again to resume".to_owned(),
                Failure::Words(words) => words,
            });
            running.state().ended = Some(ended);
            (running.wake)();
        });
    }

    /// What the running scan says; `Some` path if it has ended well.
    pub fn poll(&mut self) -> Option<PathBuf> {
        let ended = self.running.as_ref()?.state().ended.take()?;
        self.running = None;
        match ended {
            Ok(path) => Some(path),
            Err(words) => {
                self.error = words;
                None
            }
        }
    }
}

impl Running {
    fn state(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.state().clone()
    }

    /// Asks it to stop after the images at hand.
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Reporter for Running {
    fn log(&self, level: Level, message: &str) {
        if level != Level::Debug {
            let mut state = self.state();
            state.log.push(message.to_owned());
            let surplus = state.log.len().saturating_sub(N_LOG);
            state.log.drain(..surplus);
            drop(state);
            (self.wake)();
        }
    }

    fn progress(&self, stage: &str, done: u64, total: u64) -> bool {
        {
            let mut state = self.state();
            state.stage = format!("{stage}: {done} of {total}");
            state.share = done as f32 / total.max(1) as f32;
        }
        (self.wake)();
        !self.stop.load(Ordering::Relaxed)
    }
}

enum Failure {
    Stopped,
    Words(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Self::Stopped,
            error => Self::Words(super::with_hint(&error)),
        }
    }
}

/// What `ascan scan` does, with the configuration kept beside the scan.
fn work(text: &str, out: &Path, host: &PluginHost, reporter: &dyn Reporter) -> Result<(), Failure> {
    let config = out.with_extension("toml");
    if let Some(folder) = config.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error, "choose another folder"))?;
    }
    std::fs::write(&config, text)
        .map_err(|error| Error::file(&config, format!("cannot be written: {error}"), "choose another folder"))?;
    let words = |errors: ascan_config::ConfigErrors| Failure::Words(errors.to_string());
    let plan = RunPlan::compile(LoadedConfig::read(&config, &[]).map_err(words)?, host).map_err(words)?;
    plan.notes.iter().for_each(|note| reporter.log(Level::Info, note));
    scan(&plan, out, reporter)?;
    let context = Context { seed: plan.config.run.seed, n_threads: plan.n_threads, reporter };
    drop(plan.runtime);
    let scan = Scan::open(out)?;
    slices::slice(&scan.table()?, &scan.config, host, &context)?.save(&scan)?;
    Ok(())
}
