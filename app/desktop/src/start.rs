//! The start page: recent scans, and a new one that runs in the background.

use super::Wake;
use super::ahead::{Pace, duration};
use super::glance::watch;
use super::model::methods::Method;
use super::repairing::scan_and_slice;
use super::settings::Settings;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::params::ParamMap;
use ascan_core::{Context, Error, Kind, Level, Reporter, Result};
use ascan_engine::guess::{Request, guess};
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Preprocessings to choose from; the first stands for what is guessed and tried.
pub const PRESETS: [&str; 6] = ["guess, and try", "imagenet", "tf", "unit", "caffe", "raw"];
/// The scan in the folder of the demo.
const SCAN: &str = "scan";
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
    pub attributors: Vec<Method>,
    /// The chosen one.
    pub attributor: usize,
    /// Slicer plugins.
    pub slicers: Vec<Method>,
    /// The chosen one.
    pub slicer: usize,
    /// The number of slices; empty: what is guessed.
    pub n_slices: String,
    /// Index into [`PRESETS`].
    pub preset: usize,
    /// The configuration, as `ascan scan` takes it.
    pub config: String,
    /// What is wrong, with what to do.
    pub error: String,
    /// The scan that runs.
    pub running: Option<Arc<Running>>,
    guessing: Guessing,
}

/// What was asked, by its count, and the configuration or what is wrong.
type Guessed = (u64, Result<String, String>);

/// The configuration that is being guessed. A guess looks at files, which may take long: never on the window's thread.
#[derive(Default)]
struct Guessing {
    /// Counts what was asked; an answer to something older is of no use.
    asked: u64,
    /// Nobody has begun with it yet.
    waits: bool,
    /// Guesses that are being made.
    n_running: usize,
    answers: Arc<Mutex<Vec<Guessed>>>,
    /// The scan begins once the guess is there.
    then_run: bool,
}

