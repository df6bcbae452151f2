//! What the window shows, without a window: one model, changed only by commands.
//!
//! [`Model::apply`] takes a [`Command`] and says in [`Changes`] what is to be drawn anew. Work that takes
//! longer than a frame goes out as a [`Task`]; its [`Answer`] comes back to [`Model::take`].

mod changes;
pub mod figures;
pub mod images;
pub mod list;
pub mod mosaic;
pub mod scatter;
pub mod session;
mod shell;
mod task;
mod verdicts;
mod work;

use super::command::{Command, Overlay, VerdictsCommand, View};
use super::settings::Settings;
use ascan_engine::mislabels::Candidates;
pub use changes::Changes;
use images::Images;
use list::List;
use mosaic::Mosaic;
use scatter::Scatter;
use session::Session;
pub use task::{Answer, ImageFacts, Task};
pub use verdicts::mark_name;

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
    /// Mosaic and confusion view.
    pub mosaic: Mosaic,
    /// Images of what is selected.
    pub images: Images,
    /// The points.
    pub scatter: Scatter,
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
    /// What runs in the background, in words.
    pub busy: Vec<&'static str>,
    /// Work to hand out.
    pub tasks: Vec<Task>,
    /// Whether it was said that images are gone.
    has_missed: bool,
    /// The user wants the start page.
    pub close_requested: bool,
}

impl Model {
    /// The window of a scan.
    pub fn new(session: Session, settings: Settings) -> Self {
        let mut model = Self {
            session,
            settings,
            view: View::Mosaic,
            overlay: Overlay::None,
            selected: None,
            list: List::default(),
            mosaic: Mosaic { zoom: 1.0, ..Mosaic::default() },
            images: Images::default(),
            scatter: Scatter::default(),
            image: None,
            candidates: None,
            candidate: None,
            export_folder: String::new(),
            palette: Default::default(),
            toast: String::new(),
            busy: Vec::new(),
            tasks: Vec::new(),
            has_missed: false,
            close_requested: false,
        };
        // Beside the scan, never inside it.
        let dir = std::path::absolute(&model.session.album.scan.dir).unwrap_or_default();
        model.export_folder = dir.parent().unwrap_or(&dir).to_string_lossy().into_owned();
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
        self.toast.clear();
        Changes::SHELL
            | match command {
                Command::Shell(command) => self.apply_to_shell(command),
                Command::List(command) => self.apply_to_list(command),
                Command::Mosaic(command) => self.apply_to_mosaic(command),
                Command::Verdicts(command) => self.apply_to_verdicts(command),
                Command::Images(command) => self.apply_to_images(command),
                Command::Scatter(command) => self.apply_to_scatter(command),
            }
    }

    /// One line about what is open.
    pub fn status(&self) -> String {
        let session = &self.session;
        let n_judged = session.slices().filter(|slice| session.mark(slice.id).is_some()).count();
        let n_waiting =
            session.slices().filter(|slice| slice.needs_verdict && session.mark(slice.id).is_none()).count();
        let summary = session.set.summary(ascan_viz::words::thousands, ascan_viz::words::percent);
        format!(
            "{} slices of {summary}   ·   {n_judged} judged, {n_waiting} clearly worse without a verdict",
            session.set.slices.len()
        )
    }
}
