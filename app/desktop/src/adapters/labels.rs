//! Labels that look wrong.

use super::{Dispatch, ImagesAdapter, replace};
use crate::command::{Artefact, ShellCommand, VerdictsCommand};
use crate::model::{Changes, Model};
use ascan_store::annotations::Fix;
use ascan_ui::{Candidate, LabelsVm, MainWindow};
use ascan_viz::words::thousands;
use slint::{ComponentHandle, ModelRc, VecModel};
use std::rc::Rc;

/// Candidates that are listed; who has judged so many asks again.
const N_SHOWN: usize = 500;

/// Fills `LabelsVm`.
pub struct LabelsAdapter {
    candidates: Rc<VecModel<Candidate>>,
}

impl LabelsAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<LabelsVm>();
        let adapter = Self { candidates: Rc::default() };
        vm.set_candidates(ModelRc::from(adapter.candidates.clone()));
        on!(vm, dispatch, on_keep(row) => VerdictsCommand::Fix { row: row.max(0) as usize, fix: Fix::Keep });
        on!(vm, dispatch, on_relabel(row) => VerdictsCommand::Relabel(row.max(0) as usize));
        on!(vm, dispatch, on_drop(row) => VerdictsCommand::Fix { row: row.max(0) as usize, fix: Fix::Drop });
        on!(vm, dispatch, on_select(row) => VerdictsCommand::SelectCandidate(row.max(0) as usize));
        on!(vm, dispatch, on_export() => ShellCommand::Export(Artefact::Labels));
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes, thumbs: &ImagesAdapter) {
        if !changes.intersects(Changes::LABELS) || model.view != crate::command::View::Labels {
            return;
        }
        let vm = window.global::<LabelsVm>();
        let Some(found) = &model.candidates else {
            vm.set_summary("Comparing labels with predictions …".into());
            return;
        };
        let (session, fixes) = (&model.session, model.session.annotations.fixes());
        vm.set_can_export(found.n_labelled > 0);
        if found.n_labelled == 0 {
            vm.set_summary(
                "No image of this scan has a label. Name them in the configuration (`data.columns.label`, or a folder per class), and scan \
                 again: then labels that disagree with the predictions are listed here."
                    .into(),
            );
            replace(&self.candidates, Vec::new());
            return;
        }
        vm.set_summary(
            format!(
                "{} of {} labels look wrong, {} decided. Ranked by the model's predictions: a model that was trained on these \
                 labels may have learnt the wrong ones.",
                thousands(found.candidates.len()),
                thousands(found.n_labelled),
                fixes.len(),
            )
            .into(),
        );
        let rows = found.candidates.iter().take(N_SHOWN).map(|candidate| {
            let (given, suggested) = (session.class(candidate.given), session.class(candidate.suggested));
            let slice = session.set.assignment.get(candidate.row).copied().unwrap_or(-1);
            Candidate {
                row: candidate.row as i32,
                picture: thumbs.thumb(candidate.row).picture,
                described: format!("image {}: given {given}, looks like {suggested}", candidate.row).into(),
                given: given.into(),
                suggested: suggested.into(),
                score: format!("suspicion {:.2}", candidate.score).into(),
                fix: match fixes.get(&candidate.row) {
                    None => 0,
                    Some(Fix::Keep) => 1,
                    Some(Fix::Relabel(_)) => 2,
                    Some(Fix::Drop) => 3,
                },
                slice: format!("slice {slice}").into(),
            }
        });
        replace(&self.candidates, rows.collect());
        let current =
            model.candidate.and_then(|row| found.candidates.iter().position(|candidate| candidate.row == row));
        vm.set_current(current.map_or(-1, |place| place as i32));
    }
}
