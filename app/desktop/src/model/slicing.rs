//! Slices made anew: which method, with which parameters.

use super::methods::Method;
use super::task::Task;
use super::{Changes, Model};
use crate::command::{SlicingCommand, View};
use ascan_engine::slices::SliceSet;
use std::collections::BTreeMap;

/// What classes can be sliced apart by, and its words in a configuration.
pub const PER_CLASS: [(&str, &str); 3] =
    [("all images together", "none"), ("each label apart", "label"), ("each prediction apart", "predicted_class")];

/// The form for new slices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slicing {
    /// Slicers.
    pub methods: Vec<Method>,
    /// The chosen one.
    pub method: usize,
    /// Index into [`PER_CLASS`].
    pub per_class: usize,
    /// Whether only errors are sliced.
    pub errors_only: bool,
    /// Another set beside the shown one.
    pub beside: Option<Beside>,
}

/// Another slice set beside the shown one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Beside {
    /// Its id.
    pub id: String,
    /// Which images the slices of both share, the most first.
    pub shared: Vec<Shared>,
}

/// Images that are in one slice of the shown set and in one of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The slice of the shown set.
    pub here: i32,
    /// The slice of the other.
    pub there: i32,
    /// The images.
    pub rows: Vec<usize>,
    /// Images of the slice of the shown set.
    pub of: usize,
}

/// Lines that are listed.
const N_SHARED: usize = 300;

impl Beside {
    /// Which images the slices of two sets share.
    pub fn new(shown: &SliceSet, other: &SliceSet) -> Self {
        let mut rows: BTreeMap<(i32, i32), Vec<usize>> = BTreeMap::new();
        for (row, pair) in shown.assignment.iter().copied().zip(other.assignment.iter().copied()).enumerate() {
            if pair.0 >= 0 && pair.1 >= 0 {
                rows.entry(pair).or_default().push(row);
            }
        }
        let size = |id: i32| shown.slice(id).map_or(0, |slice| slice.size);
        let shared = |((here, there), rows): ((i32, i32), Vec<usize>)| Shared { here, there, rows, of: size(here) };
        let mut shared: Vec<Shared> = rows.into_iter().map(shared).collect();
        shared.sort_by_key(|line| (std::cmp::Reverse(line.rows.len()), line.here, line.there));
        shared.truncate(N_SHARED);
        Self { id: other.id.clone(), shared }
    }
}

impl Slicing {
    /// What stands for the form in a configuration.
    pub fn overrides(&self) -> Vec<String> {
        let method = self.methods.get(self.method).map(|method| method.overrides("slicing")).unwrap_or_default();
        let beside = [
            format!("slicing.per_class={}", PER_CLASS[self.per_class].1),
            format!("slicing.errors_only={}", self.errors_only),
        ];
        method.into_iter().chain(beside).collect()
    }
}

impl Model {
    pub(super) fn apply_to_slicing(&mut self, command: SlicingCommand) -> Changes {
        let slicing = &mut self.slicing;
        match command {
            SlicingCommand::Method(method) if method < slicing.methods.len() => slicing.method = method,
            SlicingCommand::Method(_) => {}
            SlicingCommand::Param { index, value } => {
                let method = slicing.methods.get_mut(slicing.method);
                if let Some(param) = method.and_then(|method| method.params.get_mut(index)) {
                    param.value = value;
                }
                // The field shows what was typed.
                return Changes::NONE;
            }
            SlicingCommand::PerClass(by) => slicing.per_class = by.min(PER_CLASS.len() - 1),
            SlicingCommand::ErrorsOnly(on) => slicing.errors_only = on,
            SlicingCommand::Beside(index) => {
                let other = index.checked_sub(1).and_then(|index| self.session.sets.get(index));
                let other = other.map(|set| SliceSet::load(&self.session.album.scan, Some(&set.id))).transpose();
                match other {
                    Ok(other) => slicing.beside = other.map(|other| Beside::new(&self.session.set, &other)),
                    Err(error) => return self.fail(&error),
                }
            }
            SlicingCommand::PickShared(index) => {
                let line = slicing.beside.as_ref().and_then(|beside| beside.shared.get(index));
                let Some(rows) = line.map(|line| line.rows.iter().copied().collect()) else { return Changes::NONE };
                let changes = self.select(None);
                self.images.picked = rows;
                self.order_images();
                return changes | self.show(View::Images) | Changes::PICKED;
            }
            SlicingCommand::Run => {
                let overrides = slicing.overrides();
                self.begin("slicing", Task::Slice(overrides));
                return Changes::SHELL | Changes::STEPS;
            }
        }
        Changes::STEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_engine::testing::{find_in, table};

    #[test]
    fn two_sets_share_their_images() {
        let shown = find_in(&table());
        let mut other = shown.clone();
        other.id = "other".into();
        other.assignment[5] = 7;
        let beside = Beside::new(&shown, &other);
        let lines: Vec<_> =
            beside.shared.iter().map(|line| (line.here, line.there, line.rows.len(), line.of)).collect();
        assert_eq!(lines, [(0, 0, 3, 3), (2, 2, 3, 4), (2, 7, 1, 4)]);
        assert_eq!(beside.shared[2].rows, [5], "which images moved");
    }
}
