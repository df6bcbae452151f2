//! What the window shows, without a window: one model, changed only by commands.
//!
//! [`Model::apply`] takes a [`Command`] and says in [`Changes`] what is to be drawn anew. Work that takes
//! longer than a frame goes out as a [`Task`]; its [`Answer`] comes back to [`Model::take`].

pub mod figures;
pub mod images;
pub mod list;
pub mod mosaic;
pub mod scatter;
pub mod session;

use super::command::{Artefact, Command, Named, Overlay, View};
use super::settings::{SavedView, Settings};
use ascan_core::{Error, Result};
use ascan_engine::annotations::{Fix, Judgement, Mark, Subject, Verdict};
use ascan_engine::mislabels::Candidates;
use ascan_engine::slices::SliceSet;
use ascan_engine::spread::Spread;
use ascan_viz::color::Map;
use images::Images;
use list::List;
use mosaic::Mosaic;
use scatter::{PROJECTIONS, Scatter};
use session::Session;
use std::ops::{BitOr, BitOrAssign};
use std::path::PathBuf;

/// Parts of the window that are to be drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes(u32);

impl Changes {
    /// Title, status, undo, problems, overlays.
    pub const SHELL: Self = Self(1);
    /// Rows of the list.
    pub const LIST: Self = Self(1 << 1);
    /// Which slice is selected.
    pub const SELECTION: Self = Self(1 << 2);
    /// Tiles: places, figures, marks.
    pub const TILES: Self = Self(1 << 3);
    /// Zoom and pan of the mosaic.
    pub const MOSAIC_VIEW: Self = Self(1 << 4);
    /// Tile under the pointer.
    pub const HOVER: Self = Self(1 << 5);
    /// The inspector.
    pub const INSPECTOR: Self = Self(1 << 6);
    /// Which images are shown, and how.
    pub const IMAGES: Self = Self(1 << 7);
    /// Marks and picks of the images shown.
    pub const PICKED: Self = Self(1 << 8);
    /// The open image.
    pub const IMAGE: Self = Self(1 << 9);
    /// The points.
    pub const SCATTER: Self = Self(1 << 10);
    /// The outline being drawn.
    pub const OUTLINE: Self = Self(1 << 11);
    /// Labels that look wrong.
    pub const LABELS: Self = Self(1 << 12);
    /// The image where the keys are.
    pub const CURSOR: Self = Self(1 << 13);
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self((1 << 14) - 1);

    /// Whether any of these parts changed.
    pub fn has(self, parts: Self) -> bool {
        self.0 & parts.0 != 0
    }
}

