//! The images of what is selected: their order, how they are drawn, which are picked, which one is open.

use super::filter::{CONFIDENCES, Filter, OUTCOMES, VERDICTS};
use super::session::Session;
use super::task::Task;
use super::{Changes, Model};
use crate::command::{ImagesCommand, ListCommand, View};
use ascan_viz::color::Map;
use ascan_viz::heat::{CONTOUR, Drawing, Look};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Orders in the order of the list.
pub const ORDERS: [&str; 7] = [
    "as scanned",
    "worst first",
    "most confident first",
    "least confident first",
    "most spurious first",
    "most typical first",
    "least typical first",
];
/// The order that needs distances.
pub const ODD_FIRST: usize = 6;
/// Drawings in the order of the buttons.
pub const DRAWINGS: [(Drawing, &str); 3] =
    [(Drawing::Input, "Input"), (Drawing::Attribution, "Attribution"), (Drawing::Overlay, "Overlay")];
/// Between the clicks of a double click, at most.
const DOUBLE_CLICK: Duration = Duration::from_millis(450);
/// Space between pictures, in pixels.
const GAP: f32 = 4.0;

/// State of the images view.
#[derive(Debug, Clone)]
pub struct Images {
    /// Index into [`ORDERS`].
    pub order: usize,
    /// How pictures are drawn.
    pub look: Look,
    /// Side of a picture in the images view.
    pub thumb_px: f32,
    /// Which images are listed.
    pub filter: Filter,
    /// Whether that is a cell of the confusion matrix, which a slice replaces.
    pub is_cell: bool,
    /// Room in pixels.
    pub room: [f32; 2],
    /// Rows in the order of showing.
    pub rows: Vec<usize>,
    /// Rows that were picked, here or in the scatter.
    pub picked: BTreeSet<usize>,
    /// The picked row from which Shift extends.
    pub anchor: Option<usize>,
    /// The row where the keys are.
    pub cursor: Option<usize>,
    /// The row whose image is open.
    pub open: Option<usize>,
    /// The row that was clicked last, and when.
    clicked: Option<(usize, Instant)>,
}

impl Default for Images {
    fn default() -> Self {
        Self {
            order: 5,
            look: Look::default(),
            thumb_px: 96.0,
            filter: Filter::default(),
            is_cell: false,
            room: [320.0, 300.0],
            rows: Vec::new(),
            picked: BTreeSet::new(),
            anchor: None,
            cursor: None,
            open: None,
            clicked: None,
        }
    }
}

impl Images {
    /// Of a scan that was just opened.
    pub fn drawn_as(look: Look) -> Self {
        Self { look, ..Self::default() }
    }

    /// Takes the rows of what is selected, in the chosen order.
    pub fn update(&mut self, session: &Session, selected: Option<i32>) {
        let table = &session.album.table;
        let mut rows: Vec<usize> = match selected {
            Some(id) => session.rows(id).to_vec(),
            None if self.picked.is_empty() => (0..table.n()).collect(),
            None => self.picked.iter().copied().collect(),
        };
        if !self.filter.is_empty() {
            rows.retain(|&row| self.filter.fits(table, &session.marks, row));
        }
        let distances = selected.and_then(|id| session.distances.get(&id));
        let distance = |row: usize| distances.and_then(|of| of.get(&row)).copied().unwrap_or(0.0);
        let key = |row: usize| -> f32 {
            match self.order {
                1 => -table.losses[row],
                2 => -table.confidences[row],
                3 => table.confidences[row],
                5 => distance(row),
                ODD_FIRST => -distance(row),
                4 => session.spuriousness.as_ref().map_or(0.0, |all| -all[row]),
                _ => 0.0,
            }
        };
        if self.order > 0 {
            let last = |key: f32| if key.is_nan() { f32::INFINITY } else { key };
            rows.sort_by(|&a, &b| last(key(a)).total_cmp(&last(key(b))).then(a.cmp(&b)));
        }
        // Without distances the most typical ones are known all the same.
        if self.order == 5
            && distances.is_none()
            && let Some(slice) = selected.and_then(|id| session.set.slice(id))
        {
            let is_listed = |row: &usize| self.filter.is_empty() || self.filter.fits(table, &session.marks, *row);
            let typical: Vec<usize> = slice.typical.iter().copied().filter(is_listed).collect();
            rows.retain(|row| !typical.contains(row));
            rows.splice(0..0, typical);
        }
        self.rows = rows;
    }

