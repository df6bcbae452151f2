//! The desktop app: a window over a scan.
//!
//! Commands go in, from buttons, keys and tests alike; the model changes; the adapters show what changed.
//! Pictures and long work come from background threads as plain data.

mod adapters;
mod ahead;
pub mod browser;
mod cache;
pub mod command;
mod dialogs;
mod done;
mod export;
mod glance;
pub mod headless;
pub mod launch;
pub mod model;
mod pictures;
mod repairing;
pub mod settings;
mod start;
mod tasks;
mod telling;
mod workers;

use adapters::{
    BrowserAdapter, CompareAdapter, ConfusionAdapter, Dispatch, ImageAdapter, ImagesAdapter, InspectorAdapter,
    LabelsAdapter, MosaicAdapter, RepairAdapter, ScatterAdapter, ShellAdapter, SpreadAdapter, StartAdapter,
    StepsAdapter, TableAdapter,
};
use ascan_config::host::PluginHost;
use ascan_core::{Error, Kind, Result};
use ascan_engine::slices::{Recipe, SliceSet};
use ascan_engine::spread::Spread;
use ascan_report::album::Album;
use ascan_store::annotations::Annotator;
use ascan_ui::{MainWindow, Shell};
use browser::Browser;
use command::{Command, ImagesCommand, ShellCommand, VerdictsCommand};
use crossbeam_channel::{Receiver, Sender};
use dialogs::Chosen;
use done::Done;
use model::methods::Method;
use model::session::{NamedSet, Session};
use model::{Changes, Model};
use pictures::Pictures;
use settings::Settings;
use slint::{ComponentHandle, Timer, TimerMode};
use start::Start;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the verdicts of other windows are looked for.
const REFRESH: Duration = Duration::from_secs(2);
/// How long a word about what was done is shown.
const TOAST: Duration = Duration::from_secs(8);
/// How long typing pauses before anything is made of it.
const PAUSE: Duration = Duration::from_millis(350);

/// Tells the thread of the window that a background thread has something for it.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

thread_local! {
    /// The window of the event loop's thread.
    static CURRENT: RefCell<std::rc::Weak<Desktop>> = RefCell::default();
}

/// Wakes the event loop. Requests that come before it has answered the first are one.
pub fn event_loop_wake() -> Wake {
    let is_asked = Arc::new(AtomicBool::new(false));
    Arc::new(move || {
        if is_asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_asked = is_asked.clone();
        let asked = slint::invoke_from_event_loop(move || {
            is_asked.store(false, Ordering::Release);
            if let Some(desktop) = CURRENT.with(|current| current.borrow().upgrade()) {
                desktop.take();
            }
        });
        // The window is gone, and with it whoever would look.
        drop(asked);
    })
}

/// The program behind a window.
pub struct Desktop {
    /// The window.
    pub window: MainWindow,
    own: std::rc::Weak<Self>,
    model: RefCell<Option<Model>>,
    start: RefCell<Start>,
    /// The list of files that is open, and what becomes of the chosen one.
    browser: RefCell<Option<(Browser, Chosen)>>,
    pictures: RefCell<Option<Rc<Pictures>>>,
    adapters: RefCell<Adapters>,
    queue: RefCell<VecDeque<Command>>,
    busy: Cell<bool>,
    host: Arc<PluginHost>,
    sender: Sender<Done>,
    inbox: Receiver<Done>,
    wake: Wake,
    /// Whether settings are kept.
    remembers: Cell<bool>,
    refresh: Timer,
    toast: Timer,
    pause: Timer,
}

struct Adapters {
    shell: ShellAdapter,
    mosaic: MosaicAdapter,
    table: TableAdapter,
    inspector: InspectorAdapter,
    images: ImagesAdapter,
    image: ImageAdapter,
    scatter: ScatterAdapter,
    labels: LabelsAdapter,
    confusion: ConfusionAdapter,
    steps: StepsAdapter,
    spread: SpreadAdapter,
    repair: RepairAdapter,
    compare: CompareAdapter,
    start: StartAdapter,
    browser: BrowserAdapter,
}

