use super::*;
use ascan_core::Tensor;
use ascan_core::testing::toy_slice_table;
use rand::RngExt;

const CORE: Option<Mark> = Some(Mark::Core);
const SPURIOUS: Option<Mark> = Some(Mark::Spurious);
const NOISY: Option<Mark> = Some(Mark::NoisyLabel);

/// A table of three classes with a planted cluster a kind; the truth of each row, and marks on every eighth.
fn planted(n: usize) -> (ScanTable, Vec<bool>, Vec<Option<Mark>>) {
    let toy = toy_slice_table(n, 6, 11);
    let truth: Vec<bool> = toy.planted.iter().map(|cluster| cluster % 2 == 1).collect();
    let marks = (0..n).map(|i| (i % 8 == 0).then(|| KINDS[usize::from(truth[i])])).collect();
    let table = ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        labels: (0..n as i32).map(|i| i % 3).collect(),
        predicted_classes: vec![0; n],
        embeddings: toy.embeddings,
        errors: vec![None; n],
        ..ScanTable::default()
    };
    (table, truth, marks)
}

fn plain() -> SpreadSettings {
    SpreadSettings { normalise: Normalise::None, ..SpreadSettings::default() }
}

fn run(table: &ScanTable, marks: &[Option<Mark>], settings: &SpreadSettings) -> Spread {
    spread(table, marks, &vec![None; marks.len()], settings, &Context { n_threads: 2, ..Context::default() }).unwrap()
}

#[test]
fn marks_reach_the_images_that_are_like_theirs() {
    let (table, truth, marks) = planted(900);
    for kernel in [Kernel::Rbf, Kernel::Knn] {
        let found = run(&table, &marks, &SpreadSettings { kernel, ..plain() });
        let right = (0..900).filter(|&i| (found.spuriousness[i] > 0.5) == truth[i]).count();
        assert!(right > 850, "{kernel:?}: {right} of 900");
        assert!(found.spuriousness.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(found.check.auroc.unwrap() > 0.95, "{:?}", found.check);
        assert!(found.check.brier.unwrap() < found.check.brier_of_share.unwrap() / 2.0, "{:?}", found.check);
        assert_eq!(found.check.n_marks, 113);
        // A fifth of each kind in each class.
        assert!((20..=26).contains(&found.check.n_held_out), "{}", found.check.n_held_out);
        assert_eq!(
            found.classes.iter().map(|note| (note.class, note.n)).collect::<Vec<_>>(),
            [(0, 300), (1, 300), (2, 300)]
        );
    }
}

/// Marks that hold for the images of one verdict and for no others: held out one by one they look well spread.
#[test]
fn whole_verdicts_are_held_out_where_there_are_a_few() {
    let n = 480;
    // Twelve slices far apart, every second one spurious, in one class: a slice says nothing about another.
    let slice = |i: usize| i % 12;
    let mut embeddings = Tensor::zeros([n, 12]);
    for (i, row) in embeddings.data_mut().chunks_exact_mut(12).enumerate() {
        row[slice(i)] = 10.0;
        row[(slice(i) + 1 + i / 12 % 3) % 12] = 0.1 * (i as f32).sin();
    }
    let table = ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        labels: vec![0; n],
        predicted_classes: vec![0; n],
        embeddings,
        errors: vec![None; n],
        ..ScanTable::default()
    };
    let marks: Vec<Option<Mark>> = (0..n).map(|i| Some(KINDS[slice(i) % 2])).collect();
    let check = |sources: &dyn Fn(usize) -> Option<usize>| {
        let sources: Vec<Option<usize>> = (0..n).map(sources).collect();
        spread(&table, &marks, &sources, &plain(), &Context::default()).unwrap().check
    };
    let single = check(&|_| None);
    assert_eq!((single.n_verdicts, single.n_held_out), (0, 96));
    assert!(single.auroc.unwrap() > 0.99, "{single:?}");
    let whole = check(&|i| Some(slice(i)));
    assert_eq!((whole.n_verdicts, whole.n_held_out), (12, n), "each verdict once");
    assert!(whole.auroc.unwrap() < 0.9, "{whole:?}");
    // Too few verdicts of a kind: single images again.
    assert_eq!(check(&|i| Some(slice(i) / 6)).n_verdicts, 0);
    // Each class is checked; a slice with images of both counts once.
    let labels = (0..n).map(|i| (i / 12 % 2) as i32).collect();
    let table = ScanTable { labels, ..table };
    let sources: Vec<Option<usize>> = (0..n).map(|i| Some(slice(i))).collect();
    let found = spread(&table, &marks, &sources, &plain(), &Context::default()).unwrap();
    assert_eq!((found.classes.len(), found.check.n_verdicts, found.check.n_held_out), (2, 12, n));
}

#[test]
fn the_check_knows_when_marks_mean_nothing() {
    let (table, _, mut marks) = planted(900);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    marks.iter_mut().flatten().for_each(|mark| *mark = KINDS[usize::from(rng.random::<bool>())]);
    let check = run(&table, &marks, &plain()).check;
    assert!((check.auroc.unwrap() - 0.5).abs() < 0.3, "{check:?}");
    assert!(check.brier.unwrap() > 0.15, "{check:?}");
}

