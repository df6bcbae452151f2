//! The model before a repair and the one after, on the same images.

use super::steps::figure;
use super::{Dispatch, list, opaque, replace};
use crate::command::{Command, ListCommand, RepairCommand, ShellCommand, View};
use crate::model::figures::NEARLY_ALL;
use crate::model::{Changes, Model};
use crate::repairing::Compared;
use ascan_report::compare::{Comparison, Pair};
use ascan_ui::{Changed, ChangedImage, ChangedLine, CompareVm, Figure, MainWindow, SliceBar};
use ascan_viz::words::percent;
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::cell::RefCell;
use std::rc::Rc;

/// Classes with a line of their own.
const N_CLASSES: usize = 24;
/// Images that changed, side by side.
const N_COLUMNS: usize = 6;

/// Fills `CompareVm`.
pub struct CompareAdapter {
    lines: Rc<VecModel<SharedString>>,
    bars: Rc<VecModel<SliceBar>>,
    /// The scan whose mosaics are shown.
    drawn: RefCell<Option<std::path::PathBuf>>,
}

impl CompareAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<CompareVm>();
        let adapter = Self { lines: Rc::default(), bars: Rc::default(), drawn: RefCell::default() };
        vm.set_lines(ModelRc::from(adapter.lines.clone()));
        vm.set_bars(ModelRc::from(adapter.bars.clone()));
        on!(vm, dispatch, on_stop() => RepairCommand::Stop);
        on!(vm, dispatch, on_go_on() => RepairCommand::Continue);
        vm.on_select({
            let dispatch = dispatch.clone();
            move |slice| {
                dispatch(Command::from(ListCommand::Select(Some(slice))));
                dispatch(ShellCommand::Show(View::Images).into());
            }
        });
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes) {
        if !changes.intersects(Changes::STEPS) || model.view != View::Compare {
            return;
        }
        let (vm, repair) = (window.global::<CompareVm>(), &model.repair);
        vm.set_running(model.is_repairing());
        vm.set_ready(repair.summary.is_some());
        let (stage, share) = model.progress.clone().unwrap_or_default();
        vm.set_stage(stage.into());
        vm.set_progress(share);
        vm.set_trouble(repair.trouble.as_str().into());
        vm.set_there(repair.compared.is_some());
        let Some(compared) = repair.compared.as_deref() else { return };
        let comparison = &compared.comparison;
        let on = format!("Compared on the images of {}.", compared.before.display());
        replace(&self.lines, std::iter::once(on.into()).chain(words(comparison)).collect());
        vm.set_go_on_words(
            match compared.before == model.session.album.scan.dir {
                true => "Go on with the repaired model",
                false => "Scan the training images with the repaired model, and go on",
            }
            .into(),
        );
        vm.set_here(compared.before == model.session.album.scan.dir);
        vm.set_figures(list(figures(comparison)));
        replace(&self.bars, compared.slices.iter().map(bar).collect());
        if self.drawn.borrow().as_ref() != Some(&compared.after) {
            self.show_mosaics(&vm, compared);
        }
        let names = [("Right only after", &comparison.fixed), ("Right only before", &comparison.broken)];
        let groups = names.into_iter().zip(&compared.changed).filter(|((_, rows), _)| !rows.is_empty());
        let groups = groups.map(|((name, rows), pictures)| {
            let image = |(picture, caption): &(::image::RgbImage, String)| ChangedImage {
                picture: opaque(picture),
                caption: caption.as_str().into(),
            };
            let line = |line: &[(::image::RgbImage, String)]| ChangedLine { images: list(line.iter().map(image)) };
            Changed {
                title: format!("{name}: {}", ascan_viz::words::images(rows.len())).into(),
                lines: list(pictures.chunks(N_COLUMNS).map(line)),
            }
        });
        vm.set_changed(list(groups));
    }

    fn show_mosaics(&self, vm: &CompareVm, compared: &Compared) {
        let [before, after] = &compared.mosaics;
        vm.set_before(opaque(before));
        vm.set_after(opaque(after));
        vm.set_aspect(before.height() as f32 / before.width().max(1) as f32);
        self.drawn.replace(Some(compared.after.clone()));
    }
}

fn words(comparison: &Comparison) -> Vec<SharedString> {
    let changed = format!(
        "{} are right only after the repair, {} only before it.",
        ascan_viz::words::images(comparison.fixed.len()),
        comparison.broken.len()
    );
    let warning = match (comparison.accuracy.before >= NEARLY_ALL, comparison.is_worse()) {
        (true, _) => Some(
            "The model before is right on nearly all of these images, perhaps because it was trained on them: its errors do not show \
             here. Name a scan of images that it has not seen under Repair, “Compare on”."
                .to_owned(),
        ),
        (false, true) => Some("On these images the model before is the better one: keep it.".to_owned()),
        (false, false) => None,
    };
    warning.into_iter().chain([changed]).chain(comparison.notes.iter().cloned()).map(SharedString::from).collect()
}

fn figures(comparison: &Comparison) -> Vec<Figure> {
    let named = [
        ("mean accuracy", Some(comparison.accuracy)),
        ("worst class", comparison.worst_class_accuracy),
        ("worst known group", comparison.worst_group_accuracy),
        ("worst slice of at least 10 images", comparison.worst_slice_accuracy),
        ("accuracy with noise outside the object", comparison.core_accuracy),
        ("attribution on the object", comparison.energy_in_core),
    ];
    let named = named.into_iter().filter_map(|(name, pair)| Some((name.to_owned(), pair?)));
    let classes = comparison.classes.iter().take(N_CLASSES).chain(&comparison.groups);
    let all = named.chain(classes.map(|class| (format!("   {} ({} images)", class.name, class.n), class.accuracy)));
    let line = |(name, pair): (String, Pair)| {
        let share = |value: f64| format!("{:.1} %", value * 100.0);
        figure(&name, &[share(pair.before), share(pair.after), format!("{:+.1}", pair.change() * 100.0)], 1)
    };
    all.map(line).collect()
}

fn bar(slice: &crate::repairing::SliceBar) -> SliceBar {
    let [before, after] = slice.accuracy;
    let words =
        format!("{} → {}, {} fixed, {} broken", percent(before), percent(after), slice.changed[0], slice.changed[1]);
    SliceBar {
        id: slice.id,
        title: format!("{}  {}", slice.id, slice.title).into(),
        before: before as f32,
        after: after as f32,
        described: format!("Slice {}, {}: {words}", slice.id, slice.title).into(),
        words: words.into(),
    }
}