impl Desktop {
    /// A window, still without a scan.
    ///
    /// # Errors
    /// `Unsupported` if the system gives no window.
    pub fn new(host: PluginHost, settings: Settings, wake: Wake) -> Result<Rc<Self>> {
        let window = MainWindow::new().map_err(|error| {
            let hint =
                "is there a display? `--screenshot FILE` needs none, and `--renderer software` needs no graphics card";
            Error::unsupported(format!("the window cannot be opened: {error}"), hint)
        })?;
        let (sender, inbox) = crossbeam_channel::unbounded();
        Ok(Rc::new_cyclic(|desktop: &std::rc::Weak<Self>| {
            let dispatch: Dispatch = {
                let desktop = desktop.clone();
                Rc::new(move |command| {
                    if let Some(desktop) = desktop.upgrade() {
                        desktop.dispatch(command);
                    }
                })
            };
            let ask: adapters::Ask = {
                let desktop = desktop.clone();
                Rc::new(move |what| {
                    if let Some(desktop) = desktop.upgrade() {
                        desktop.ask(what);
                    }
                })
            };
            let adapters = Adapters {
                shell: ShellAdapter::new(&window, &dispatch, &ask),
                mosaic: MosaicAdapter::new(&window, &dispatch),
                table: TableAdapter::new(&window, &dispatch, desktop),
                inspector: InspectorAdapter::new(&window, &dispatch),
                images: ImagesAdapter::new(&window, &dispatch),
                image: ImageAdapter::new(&window, &dispatch),
                scatter: ScatterAdapter::new(&window, &dispatch),
                labels: LabelsAdapter::new(&window, &dispatch),
                confusion: ConfusionAdapter::new(&window, &dispatch),
                steps: StepsAdapter::new(&window, &dispatch),
                spread: SpreadAdapter::new(&window, &dispatch),
                repair: RepairAdapter::new(&window, &dispatch),
                compare: CompareAdapter::new(&window, &dispatch),
                start: StartAdapter::new(&window, desktop),
                browser: BrowserAdapter::new(&window, desktop),
            };
            Self {
                window,
                own: desktop.clone(),
                model: RefCell::new(None),
                start: RefCell::new(Start::new(settings, &host)),
                browser: RefCell::new(None),
                pictures: RefCell::new(None),
                adapters: RefCell::new(adapters),
                queue: RefCell::default(),
                busy: Cell::new(false),
                host: Arc::new(host),
                sender,
                inbox,
                wake,
                remembers: Cell::new(true),
                refresh: Timer::default(),
                toast: Timer::default(),
                pause: Timer::default(),
            }
        }))
    }

    /// Brings the window up on a screen in memory.
    ///
    /// # Errors
    /// `Unsupported` if it cannot be drawn.
    pub fn show(&self) -> Result<()> {
        let shown = self.window.show();
        shown.map_err(|error| Error::unsupported(format!("the window cannot be drawn: {error}"), ""))
    }

    /// Registers this window as the receiver of what background threads make for this event loop.
    pub fn belongs_to_event_loop(self: &Rc<Self>) {
        CURRENT.with(|current| current.replace(Rc::downgrade(self)));
        let desktop = Rc::downgrade(self);
        // What other windows on the same scan say shows up by itself.
        self.refresh.start(TimerMode::Repeated, REFRESH, move || {
            if let Some(desktop) = desktop.upgrade() {
                desktop.dispatch(VerdictsCommand::Refresh);
            }
        });
    }

    /// Settings are not kept: for pictures and tests.
    pub fn forgets_settings(&self) {
        self.remembers.set(false);
    }

    /// Opens a scan in the window.
    ///
    /// # Errors
    /// `File` if the folder holds no scan, or none that this version reads.
    pub fn open(&self, dir: &Path, slices: Option<&str>) -> Result<()> {
        let mut settings = self.settings();
        let session = open_session(dir, slices, &settings.author(), &self.host)?;
        settings.opened(dir);
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let done = move |done| {
            // The window may be gone: then nobody wants it.
            if sender.send(done).is_ok() {
                wake();
            }
        };
        let pictures = Rc::new(Pictures::new(session.album.clone(), self.host.clone(), Arc::new(done)));
        // Dropping the earlier ones ends their threads.
        self.pictures.replace(Some(pictures));
        let model = Model::new(session, settings);
        self.model.replace(Some(model));
        {
            let mut adapters = self.adapters.borrow_mut();
            adapters.mosaic.forget();
            adapters.table.forget();
        }
        self.window.global::<Shell>().set_started(true);
        self.start_tasks();
        self.sync(Changes::ALL);
        self.save_settings();
        Ok(())
    }

