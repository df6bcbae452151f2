//! The grid of images: lines of pictures that exist only while they are on the screen.

use super::{Dispatch, list, mark, opaque, string_model};
use crate::cache::Cache;
use crate::command::ImagesCommand;
use crate::model::filter::{CONFIDENCES, OUTCOMES, VERDICTS};
use crate::model::images::{DRAWINGS, Images, ORDERS};
use crate::model::{Changes, Model};
use crate::pictures::Pictures;
use ::image::{GrayImage, RgbImage};
use ascan_engine::classes::{class_name, outcome, said_of};
use ascan_report::album::Album;
use ascan_store::annotations::Mark;
use ascan_ui::{ImagesVm, Line, MainWindow, Thumb};
use ascan_viz::color::Map;
use ascan_viz::heat::{Look, Outline};
use ascan_viz::words::percent;
use rayon::prelude::*;
use slint::{ComponentHandle, ModelNotify, ModelRc, ModelTracker};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded pictures, and drawn ones: apart, so that another opacity decodes nothing.
const DECODED_BYTES: usize = 32 << 20;
const DRAWN_BYTES: usize = 24 << 20;

/// Fills `ImagesVm`.
pub struct ImagesAdapter {
    lines: Rc<Lines>,
}

impl ImagesAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<ImagesVm>();
        let adapter = Self { lines: Rc::new(Lines::default()) };
        vm.set_lines(ModelRc::from(adapter.lines.clone()));
        vm.set_orders(string_model(ORDERS));
        vm.set_drawings(string_model(DRAWINGS.iter().map(|(_, name)| *name)));
        vm.set_maps(string_model(Map::ALL.iter().map(|map| map.name())));
        vm.set_verdicts(string_model(VERDICTS.iter().map(|(name, _)| *name)));
        vm.set_confidences(string_model(CONFIDENCES.iter().map(|(name, ..)| *name)));
        on!(vm, dispatch, on_set_outcome(index) => ImagesCommand::Outcome(index.max(0) as usize));
        on!(vm, dispatch, on_set_label(index) => ImagesCommand::Label(index.max(0) as usize));
        on!(vm, dispatch, on_set_predicted(index) => ImagesCommand::Predicted(index.max(0) as usize));
        on!(vm, dispatch, on_set_verdict(index) => ImagesCommand::Verdict(index.max(0) as usize));
        on!(vm, dispatch, on_set_confidence(index) => ImagesCommand::Confidence(index.max(0) as usize));
        on!(vm, dispatch, on_set_group(index) => ImagesCommand::Group(index.max(0) as usize));
        on!(vm, dispatch, on_set_words(words) => ImagesCommand::Words(words.into()));
        on!(vm, dispatch, on_clear_filter() => ImagesCommand::ClearFilter);
        on!(vm, dispatch, on_resized(width, height) => ImagesCommand::Resize(width, height));
        on!(vm, dispatch, on_pick(row, extend, toggle) => ImagesCommand::Pick { row: row.max(0) as usize, extend, toggle });
        on!(vm, dispatch, on_move(by, extend) => ImagesCommand::MoveCursor { by, extend });
        on!(vm, dispatch, on_open(row) => ImagesCommand::Open(row.max(0) as usize));
        on!(vm, dispatch, on_set_order(index) => ImagesCommand::Order(index.max(0) as usize));
        on!(vm, dispatch, on_set_drawing(index) => ImagesCommand::Drawing(index.max(0) as usize));
        on!(vm, dispatch, on_set_map(index) => ImagesCommand::Map(index.max(0) as usize));
        on!(vm, dispatch, on_set_opacity(opacity) => ImagesCommand::Opacity(opacity));
        on!(vm, dispatch, on_set_contour(on) => ImagesCommand::Contour(on));
        on!(vm, dispatch, on_set_thumb_size(px) => ImagesCommand::ThumbSize(px));
        on!(vm, dispatch, on_clear_picked() => ImagesCommand::ClearPicked);
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes, pictures: &Rc<Pictures>) {
        let vm = window.global::<ImagesVm>();
        if changes.intersects(Changes::IMAGES) {
            let images = &model.images;
            vm.set_thumb_side(images.side());
            vm.set_thumb_size(images.thumb_px);
            vm.set_order(images.order as i32);
            let place = DRAWINGS.iter().position(|(drawing, _)| *drawing == images.look.drawing);
            vm.set_drawing(place.unwrap_or_default() as i32);
            vm.set_map(Map::ALL.iter().position(|map| *map == images.look.map).unwrap_or_default() as i32);
            vm.set_opacity(images.look.opacity);
            vm.set_contour(images.look.contour.is_some());
            vm.set_count(ascan_viz::words::images(images.rows.len()).into());
            self.show_filter(&vm, model);
            self.lines.show(model, pictures);
        }
        if changes.intersects(Changes::CURSOR | Changes::PICKED | Changes::IMAGES) {
            vm.set_n_columns(model.images.n_columns() as i32);
            vm.set_current(model.images.cursor.map_or(-1, |row| row as i32));
            vm.set_current_line(model.images.cursor_line().map_or(-1, |line| line as i32));
        }
        if changes.intersects(Changes::PICKED | Changes::IMAGES | Changes::INSPECTOR) {
            vm.set_n_picked(model.images.picked.len() as i32);
            // What is shown anew is shown with its marks.
            if !changes.intersects(Changes::IMAGES) {
                self.lines.remark(model);
            }
        }
    }

    fn show_filter(&self, vm: &ImagesVm, model: &Model) {
        let (filter, session) = (&model.images.filter, &model.session);
        vm.set_filtered(!filter.is_empty());
        vm.set_outcome(filter.outcome as i32);
        // Most scans have no image that could not be read.
        let n_outcomes = if session.n_failed > 0 { OUTCOMES.len() } else { OUTCOMES.len() - 1 };
        vm.set_outcomes(string_model(OUTCOMES[..n_outcomes].iter().copied()));
        let named = session.album.class_names.iter().map(String::as_str);
        vm.set_labels(string_model(std::iter::once("all").chain(named)));
        let place = |class: Option<i32>| class.map_or(0, |class| class + 1);
        vm.set_label(place(filter.label));
        vm.set_predicted(place(filter.predicted_class));
        vm.set_verdict(filter.verdict as i32);
        vm.set_confidence(filter.confidence as i32);
        let groups = session.groups();
        if !groups.is_empty() {
            vm.set_groups(string_model(std::iter::once("any group").chain(groups.iter().map(String::as_str))));
        }
        let group = filter.group.as_ref().and_then(|group| groups.iter().position(|other| other == group));
        vm.set_group(group.map_or(0, |place| place as i32 + 1));
        vm.set_words(filter.words.as_str().into());
    }

    /// Takes a picture from a worker.
    pub fn take(&self, row: usize, picture: Option<(RgbImage, GrayImage)>) {
        self.lines.take(row, picture);
    }

    /// A picture of a row for other views, if it is there; else it is asked for.
    pub fn thumb(&self, row: usize) -> Thumb {
        self.lines.thumb(row)
    }
}