impl BitOr for Changes {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Work for a background thread.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// The place of every row by this projection.
    Points(&'static str),
    /// Whether the images are where they were.
    LookForImages,
    /// Probabilities and neighbours of an image.
    Image(usize),
    /// Another attribution of an image, by the plugin's name.
    Attribution(usize, String),
    /// How far these rows of a slice lie from its middle.
    Distances(i32, Vec<usize>),
    /// Labels that look wrong.
    Candidates,
    /// Spread these marks.
    Spread(Vec<Option<Mark>>),
    /// Write a file.
    Export(Artefact, PathBuf),
    /// A slice set like the shown one with a slice of these rows.
    SliceOf(Vec<usize>),
}

/// What came of a task.
pub enum Answer {
    /// For [`Task::Points`].
    Points(&'static str, Result<Vec<[f32; 2]>>),
    /// For [`Task::LookForImages`].
    Images(Result<()>),
    /// For [`Task::Image`].
    Image(ImageFacts),
    /// For [`Task::Distances`]: the slice, and the distance of each row.
    Distances(i32, Result<Vec<(usize, f32)>>),
    /// For [`Task::Candidates`].
    Candidates(Result<Candidates>),
    /// For [`Task::Spread`].
    Spread(Result<Box<Spread>>),
    /// For [`Task::Export`].
    Exported(Result<PathBuf>),
    /// For [`Task::SliceOf`].
    Sliced(Result<Box<SliceSet>>),
}

/// What is known of one image beside its row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageFacts {
    /// The row.
    pub row: usize,
    /// `[n_classes]`.
    pub probs: Vec<f32>,
    /// Nearest rows and their cosine.
    pub neighbours: Vec<(usize, f32)>,
    /// What could not be had.
    pub problem: Option<String>,
}

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
    pub leaves: bool,
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
            leaves: false,
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
    pub fn apply(&mut self, command: Command) -> Changes {
        if command == Command::Refresh {
            return self.apply_to_verdicts(command);
        }
        self.toast.clear();
        Changes::SHELL
            | match command {
                Command::Pointer(..)
                | Command::PointerLeft
                | Command::ClickTile(..)
                | Command::OpenTile(..)
                | Command::StepTile(..)
                | Command::MosaicSize(..)
                | Command::PanMosaic(..)
                | Command::ZoomMosaic { .. }
                | Command::FitMosaic
                | Command::Layout(_)
                | Command::Metric(_)
                | Command::TileSize(_) => self.apply_to_mosaic(command),
                Command::Select(_)
                | Command::StepSlice(_)
                | Command::NextUnjudged
                | Command::Sort(_)
                | Command::Search(_)
                | Command::OnlyClass(_)
                | Command::MinSize(_)
                | Command::WorseOnly(_)
                | Command::ToggleColumn(_) => self.apply_to_list(command),
                Command::Judge(_)
                | Command::Note(_)
                | Command::Undo
                | Command::Redo
                | Command::JudgeImage(_)
                | Command::Fix { .. }
                | Command::Relabel(_)
                | Command::SelectCandidate(_)
                | Command::Spread => self.apply_to_verdicts(command),
                Command::ImagesSize(..)
                | Command::ThumbSize(_)
                | Command::Order(_)
                | Command::Drawing(_)
                | Command::Map(_)
                | Command::Opacity(_)
                | Command::Contour(_)
                | Command::PickImage { .. }
                | Command::MoveCursor { .. }
                | Command::ClearPicked
                | Command::OpenImage(_)
                | Command::StepImage(_)
                | Command::CloseImage
                | Command::Attribute(_) => self.apply_to_images(command),
                Command::ScatterSize(..)
                | Command::Tool(_)
                | Command::ScatterDown { .. }
                | Command::ScatterMove(..)
                | Command::ScatterUp(..)
                | Command::ScatterHover(..)
                | Command::ZoomScatter { .. }
                | Command::FitScatter
                | Command::ColorPoints(_)
                | Command::Projection(_)
                | Command::SliceOfPicked => self.apply_to_scatter(command),
                _ => self.apply_to_shell(command),
            }
    }

    fn apply_to_shell(&mut self, command: Command) -> Changes {
        match command {
            Command::Show(view) => return self.show(view),
            Command::Open(overlay) => {
                self.overlay = overlay;
                self.palette = Default::default();
            }
            Command::Close => self.overlay = Overlay::None,
            Command::Escape => {
                if self.overlay != Overlay::None {
                    self.overlay = Overlay::None;
                } else if self.images.open.is_some() {
                    return self.apply(Command::CloseImage);
                } else if !self.images.picked.is_empty() {
                    return self.apply(Command::ClearPicked);
                } else {
                    return self.select(None);
                }
            }
            Command::ToggleTheme => {
                self.settings.dark = !self.settings.dark;
                return Changes::ALL;
            }
            Command::ToggleTable => self.settings.table_visible = !self.settings.table_visible,
            Command::ToggleInspector => self.settings.inspector_visible = !self.settings.inspector_visible,
            Command::ResizeTable(by) => {
                self.settings.table_px = (self.settings.table_px + by).clamp(180.0, 900.0);
            }
            Command::ResizeInspector(by) => {
                self.settings.inspector_px = (self.settings.inspector_px - by).clamp(220.0, 900.0);
            }
            Command::TextScale(scale) => self.settings.text_scale = scale.clamp(0.8, 2.0),
            Command::Author(name) => self.settings.author = name,
            Command::SaveView(name) if !name.trim().is_empty() => {
                let saved = SavedView {
                    name: name.trim().to_owned(),
                    view: self.view,
                    layout: self.mosaic.layout,
                    metric: self.mosaic.metric,
                    size: self.mosaic.size,
                    sort: self.list.sort,
                    search: self.list.search.clone(),
                    worse_only: self.list.worse_only,
                };
                self.settings.views.retain(|view| view.name != saved.name);
                self.settings.views.push(saved);
            }
            Command::UseView(index) => {
                if let Some(saved) = self.settings.views.get(index).cloned() {
                    (self.mosaic.layout, self.mosaic.metric, self.mosaic.size) =
                        (saved.layout, saved.metric, saved.size);
                    (self.list.sort, self.list.search, self.list.worse_only) =
                        (saved.sort, saved.search, saved.worse_only);
                    self.list.update(&self.session);
                    self.overlay = Overlay::None;
                    return self.show(saved.view) | Changes::ALL;
                }
            }
            Command::ChooseSet(index) => {
                let Some(id) = self.session.set_ids.get(index).cloned() else { return Changes::NONE };
                let set = SliceSet::load(&self.session.album.scan, Some(&id));
                return match set {
                    Ok(set) => self.show_set(set),
                    Err(error) => self.fail(&error),
                };
            }
            Command::DismissProblem(index) if index < self.session.problems.len() => {
                self.session.problems.remove(index);
            }
            Command::PaletteSearch(query) => self.palette = (query, 0),
            Command::PaletteStep(by) => {
                let n = Named::search(&self.palette.0).len() as i64;
                let place = (self.palette.1 as i64 + i64::from(by)).clamp(0, (n - 1).max(0));
                self.palette.1 = place as usize;
            }
            Command::Leave => self.leaves = true,
            Command::ExportFolder(folder) => self.export_folder = folder,
            Command::Export(what) => {
                let scan = &self.session.album.scan.dir;
                let name = scan.file_name().map_or_else(|| "scan".into(), |name| name.to_string_lossy().into_owned());
                let path = PathBuf::from(&self.export_folder).join(format!("{name}-{}", what.file()));
                self.begin("writing a file", Task::Export(what, path));
            }
            _ => {}
        }
        Changes::SHELL
    }