    /// Shows the start page.
    pub fn show_start(&self) {
        let settings = self.settings();
        self.model.replace(None);
        self.pictures.replace(None);
        self.start.borrow_mut().settings = settings;
        self.window.global::<Shell>().set_started(false);
        self.sync_start();
    }

    fn settings(&self) -> Settings {
        let model = self.model.borrow();
        model.as_ref().map_or_else(|| self.start.borrow().settings.clone(), |model| model.settings.clone())
    }

    /// Does a command, and shows what came of it. Commands that come meanwhile wait for their turn.
    pub fn dispatch(&self, command: impl Into<Command>) {
        self.queue.borrow_mut().push_back(command.into());
        if self.busy.replace(true) {
            return;
        }
        loop {
            let Some(command) = self.queue.borrow_mut().pop_front() else { break };
            let before = self.settings();
            let toast_before = self.with_model(|model| model.toast.clone());
            let drawn = |desktop: &Self| {
                desktop.model.borrow().as_ref().map(|model| (model.session.set.id.clone(), model.images.look))
            };
            let drawn_before = drawn(self);
            let stage = |desktop: &Self| {
                let model = desktop.model.borrow();
                model.as_ref().map(|model| (model.view, model.overlay, model.images.open.is_some()))
            };
            let stage_before = stage(self);
            let changes = match &mut *self.model.borrow_mut() {
                Some(model) => model.apply(command),
                None => Changes::NONE,
            };
            if drawn(self) != drawn_before {
                self.forget_slices();
            }
            self.start_tasks();
            self.sync(changes);
            self.time_toast(toast_before);
            if self.settings() != before {
                self.save_settings();
            }
            if stage(self) != stage_before {
                // What had the keyboard may be gone.
                self.window.invoke_take_focus();
            }
            if self.model.borrow().as_ref().is_some_and(|model| model.close_requested) {
                self.show_start();
            }
            self.do_requests();
        }
        self.busy.set(false);
    }

    /// A word about what was done goes after a while.
    fn time_toast(&self, before: Option<String>) {
        let now = self.with_model(|model| model.toast.clone());
        if now != before && now.is_some_and(|toast| !toast.is_empty()) {
            let desktop = self.own.clone();
            self.toast.start(TimerMode::SingleShot, TOAST, move || {
                if let Some(desktop) = desktop.upgrade() {
                    desktop.dispatch(ShellCommand::ForgetToast);
                }
            });
        }
    }

    /// What the model wants of the window around it.
    fn do_requests(&self) {
        let (stop, open) = match &mut *self.model.borrow_mut() {
            Some(model) => (std::mem::take(&mut model.stop_requested), model.open_requested.take()),
            None => (false, None),
        };
        if let (true, Some(pictures)) = (stop, &*self.pictures.borrow()) {
            pictures.stop();
        }
        if let Some(scan) = open {
            self.open_or_say(&scan);
        }
    }

    fn forget_slices(&self) {
        if let Some(pictures) = &*self.pictures.borrow() {
            pictures.forget_tiles();
        }
        let mut adapters = self.adapters.borrow_mut();
        adapters.mosaic.forget();
        adapters.table.forget();
    }

    fn start_tasks(&self) {
        if let (Some(model), Some(pictures)) = (&mut *self.model.borrow_mut(), &*self.pictures.borrow()) {
            for task in std::mem::take(&mut model.tasks) {
                pictures.start(task, &model.session.set);
            }
        }
    }

    /// Shows what changed.
    fn sync(&self, changes: Changes) {
        let (model, pictures) = (self.model.borrow(), self.pictures.borrow());
        let (Some(model), Some(pictures)) = (&*model, &*pictures) else { return };
        let adapters = &mut *self.adapters.borrow_mut();
        adapters.shell.sync(&self.window, model, changes);
        adapters.mosaic.sync(&self.window, model, changes, pictures);
        adapters.table.sync(&self.window, model, changes);
        adapters.inspector.sync(&self.window, model, changes);
        adapters.images.sync(&self.window, model, changes, pictures);
        adapters.image.sync(&self.window, model, changes, &adapters.images, pictures);
        adapters.scatter.sync(&self.window, model, changes, &adapters.images);
        adapters.labels.sync(&self.window, model, changes, &adapters.images);
        adapters.confusion.sync(&self.window, model, changes);
        adapters.steps.sync(&self.window, model, changes);
        adapters.spread.sync(&self.window, model, changes, &adapters.images);
        adapters.repair.sync(&self.window, model, changes);
        adapters.compare.sync(&self.window, model, changes);
    }

