//! The steps from a scan to a better model, and the form for new slices.

use super::{Dispatch, list, replace, string_model};
use crate::command::{ShellCommand, SlicingCommand, View};
use crate::model::methods::{Method, Param};
use crate::model::slicing::PER_CLASS;
use crate::model::{Changes, Model};
use ascan_engine::repair::Outcome;
use ascan_ui::{MainWindow, Share, SlicingVm, Step, StepsVm};
use slint::{ComponentHandle, ModelRc, VecModel};
use std::rc::Rc;

/// What a step shows, in the order of the steps; the first leaves the scan.
const VIEWS: [Option<View>; 6] =
    [None, Some(View::Slicing), Some(View::Mosaic), Some(View::Spread), Some(View::Repair), Some(View::Compare)];

/// Fills `StepsVm` and `SlicingVm`.
pub struct StepsAdapter {
    steps: Rc<VecModel<Step>>,
    params: Rc<VecModel<ascan_ui::Param>>,
    shared: Rc<VecModel<Share>>,
}

impl StepsAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let (steps, vm) = (window.global::<StepsVm>(), window.global::<SlicingVm>());
        let adapter = Self { steps: Rc::default(), params: Rc::default(), shared: Rc::default() };
        vm.set_shared(ModelRc::from(adapter.shared.clone()));
        steps.set_steps(ModelRc::from(adapter.steps.clone()));
        vm.set_params(ModelRc::from(adapter.params.clone()));
        vm.set_per_classes(string_model(PER_CLASS.iter().map(|(name, _)| *name)));
        on!(steps, dispatch, on_go(step) => match VIEWS.get(step.max(0) as usize).copied().flatten() {
            Some(view) => ShellCommand::Show(view),
            None => ShellCommand::Leave,
        });
        on!(vm, dispatch, on_set_method(index) => SlicingCommand::Method(index.max(0) as usize));
        on!(vm, dispatch, on_set_param(index, value) => SlicingCommand::Param { index: index.max(0) as usize, value: value.into() });
        on!(vm, dispatch, on_set_per_class(index) => SlicingCommand::PerClass(index.max(0) as usize));
        on!(vm, dispatch, on_set_errors_only(on) => SlicingCommand::ErrorsOnly(on));
        on!(vm, dispatch, on_run() => SlicingCommand::Run);
        on!(vm, dispatch, on_set_beside(index) => SlicingCommand::Beside(index.max(0) as usize));
        on!(vm, dispatch, on_pick_shared(index) => SlicingCommand::PickShared(index.max(0) as usize));
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if changes.intersects(Changes::STEPS | Changes::SHELL) {
            let (steps, next) = steps(model);
            replace(&self.steps, steps);
            window.global::<StepsVm>().set_next(next.into());
        }
        if changes.intersects(Changes::STEPS) && model.view == View::Slicing {
            let (vm, slicing) = (window.global::<SlicingVm>(), &model.slicing);
            vm.set_methods(string_model(slicing.methods.iter().map(|method| method.name.as_str())));
            vm.set_method(slicing.method as i32);
            vm.set_per_class(slicing.per_class as i32);
            vm.set_errors_only(slicing.errors_only);
            vm.set_running(model.busy.contains(&"slicing"));
            let method = slicing.methods.get(slicing.method);
            vm.set_summary(method.map_or("", |method| &method.summary).into());
            replace(&self.params, params(method));
            self.show_beside(&vm, model);
            let sets = slicing.overrides().iter().map(|text| format!(" --set {text}")).collect::<String>();
            vm.set_command(format!("ascan slice {}{sets}", model.session.album.scan.dir.display()).into());
        }
    }
}