#[test]
fn each_class_says_what_was_done_in_it() {
    let (mut table, _, _) = planted(12);
    table.labels = vec![0, 0, 0, 0, 1, 1, 1, 2, 2, 3, -1, 3];
    table.predicted_classes[10] = 3;
    table.errors[11] = Some("truncated".into());
    let marks = [CORE, SPURIOUS, NOISY, None, CORE, NOISY, None, SPURIOUS, None, None, None, SPURIOUS];
    let found = run(&table, &marks, &SpreadSettings { prior: Some(0.25), ..plain() });
    let notes: Vec<_> =
        found.classes.iter().map(|note| (note.n, note.n_core, note.n_spurious, note.n_noisy_label)).collect();
    assert_eq!(notes, [(4, 1, 1, 1), (3, 1, 0, 1), (2, 0, 1, 0), (2, 0, 0, 0)]);
    assert!(found.classes[0].text.starts_with("spread by a Gaussian"), "{}", found.classes[0].text);
    assert!(found.spuriousness[2].is_finite(), "an image with a noisy label is an image");
    assert_eq!(found.spuriousness[4..9], [0.0, 0.25, 0.25, 1.0, 0.25]);
    assert!(found.classes[1].text.contains("only core marks") && found.classes[1].text.contains("0.25"));
    let measured = run(&table, &marks, &plain()).spuriousness;
    let prior = 4.0 / 7.0; // Of two core marks and three spurious ones.
    assert_eq!(measured[4..9], [0.0, prior, prior, 1.0, prior]);
    // Class 3 has no marks; one of its images failed, one has no label and is in it by its prediction.
    assert!(found.spuriousness[9..].iter().all(|value| value.is_nan()));
    assert!(found.classes[3].text.contains("nothing is known"));
    assert_eq!((found.check.n_marks, found.check.n_held_out), (2, 0), "the only mark of a kind is not held out");
}

#[test]
fn the_same_bits_at_any_number_of_threads_and_other_marks_held_out_by_another_seed() {
    let (table, _, marks) = planted(600);
    let with = |n_threads, seed| {
        let context = Context { n_threads, seed, ..Context::default() };
        spread(&table, &marks, &[None; 600], &plain(), &context).unwrap()
    };
    let one = with(1, 0);
    assert_eq!(with(3, 0), one);
    let other = with(1, 1);
    assert_eq!(other.spuriousness, one.spuriousness);
    assert_ne!(other.check, one.check);
}

#[test]
fn mistakes_are_named() {
    let (table, _, marks) = planted(20);
    let with = |settings, marks: &[_]| {
        spread(&table, marks, &[None; 20], &settings, &Context::default()).unwrap_err().to_string()
    };
    assert!(with(plain(), &marks[1..]).contains("one per row of the scan"));
    assert!(with(SpreadSettings { alpha: 1.0, ..plain() }, &marks).contains("`alpha`: must be at least 0 and below 1"));
    assert!(with(SpreadSettings { gamma: Some(0.0), ..plain() }, &marks).contains("`gamma`: must be above 0"));
    let nothing = spread(
        &ScanTable { embeddings: Tensor::zeros([0, 2]), ..Default::default() },
        &[],
        &[],
        &plain(),
        &Context::default(),
    );
    assert!(nothing.unwrap().classes.is_empty());
}

#[test]
fn a_review_changes_what_is_used_and_not_what_was_computed() {
    let (table, _, mut marks) = planted(60);
    (0..60).filter(|i| i % 3 == 2).for_each(|i| marks[i] = None);
    let mut found = run(&table, &marks, &plain());
    assert_eq!(found.reviewed()[..2], found.spuriousness[..2]);
    let computed = found.spuriousness.clone();
    found.review.threshold = Some(computed[0]);
    found.review.overrides = BTreeMap::from([(1, true), (2, false), (77, true)]);
    let reviewed = found.reviewed();
    assert_eq!((reviewed[0], reviewed[1], reviewed[2]), (1.0, 1.0, 0.0), "at the threshold; by hand; by hand");
    assert!(reviewed[5].is_nan(), "class 2 has no marks, and a threshold makes none");
    assert_eq!(found.spuriousness[..2], computed[..2]);
}

#[test]
fn bins_hold_every_answer_once() {
    let answers = Answers {
        n_marks: 20,
        given: vec![0.0, 0.05, 0.1, 0.97, 1.0],
        right: vec![false, true, false, true, true],
        ..Answers::default()
    };
    let check = answers.check();
    let counts: Vec<(usize, usize)> = check.bins.iter().map(|bin| (bin.n_core, bin.n_spurious)).collect();
    assert_eq!((counts[0], counts[1], counts[9]), ((1, 1), (1, 0), (0, 2)));
    assert_eq!(counts.iter().map(|(core, spurious)| core + spurious).sum::<usize>(), check.n_held_out);
    assert_eq!((check.bins[0].mean, check.bins[5].mean), (Some(0.025), None));
    assert!((check.bins[9].from - 0.9).abs() < 1e-6 && check.bins[9].to == 1.0);
    // 5 of the 6 pairs of a spurious and a core image are in order.
    assert!((check.auroc.unwrap() - 5.0 / 6.0).abs() < 1e-9);
    assert!((check.brier_of_share.unwrap() - 0.24).abs() < 1e-6);
}

#[test]
fn without_answers_there_are_no_figures() {
    let check = Answers::default().check();
    assert_eq!((check.auroc, check.brier, check.brier_of_share), (None, None, None));
    let one_kind = Answers { given: vec![0.5], right: vec![true], ..Answers::default() }.check();
    assert_eq!((one_kind.auroc, one_kind.brier), (None, Some(0.25)));
}

#[test]
fn what_a_check_is_worth_is_said() {
    let worth = |auroc: Option<f64>| Check { auroc, ..Check::default() }.worth();
    assert_eq!(
        [None, Some(0.47), Some(0.7), Some(0.98)].map(worth),
        [None, Some("no better than chance"), Some("weak"), Some("good")]
    );
}