    /// Takes what background threads made. Called on the thread of the window whenever it is woken.
    pub fn take(&self) {
        while let Ok(done) = self.inbox.try_recv() {
            let mut changes = Changes::NONE;
            let mut adapters = self.adapters.borrow_mut();
            match done {
                Done::Tile { generation, slice, request, pixels } => {
                    let current = self.pictures.borrow().as_ref().map(|pictures| pictures.generation());
                    if current == Some(generation) {
                        adapters.mosaic.take(slice, request, &pixels);
                    }
                }
                Done::Thumb { row, picture } => {
                    if let (Err(error), Some(model)) = (&picture, &mut *self.model.borrow_mut()) {
                        changes = model.misses_images(error);
                    }
                    adapters.images.take(row, picture.ok());
                    // Neighbours and candidates show thumbnails too.
                    changes |= Changes::IMAGE | Changes::LABELS | Changes::OUTLINE;
                }
                Done::Large { row, picture, heat, also } => {
                    let picture = picture.map_err(|error| with_hint(&error));
                    adapters.image.take(adapters::Large { row, picture, heat, also });
                    changes = Changes::IMAGE;
                }
                Done::Attribution { row, name, heat } => {
                    adapters.image.take_attribution(row, name, heat.map_err(|error| with_hint(&error)));
                    changes = Changes::IMAGE | Changes::SHELL;
                    if let Some(model) = &mut *self.model.borrow_mut() {
                        model.attributed();
                    }
                }
                Done::Progress { stage, share } => {
                    if let Some(model) = &mut *self.model.borrow_mut() {
                        changes = model.take_progress(stage, share);
                    }
                }
                Done::Said(line) => {
                    if let Some(model) = &mut *self.model.borrow_mut() {
                        changes = model.take_words(line);
                    }
                }
                Done::Answer(answer) => {
                    drop(adapters);
                    let before = self.model.borrow().as_ref().map(|model| model.session.set.id.clone());
                    if let Some(model) = &mut *self.model.borrow_mut() {
                        changes = model.take(answer);
                    }
                    if self.model.borrow().as_ref().map(|model| model.session.set.id.clone()) != before {
                        self.forget_slices();
                    }
                    // One answer may ask for more.
                    self.start_tasks();
                    self.sync(changes);
                    continue;
                }
            }
            drop(adapters);
            self.sync(changes);
        }
        self.do_requests();
        self.take_from_start();
    }

    /// Whether nothing is being made in the background.
    pub fn is_idle(&self) -> bool {
        !self.start.borrow().is_guessing()
            && self.inbox.is_empty()
            && self.pictures.borrow().as_ref().is_none_or(|pictures| pictures.is_idle())
    }

    fn save_settings(&self) {
        if self.remembers.get()
            && let Err(error) = self.settings().save()
        {
            self.fail(&error);
        }
    }

    /// Shows an error in the window.
    pub fn fail(&self, error: &Error) {
        match &mut *self.model.borrow_mut() {
            Some(model) => {
                model.fail(error);
            }
            None => self.start.borrow_mut().error = with_hint(error),
        }
        self.sync(Changes::SHELL);
        self.sync_start();
    }

    /// Something about the open scan; `None` on the start page, or while a command is being done.
    fn with_model<T>(&self, read: impl FnOnce(&Model) -> T) -> Option<T> {
        self.model.try_borrow().ok()?.as_ref().map(read)
    }

    /// The slices of the list, in its order.
    pub fn slice_ids(&self) -> Vec<i32> {
        self.with_model(|model| model.list.order.clone()).unwrap_or_default()
    }

    /// Opens the first of the images that are shown.
    pub fn open_first_image(&self) {
        let first = self.model.borrow().as_ref().and_then(|model| model.images.rows.first().copied());
        if let Some(row) = first {
            self.dispatch(ImagesCommand::Open(row));
        }
    }

    /// Opens a scan, or says in the window why not.
    pub fn open_or_say(&self, dir: &Path) {
        if let Err(error) = self.open(dir, None) {
            self.fail(&error);
        }
    }