    fn show(&mut self, view: View) -> Changes {
        self.view = view;
        self.images.open = None;
        self.mosaic.confusion = view == View::Confusion;
        self.mosaic.hovered = None;
        let mut changes = Changes::SHELL | Changes::IMAGE;
        match view {
            View::Mosaic | View::Confusion => {
                self.mosaic.fit();
                self.mosaic.update(&self.session);
                changes |= Changes::TILES | Changes::MOSAIC_VIEW | Changes::HOVER;
            }
            View::Images => changes |= Changes::IMAGES,
            View::Scatter => {
                self.ask_for_points();
                changes |= Changes::SCATTER;
            }
            View::Labels => {
                if self.candidates.is_none() {
                    self.begin("looking for wrong labels", Task::Candidates);
                }
                changes |= Changes::LABELS;
            }
        }
        changes
    }

    fn show_set(&mut self, set: SliceSet) -> Changes {
        self.session.show(set);
        self.list.update(&self.session);
        self.mosaic.update(&self.session);
        self.select(None) | Changes::ALL
    }

    /// Selects a slice, everywhere.
    fn select(&mut self, slice: Option<i32>) -> Changes {
        self.selected = slice;
        self.images.picked.clear();
        self.images.open = None;
        self.order_images();
        Changes::SELECTION
            | Changes::INSPECTOR
            | Changes::IMAGES
            | Changes::IMAGE
            | if self.view == View::Scatter { Changes::SCATTER } else { Changes::NONE }
    }

    fn apply_to_list(&mut self, command: Command) -> Changes {
        match command {
            Command::Select(id) => return self.select(id),
            Command::StepSlice(by) => {
                let to = self.list.step(self.selected, by);
                return self.select(to);
            }
            Command::NextUnjudged => {
                let order = &self.list.order;
                let from = self.selected.and_then(|id| order.iter().position(|&other| other == id));
                let after = from.map_or(0, |place| place + 1);
                let waits = |id: &&i32| {
                    self.session.mark(**id).is_none() && self.session.set.slice(**id).is_some_and(|s| s.needs_verdict)
                };
                let next = order[after..].iter().chain(&order[..after]).find(waits).copied();
                if next.is_none() {
                    self.toast = "Every slice that is clearly worse has a verdict".to_owned();
                    return Changes::SHELL;
                }
                return self.select(next);
            }
            Command::Sort(column) => self.list.sort_by(column),
            Command::Search(text) => self.list.search = text,
            // The first entry is "all classes".
            Command::OnlyClass(index) => self.list.class = index.checked_sub(1).map(|class| class as i32),
            Command::MinSize(size) => self.list.min_size = size,
            Command::WorseOnly(on) => self.list.worse_only = on,
            Command::ToggleColumn(column) => self.list.columns[column] = !self.list.columns[column],
            _ => {}
        }
        self.list.update(&self.session);
        Changes::LIST | Changes::TILES
    }

