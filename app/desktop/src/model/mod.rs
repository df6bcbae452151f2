//! What the window shows, without a window: one model, changed only by commands.
//!
//! [`Model::apply`] takes a [`Command`] and says in [`Changes`] what is to be drawn anew. Work that takes
//! longer than a frame goes out as a [`Task`]; its [`Answer`] comes back to [`Model::take`].

mod changes;
pub mod confusion;
pub mod filter;
pub mod images;
pub mod list;
pub mod methods;
pub mod mosaic;
pub mod repair;
pub mod scatter;
pub mod session;
mod shell;
pub mod slicing;
pub mod spreading;
mod task;
mod verdicts;
mod work;

use super::command::{Command, Overlay, VerdictsCommand, View};
use super::settings::Settings;
use ascan_config::sections::{PerClass, RepairSection};
use ascan_engine::mislabels::Candidates;
pub use ascan_report::figures;
pub use changes::Changes;
use figures::Figure;
use images::Images;
use list::List;
use methods::Method;
use mosaic::Mosaic;
use repair::Repair;
use scatter::Scatter;
use session::Session;
use slicing::Slicing;
use std::collections::BTreeMap;
use std::path::PathBuf;
pub use task::{Answer, ImageFacts, Task};
pub use verdicts::{ASKING, WEIGHING, mark_name};

/// What to do about a verdict that the pictures do not bear out.
pub const ASK: &str = "Look at them again: is the object lit, or what is around it? If you are sure, ask the model (key A): what \
                       it confirms stands.";

/// All state of the window with an open scan.
pub struct Model {
    /// The scan.
    pub session: Session,
    /// What outlives the program.
    pub settings: Settings,
    /// The view in the middle.
    pub view: View,
    /// What lies over it.
    pub overlay: Overlay,
    /// The selected slice.
    pub selected: Option<i32>,
    /// The list of slices.
    pub list: List,
    /// The mosaic.
    pub mosaic: Mosaic,
    /// Images of what is selected.
    pub images: Images,
    /// The points.
    pub scatter: Scatter,
    /// The form for new slices.
    pub slicing: Slicing,
    /// The repair, and what it changed.
    pub repair: Repair,
    /// How far the long task is: in words, and in [0, 1].
    pub progress: Option<(String, f32)>,
    /// Facts of the open image, once they are there.
    pub image: Option<ImageFacts>,
    /// Labels that look wrong, once they were looked for.
    pub candidates: Option<Candidates>,
    /// The candidate that was clicked last.
    pub candidate: Option<usize>,
    /// Where exports go.
    pub export_folder: String,
    /// What the palette searches for, and the chosen line.
    pub palette: (String, usize),
    /// A word about what was just done.
    pub toast: String,
    /// Whether it is about a verdict, which can be undone.
    pub toast_undo: bool,
    /// Comments that were typed and belong to no verdict yet, by slice.
    pub drafts: BTreeMap<i32, String>,
    /// What runs in the background, in words.
    pub busy: Vec<&'static str>,
    /// Work to hand out.
    pub tasks: Vec<Task>,
    /// Whether it was said that images are gone.
    has_missed: bool,
    /// What runs is to stop.
    pub stop_requested: bool,
    /// Another scan is to be opened.
    pub open_requested: Option<PathBuf>,
    /// What runs would stop by leaving, and that was said.
    warned: bool,
    /// The user wants the start page.
    pub close_requested: bool,
}