/// The rows of the grid as a model that makes a line when it comes into sight.
#[derive(Default)]
struct Lines {
    notify: ModelNotify,
    shown: RefCell<Option<Shown>>,
}

struct Shown {
    images: Images,
    album: Arc<Album>,
    marks: Vec<Option<Mark>>,
    class_names: Vec<String>,
    pictures: Rc<Pictures>,
    decoded: Cache<usize, Option<Arc<Decoded>>>,
    drawn: Cache<usize, slint::Image>,
}

/// A picture, its attribution, and the line around it once it was drawn.
struct Decoded {
    picture: RgbImage,
    plane: GrayImage,
    outline: Mutex<Option<Outline>>,
}

impl Decoded {
    fn draw(&self, look: Look) -> RgbImage {
        let mut outline = self.outline.lock().unwrap_or_else(PoisonError::into_inner);
        look.draw_again(&self.picture, &self.plane, &mut outline)
    }
}

impl Lines {
    fn show(&self, model: &Model, pictures: &Rc<Pictures>) {
        {
            let mut shown = self.shown.borrow_mut();
            let session = &model.session;
            match &mut *shown {
                Some(shown) if Arc::ptr_eq(&shown.album, &session.album) => {
                    if shown.images.look != model.images.look {
                        shown.drawn.clear();
                    }
                    shown.images = model.images.clone();
                    shown.marks.clone_from(&session.marks);
                }
                _ => {
                    *shown = Some(Shown {
                        images: model.images.clone(),
                        album: session.album.clone(),
                        marks: session.marks.clone(),
                        class_names: session.album.class_names.clone(),
                        pictures: pictures.clone(),
                        decoded: Cache::new(DECODED_BYTES),
                        drawn: Cache::new(DRAWN_BYTES),
                    });
                }
            }
        }
        self.notify.reset();
    }