    fn apply_to_mosaic(&mut self, command: Command) -> Changes {
        let mosaic = &mut self.mosaic;
        match command {
            Command::Pointer(x, y) => {
                mosaic.pointer = [x, y];
                mosaic.hovered = mosaic.at(x, y);
                Changes::HOVER
            }
            Command::PointerLeft => {
                mosaic.hovered = None;
                Changes::HOVER
            }
            Command::ClickTile(x, y) => {
                let id = mosaic.at(x, y);
                self.select(id)
            }
            Command::OpenTile(x, y) => match mosaic.at(x, y) {
                Some(id) => self.select(Some(id)) | self.show(View::Images),
                None => Changes::NONE,
            },
            Command::StepTile(dx, dy) => {
                let to = mosaic.step(self.selected, dx, dy);
                self.select(to)
            }
            Command::MosaicSize(width, height) => {
                if mosaic.room == [width, height] {
                    return Changes::NONE;
                }
                mosaic.room = [width, height];
                mosaic.fit();
                mosaic.update(&self.session);
                Changes::TILES | Changes::MOSAIC_VIEW
            }
            Command::PanMosaic(dx, dy) => {
                mosaic.pan_by(dx, dy);
                mosaic.hovered = None;
                Changes::MOSAIC_VIEW | Changes::HOVER
            }
            Command::ZoomMosaic { x, y, steps } => {
                mosaic.zoom_at(x, y, steps);
                Changes::MOSAIC_VIEW
            }
            Command::FitMosaic => {
                mosaic.fit();
                Changes::MOSAIC_VIEW
            }
            Command::Layout(layout) => {
                mosaic.layout = layout;
                self.show(View::Mosaic)
            }
            Command::Metric(metric) => {
                mosaic.metric = metric;
                Changes::TILES | Changes::LIST
            }
            Command::TileSize(size) => {
                mosaic.size = size;
                mosaic.update(&self.session);
                Changes::TILES
            }
            _ => Changes::NONE,
        }
    }

    /// What a verdict would be about now: the picked images, the open image, or the selected slice.
    pub fn subject(&self) -> Option<Subject> {
        if !self.images.picked.is_empty() {
            return Some(Subject::Images { rows: self.images.picked.iter().copied().collect() });
        }
        if let Some(row) = self.images.open {
            return Some(Subject::Images { rows: vec![row] });
        }
        self.selected.map(|id| self.session.subject(id))
    }

    fn apply_to_verdicts(&mut self, command: Command) -> Changes {
        let done = match command {
            Command::Judge(mark) => {
                let Some(subject) = self.subject() else {
                    self.toast = "Select a slice or pick images first".to_owned();
                    return Changes::SHELL;
                };
                self.judge(subject, mark)
            }
            Command::JudgeImage(mark) => match self.images.open {
                Some(row) => self.judge(Subject::Images { rows: vec![row] }, mark),
                None => Ok(()),
            },
            Command::Note(note) => self.note(note),
            Command::Undo => self.session.annotations.undo().map(|undone| {
                self.toast =
                    undone.map_or_else(|| "Nothing to undo".into(), |verdict| format!("Undone: {}", said(&verdict)));
            }),
            Command::Redo => self.session.annotations.redo().map(|redone| {
                self.toast =
                    redone.map_or_else(|| "Nothing to redo".into(), |verdict| format!("Again: {}", said(&verdict)));
            }),
            Command::Fix { row, fix } => self.fix(row, fix),
            Command::Relabel(row) => match self.suggested(row) {
                Some(class) => self.fix(row, Fix::Relabel(class)),
                None => Ok(()),
            },
            Command::SelectCandidate(row) => {
                self.candidate = Some(row);
                return Changes::LABELS;
            }
            Command::Refresh => match self.session.refresh() {
                Ok(false) => return Changes::NONE,
                news => news.map(|_| ()),
            },
            Command::Spread => {
                let marks = self.session.marks.clone();
                self.begin("spreading verdicts", Task::Spread(marks));
                return Changes::SHELL;
            }
            _ => Ok(()),
        };
        if let Err(error) = done {
            return self.fail(&error);
        }
        self.session.refresh_marks();
        self.list.update(&self.session);
        Changes::LIST
            | Changes::TILES
            | Changes::INSPECTOR
            | Changes::PICKED
            | Changes::IMAGE
            | Changes::LABELS
            | if self.view == View::Scatter { Changes::SCATTER } else { Changes::NONE }
    }

