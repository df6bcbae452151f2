//! What the window does, without a window: commands in, state out.

use crate::desktop::scan;
use crate::harness::Dir;
use ascan_config::host::PluginHost;
use ascan_core::Error;
use ascan_desktop::command::{
    ImagesCommand, ListCommand, MosaicCommand, ScatterCommand, ShellCommand, VerdictsCommand, View,
};
use ascan_desktop::model::{Answer, Changes, Model, Task, WEIGHING};
use ascan_desktop::open_session;
use ascan_desktop::settings::Settings;
use ascan_engine::reliance::{Estimate, Reliance, SliceReliance};
use ascan_engine::repair::Findings;
use ascan_engine::slices::Carried;
use ascan_store::annotations::{Judgement, Mark, Subject};

fn model() -> (Dir, Model) {
    let (dir, scan) = scan();
    let session = open_session(&scan, None, "ann", &PluginHost::discover(&[])).unwrap();
    let mut model = Model::new(session, Settings::default());
    model.apply(MosaicCommand::Resize(800.0, 600.0));
    (dir, model)
}

#[test]
fn a_selection_is_the_same_everywhere() {
    let (_dir, mut model) = model();
    let first = model.mosaic.tiles[0].clone();
    let [x, y] = first.shape.centre.map(|v| v as f32);
    let changes = model.apply(MosaicCommand::Click(x, y));
    assert_eq!(model.selected, Some(first.id));
    assert!(
        changes.contains(Changes::SELECTION)
            && changes.contains(Changes::INSPECTOR)
            && changes.contains(Changes::IMAGES)
    );
    let mut shown = model.images.rows.clone();
    shown.sort_unstable();
    assert_eq!(shown, model.session.rows(first.id));
    let next = model.list.step(model.selected, 1);
    model.apply(ListCommand::Step(1));
    assert_eq!(model.selected, next);
    model.apply(ShellCommand::Escape);
    assert_eq!(model.selected, None);
}

#[test]
fn filters_and_orders_of_the_list() {
    let (_dir, mut model) = model();
    let all = model.list.order.clone();
    model.apply(ListCommand::WorseOnly(true));
    let worse = model.list.order.clone();
    assert!(!worse.is_empty() && worse.len() < all.len());
    assert!(worse.iter().all(|&id| model.session.set.slice(id).unwrap().needs_verdict));
    model.apply(ListCommand::WorseOnly(false));

    // Images, the largest first, then the smallest first, then by evidence again.
    model.apply(ListCommand::Sort(2));
    let sizes =
        |model: &Model| -> Vec<usize> { model.list.order.iter().map(|&id| model.session.rows(id).len()).collect() };
    assert!(sizes(&model).is_sorted_by(|a, b| a >= b));
    model.apply(ListCommand::Sort(2));
    assert!(sizes(&model).is_sorted());
    model.apply(ListCommand::Sort(2));
    assert_eq!(model.list.order, all);

    let id = all[0];
    model.apply(ListCommand::Search(format!("slice {id}")));
    assert_eq!(model.list.order, [id]);
    model.apply(ListCommand::Search("no such words".into()));
    assert!(model.list.order.is_empty());
}

#[test]
fn what_the_model_says_of_a_slice_is_shown_with_the_verdict_that_it_speaks_for() {
    let (_dir, mut model) = model();
    let (id, slice) = (model.session.set.id.clone(), model.list.order[0]);
    model.apply(VerdictsCommand::AskModel);
    assert!(model.tasks.contains(&Task::Reliance(id.clone())) && model.busy.len() == 1, "{:?}", model.tasks);
    let estimate = |mean: f64| Estimate::of(std::iter::repeat_n(mean, 20));
    let of =
        |object| SliceReliance { slice, region: estimate(0.9), object: estimate(object), on_object: estimate(0.2) };
    let said = |set: &str, object| Reliance { set: set.to_owned(), slices: vec![of(object)], ..Reliance::default() };
    // The set was changed meanwhile: the answer is about another.
    model.take(Answer::Reliance(Ok(Box::new(said("other", 0.1)))));
    assert_eq!(model.session.evidence(slice), "");
    for (object, words) in [(0.1, "Speaks for spurious: "), (0.9, "Speaks for core: "), (0.5, "Speaks for neither: ")] {
        let changes = model.take(Answer::Reliance(Ok(Box::new(said(&id, object)))));
        assert!(changes.contains(Changes::INSPECTOR) && model.busy.is_empty());
        assert!(model.session.evidence(slice).starts_with(words), "{}", model.session.evidence(slice));
    }
    assert_eq!(model.session.evidence(-1), "");
}