    /// Other marks or picks: the same lines, drawn anew where they are on the screen.
    fn remark(&self, model: &Model) {
        let n = {
            let mut shown = self.shown.borrow_mut();
            let Some(shown) = &mut *shown else { return };
            shown.marks.clone_from(&model.session.marks);
            shown.images.picked.clone_from(&model.images.picked);
            shown.images.n_lines()
        };
        for line in 0..n {
            self.notify.row_changed(line);
        }
    }

    fn take(&self, row: usize, picture: Option<(RgbImage, GrayImage)>) {
        let line = {
            let mut shown = self.shown.borrow_mut();
            let Some(shown) = &mut *shown else { return };
            let bytes = picture.as_ref().map_or(64, |(picture, plane)| picture.as_raw().len() + plane.as_raw().len());
            let decoded = |(picture, plane)| Arc::new(Decoded { picture, plane, outline: Mutex::default() });
            shown.decoded.put(row, picture.map(decoded), bytes);
            shown.images.rows.iter().position(|&other| other == row).map(|place| place / shown.images.n_columns())
        };
        if let Some(line) = line {
            self.notify.row_changed(line);
        }
    }

    fn thumb(&self, row: usize) -> Thumb {
        self.shown.borrow_mut().as_mut().map(|shown| shown.thumb(row)).unwrap_or_default()
    }
}

/// What is left of a caption where there is no room for the label.
pub(super) fn short(title: &str) -> &str {
    title.find('→').map_or(title, |arrow| &title[arrow..])
}

impl Shown {
    fn thumb(&mut self, row: usize) -> Thumb {
        let table = &self.album.table;
        let (label, predicted) = (table.labels[row], table.predicted_classes[row]);
        let name = |class: i32| class_name(&self.class_names, class);
        let confidence = percent(f64::from(table.confidences[row]));
        let wrong = table.errors[row].is_none() && label >= 0 && label != predicted;
        let caption = match table.errors[row] {
            Some(_) => "could not be read".to_owned(),
            None if table.quantities.is_some() => said_of(table, &self.class_names, row),
            None => format!("{} {confidence}", outcome(&self.class_names, label, predicted)),
        };
        let described = if wrong && table.quantities.is_none() {
            format!("Image {row}: {}, taken for {} {confidence}", name(label), name(predicted))
        } else {
            format!("Image {row}: {caption}")
        };
        Thumb {
            row: row as i32,
            picture: self.picture(row),
            short: short(&caption).into(),
            caption: caption.into(),
            wrong,
            mark: mark(self.marks.get(row).copied().flatten()),
            picked: self.images.picked.contains(&row),
            described: described.into(),
        }
    }

    fn picture(&mut self, row: usize) -> slint::Image {
        self.draw(&[row]);
        if let Some(drawn) = self.drawn.get(&row) {
            return drawn.clone();
        }
        if self.decoded.get(&row).is_none() {
            self.pictures.want_thumb(row);
        }
        slint::Image::default()
    }

    /// Draws the pictures of these rows that are decoded and not drawn yet, on all cores.
    fn draw(&mut self, rows: &[usize]) {
        let mut left: Vec<(usize, Arc<Decoded>)> = Vec::new();
        for row in rows {
            if self.drawn.get(row).is_none()
                && let Some(Some(decoded)) = self.decoded.get(row)
            {
                left.push((*row, decoded.clone()));
            }
        }
        let look = self.images.look;
        let drawn: Vec<(usize, RgbImage)> =
            left.into_par_iter().map(|(row, decoded)| (row, decoded.draw(look))).collect();
        for (row, pixels) in drawn {
            self.drawn.put(row, opaque(&pixels), pixels.as_raw().len());
        }
    }
}

impl slint::Model for Lines {
    type Data = Line;

    fn row_count(&self) -> usize {
        self.shown.borrow().as_ref().map_or(0, |shown| shown.images.n_lines())
    }

    fn row_data(&self, line: usize) -> Option<Line> {
        let mut shown = self.shown.borrow_mut();
        let shown = shown.as_mut()?;
        if line >= shown.images.n_lines() {
            return None;
        }
        let rows = shown.images.line(line).to_vec();
        shown.draw(&rows);
        Some(Line { thumbs: list(rows.into_iter().map(|row| shown.thumb(row))) })
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }
}
