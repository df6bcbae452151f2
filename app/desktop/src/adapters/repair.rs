//! The repair: its form, its progress, what came out.

use super::steps::{figure, params};
use super::{Dispatch, opaque, replace, string_model};
use crate::command::{RepairCommand, View};
use crate::model::methods::Method;
use crate::model::{ASK, Changes, Model};
use ascan_engine::repair::{Curves, Evaluation, Outcome, RepairSummary};
use ascan_report::curves::accuracy_chart;
use ascan_ui::{Figure, MainWindow, Param, RepairVm};
use ascan_viz::words::percent;
use slint::{ComponentHandle, Model as _, ModelRc, SharedString, VecModel};
use std::cell::RefCell;
use std::rc::Rc;

/// Lines of the log that are shown.
const N_LOG: usize = 12;

/// Fills `RepairVm`.
pub struct RepairAdapter {
    notes: Rc<VecModel<SharedString>>,
    params: Rc<VecModel<Param>>,
    log: Rc<VecModel<SharedString>>,
    reasons: Rc<VecModel<SharedString>>,
    /// What the chart was drawn from.
    drawn: RefCell<Option<(Curves, bool)>>,
}

impl RepairAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<RepairVm>();
        let adapter = Self {
            notes: Rc::default(),
            params: Rc::default(),
            log: Rc::default(),
            reasons: Rc::default(),
            drawn: RefCell::default(),
        };
        vm.set_notes(ModelRc::from(adapter.notes.clone()));
        vm.set_params(ModelRc::from(adapter.params.clone()));
        vm.set_log(ModelRc::from(adapter.log.clone()));
        vm.set_reasons(ModelRc::from(adapter.reasons.clone()));
        on!(vm, dispatch, on_set_method(index) => RepairCommand::Method(index.max(0) as usize));
        on!(vm, dispatch, on_set_param(index, value) => RepairCommand::Param { index: index.max(0) as usize, value: value.into() });
        on!(vm, dispatch, on_set_whole_net(on) => RepairCommand::WholeNet(on));
        on!(vm, dispatch, on_set_epochs(n) => RepairCommand::Epochs(n.max(1) as usize));
        on!(vm, dispatch, on_set_also(folder) => RepairCommand::Also(folder.into()));
        on!(vm, dispatch, on_set_folder(folder) => RepairCommand::Folder(folder.into()));
        on!(vm, dispatch, on_set_on(folder) => RepairCommand::On(folder.into()));
        on!(vm, dispatch, on_run() => RepairCommand::Run);
        on!(vm, dispatch, on_stop() => RepairCommand::Stop);
        on!(vm, dispatch, on_compare() => RepairCommand::Compare);
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if !changes.intersects(Changes::STEPS) || model.view != View::Repair {
            return;
        }
        let (vm, repair) = (window.global::<RepairVm>(), &model.repair);
        replace(&self.notes, notes(model));
        // An open menu closes with a new list.
        if vm.get_methods().row_count() != repair.methods.len() {
            vm.set_methods(string_model(repair.methods.iter().map(Method::sentence)));
        }
        vm.set_method(repair.method as i32);
        let method = repair.methods.get(repair.method);
        vm.set_summary(method.map_or("", |method| &method.summary).into());
        replace(&self.params, params(method));
        vm.set_whole_net(repair.whole_net);
        vm.set_epochs(repair.epochs as i32);
        vm.set_also(repair.also.as_str().into());
        vm.set_folder(repair.folder.as_str().into());
        vm.set_on(repair.on.as_str().into());
        let running = model.is_repairing();
        vm.set_running(running);
        vm.set_can_resume(repair.summary.is_none() && std::path::Path::new(&repair.folder).join("plan.json").is_file());
        vm.set_done(repair.summary.is_some());
        let (stage, share) = model.progress.clone().unwrap_or_default();
        vm.set_stage(stage.into());
        vm.set_progress(share);
        vm.set_trouble(repair.trouble.as_str().into());
        let from = repair.log.len().saturating_sub(N_LOG);
        replace(&self.log, repair.log[from..].iter().map(SharedString::from).collect());
        vm.set_command(repair.command(&model.session.album.scan.dir).into());
        let (words, reasons) = repair.summary.as_ref().map_or_else(Default::default, outcome);
        vm.set_outcome(words.into());
        let saved = repair.summary.as_ref().map(|summary| format!("The repaired model is {}", summary.model.display()));
        vm.set_saved(saved.unwrap_or_default().into());
        vm.set_failed(repair.summary.as_ref().is_some_and(|summary| matches!(summary.outcome, Outcome::Failed(_))));
        replace(&self.reasons, reasons.into_iter().map(SharedString::from).collect());
        let figures = repair.summary.as_ref().map(figures).unwrap_or_default();
        vm.set_figures(super::list(figures));
        vm.set_has_curves(repair.curves.is_some());
        if let Some(curves) = &repair.curves {
            let now = (curves.clone(), model.settings.dark);
            if self.drawn.borrow().as_ref() != Some(&now) {
                vm.set_curves(opaque(&accuracy_chart(curves).to_picture_in(model.settings.dark)));
                self.drawn.replace(Some(now));
            }
        }
    }
}

/// What should be known before.
fn notes(model: &Model) -> Vec<SharedString> {
    let session = &model.session;
    let spread = session.spread.as_ref();
    let note = match spread {
        None => Some("No verdicts were spread: where the object probably is decides alone."),
        Some(spread) if spread.verdicts != session.annotations.basis() => {
            Some("There are other verdicts than when they were spread: spread again to use them.")
        }
        Some(spread) if !spread.review.accepted => Some("The spread of the verdicts is not accepted yet."),
        Some(_) => None,
    };
    note.map(str::to_owned).into_iter().chain(session.set_aside()).map(SharedString::from).collect()
}

/// How it ended, and why.
fn outcome(summary: &RepairSummary) -> (String, Vec<String>) {
    let words = summary.outcome.words();
    let (first, rest) = words.split_at(1);
    let reasons = summary.outcome.reasons().iter().cloned();
    (
        first.to_uppercase() + rest,
        reasons.chain(summary.findings.notes(ASK).into_iter().map(|(_, text)| text)).collect(),
    )
}

/// A figure of an evaluation, where it has it.
type Of = fn(&Evaluation) -> Option<f32>;

fn figures(summary: &RepairSummary) -> Vec<Figure> {
    let named: [(&str, Of); 4] = [
        ("right, validation images", |found| Some(found.accuracy)),
        ("worst class", |found| Some(found.worst_class_accuracy)),
        ("worst class, with the surroundings of another class", |found| Some(found.mixed?.worst_class_accuracy)),
        ("follows the surroundings then (less is better)", |found| Some(found.mixed?.reliance)),
    ];
    let sides = [Some(&summary.before), Some(&summary.after), summary.control.as_ref()];
    let line = |(name, of): (&str, Of)| {
        of(&summary.after)?;
        let value = |side: &Option<&Evaluation>| {
            side.and_then(of).map_or_else(|| "–".to_owned(), |value| percent(f64::from(value)))
        };
        Some(figure(name, &sides.iter().map(value).collect::<Vec<_>>(), 1))
    };
    named.into_iter().filter_map(line).collect()
}