    fn judge(&mut self, subject: Subject, mark: Option<Mark>) -> Result<()> {
        // The note of an earlier verdict stays with its slice.
        let note = match &subject {
            Subject::Slice { slice, .. } => self.session.mark(*slice).map_or_else(String::new, |(_, n)| n.to_owned()),
            Subject::Images { .. } => String::new(),
        };
        let what = match &subject {
            Subject::Slice { slice, .. } => format!("Slice {slice}"),
            Subject::Images { rows } => ascan_engine::mosaic::images(rows.len()),
        };
        self.toast = match mark {
            Some(mark) => format!("{what}: {}", words(mark)),
            None => format!("{what}: no verdict"),
        };
        let judgement = mark.map_or(Judgement::Clear, |mark| Judgement::Mark { mark, note });
        self.session.annotations.judge(subject, judgement).map(|_| ())
    }

    fn note(&mut self, note: String) -> Result<()> {
        let Some(slice) = self.selected else { return Ok(()) };
        match self.session.mark(slice).map(|(mark, old)| (mark, old == note)) {
            Some((_, true)) => Ok(()),
            Some((mark, false)) => {
                let subject = self.session.subject(slice);
                self.toast = format!("Slice {slice}: comment kept");
                self.session.annotations.judge(subject, Judgement::Mark { mark, note }).map(|_| ())
            }
            None => {
                self.toast = "Choose core, spurious or noisy label first: a comment belongs to a verdict".to_owned();
                Ok(())
            }
        }
    }

    fn fix(&mut self, row: usize, fix: Fix) -> Result<()> {
        self.candidate = Some(row);
        // A second click on the same decision takes it back.
        let judgement = match self.session.annotations.fixes().get(&row) {
            Some(present) if *present == fix => Judgement::Clear,
            _ => Judgement::Fix(fix),
        };
        self.session.annotations.judge(Subject::Images { rows: vec![row] }, judgement).map(|_| ())
    }

    fn suggested(&self, row: usize) -> Option<i32> {
        let candidates = self.candidates.as_ref()?;
        candidates.candidates.iter().find(|candidate| candidate.row == row).map(|candidate| candidate.suggested)
    }

    fn apply_to_images(&mut self, command: Command) -> Changes {
        let images = &mut self.images;
        match command {
            Command::ImagesSize(width, height) => {
                if images.room == [width, height] {
                    return Changes::NONE;
                }
                images.room = [width, height];
            }
            Command::ThumbSize(px) => images.thumb_px = px.clamp(40.0, 320.0),
            Command::Order(order) => {
                images.order = order;
                self.order_images();
            }
            Command::Drawing(drawing) => images.look.drawing = images::DRAWINGS[drawing].0,
            Command::Map(map) => images.look.map = Map::ALL[map],
            Command::Opacity(opacity) => images.look.opacity = opacity.clamp(0.0, 1.0),
            Command::Contour(on) => images.look.contour = on.then_some(images::CONTOUR),
            Command::PickImage { row, extend, toggle } => {
                images.pick(row, extend, toggle);
                return self.picked();
            }
            Command::MoveCursor { by, extend } => {
                images.move_cursor(by, extend);
                return Changes::CURSOR | if extend { self.picked() } else { Changes::NONE };
            }
            Command::ClearPicked => {
                images.picked.clear();
                return self.picked();
            }
            Command::OpenImage(row) => {
                images.open = Some(row);
                return self.opened();
            }
            Command::StepImage(by) if images.open.is_some() => {
                images.step(by);
                return self.opened();
            }
            Command::StepImage(by) => return self.apply_to_list(Command::StepSlice(by)),
            Command::CloseImage => images.open = None,
            Command::Attribute(index) => {
                let (row, name) = (images.open, self.session.attributors.get(index).cloned());
                if let (Some(row), Some(name)) = (row, name) {
                    self.begin("attributing", Task::Attribution(row, name));
                }
                return Changes::IMAGE;
            }
            _ => {}
        }
        Changes::IMAGES | Changes::IMAGE
    }