    /// Pictures in a line.
    pub fn n_columns(&self) -> usize {
        (((self.room[0] + GAP) / (self.thumb_px + GAP)) as usize).max(1)
    }

    /// Side of a picture as it is shown: stretched, so that the pictures of a line fill it.
    pub fn side(&self) -> f32 {
        let n = self.n_columns() as f32;
        ((self.room[0] + GAP) / n - GAP).floor().max(self.thumb_px.min(self.room[0]))
    }

    /// Lines of pictures.
    pub fn n_lines(&self) -> usize {
        self.rows.len().div_ceil(self.n_columns())
    }

    /// Rows of a line.
    pub fn line(&self, line: usize) -> &[usize] {
        let n = self.n_columns();
        let start = (line * n).min(self.rows.len());
        &self.rows[start..(start + n).min(self.rows.len())]
    }

    /// A click on an image: only it; Shift: everything up to it; Ctrl: it too, or no longer.
    pub fn pick(&mut self, row: usize, extend: bool, toggle: bool) {
        self.cursor = Some(row);
        let place = |row: usize| self.rows.iter().position(|&other| other == row);
        match (extend, toggle, self.anchor.and_then(place), place(row)) {
            (true, _, Some(from), Some(to)) => {
                let range = from.min(to)..=from.max(to);
                self.picked.extend(self.rows[range].iter().copied());
            }
            (_, true, ..) => {
                if !self.picked.remove(&row) {
                    self.picked.insert(row);
                }
                self.anchor = Some(row);
            }
            _ => {
                // A second click on the only picked image unpicks it.
                let only = self.picked.len() == 1 && self.picked.contains(&row);
                self.picked.clear();
                if !only {
                    self.picked.insert(row);
                }
                self.anchor = Some(row);
            }
        }
    }

    /// Whether a click is the second of a double click. Judged by the image, not by the place: what is clicked may have been drawn
    /// anew in between.
    fn is_second_click(&mut self, row: usize) -> bool {
        let now = Instant::now();
        let is_second = self.clicked.is_some_and(|(last, at)| last == row && now - at <= DOUBLE_CLICK);
        self.clicked = (!is_second).then_some((row, now));
        is_second
    }

    /// Opens the image this many places further, stopping at the ends.
    pub fn step(&mut self, by: i32) {
        if let Some(open) = self.open {
            self.open = self.row_from(open, by);
        }
    }

    /// Moves the keyboard focus this many places further, stopping at the ends; `extend` picks from where Shift was first held.
    pub fn move_cursor(&mut self, by: i32, extend: bool) {
        let to = self.cursor.and_then(|cursor| self.row_from(cursor, by)).or(self.rows.first().copied());
        let Some(row) = to else { return };
        if extend && by != 0 {
            self.anchor = self.anchor.or(self.cursor);
            self.pick(row, true, false);
        }
        self.cursor = Some(row);
    }

    /// The line of the row where the keys are.
    pub fn cursor_line(&self) -> Option<usize> {
        let place = self.cursor.and_then(|cursor| self.rows.iter().position(|&row| row == cursor));
        place.map(|place| place / self.n_columns())
    }

    fn row_from(&self, row: usize, by: i32) -> Option<usize> {
        let place = self.rows.iter().position(|&other| other == row)?;
        let to = (place as i64 + i64::from(by)).clamp(0, self.rows.len() as i64 - 1);
        self.rows.get(to as usize).copied()
    }
}

