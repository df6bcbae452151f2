//! The list of slices: which are shown, in which order, with which columns.

use super::figures::Figure;
use super::session::Session;
use super::{Changes, Model};
use crate::command::{ListCommand, View};
use ascan_engine::slices::SliceReport;

/// Search, filters, order and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Words that title, number, verdict or note of a slice must have.
    pub search: String,
    /// Only slices that mostly are, or are taken for, this class.
    pub class: Option<i32>,
    /// Only slices with at least this many images.
    pub min_size: usize,
    /// Only slices that are clearly worse.
    pub worse_only: bool,
    /// Column of [`Figure::ALL`] and whether ascending; `None` is the order of evidence.
    pub sort: Option<(usize, bool)>,
    /// Which of [`Figure::ALL`] are shown.
    pub columns: [bool; Figure::ALL.len()],
    /// Slices that pass the filters, by id, in order.
    pub order: Vec<i32>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            search: String::new(),
            class: None,
            min_size: 0,
            worse_only: false,
            sort: None,
            columns: Figure::ALL.map(Figure::shown_at_first),
            order: Vec::new(),
        }
    }
}

impl List {
    /// Filters and sorts anew.
    pub fn update(&mut self, session: &Session) {
        let shown: Vec<&SliceReport> = session.slices().filter(|slice| self.passes(session, slice)).collect();
        let mut keyed: Vec<(f64, usize, i32)> = shown
            .iter()
            .enumerate()
            .map(|(place, slice)| {
                let key = self.sort.map_or(0.0, |(column, ascending)| {
                    let value = session.value(Figure::ALL[column], slice);
                    // What has no value comes last either way.
                    value.map_or(f64::INFINITY, |value| if ascending { value } else { -value })
                });
                (key, place, slice.id)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.order = keyed.into_iter().map(|(_, _, id)| id).collect();
    }

    /// Whether a slice passes the filters.
    pub fn passes(&self, session: &Session, slice: &SliceReport) -> bool {
        let of_class = self.class.is_none_or(|class| {
            slice.confusion.first().is_some_and(|cell| cell.label == class || cell.predicted_class == class)
        });
        of_class
            && slice.size >= self.min_size
            && (!self.worse_only || slice.needs_verdict)
            && (self.search.trim().is_empty() || {
                let mark = session.mark(slice.id);
                let verdict = mark.map_or_else(String::new, |(mark, note)| format!("{mark} {note}"));
                let text = format!("slice {} {} {verdict}", slice.id, session.title(slice)).to_lowercase();
                let mut words = text.split_whitespace().collect::<Vec<_>>();
                words.sort_unstable();
                self.search.to_lowercase().split_whitespace().all(|wanted| {
                    // A number means the slice of this number, not every figure with these digits.
                    if wanted.parse::<i32>().is_ok() {
                        words.binary_search(&wanted).is_ok()
                    } else {
                        words.iter().any(|word| word.contains(wanted))
                    }
                })
            })
    }

    /// A click on a column's title: descending, ascending, then back to the order of evidence.
    pub fn sort_by(&mut self, column: usize) {
        self.sort = match self.sort {
            Some((current, false)) if current == column => Some((column, true)),
            Some((current, true)) if current == column => None,
            _ => Some((column, false)),
        };
    }

    /// The slice this many places further, stopping at the ends; the first one if none is selected.
    pub fn step(&self, from: Option<i32>, by: i32) -> Option<i32> {
        let place = from.and_then(|id| self.order.iter().position(|&other| other == id));
        let last = self.order.len().checked_sub(1)?;
        let to = place.map_or(0, |place| (place as i64 + i64::from(by)).clamp(0, last as i64) as usize);
        Some(self.order[to])
    }
}

impl Model {
    pub(super) fn apply_to_list(&mut self, command: ListCommand) -> Changes {
        match command {
            ListCommand::Select(id) => return self.select(id),
            ListCommand::Step(by) => {
                let to = self.list.step(self.selected, by);
                return self.select(to);
            }
            ListCommand::NextUnjudged => {
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
            ListCommand::Sort(column) => self.list.sort_by(column),
            ListCommand::Search(text) => self.list.search = text,
            // The first entry is "all classes".
            ListCommand::OnlyClass(index) => self.list.class = index.checked_sub(1).map(|class| class as i32),
            ListCommand::MinSize(size) => self.list.min_size = size,
            ListCommand::WorseOnly(on) => self.list.worse_only = on,
            ListCommand::ToggleColumn(column) => self.list.columns[column] = !self.list.columns[column],
        }
        self.list.update(&self.session);
        Changes::LIST | Changes::TILES
    }

    /// Selects a slice, everywhere.
    pub(super) fn select(&mut self, slice: Option<i32>) -> Changes {
        let kept = self.keep_draft();
        self.selected = slice;
        if std::mem::take(&mut self.images.is_cell) {
            self.images.filter = Default::default();
        }
        self.images.picked.clear();
        self.images.open = None;
        self.order_images();
        kept | Changes::SELECTION
            | Changes::INSPECTOR
            | Changes::IMAGES
            | Changes::IMAGE
            | if self.view == View::Scatter { Changes::SCATTER } else { Changes::NONE }
    }
}