/// A scan in the background.
pub struct Running {
    stop: AtomicBool,
    over: AtomicBool,
    state: Mutex<Progress>,
    pace: Mutex<Option<Pace>>,
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
    /// Some images of it, the newest ones.
    pub tiles: Vec<RgbImage>,
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
            n_slices: String::new(),
            preset: 0,
            config: String::new(),
            error: String::new(),
            running: None,
            guessing: Guessing::default(),
        };
        (start.attributors, start.slicers) = (Method::all(host, Kind::Attributor), Method::all(host, Kind::Slicer));
        start.attributor = Method::place(&start.attributors, "grad_cam");
        start.slicer = Method::place(&start.slicers, "kmeans");
        start
    }

    /// The model was typed or chosen.
    pub fn set_model(&mut self, path: String) {
        self.model = path;
        self.guess();
    }

    /// The images were typed or chosen.
    pub fn set_data(&mut self, path: String) {
        self.data = path;
        if !self.out_is_typed && !self.data.is_empty() {
            // Beside a folder of images; beside the folder that a manifest lies in.
            let data = Path::new(&self.data);
            let folder = if data.is_file() { data.parent().unwrap_or(data) } else { data };
            // Two tables in one folder are two scans.
            let table = data.file_stem().filter(|_| data.is_file()).map(|stem| format!("-{}", stem.to_string_lossy()));
            let folder = folder.to_string_lossy();
            self.out = format!("{}{}-scan", folder.trim_end_matches(['/', '\\']), table.unwrap_or_default());
        }
        self.guess();
    }

    /// The folder was typed or chosen.
    pub fn set_out(&mut self, path: String) {
        (self.out, self.out_is_typed) = (path, true);
    }

    /// The configuration was edited. What is wrong with it is told at once.
    pub fn set_config(&mut self, text: String) {
        let parsed = LoadedConfig::parse("the configuration", &text, Path::new("."), &[]);
        self.error = match parsed.and_then(LoadedConfig::finish) {
            Ok(_) => String::new(),
            Err(errors) => errors.to_string(),
        };
        self.config = text;
    }

    /// The configuration is to be written anew.
    pub fn guess(&mut self) {
        self.config.clear();
        self.error.clear();
        self.guessing.asked += 1;
        self.guessing.waits = true;
    }

    /// Whether a guess waits for somebody to begin with it.
    pub fn wants_guess(&self) -> bool {
        self.guessing.waits
    }

    /// Whether the configuration is not there yet, but will be.
    pub fn is_guessing(&self) -> bool {
        self.guessing.waits || self.guessing.n_running > 0
    }

    /// Whether a scan begins as soon as the configuration is there.
    pub fn is_about_to_run(&self) -> bool {
        self.guessing.then_run && self.is_guessing()
    }

    /// Begins to write the configuration in the background, if model and images are there.
    pub fn begin_guess(&mut self, host: Arc<PluginHost>, wake: Wake) {
        self.guessing.waits = false;
        let (model, data) = (PathBuf::from(&self.model), PathBuf::from(&self.data));
        if !model.is_file() || !data.exists() {
            return;
        }
        let chosen = [
            ("attribution.plugin", self.attributors.get(self.attributor).map(|method| method.name.clone())),
            ("slicing.plugin", self.slicers.get(self.slicer).map(|method| method.name.clone())),
            ("slicing.params.n_slices", Some(self.n_slices.trim().to_owned()).filter(|n| !n.is_empty())),
            (
                "model.preprocess.preset",
                PRESETS.get(self.preset).filter(|_| self.preset > 0).map(|&name| name.to_owned()),
            ),
        ];
        let (asked, answers) = (self.guessing.asked, self.guessing.answers.clone());
        self.guessing.n_running += 1;
        std::thread::spawn(move || {
            let chosen: Vec<(&str, &str)> =
                chosen.iter().filter_map(|(key, name)| Some((*key, name.as_deref()?))).collect();
            let found = guess(&Request { model: &model, data: &data, chosen: &chosen, file: None }, &host);
            let found = found.map(|guess| guess.text).map_err(|error| super::with_hint(&error));
            answers.lock().unwrap_or_else(PoisonError::into_inner).push((asked, found));
            wake();
        });
    }

    /// Takes guesses that were made; whether there were any, and whether the scan is to begin.
    pub fn take_guesses(&mut self) -> (bool, bool) {
        let answers = std::mem::take(&mut *self.guessing.answers.lock().unwrap_or_else(PoisonError::into_inner));
        let has_news = !answers.is_empty();
        for (asked, found) in answers {
            self.guessing.n_running -= 1;
            if asked == self.guessing.asked {
                match found {
                    Ok(text) => self.config = text,
                    Err(words) => self.error = words,
                }
            }
        }
        let begins = has_news && !self.is_guessing() && std::mem::take(&mut self.guessing.then_run);
        (has_news, begins && !self.config.is_empty())
    }

    /// Starts the scan in the background.
    pub fn run(&mut self, host: Arc<PluginHost>, wake: Wake) {
        self.error.clear();
        if self.is_guessing() {
            self.guessing.then_run = true;
            return;
        }
        if self.config.is_empty() {
            self.error = "Choose a model (an ONNX file) and images first".to_owned();
            return;
        }
        if self.out.trim().is_empty() {
            self.error = "Choose a folder for the scan first".to_owned();
            return;
        }
        let (text, out) = (self.config.clone(), PathBuf::from(&self.out));
        let watched = out.clone();
        self.begin(wake, watched, move |running| work(&text, &out, &host, running).map(|()| out));
    }

    /// Makes the demo's pictures and its network in the background, and scans them.
    pub fn run_demo(&mut self, host: Arc<PluginHost>, wake: Wake) {
        self.error.clear();
        let Some(folder) = dirs::data_local_dir().map(|dir| dir.join("ascan").join("demo")) else {
            self.error = "This user has no folder for data: run `ascan demo -o FOLDER` instead".to_owned();
            return;
        };
        self.begin(wake, folder.join(SCAN), move |running| demo(&folder, &host, running));
    }

    /// Does the work of a scan in the background, and looks at what it has made.
    fn begin(
        &mut self,
        wake: Wake,
        scan: PathBuf,
        work: impl FnOnce(&Running) -> Result<PathBuf, Failure> + Send + 'static,
    ) {
        let running = Arc::new(Running {
            stop: AtomicBool::new(false),
            over: AtomicBool::new(false),
            state: Mutex::default(),
            pace: Mutex::default(),
            wake,
        });
        self.running = Some(running.clone());
        let watcher = running.clone();
        std::thread::spawn(move || {
            watch(&scan, &watcher.over, |tiles| {
                watcher.state().tiles = tiles;
                (watcher.wake)();
            });
        });
        std::thread::spawn(move || {
            let ended = work(&running).map_err(|error| match error {
                Failure::Stopped => "Stopped. Finished work is kept: start the scan again to resume".to_owned(),
                Failure::Words(words) => words,
            });
            running.over.store(true, Ordering::Relaxed);
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
            let (mut known, now) = (self.pace.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
            Pace::hear(&mut known, stage, done, now);
            // What an earlier run has done says nothing of this one's pace.
            let (seconds, n) = known.as_ref().map_or((0.0, 0), |pace| pace.so_far(now));
            let pace = pace(seconds, n, total.saturating_sub(done.saturating_sub(n)));
            let mut state = self.state();
            state.stage = format!("{stage}: {done} of {total}{pace}");
            state.share = done as f32 / total.max(1) as f32;
        }
        (self.wake)();
        !self.stop.load(Ordering::Relaxed)
    }
}

/// `, 82 a second, 2 min left`: once there is enough to go by.
fn pace(seconds: f64, done: u64, total: u64) -> String {
    if seconds < 2.0 || done == 0 || done >= total {
        return String::new();
    }
    let rate = done as f64 / seconds;
    let left = (total - done) as f64 / rate;
    let left = duration(left);
    let rate = if rate >= 10.0 { format!("{rate:.0}") } else { format!("{rate:.1}") };
    format!(", {rate} a second, {left} left")
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

/// What `ascan demo` begins with: pictures, a network that has learnt the wrong thing, and a scan of both.
fn demo(folder: &Path, host: &PluginHost, reporter: &dyn Reporter) -> Result<PathBuf, Failure> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let context = Context { seed: 0, n_threads, reporter };
    let made = ascan_demo::make(folder, &*host.backend("burn", &ParamMap::new())?, &context)?;
    let loaded = LoadedConfig::read(&made.config, &[]).map_err(|errors| Failure::Words(errors.to_string()))?;
    let out = folder.join(SCAN);
    scan_and_slice(loaded, &out, host, reporter)?;
    Ok(out)
}

/// What `ascan scan` does, with the configuration kept beside the scan.
fn work(text: &str, out: &Path, host: &PluginHost, reporter: &dyn Reporter) -> Result<(), Failure> {
    let config = out.with_extension("toml");
    if let Some(folder) = config.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error, "choose another folder"))?;
    }
    ascan_store::disk::write(&config, text.as_bytes())
        .map_err(|error| Error::file(&config, format!("cannot be written: {error}"), "choose another folder"))?;
    let loaded = LoadedConfig::read(&config, &[]).map_err(|errors| Failure::Words(errors.to_string()))?;
    scan_and_slice(loaded, out, host, reporter)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_told_once_there_is_one() {
        assert_eq!(pace(1.0, 50, 100), "");
        assert_eq!(pace(10.0, 50, 100), ", 5.0 a second, 10 s left");
        assert_eq!(pace(100.0, 2000, 100_000), ", 20 a second, 82 min left");
        assert_eq!(pace(9.0, 100, 100), "");
    }
}