    /// Puts the images in their order, and asks for what it needs.
    fn order_images(&mut self) {
        self.images.update(&self.session, self.selected);
        if let (images::ODD_FIRST, Some(slice)) = (self.images.order, self.selected)
            && !self.session.distances.contains_key(&slice)
        {
            let rows = self.session.rows(slice).to_vec();
            self.begin("looking for odd images", Task::Distances(slice, rows));
        }
    }

    fn picked(&mut self) -> Changes {
        Changes::PICKED | Changes::INSPECTOR | if self.view == View::Scatter { Changes::SCATTER } else { Changes::NONE }
    }

    fn opened(&mut self) -> Changes {
        if let Some(row) = self.images.open
            && self.image.as_ref().is_none_or(|image| image.row != row)
        {
            self.image = None;
            self.begin("reading an image", Task::Image(row));
        }
        Changes::IMAGE
    }

    fn apply_to_scatter(&mut self, command: Command) -> Changes {
        let scatter = &mut self.scatter;
        match command {
            Command::ScatterSize(width, height) => {
                if scatter.room == [width, height] {
                    return Changes::NONE;
                }
                scatter.room = [width, height];
                scatter.fit();
            }
            Command::Tool(tool) => {
                scatter.tool = tool;
                return Changes::OUTLINE;
            }
            Command::ScatterDown { x, y, pick } => {
                scatter.down(x, y, pick);
                return Changes::OUTLINE;
            }
            Command::ScatterMove(x, y) => {
                return if scatter.moved(x, y) { Changes::SCATTER } else { Changes::OUTLINE };
            }
            Command::ScatterUp(x, y) => {
                let clicked = scatter.outline.len() < 3;
                if let Some(picked) = scatter.up(&self.images.picked) {
                    self.take_picked(picked);
                } else if clicked && let Some(row) = self.scatter.at(x, y) {
                    let slice = self.session.set.assignment.get(row).copied();
                    return self.select(slice) | Changes::OUTLINE;
                }
                return Changes::ALL;
            }
            Command::ScatterHover(x, y) => {
                let before = scatter.hovered;
                scatter.hovered = scatter.at(x, y);
                return if before == scatter.hovered { Changes::NONE } else { Changes::OUTLINE };
            }
            Command::ZoomScatter { x, y, steps } => scatter.zoom_at(x, y, steps),
            Command::FitScatter => scatter.fit(),
            Command::ColorPoints(color) => scatter.color = color,
            Command::Projection(projection) => {
                scatter.projection = projection;
                scatter.clear();
                self.ask_for_points();
            }
            Command::SliceOfPicked => {
                if self.images.picked.is_empty() {
                    self.toast = "Pick images first: with the lasso, or in the images view".to_owned();
                } else {
                    let rows = self.images.picked.iter().copied().collect();
                    self.begin("making a slice", Task::SliceOf(rows));
                }
            }
            _ => {}
        }
        Changes::SCATTER | Changes::OUTLINE
    }

    /// A lasso took these rows: they are shown wherever images are.
    fn take_picked(&mut self, picked: std::collections::BTreeSet<usize>) {
        self.selected = None;
        self.images.picked = picked;
        self.images.update(&self.session, None);
    }

    fn ask_for_points(&mut self) {
        if self.scatter.points.is_none() {
            self.begin("placing the images", Task::Points(PROJECTIONS[self.scatter.projection]));
        }
    }

    fn begin(&mut self, words: &'static str, task: Task) {
        if !self.tasks.contains(&task) {
            self.busy.push(words);
            self.tasks.push(task);
        }
    }

    fn end(&mut self, words: &'static str) {
        if let Some(place) = self.busy.iter().position(|busy| *busy == words) {
            self.busy.remove(place);
        }
    }

    /// Shows what went wrong, with what to do about it.
    pub fn fail(&mut self, error: &Error) -> Changes {
        let hint = error.hint().map_or_else(String::new, |hint| format!(". {hint}"));
        let problem = format!("{error}{hint}");
        if !self.session.problems.contains(&problem) {
            self.session.problems.push(problem);
        }
        Changes::SHELL
    }

    /// An image could not be shown. Where many are gone it is said once.
    pub fn misses_images(&mut self, error: &Error) -> Changes {
        if std::mem::replace(&mut self.has_missed, true) { Changes::NONE } else { self.fail(error) }
    }

    /// Another attribution of an image is there, or failed.
    pub fn attributed(&mut self) {
        self.end("attributing");
    }

