//! The list of slices.

use super::mosaic::{NONE, described};
use super::{Dispatch, color, list, mark, picture, replace};
use crate::Desktop;
use crate::cache::Cache;
use crate::command::ListCommand;
use crate::model::figures::Figure;
use crate::model::{Changes, Model};
use ascan_engine::slices::SliceReport;
use ascan_ui::{Cell, Column, MainWindow, Row, TableVm};
use ascan_viz::spark;
use ascan_viz::words::{percent, thousands};
use slint::{ComponentHandle, ModelNotify, ModelRc, ModelTracker, SharedString, VecModel};
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// Bytes of drawn cells: those of some screens.
const DRAWN_BYTES: usize = 8 << 20;
/// Size of a drawn cell in pixels.
const DRAWN_PX: [u32; 2] = [120, 40];

/// Fills `TableVm`.
pub struct TableAdapter {
    rows: Rc<Rows>,
    columns: Rc<VecModel<Column>>,
    dark: bool,
}

impl TableAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch, desktop: &Weak<Desktop>) -> Self {
        let vm = window.global::<TableVm>();
        let rows = Rows {
            notify: ModelNotify::default(),
            desktop: desktop.clone(),
            drawn: RefCell::new(Cache::new(DRAWN_BYTES)),
        };
        let adapter = Self { rows: Rc::new(rows), columns: Rc::default(), dark: true };
        vm.set_rows(ModelRc::from(adapter.rows.clone()));
        vm.set_columns(ModelRc::from(adapter.columns.clone()));
        on!(vm, dispatch, on_sort(column) => ListCommand::Sort(column.max(0) as usize));
        on!(vm, dispatch, on_select(id) => ListCommand::Select(Some(id)));
        on!(vm, dispatch, on_step(by) => ListCommand::Step(by));
        on!(vm, dispatch, on_filter(text) => ListCommand::Search(text.into()));
        on!(vm, dispatch, on_set_class(index) => ListCommand::OnlyClass(index.max(0) as usize));
        on!(vm, dispatch, on_set_min_size(size) => ListCommand::MinSize(size.max(0.0).round() as usize));
        on!(vm, dispatch, on_set_worse_only(on) => ListCommand::WorseOnly(on));
        on!(vm, dispatch, on_toggle_column(index) => ListCommand::ToggleColumn(index.max(0) as usize));
        adapter
    }

    /// Lets go of drawn cells: another slice set is shown.
    pub fn forget(&self) {
        self.rows.drawn.borrow_mut().clear();
    }

    /// Shows what changed.
    pub fn sync(&mut self, window: &MainWindow, model: &Model, changes: Changes) {
        let vm = window.global::<TableVm>();
        if changes.intersects(Changes::LIST) {
            if self.dark != model.settings.dark {
                self.forget();
                self.dark = model.settings.dark;
            }
            let columns = Figure::ALL.iter().enumerate().map(|(i, figure)| Column {
                title: figure.title().into(),
                tip: figure.tip().into(),
                width: width(*figure) * model.settings.text_scale,
                sorted: model.list.sort.map_or(0, |(column, up)| if column == i { if up { 1 } else { -1 } } else { 0 }),
                shown: model.list.columns[i],
            });
            replace(&self.columns, columns.collect());
            self.rows.notify.reset();
            let (n, of) = (model.list.order.len(), model.session.slices().count());
            vm.set_count(if n == of { format!("{n} slices") } else { format!("{n} of {of} slices") }.into());
            vm.set_search(model.list.search.as_str().into());
            let classes = model.session.album.class_names.iter().map(SharedString::from);
            vm.set_classes(list(std::iter::once(SharedString::from("all classes")).chain(classes)));
            vm.set_class(model.list.class.map_or(0, |class| class + 1));
            vm.set_min_size(model.list.min_size as f32);
            let largest = model.session.slices().map(|slice| slice.size).max().unwrap_or(1);
            vm.set_max_size(largest as f32);
            vm.set_worse_only(model.list.worse_only);
        }
        if changes.intersects(Changes::LIST | Changes::SELECTION) {
            vm.set_selected(model.selected.unwrap_or(NONE));
            let place = model.selected.and_then(|id| model.list.order.iter().position(|&other| other == id));
            vm.set_selected_index(place.map_or(-1, |place| place as i32));
        }
    }
}