#[test]
fn a_verdict_that_a_repair_will_not_follow_is_named_before_it() {
    let (_dir, mut model) = model();
    model.apply(ListCommand::NextUnjudged);
    let slice = model.selected.unwrap();
    model.apply(ShellCommand::Show(View::Spread));
    assert!(!model.busy.contains(&WEIGHING), "without a spurious verdict there is nothing to weigh");
    model.apply(VerdictsCommand::Judge(Some(Mark::Spurious)));
    model.apply(ShellCommand::Show(View::Spread));
    let basis = model.session.annotations.basis();
    assert!(model.tasks.contains(&Task::Weigh { basis: basis.clone() }) && model.busy.contains(&WEIGHING));
    let findings = Findings { n_spurious: 1, contradicted: vec![format!("slice {slice}")], ..Findings::default() };
    let changes = model.take(Answer::Weighed(basis, Ok(findings)));
    assert!(changes.contains(Changes::STEPS | Changes::INSPECTOR) && !model.busy.contains(&WEIGHING));
    let told = model.session.set_aside().unwrap();
    assert!(told.starts_with("1 of 1 ") && told.contains("ask the model"), "{told}");
    assert!(!told.contains("ascan "), "no command line in the window: {told}");
    assert!(model.session.evidence(slice).contains("a repair takes its images as core"));
    // Other verdicts are looked at anew.
    model.apply(VerdictsCommand::Judge(Some(Mark::Core)));
    assert_eq!((model.session.set_aside(), model.session.evidence(slice)), (None, String::new()));
}

#[test]
fn leaving_what_would_stop_is_asked_for_twice() {
    let (_dir, mut model) = model();
    model.apply(VerdictsCommand::AskModel);
    model.apply(ShellCommand::Leave);
    assert!(!model.close_requested && model.toast.contains("is kept"), "{}", model.toast);
    // Something else was done: it is asked again.
    model.apply(ShellCommand::Show(View::Images));
    model.apply(ShellCommand::Leave);
    assert!(!model.close_requested);
    model.apply(ShellCommand::Leave);
    assert!(model.close_requested);
}

#[test]
fn verdicts_of_another_scan_are_taken_over_and_can_be_undone() {
    let (_dir, mut model) = model();
    model.apply(VerdictsCommand::Carry("another".into()));
    assert!(model.tasks.contains(&Task::Carry("another".into())) && model.busy.len() == 1, "{:?}", model.tasks);
    let verdicts =
        vec![(vec![0, 1], Mark::Spurious, "water (from slice 3)".to_owned()), (vec![2], Mark::Core, String::new())];
    let carried = Carried { verdicts, notes: vec!["slice 4 holds no image".into()] };
    let changes = model.take(Answer::Carried(Ok(carried)));
    assert!(changes.contains(Changes::TILES) && model.busy.is_empty());
    assert_eq!(model.toast, "2 verdicts taken over, as verdicts on images; slice 4 holds no image");
    assert_eq!(model.session.marks[..3], [Some(Mark::Spurious), Some(Mark::Spurious), Some(Mark::Core)]);
    model.apply(VerdictsCommand::Undo);
    assert_eq!(model.session.marks[2], None);
    // What a person stopped is no problem.
    let n = model.session.problems.len();
    model.take(Answer::Carried(Err(Error::Cancelled)));
    assert_eq!((model.session.problems.len(), model.toast.as_str()), (n, "Stopped"));
}