impl Model {
    pub(super) fn apply_to_images(&mut self, command: ImagesCommand) -> Changes {
        let images = &mut self.images;
        match command {
            ImagesCommand::Resize(width, height) => {
                if images.room == [width, height] {
                    return Changes::NONE;
                }
                images.room = [width, height];
            }
            ImagesCommand::ThumbSize(px) => images.thumb_px = px.clamp(40.0, 320.0),
            ImagesCommand::Order(order) => {
                images.order = order;
                self.order_images();
            }
            ImagesCommand::Drawing(drawing) => return self.draw_as(|look| look.drawing = DRAWINGS[drawing].0),
            ImagesCommand::Map(map) => return self.draw_as(|look| look.map = Map::ALL[map]),
            ImagesCommand::Opacity(opacity) => return self.draw_as(|look| look.opacity = opacity.clamp(0.0, 1.0)),
            ImagesCommand::Contour(on) => return self.draw_as(|look| look.contour = on.then_some(CONTOUR)),
            ImagesCommand::Outcome(outcome) => return self.filter(|f| f.outcome = outcome.min(OUTCOMES.len() - 1)),
            // The first entry of a menu is "all".
            ImagesCommand::Label(i) => return self.filter(|f| f.label = i.checked_sub(1).map(|class| class as i32)),
            ImagesCommand::Predicted(i) => {
                return self.filter(|f| f.predicted_class = i.checked_sub(1).map(|class| class as i32));
            }
            ImagesCommand::Verdict(verdict) => return self.filter(|f| f.verdict = verdict.min(VERDICTS.len() - 1)),
            ImagesCommand::Confidence(i) => return self.filter(|f| f.confidence = i.min(CONFIDENCES.len() - 1)),
            ImagesCommand::Group(i) => {
                let group = i.checked_sub(1).and_then(|i| self.session.groups().get(i).cloned());
                return self.filter(|f| f.group = group);
            }
            ImagesCommand::Words(words) => return self.filter(|f| f.words = words),
            ImagesCommand::ClearFilter => return self.filter(|f| *f = Filter::default()),
            ImagesCommand::OfCell { row, column } => {
                let matrix = self.session.matrix();
                let cell = Filter::of_cell(matrix.class(row), matrix.class(column));
                return self.show_all_of(cell);
            }
            ImagesCommand::OfPair(index) => {
                let pair = self.session.matrix().pairs.get(index).copied();
                return pair.map_or(Changes::NONE, |(label, predicted, _)| {
                    self.show_all_of(Filter::of_cell(Some(label), Some(predicted)))
                });
            }
            ImagesCommand::Pick { row, extend, toggle } => {
                if !extend && !toggle && images.is_second_click(row) {
                    return self.apply_to_images(ImagesCommand::Open(row));
                }
                images.pick(row, extend, toggle);
                return self.picked();
            }
            ImagesCommand::MoveCursor { by, extend } => {
                images.move_cursor(by, extend);
                return Changes::CURSOR | if extend { self.picked() } else { Changes::NONE };
            }
            ImagesCommand::ClearPicked => {
                images.picked.clear();
                return self.picked();
            }
            ImagesCommand::Open(row) => {
                images.open = Some(row);
                return self.opened();
            }
            ImagesCommand::Step(by) if images.open.is_some() => {
                images.step(by);
                return self.opened();
            }
            ImagesCommand::Step(by) => return self.apply_to_list(ListCommand::Step(by)),
            ImagesCommand::Close => images.open = None,
            ImagesCommand::Attribute(index) => {
                let (row, name) = (images.open, self.session.attributors.get(index).map(|method| method.name.clone()));
                if let (Some(row), Some(name)) = (row, name) {
                    self.begin("attributing", Task::Attribution(row, name));
                }
                return Changes::IMAGE;
            }
        }
        Changes::IMAGES | Changes::IMAGE
    }

