//! What is selected, in words and figures, and the verdict on it.

use super::table::in_short;
use super::{Dispatch, color, mark, replace, unmark};
use crate::command::{ShellCommand, VerdictsCommand, View};
use crate::model::figures::{Figure, NEARLY_ALL};
use crate::model::{ASKING, Changes, Model};
use ascan_engine::reliance::Estimate;
use ascan_engine::slices::SliceReport;
use ascan_store::annotations::Mark;
use ascan_ui::{Fact, InspectorVm, MainWindow, Share};
use ascan_viz::words::percent;
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Cells of the confusion matrix, and groups, in the inspector.
const N_SHARES: usize = 4;

/// Fills `InspectorVm`.
pub struct InspectorAdapter {
    facts: Rc<VecModel<Fact>>,
    confusion: Rc<VecModel<Share>>,
    groups: Rc<VecModel<Share>>,
}

impl InspectorAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<InspectorVm>();
        let adapter = Self { facts: Rc::default(), confusion: Rc::default(), groups: Rc::default() };
        vm.set_facts(ModelRc::from(adapter.facts.clone()));
        vm.set_confusion(ModelRc::from(adapter.confusion.clone()));
        vm.set_groups(ModelRc::from(adapter.groups.clone()));
        vm.on_judge({
            let (dispatch, window) = (dispatch.clone(), window.as_weak());
            move |wanted| {
                // A second press on the verdict in force removes it.
                let present = window.upgrade().map(|window| window.global::<InspectorVm>().get_mark());
                let wanted = if present == Some(wanted) { ascan_ui::Mark::None } else { wanted };
                dispatch(VerdictsCommand::Judge(unmark(wanted)).into());
            }
        });
        vm.on_write_note({
            let dispatch = dispatch.clone();
            move |note| dispatch(VerdictsCommand::Note(note.into()).into())
        });
        on!(vm, dispatch, on_rename(name) => VerdictsCommand::Name(name.into()));
        on!(vm, dispatch, on_draft(text) => VerdictsCommand::Draft(text.into()));
        vm.on_ask_model({
            let dispatch = dispatch.clone();
            move || dispatch(VerdictsCommand::AskModel.into())
        });
        vm.on_show_images({
            let dispatch = dispatch.clone();
            move || dispatch(ShellCommand::Show(View::Images).into())
        });
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if !changes.intersects(Changes::INSPECTOR) {
            return;
        }
        let vm = window.global::<InspectorVm>();
        let picked = &model.images.picked;
        let slice = model.selected.and_then(|id| model.session.set.slice(id));
        vm.set_asking(model.busy.contains(&ASKING));
        vm.set_lit(model.session.is_lit());
        vm.set_can_ask(model.session.has_model());
        vm.set_filled(slice.is_some() || !picked.is_empty());
        if changes.intersects(Changes::SELECTION) || !picked.is_empty() {
            vm.set_renaming(false);
        }
        vm.set_advice(advice(model).into());
        // Picked images of a slice keep its figures in place: nothing may move under the pointer.
        if let Some(slice) = slice {
            self.show_slice(&vm, model, slice);
        }
        if !picked.is_empty() {
            self.show_picked(&vm, model, slice.is_some());
        }
    }

    fn show_slice(&self, vm: &InspectorVm, model: &Model, slice: &SliceReport) {
        let session = &model.session;
        let figure = model.mosaic.figure();
        vm.set_title(session.title(slice).into());
        let name = session.annotations.name_of(&session.set.id, slice.id).unwrap_or_default();
        vm.set_name(name.into());
        vm.set_can_rename(slice.id >= 0);
        vm.set_subtitle(in_short(slice).into());
        vm.set_verdict_words(session.sentence(slice).into());
        vm.set_swatch(color(figure.color(session.value(figure, slice), &session.set)));
        let verdict = session.mark(slice.id);
        vm.set_undecided(verdict.is_none() && slice.id >= 0);
        vm.set_evidence(session.evidence(slice.id).into());
        vm.set_mark(mark(verdict.map(|(mark, _)| mark)));
        let draft = model.drafts.get(&slice.id).map(String::as_str);
        vm.set_note(draft.or(verdict.map(|(_, note)| note)).unwrap_or_default().into());
        let standing = session.annotations.of_slice(&session.set.id, slice.id).filter(|_| verdict.is_some());
        vm.set_provenance(
            standing.map_or_else(SharedString::new, |verdict| format!("{}, {}", verdict.author, verdict.time()).into()),
        );
        let interval =
            slice.interval.map(|[low, high]| fact("95 % interval", format!("{} to {}", percent(low), percent(high))));
        let of = |figure: Figure| {
            let value = session.value(figure, slice)?;
            Some(Fact { tip: figure.tip().into(), ..fact(figure.title(), figure.sentence(value)) })
        };
        let follows = |name: &str, Estimate { mean, low, high, .. }: Estimate| {
            fact(name, format!("{}  ({} to {})", percent(mean), percent(low), percent(high)))
        };
        let found = session.reliance.as_ref().and_then(|found| found.of_slice(slice.id));
        let region = found.map(|found| found.region).filter(|region| region.n > 0);
        let facts = [
            of(Figure::Accuracy),
            interval,
            of(Figure::Gap),
            of(Figure::Evidence),
            of(Figure::Confidence),
            of(Figure::Loss),
            of(Figure::Coherence),
            of(Figure::Compactness),
            of(Figure::Spuriousness),
            session.slice_reliance(slice.id).map(|found| follows("Follows object", found)),
            region.map(|found| follows("Follows lit part", found)),
        ];
        replace(&self.facts, facts.into_iter().flatten().collect());
        let cells = slice.confusion.iter().take(N_SHARES).map(|cell| {
            let wrong = cell.label >= 0 && cell.label != cell.predicted_class;
            share(session.outcome(cell.label, cell.predicted_class), cell.count, slice.size, wrong)
        });
        replace(&self.confusion, cells.collect());
        replace(&self.groups, shares(&slice.groups, slice.size));
    }

    fn show_picked(&self, vm: &InspectorVm, model: &Model, of_slice: bool) {
        let (session, picked) = (&model.session, &model.images.picked);
        let table = &session.album.table;
        let known = || picked.iter().filter(|&&row| table.labels[row] >= 0);
        let right = known().filter(|&&row| table.labels[row] == table.predicted_classes[row]).count();
        let n_known = known().count();
        vm.set_can_rename(false);
        vm.set_title(format!("{} picked", ascan_viz::words::images(picked.len())).into());
        vm.set_subtitle("a verdict applies to exactly these images".into());
        vm.set_verdict_words(match n_known {
            0 => SharedString::new(),
            n => format!("{} right, of those with a label", percent(right as f64 / n as f64)).into(),
        });
        vm.set_swatch(slint::Color::from_rgb_u8(90, 162, 230));
        let marks: Vec<Option<Mark>> = picked.iter().map(|&row| session.marks.get(row).copied().flatten()).collect();
        let same = marks.iter().all(|mark| *mark == marks[0]);
        vm.set_mark(mark(if same { marks[0] } else { None }));
        vm.set_note(SharedString::new());
        if of_slice {
            return;
        }
        vm.set_undecided(marks.iter().all(Option::is_none));
        vm.set_evidence(SharedString::new());
        vm.set_provenance(SharedString::new());
        replace(&self.facts, Vec::new());
        let mut cells: BTreeMap<(i32, i32), usize> = BTreeMap::new();
        for &row in picked {
            *cells.entry((table.labels[row], table.predicted_classes[row])).or_default() += 1;
        }
        let mut cells: Vec<_> = cells.into_iter().collect();
        cells.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let cells = cells.into_iter().take(N_SHARES).map(|((label, predicted), n)| {
            share(session.outcome(label, predicted), n, picked.len(), label >= 0 && label != predicted)
        });
        replace(&self.confusion, cells.collect());
        replace(&self.groups, Vec::new());
    }
}