#[test]
fn verdicts_can_be_undone_to_the_beginning() {
    let (_dir, mut model) = model();
    model.apply(VerdictsCommand::Judge(Some(Mark::Core)));
    assert!(model.toast.contains("Select"), "nothing is selected: {}", model.toast);
    model.apply(ListCommand::NextUnjudged);
    let slice = model.selected.unwrap();
    let n = model.session.rows(slice).len();
    for mark in [Mark::Core, Mark::Spurious, Mark::NoisyLabel] {
        model.apply(VerdictsCommand::Judge(Some(mark)));
        assert_eq!(model.session.mark(slice), Some((mark, "")));
        assert_eq!(model.session.marks.iter().flatten().count(), n);
    }
    model.apply(VerdictsCommand::Note("labels are swapped".into()));
    assert_eq!(model.session.mark(slice), Some((Mark::NoisyLabel, "labels are swapped")));
    for _ in 0..4 {
        assert!(model.session.annotations.can_undo());
        model.apply(VerdictsCommand::Undo);
    }
    assert!(!model.session.annotations.can_undo() && model.session.mark(slice).is_none());
    for _ in 0..4 {
        model.apply(VerdictsCommand::Redo);
    }
    assert_eq!(model.session.mark(slice), Some((Mark::NoisyLabel, "labels are swapped")));
    model.apply(VerdictsCommand::Judge(None));
    assert!(model.session.mark(slice).is_none() && model.session.marks.iter().flatten().count() == 0);
}

#[test]
fn a_verdict_on_picked_images_is_about_these_alone() {
    let (_dir, mut model) = model();
    model.apply(ListCommand::NextUnjudged);
    let rows = model.images.rows.clone();
    model.apply(ImagesCommand::Pick { row: rows[0], extend: false, toggle: false });
    model.apply(ImagesCommand::Pick { row: rows[3], extend: true, toggle: false });
    model.apply(VerdictsCommand::Judge(Some(Mark::Spurious)));
    let verdict = model.session.annotations.history().last().unwrap().clone();
    let Subject::Images { rows: judged } = verdict.subject else { panic!("{verdict:?}") };
    assert_eq!(judged.len(), 4);
    assert!(matches!(verdict.judgement, Judgement::Mark { mark: Mark::Spurious, .. }));
    assert_eq!(model.session.marks.iter().flatten().count(), 4);
}

#[test]
fn long_work_goes_out_as_a_task_once_and_late_answers_do_no_harm() {
    let (_dir, mut model) = model();
    model.apply(ShellCommand::Show(View::Scatter));
    model.apply(ShellCommand::Show(View::Mosaic));
    model.apply(ShellCommand::Show(View::Scatter));
    let points = model.tasks.iter().filter(|task| matches!(task, Task::Points(_))).count();
    assert_eq!(points, 1);
    model.tasks.clear();
    model.apply(ScatterCommand::Projection(1));
    let n = model.session.album.table.n();
    model.take(Answer::Points("pca".into(), Ok(vec![[0.0; 2]; n])));
    assert!(model.scatter.points.is_none(), "another projection was asked for meanwhile");
    model.take(Answer::Points("umap".into(), Ok(vec![[0.0; 2]; n])));
    assert!(model.scatter.points.is_some());
    let error = Error::file("x.png", "cannot be written", "choose another place");
    model.take(Answer::Exported(Err(error)));
    assert!(model.session.problems.iter().any(|problem| problem.contains("choose another place")));
}

#[test]
fn views_can_be_kept_and_used_again() {
    let (_dir, mut model) = model();
    model.apply(MosaicCommand::Layout(2));
    model.apply(MosaicCommand::Metric(3));
    model.apply(ListCommand::Sort(4));
    model.apply(ShellCommand::SaveView("coherence".into()));
    model.apply(MosaicCommand::Layout(0));
    model.apply(MosaicCommand::Metric(0));
    model.apply(ShellCommand::Show(View::Images));
    model.apply(ShellCommand::UseView(0));
    assert_eq!(
        (model.view, model.mosaic.layout, model.mosaic.metric, model.list.sort),
        (View::Mosaic, 2, 3, Some((4, false)))
    );
}