impl Model {
    /// The window of a scan.
    pub fn new(session: Session, settings: Settings) -> Self {
        let images = Images::drawn_as(settings.look);
        let scatter = Scatter::of(&session);
        let mut model = Self {
            session,
            settings,
            view: View::Mosaic,
            overlay: Overlay::None,
            selected: None,
            list: List::default(),
            mosaic: Mosaic { zoom: 1.0, ..Mosaic::default() },
            images,
            scatter,
            slicing: Slicing::default(),
            repair: Repair::default(),
            progress: None,
            image: None,
            candidates: None,
            candidate: None,
            export_folder: String::new(),
            palette: Default::default(),
            toast: String::new(),
            toast_undo: false,
            drafts: BTreeMap::new(),
            busy: Vec::new(),
            tasks: Vec::new(),
            has_missed: false,
            stop_requested: false,
            open_requested: None,
            warned: false,
            close_requested: false,
        };
        // Beside the scan, never inside it.
        let dir = std::path::absolute(&model.session.album.scan.dir).unwrap_or_default();
        model.export_folder = dir.parent().unwrap_or(&dir).to_string_lossy().into_owned();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        model.repair.folder = dir.with_file_name(format!("{name}-repair")).to_string_lossy().into_owned();
        let recipe = &model.session.set.recipe;
        model.slicing.methods = std::mem::take(&mut model.session.slicers);
        model.repair.methods = std::mem::take(&mut model.session.regularizers);
        model.slicing.method = Method::place(&model.slicing.methods, &recipe.plugin);
        // The form begins with how the shown slices were made.
        if let Some(method) = model.slicing.methods.get_mut(model.slicing.method).filter(|m| m.name == recipe.plugin) {
            method.set(&recipe.params);
        }
        model.slicing.per_class = match recipe.per_class {
            PerClass::None => 0,
            PerClass::Label => 1,
            PerClass::PredictedClass => 2,
        };
        model.repair.method = Method::place(&model.repair.methods, &RepairSection::default().plugin);
        model.repair.recall();
        model.repair.epochs = RepairSection::default().epochs;
        if model.session.set.accuracy.is_none() {
            // Without labels nothing is right or wrong: how sure the model is takes that place.
            model.mosaic.metric = Figure::COLORS.iter().position(|figure| *figure == Figure::Confidence).unwrap_or(0);
            model.list.columns = Figure::ALL.map(|figure| matches!(figure, Figure::Confidence | Figure::Confidences));
        }
        if model.session.album.table.quantities.is_some() {
            // How far off says more than how often within a tolerance.
            model.mosaic.metric = Figure::COLORS.iter().position(|figure| *figure == Figure::Loss).unwrap_or(0);
            model.list.columns[Figure::ALL.iter().position(|figure| *figure == Figure::Loss).unwrap_or(0)] = true;
        }
        model.list.update(&model.session);
        model.images.update(&model.session, None);
        model.tasks.push(Task::LookForImages);
        model
    }

    /// Does what a command says.
    pub fn apply(&mut self, command: impl Into<Command>) -> Changes {
        let command = command.into();
        if command == Command::Verdicts(VerdictsCommand::Refresh) {
            return self.refresh();
        }
        let passing = command.is_passing();
        if !passing {
            self.toast.clear();
            self.toast_undo = false;
            // That the words about it go by themselves is no second thought.
            use crate::command::ShellCommand::{ForgetToast, Leave};
            self.warned &= matches!(command, Command::Shell(Leave | ForgetToast));
        }
        let shell = if passing { Changes::NONE } else { Changes::SHELL };
        shell
            | match command {
                Command::Shell(command) => self.apply_to_shell(command),
                Command::List(command) => self.apply_to_list(command),
                Command::Mosaic(command) => self.apply_to_mosaic(command),
                Command::Verdicts(command) => self.apply_to_verdicts(command),
                Command::Images(command) => self.apply_to_images(command),
                Command::Scatter(command) => self.apply_to_scatter(command),
                Command::Slicing(command) => self.apply_to_slicing(command),
                Command::Spread(command) => self.apply_to_spread(command),
                Command::Repair(command) => self.apply_to_repair(command),
            }
    }

    /// One line about what is open.
    pub fn status(&self) -> String {
        let session = &self.session;
        let n_judged = session.slices().filter(|slice| session.mark(slice.id).is_some()).count();
        let n_waiting =
            session.slices().filter(|slice| slice.needs_verdict && session.mark(slice.id).is_none()).count();
        let failed = match session.n_failed {
            0 => String::new(),
            n => format!("   ·   {} could not be read (Images, Unread)", ascan_viz::words::images(n)),
        };
        let summary = session.set.summary(ascan_viz::words::thousands, ascan_viz::words::percent);
        format!(
            "{} slices of {summary}   ·   {n_judged} judged, {n_waiting} clearly worse without a verdict{failed}",
            session.set.slices.len()
        )
    }
}