/// Where to begin.
pub(super) fn advice(model: &Model) -> String {
    let set = &model.session.set;
    let n_worse = set.slices.iter().filter(|slice| slice.needs_verdict).count();
    let begin = "Click a tile of the mosaic or a row of the list.";
    if !model.session.is_lit() {
        return format!(
            "{begin} There are no attribution maps: look for what the images of a tile share beside the object."
        );
    }
    match (set.accuracy, n_worse) {
        (None, _) => format!(
            "{begin} Without labels nothing says where the model is wrong: look for tiles in which something else \
             than the object is lit."
        ),
        (Some(accuracy), _) if accuracy >= NEARLY_ALL => format!(
            "{begin} The model is right on {} of these images, perhaps because it was trained on them: errors do not show here. Look for \
             tiles in which something else than the object is lit. A scan of images that the model has not seen shows \
             errors; verdicts given there can be taken over here (Ctrl+K, “take over”).",
            percent(accuracy)
        ),
        (Some(_), 0) => format!("{begin} No slice is clearly worse than the rest."),
        (Some(_), _) => {
            format!("{begin} Slices with an amber frame are clearly worse than the rest: start with these.")
        }
    }
}

fn fact(name: &str, value: String) -> Fact {
    Fact { name: name.into(), value: value.into(), tip: SharedString::new() }
}

pub(super) fn share(name: String, n: usize, of: usize, strong: bool) -> Share {
    let share = n as f64 / of.max(1) as f64;
    Share { name: name.into(), value: format!("{n}  {}", percent(share)).into(), share: share as f32, strong }
}

/// The largest groups first.
fn shares(groups: &BTreeMap<String, usize>, of: usize) -> Vec<Share> {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    groups.into_iter().take(N_SHARES).map(|(name, &n)| share(name.clone(), n, of, false)).collect()
}