    fn filter(&mut self, change: impl FnOnce(&mut Filter)) -> Changes {
        change(&mut self.images.filter);
        self.images.is_cell = false;
        self.order_images();
        // All errors are of no slice: they are looked at in the grid of images.
        let to_images = if self.selected.is_none() { self.show(View::Images) } else { Changes::NONE };
        to_images | Changes::IMAGES | Changes::SHELL
    }

    /// Shows the images that fit, of all slices.
    fn show_all_of(&mut self, filter: Filter) -> Changes {
        let cleared = self.select(None);
        (self.images.filter, self.images.is_cell) = (filter, true);
        self.order_images();
        cleared | self.show(View::Images) | Changes::SHELL
    }

    /// Tiles, thumbnails and the open image are drawn alike, and the next time too.
    fn draw_as(&mut self, change: impl Fn(&mut Look)) -> Changes {
        change(&mut self.images.look);
        self.settings.look = self.images.look;
        // A mosaic that is not shown is drawn when it is: its tiles are many, and take both cores.
        Changes::IMAGES | Changes::IMAGE | if self.view == View::Mosaic { Changes::TILES } else { Changes::NONE }
    }

    /// Puts the images in their order, and asks for what it needs.
    pub(super) fn order_images(&mut self) {
        self.images.update(&self.session, self.selected);
        if let (ODD_FIRST, Some(slice)) = (self.images.order, self.selected)
            && !self.session.distances.contains_key(&slice)
        {
            let rows = self.session.rows(slice).to_vec();
            self.begin("ranking images by how typical they are", Task::Distances(slice, rows));
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
            if !self.session.knows_attributors {
                self.tasks.push(Task::Attributors);
            }
        }
        Changes::IMAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shift_extends_and_control_toggles() {
        let mut images = Images { rows: vec![5, 3, 9, 1], ..Images::default() };
        images.pick(3, false, false);
        images.pick(1, true, false);
        assert_eq!(images.picked, [1, 3, 9].into());
        images.pick(9, false, true);
        images.pick(5, false, true);
        assert_eq!(images.picked, [1, 3, 5].into());
        images.pick(9, false, false);
        assert_eq!(images.picked, [9].into());
        images.pick(9, false, false);
        assert!(images.picked.is_empty());
    }

    #[test]
    fn keys_move_and_pick_as_the_pointer_does() {
        let mut images = Images { rows: vec![5, 3, 9, 1], ..Images::default() };
        images.move_cursor(1, false);
        assert_eq!((images.cursor, images.picked.len()), (Some(5), 0), "the first press only shows where the keys are");
        images.move_cursor(1, false);
        images.move_cursor(1, true);
        images.move_cursor(100, true);
        assert_eq!((images.cursor, &images.picked), (Some(1), &[3, 9, 1].into()));
        images.move_cursor(-100, false);
        assert_eq!((images.cursor, images.picked.len()), (Some(5), 3));
        // Other images are shown: the keys begin again.
        images.rows = vec![8];
        assert_eq!(images.cursor_line(), None);
        images.move_cursor(1, false);
        assert_eq!((images.cursor, images.cursor_line()), (Some(8), Some(0)));
        images.rows.clear();
        images.move_cursor(1, true);
    }

    #[test]
    fn lines_hold_what_fits() {
        let images = Images { rows: (0..10).collect(), room: [320.0, 100.0], thumb_px: 100.0, ..Images::default() };
        assert_eq!((images.n_columns(), images.n_lines(), images.side()), (3, 4, 104.0));
        assert_eq!((images.line(0), images.line(3), images.line(9)), (&[0, 1, 2][..], &[9][..], &[][..]));
    }

    #[test]
    fn stepping_stops_at_the_ends() {
        let mut images = Images { rows: vec![5, 3, 9], open: Some(3), ..Images::default() };
        images.step(-1);
        assert_eq!(images.open, Some(5));
        images.step(-1);
        assert_eq!(images.open, Some(5));
        images.step(99);
        assert_eq!(images.open, Some(9));
    }
}