    /// Changes the start page.
    pub fn edit_start(&self, edit: impl FnOnce(&mut Start)) {
        edit(&mut self.start.borrow_mut());
        self.sync_start();
        if self.start.borrow().wants_guess() {
            // Not at each key: only once typing pauses.
            let desktop = self.own.clone();
            self.pause.start(TimerMode::SingleShot, PAUSE, move || {
                if let Some(desktop) = desktop.upgrade() {
                    desktop.start.borrow_mut().begin_guess(desktop.host.clone(), desktop.wake.clone());
                    desktop.sync_start();
                }
            });
        }
    }

    /// Lists files in the window until one is chosen.
    pub fn browse(&self, browser: Browser, chosen: impl Fn(&Self, &Path) + 'static) {
        self.browser.replace(Some((browser, Box::new(chosen))));
        self.sync_browser();
    }

    /// The list of files, if it is open.
    fn browsed(&self) -> Option<Browser> {
        self.browser.borrow().as_ref().map(|(browser, _)| browser.clone())
    }

    fn browse_with(&self, act: impl FnOnce(&mut Browser)) {
        if let Some((browser, _)) = &mut *self.browser.borrow_mut() {
            act(browser);
        }
        self.sync_browser();
    }

    fn end_browsing(&self, path: Option<PathBuf>) {
        let Some((_, chosen)) = self.browser.take() else { return };
        self.sync_browser();
        self.window.invoke_take_focus();
        if let Some(path) = path {
            chosen(self, &path);
        }
    }

    fn sync_browser(&self) {
        let browser = self.browsed();
        self.adapters.borrow().browser.sync(&self.window, browser.as_ref());
    }

    /// A path of the start page.
    fn start_path(&self, path: impl FnOnce(&Start) -> String) -> String {
        path(&self.start.borrow())
    }

    /// Makes the demo and opens it.
    pub fn run_demo(&self) {
        self.start.borrow_mut().run_demo(self.host.clone(), self.wake.clone());
        self.sync_start();
    }

    /// Starts the scan of the start page.
    pub fn run_scan(&self) {
        self.start.borrow_mut().run(self.host.clone(), self.wake.clone());
        self.sync_start();
    }

    /// Asks the scan of the start page to stop.
    pub fn cancel_scan(&self) {
        if let Some(running) = &self.start.borrow().running {
            running.cancel();
        }
    }

    fn sync_start(&self) {
        if self.model.borrow().is_none() {
            self.adapters.borrow().start.sync(&self.window, &self.start.borrow());
        }
    }

    fn take_from_start(&self) {
        let (has_news, begins) = self.start.borrow_mut().take_guesses();
        if has_news {
            self.sync_start();
        }
        if begins {
            self.run_scan();
        }
        let is_running = self.start.borrow().running.is_some();
        if !is_running {
            return;
        }
        let done = self.start.borrow_mut().poll();
        match done {
            Some(scan) => self.open_or_say(&scan),
            None => self.sync_start(),
        }
    }
}

/// An error and what to do about it.
fn with_hint(error: &Error) -> String {
    error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}. {hint}"))
}

/// A scan, its slices (the newest, if none are named) and its verdicts.
///
/// # Errors
/// `File` if the folder holds no scan; a scan that is damaged opens as far as it can.
pub fn open_session(dir: &Path, slices: Option<&str>, author: &str, host: &PluginHost) -> Result<Session> {
    let album = Album::open_partial(dir)?;
    let named = |id: String| {
        // One that is damaged is told of when it is chosen.
        let title = Recipe::of_set(&album.scan, &id).map_or_else(|| id.clone(), |recipe| recipe.title());
        NamedSet { title, id }
    };
    let sets = album.scan.slice_sets()?.into_iter().map(named).collect();
    let set = SliceSet::load(&album.scan, slices)?;
    let annotations = Annotator::open(dir, author)?;
    let spread = Spread::load(&album.scan)?;
    let mut session = Session::new(Arc::new(album), sets, set, annotations);
    session.set_spread(spread);
    session.attributors = Method::all(host, Kind::Attributor);
    session.slicers = Method::all(host, Kind::Slicer);
    session.regularizers = Method::all(host, Kind::Regularizer);
    session.projections = host.map_projectors().into_iter().map(str::to_owned).collect();
    Ok(session)
}