/// The rows of the list, each made when it comes into sight.
struct Rows {
    notify: ModelNotify,
    desktop: Weak<Desktop>,
    /// Drawn cells by slice: interval and sparkline.
    drawn: RefCell<Cache<i32, [slint::Image; 2]>>,
}

impl slint::Model for Rows {
    type Data = Row;

    fn row_count(&self) -> usize {
        let desktop = self.desktop.upgrade();
        desktop.and_then(|desktop| desktop.with_model(|model| model.list.order.len())).unwrap_or(0)
    }

    fn row_data(&self, i: usize) -> Option<Row> {
        self.desktop.upgrade()?.with_model(|model| {
            let slice = model.session.set.slice(*model.list.order.get(i)?)?;
            Some(self.row(model, slice))
        })?
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }
}

impl Rows {
    fn row(&self, model: &Model, slice: &SliceReport) -> Row {
        let session = &model.session;
        let figure = model.mosaic.figure();
        let verdict = session.mark(slice.id);
        let drawn = self.drawn(model, slice);
        let cells = Figure::ALL.iter().map(|column| match column {
            Figure::Interval => Cell { text: SharedString::new(), picture: drawn[0].clone(), drawn: true },
            Figure::Confidences => Cell { text: SharedString::new(), picture: drawn[1].clone(), drawn: true },
            _ => Cell {
                text: column.text(session.value(*column, slice)).into(),
                picture: slint::Image::default(),
                drawn: false,
            },
        });
        let note = verdict.map(|(_, note)| note).filter(|note| !note.is_empty());
        Row {
            id: slice.id,
            title: session.title(slice).into(),
            subtitle: match note {
                Some(note) => format!("{}  “{note}”", slice.id),
                None if slice.needs_verdict && verdict.is_none() => format!("slice {}, needs a verdict", slice.id),
                None => format!("slice {}, {}", slice.id, ascan_viz::words::images(slice.size)),
            }
            .into(),
            swatch: color(figure.color(session.value(figure, slice), &session.set)),
            mark: mark(verdict.map(|(mark, _)| mark)),
            alarm: slice.needs_verdict && verdict.is_none(),
            cells: list(cells),
            described: described(model, slice).into(),
        }
    }

    fn drawn(&self, model: &Model, slice: &SliceReport) -> [slint::Image; 2] {
        if let Some(drawn) = self.drawn.borrow_mut().get(&slice.id) {
            return drawn.clone();
        }
        let drawn = draw(model, slice);
        let bytes = 2 * 4 * (DRAWN_PX[0] * DRAWN_PX[1]) as usize;
        self.drawn.borrow_mut().put(slice.id, drawn.clone(), bytes);
        drawn
    }
}

/// Width of a column in pixels.
fn width(figure: Figure) -> f32 {
    match figure {
        Figure::Interval | Figure::Confidences => 60.0,
        Figure::Coherence | Figure::Evidence => 66.0,
        Figure::Compactness | Figure::Spuriousness => 62.0,
        Figure::Reliance => 92.0,
        _ => 46.0,
    }
}

/// Interval and sparkline of a slice.
fn draw(model: &Model, slice: &SliceReport) -> [slint::Image; 2] {
    let ink = if model.settings.dark { [210, 214, 220] } else { [50, 54, 60] };
    let interval = slice.interval.zip(slice.accuracy).map(|(interval, accuracy)| {
        picture(&spark::interval(accuracy, interval, model.session.set.accuracy, DRAWN_PX, ink))
    });
    let table = &model.session.album.table;
    let counts = spark::histogram(model.session.rows(slice.id).iter().map(|&row| table.confidences[row]));
    [interval.unwrap_or_default(), picture(&spark::sparkline(&counts, DRAWN_PX, ink))]
}

/// `12 images, 57 % right`.
pub(super) fn in_short(slice: &SliceReport) -> String {
    let right = slice.accuracy.map_or_else(String::new, |accuracy| format!(", {} right", percent(accuracy)));
    let images = if slice.size == 1 { "image" } else { "images" };
    format!("slice {}   {} {images}{right}", slice.id, thousands(slice.size))
}
