//! Verdicts that were spread, before they are used.

use super::{Dispatch, ImagesAdapter, list, mark, replace};
use crate::command::{ImagesCommand, SpreadCommand, VerdictsCommand, View};
use crate::model::spreading::borderline;
use crate::model::{ASKING, Changes, Model};
use ascan_engine::spread::Spread;
use ascan_store::annotations::Mark;
use ascan_ui::{Bar, Borderline, BorderlineLine, MainWindow, SpreadVm};
use ascan_viz::words::{percent, thousands};
use slint::{ComponentHandle, ModelRc, SharedString, VecModel};
use std::rc::Rc;

/// Bars of the histogram.
const N_BARS: usize = 10;
/// Borderline images side by side.
const N_COLUMNS: usize = 4;

/// Fills `SpreadVm`.
pub struct SpreadAdapter {
    lines: Rc<VecModel<SharedString>>,
    warnings: Rc<VecModel<SharedString>>,
    bars: Rc<VecModel<Bar>>,
}

impl SpreadAdapter {
    /// Wires the callbacks.
    pub fn new(window: &MainWindow, dispatch: &Dispatch) -> Self {
        let vm = window.global::<SpreadVm>();
        let adapter = Self { lines: Rc::default(), warnings: Rc::default(), bars: Rc::default() };
        vm.set_lines(ModelRc::from(adapter.lines.clone()));
        vm.set_warnings(ModelRc::from(adapter.warnings.clone()));
        vm.set_bars(ModelRc::from(adapter.bars.clone()));
        on!(vm, dispatch, on_run() => VerdictsCommand::Spread);
        on!(vm, dispatch, on_ask() => VerdictsCommand::AskModel);
        on!(vm, dispatch, on_accept() => SpreadCommand::Accept);
        on!(vm, dispatch, on_set_threshold(threshold) => SpreadCommand::Threshold(Some(threshold)));
        on!(vm, dispatch, on_clear_threshold() => SpreadCommand::Threshold(None));
        on!(vm, dispatch, on_decide(row, is_spurious) => SpreadCommand::Decide { row: row.max(0) as usize, is_spurious });
        on!(vm, dispatch, on_open(row) => ImagesCommand::Open(row.max(0) as usize));
        adapter
    }

    /// Shows what changed.
    pub fn sync(&self, window: &MainWindow, model: &Model, changes: Changes, thumbs: &ImagesAdapter) {
        if !changes.intersects(Changes::STEPS | Changes::IMAGE) || model.view != View::Spread {
            return;
        }
        let vm = window.global::<SpreadVm>();
        vm.set_there(model.session.spread.is_some());
        vm.set_set_aside(model.session.set_aside().unwrap_or_default().into());
        vm.set_asking(model.busy.contains(&ASKING));
        let Some(spread) = &model.session.spread else {
            let line = "Verdicts on slices become a figure for each image of the same class: how much it looks like those that were marked \
                        spurious. It is checked on marks that are held out.";
            replace(&self.lines, vec![line.into()]);
            replace(&self.warnings, Vec::new());
            return;
        };
        vm.set_accepted(spread.review.accepted);
        replace(&self.lines, lines(model, spread));
        replace(&self.warnings, warnings(model, spread));
        replace(&self.bars, bars(spread));
        vm.set_check(check(spread).into());
        vm.set_has_threshold(spread.review.threshold.is_some());
        vm.set_threshold(spread.review.threshold.unwrap_or(0.5));
        let n_spurious = spread.reviewed().iter().filter(|&&value| value > 0.5).count();
        let from = spread.review.threshold.map_or_else(String::new, |t| format!("{t:.2}: "));
        vm.set_threshold_words(
            format!("{from}{} are more spurious than core", ascan_viz::words::images(n_spurious)).into(),
        );
        let rows = borderline(spread);
        let shown = |&row: &usize| Borderline {
            thumb: thumbs.thumb(row),
            decided: mark(spread.review.overrides.get(&row).map(|is| if *is { Mark::Spurious } else { Mark::Core })),
        };
        let lines = rows.chunks(N_COLUMNS).map(|line| BorderlineLine { images: list(line.iter().map(shown)) });
        vm.set_borderline(list(lines));
    }
}

/// What was done in each class that has marks.
fn lines(model: &Model, spread: &Spread) -> Vec<SharedString> {
    let marked = spread.classes.iter().filter(|note| note.n_core + note.n_spurious > 0);
    let line = |note: &ascan_engine::spread::ClassNote| {
        let name = model.session.class(note.class);
        format!("{name}: {} of {} images marked core, {} spurious", note.n_core, thousands(note.n), note.n_spurious)
            .into()
    };
    marked.map(line).collect()
}

fn warnings(model: &Model, spread: &Spread) -> Vec<SharedString> {
    let mut warnings: Vec<SharedString> = Vec::new();
    if spread.verdicts != model.session.annotations.basis() {
        warnings.push("There are other verdicts than when these were spread: spread again.".into());
    }
    for note in &spread.classes {
        let Some(missing) = note.missing() else { continue };
        let class = model.session.class(note.class);
        warnings.push(
            format!(
                "In {class} no slice is {missing}: its other images were compared with nothing, and count neither way. Judge one \
                 that is, if there is one."
            )
            .into(),
        );
    }
    warnings
}

fn check(spread: &Spread) -> String {
    let check = &spread.check;
    let Some(auroc) = check.auroc else {
        return "Not checked: no class has enough marks of both kinds to hold some out.".to_owned();
    };
    let worth = check.worth().unwrap_or_default();
    let how = match check.n_verdicts {
        0 => "other images of the same slices stay among the rest, so it says little about images far from every mark"
            .to_owned(),
        n => format!("{n} verdicts were held out whole"),
    };
    let advice = match worth {
        "good" | "fair" => "It may be accepted.",
        "weak" => {
            "It may be accepted: what you marked counts as you marked it, and a repair checks itself. The figure can fall with more verdicts, \
             since harder ones are held out too; verdicts on slices between the marked ones help most."
        }
        _ => {
            "Do not accept it as it is: judge slices that lie between the marked ones, and look again at those that you were unsure of."
        }
    };
    format!(
        "Below: {} held-out marks, core and spurious, where the rest puts them. In {} of 100 pairs the spurious one is rated higher: \
         {worth} ({how}). {advice}",
        thousands(check.n_held_out),
        (auroc * 100.0).round()
    )
}

fn bars(spread: &Spread) -> Vec<Bar> {
    let mut counts = [0usize; N_BARS];
    for value in spread.spuriousness.iter().filter(|value| value.is_finite()) {
        counts[((value * N_BARS as f32) as usize).min(N_BARS - 1)] += 1;
    }
    let n: usize = counts.iter().sum();
    let largest = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let of_marks =
        spread.check.bins.iter().flat_map(|bin| [bin.n_core, bin.n_spurious]).max().unwrap_or(0).max(1) as f32;
    let bar = |(i, &count): (usize, &usize)| {
        let (core, spurious) = spread.check.bins.get(i).map_or((0, 0), |bin| (bin.n_core, bin.n_spurious));
        let from = i as f32 / N_BARS as f32;
        let share = percent(count as f64 / n.max(1) as f64);
        Bar {
            name: format!("{from:.1}").into(),
            all: count as f32 / largest,
            core: core as f32 / of_marks,
            spurious: spurious as f32 / of_marks,
            described: format!(
                "From {from:.1}: {} ({share}); held-out marks: {core} core, {spurious} spurious",
                ascan_viz::words::images(count)
            )
            .into(),
        }
    };
    counts.iter().enumerate().map(bar).collect()
}