    /// Takes what a background thread found.
    pub fn take(&mut self, answer: Answer) -> Changes {
        match answer {
            Answer::Points(projection, points) => {
                self.end("placing the images");
                match points {
                    // Meanwhile another projection may have been asked for.
                    Ok(_) if projection != PROJECTIONS[self.scatter.projection] => Changes::SHELL,
                    Ok(points) => {
                        self.scatter.set_points(points);
                        Changes::SCATTER | Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Images(Ok(())) => Changes::NONE,
            Answer::Images(Err(error)) => self.misses_images(&error),
            Answer::Image(facts) => {
                self.end("reading an image");
                if self.images.open == Some(facts.row) {
                    self.image = Some(facts);
                }
                Changes::IMAGE | Changes::SHELL
            }
            Answer::Distances(slice, distances) => {
                self.end("looking for odd images");
                match distances {
                    Ok(distances) => {
                        self.session.distances.insert(slice, distances.into_iter().collect());
                        self.images.update(&self.session, self.selected);
                        Changes::IMAGES | Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Candidates(found) => {
                self.end("looking for wrong labels");
                match found {
                    Ok(found) => {
                        self.candidates = Some(found);
                        Changes::LABELS | Changes::SHELL
                    }
                    Err(error) => self.fail(&error) | Changes::LABELS,
                }
            }
            Answer::Spread(spread) => {
                self.end("spreading verdicts");
                match spread {
                    Ok(spread) => {
                        self.toast = spread_words(&spread);
                        self.session.set_spread(Some(*spread));
                        self.list.update(&self.session);
                        Changes::ALL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Exported(path) => {
                self.end("writing a file");
                match path {
                    Ok(path) => {
                        self.toast = format!("Written: {}", path.display());
                        Changes::SHELL
                    }
                    Err(error) => self.fail(&error),
                }
            }
            Answer::Sliced(set) => {
                self.end("making a slice");
                match set {
                    Ok(set) => {
                        if !self.session.set_ids.contains(&set.id) {
                            self.session.set_ids.push(set.id.clone());
                        }
                        let new = set.slices.iter().map(|slice| slice.id).max();
                        self.show_set(*set) | self.select(new)
                    }
                    Err(error) => self.fail(&error),
                }
            }
        }
    }

    /// One line about what is open.
    pub fn status(&self) -> String {
        let session = &self.session;
        let n_judged = session.slices().filter(|slice| session.mark(slice.id).is_some()).count();
        let n_waiting =
            session.slices().filter(|slice| slice.needs_verdict && session.mark(slice.id).is_none()).count();
        let summary = session.set.summary(ascan_engine::mosaic::thousands, ascan_engine::mosaic::percent);
        format!(
            "{} slices of {summary}   ·   {n_judged} judged, {n_waiting} clearly worse without a verdict",
            session.set.slices.len()
        )
    }
}

/// What the spread is worth, in a sentence.
fn spread_words(spread: &Spread) -> String {
    let n = spread.spuriousness.iter().filter(|value| value.is_finite()).count();
    let check = match spread.check.auroc {
        Some(auroc) => format!("on {} held-out marks its AUROC is {auroc:.2}", spread.check.n_held_out),
        None => "marks of both kinds in one class are needed to check it".to_owned(),
    };
    format!("Spread to {}: {check}", ascan_engine::mosaic::images(n))
}

/// A verdict in a few words.
fn said(verdict: &Verdict) -> String {
    let what = match &verdict.subject {
        Subject::Slice { slice, .. } => format!("slice {slice}"),
        Subject::Images { rows } => ascan_engine::mosaic::images(rows.len()),
    };
    match &verdict.judgement {
        Judgement::Mark { mark, note } if note.is_empty() => format!("{what}, {}", words(*mark)),
        Judgement::Mark { mark, note } => format!("{what}, {}, “{note}”", words(*mark)),
        Judgement::Clear => format!("{what}, verdict taken away"),
        Judgement::Fix(Fix::Keep) => format!("{what}, label kept"),
        Judgement::Fix(Fix::Relabel(_)) => format!("{what}, another label"),
        Judgement::Fix(Fix::Drop) => format!("{what}, dropped"),
    }
}

/// A mark as people say it.
pub fn words(mark: Mark) -> &'static str {
    match mark {
        Mark::Core => "core",
        Mark::Spurious => "spurious",
        Mark::NoisyLabel => "noisy label",
    }
}