impl StepsAdapter {
    fn show_beside(&self, vm: &SlicingVm, model: &Model) {
        let session = &model.session;
        let titles = session.sets.iter().map(|set| set.title.as_str());
        vm.set_sets(string_model(std::iter::once("no other set").chain(titles)));
        let beside = model.slicing.beside.as_ref();
        let place = beside.and_then(|beside| session.sets.iter().position(|set| set.id == beside.id));
        vm.set_beside(place.map_or(0, |place| place as i32 + 1));
        let lines = beside.map_or(&[][..], |beside| &beside.shared).iter().map(|line| {
            let title = session.set.slice(line.here).map(|slice| session.title(slice)).unwrap_or_default();
            let name = format!("{} {title}  →  {}", line.here, line.there);
            super::inspector::share(name, line.rows.len(), line.of, false)
        });
        replace(&self.shared, lines.collect());
    }
}

/// The parameters of a method, as lines of a form.
pub(super) fn params(method: Option<&Method>) -> Vec<ascan_ui::Param> {
    let line = |param: &Param| ascan_ui::Param {
        key: param.key.as_str().into(),
        value: param.value.as_str().into(),
        help: param.help.as_str().into(),
    };
    method.map(|method| method.params.iter().map(line).collect()).unwrap_or_default()
}

/// The steps, and what to do next.
fn steps(model: &Model) -> (Vec<Step>, String) {
    let session = &model.session;
    let n_judged = session.slices().filter(|slice| session.mark(slice.id).is_some()).count();
    let is_judged = n_judged > 0 || session.marks.iter().any(Option::is_some);
    let spread = session.spread.as_ref();
    let is_current = spread.is_some_and(|spread| spread.verdicts == session.annotations.basis());
    let is_accepted = is_current && spread.is_some_and(|spread| spread.review.accepted);
    let summary = model.repair.summary.as_ref();
    let is_compared = model.repair.compared.is_some() || model.repair.has_comparison;
    let step = |title: &str, detail: String, done: bool, view: Option<View>| Step {
        title: title.into(),
        detail: detail.into(),
        done,
        current: match view {
            Some(View::Mosaic) => !matches!(model.view, View::Slicing | View::Spread | View::Repair | View::Compare),
            view => view == Some(model.view),
        },
    };
    let steps = vec![
        step("Scan", "Back to the start page: another scan, or a new one".into(), true, VIEWS[0]),
        step("Slice", format!("{} slices; make others", session.set.slices.len()), true, VIEWS[1]),
        step("Judge", format!("{n_judged} slices judged"), is_judged, VIEWS[2]),
        step("Spread", "What the verdicts say of every image".into(), is_accepted, VIEWS[3]),
        step("Repair", "Train the model with the verdicts".into(), summary.is_some(), VIEWS[4]),
        step("Compare", "The model before and the one after".into(), is_compared, VIEWS[5]),
    ];
    if !is_judged {
        let question = if session.is_lit() { "is lit in most of its images" } else { "most of its images share" };
        return (steps, format!("Next: click a tile, and say what {question}"));
    }
    let next = match (is_current, is_accepted, summary) {
        (false, ..) => "Next: judge more slices, or spread the verdicts",
        (true, false, _) => "Next: look at the spread, and accept it",
        (true, true, None) => "Next: repair the model",
        (.., Some(summary)) if matches!(summary.outcome, Outcome::Failed(_)) => {
            "The repair failed: keep the model before"
        }
        (.., Some(_)) if !is_compared => "Next: compare the model before and the one after",
        _ if model.repair.compared.as_ref().is_some_and(|both| both.comparison.is_worse()) => {
            "The model before is the better one: keep it, and judge more slices"
        }
        _ => "Next: go on with the repaired model, if it is the better one",
    };
    (steps, next.to_owned())
}

/// A line of figures.
pub(super) fn figure(name: &str, values: &[String], strong: usize) -> ascan_ui::Figure {
    ascan_ui::Figure {
        name: name.into(),
        values: list(values.iter().map(Into::into)),
        strong: strong as i32,
        described: format!("{name}: {}", values.join(", ")).into(),
    }
}
