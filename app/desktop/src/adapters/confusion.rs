//! The confusion matrix.

use super::{Dispatch, color, replace};
use crate::command::{ImagesCommand, View};
use crate::model::{Changes, Model};
use ascan_ui::{ConfusionVm, MainWindow, MatrixCell, Share};
use ascan_viz::Rgb;
use ascan_viz::color::ink_on;
use ascan_viz::words::{percent, thousands};
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::rc::Rc;

/// Right and wrong images at their strongest, and a cell without images.
const RIGHT: Rgb = [38, 108, 184];
const WRONG: Rgb = [217, 95, 30];
const EMPTY: [Rgb; 2] = [[226, 226, 222], [30, 33, 38]];

/// Fills `ConfusionVm`.
pub struct ConfusionAdapter {
    names: Rc<VecModel<SharedString>>,
    cells: Rc<VecModel<MatrixCell>>,
    pairs: Rc<VecModel<Share>>,
}

impl ConfusionAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<ConfusionVm>();
        let adapter = Self { names: Rc::default(), cells: Rc::default(), pairs: Rc::default() };
        vm.set_names(ModelRc::from(adapter.names.clone()));
        vm.set_cells(ModelRc::from(adapter.cells.clone()));
        vm.set_pairs(ModelRc::from(adapter.pairs.clone()));
        on!(vm, dispatch, on_open(row, column) => ImagesCommand::OfCell { row: row.max(0) as usize, column: column.max(0) as usize });
        on!(vm, dispatch, on_open_pair(index) => ImagesCommand::OfPair(index.max(0) as usize));
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if !changes.intersects(Changes::CONFUSION) || model.view != View::Confusion {
            return;
        }
        let (vm, session) = (window.global::<ConfusionVm>(), &model.session);
        let matrix = session.matrix();
        let mut names: Vec<String> = matrix.classes.iter().map(|&class| session.class(class)).collect();
        if matrix.n_folded > 0 {
            names.push(format!("{} others", thousands(matrix.n_folded)));
        }
        let n: usize = matrix.counts.iter().flatten().sum();
        let n_right: usize = matrix.classes.iter().enumerate().map(|(i, _)| matrix.counts[i][i]).sum();
        let unlabelled = match matrix.n_unlabelled {
            0 => String::new(),
            n => format!(" {} have no label and are not here.", ascan_viz::words::images(n)),
        };
        let folded = match matrix.n_folded {
            0 => String::new(),
            n => format!(" {} classes with fewest errors are one row and one column.", thousands(n)),
        };
        vm.set_summary(
            match n {
                0 => "No image has a label, so nothing can be right or wrong here: name them with `data.columns.label`.".to_owned(),
                n if matrix.n_folded > 0 => format!("{}. Click a cell to see its images.{folded}{unlabelled}", ascan_viz::words::images(n)),
                n => format!(
                    "{}, {} right. Blue: right, orange: wrong; the stronger, the larger its share of the row. Click a cell to see its \
                     images.{unlabelled}",
                    ascan_viz::words::images(n),
                    percent(n_right as f64 / n as f64)
                ),
            }
            .into(),
        );
        let empty = EMPTY[usize::from(model.settings.dark)];
        let mut cells = Vec::with_capacity(names.len() * names.len());
        for (row, counts) in matrix.counts.iter().enumerate() {
            let of_row: usize = counts.iter().sum();
            for (column, &count) in counts.iter().enumerate() {
                let share = count as f64 / of_row.max(1) as f64;
                let is_folded = row == matrix.classes.len() && row == column;
                let full = if row == column { RIGHT } else { WRONG };
                // A single image must show beside thousands.
                let weight = if count == 0 || is_folded { 0.0 } else { 0.18 + 0.82 * share.sqrt() };
                let fill: Rgb = std::array::from_fn(|i| {
                    (f64::from(empty[i]) + weight * (f64::from(full[i]) - f64::from(empty[i]))) as u8
                });
                cells.push(MatrixCell {
                    row: row as i32,
                    column: column as i32,
                    count: if count == 0 { SharedString::new() } else { thousands(count).into() },
                    color: color(fill),
                    ink: color(ink_on(fill)),
                    described: format!(
                        "{} → {}: {} ({} of the label)",
                        names[row],
                        names[column],
                        ascan_viz::words::images(count),
                        percent(share)
                    )
                    .into(),
                });
            }
        }
        let pair = |&(label, predicted, n): &(i32, i32, usize)| Share {
            name: session.outcome(label, predicted).into(),
            value: thousands(n).into(),
            share: 0.0,
            strong: true,
        };
        replace(&self.pairs, matrix.pairs.iter().map(pair).collect());
        replace(&self.names, names.into_iter().map(SharedString::from).collect());
        replace(&self.cells, cells);
    }
}
