use super::*;
use crate::testing::{BySign, find_in, recipe, table};
use ascan_core::{SliceModel, SliceTable, Tensor, TensorView};

/// Doubles every value.
struct Double;

impl Projector for Double {
    fn fit(&self, _: TensorView, _: &Context) -> Result<Box<dyn ascan_core::Projection>> {
        Ok(Box::new(Self))
    }
}

impl ascan_core::Projection for Double {
    fn n_dims(&self) -> usize {
        2
    }

    fn project(&self, embeddings: TensorView, _: &Context) -> Result<Tensor> {
        Tensor::new(embeddings.shape(), embeddings.data().iter().map(|v| v * 2.0).collect())
    }
}

/// `n` images, each in the slice that its first value says.
pub(super) fn table_of(slices: &[(usize, usize)]) -> ScanTable {
    let rows: Vec<(usize, bool)> = slices
        .iter()
        .enumerate()
        .flat_map(|(slice, &(n_wrong, n))| (0..n).map(move |i| (slice, i < n_wrong)))
        .collect();
    let n = rows.len();
    ScanTable {
        uris: vec![String::new(); n],
        labels: vec![0; n],
        predicted_classes: rows.iter().map(|&(_, wrong)| i32::from(wrong)).collect(),
        target_classes: vec![0; n],
        probs: Tensor::new([n, 2], vec![0.5; 2 * n]).unwrap(),
        confidences: vec![0.5; n],
        losses: vec![0.7; n],
        embeddings: Tensor::new([n, 1], rows.iter().map(|&(slice, _)| slice as f32).collect()).unwrap(),
        maps: Tensor::zeros([n, 1, 1]),
        attribution_empty: vec![false; n],
        errors: vec![None; n],
        ..ScanTable::default()
    }
}

/// The slice is the first embedding value.
struct ByValue;

impl Slicer for ByValue {
    fn fit(&self, _: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
        Ok(Box::new(Self))
    }
}

impl SliceModel for ByValue {
    fn n_slices(&self) -> usize {
        100
    }

    fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
        Ok(slicer::one_hot((0..table.n()).map(|i| Some(table.embeddings.row(i)[0] as usize)), 100))
    }
}

#[test]
fn slices_are_ranked_by_evidence_and_tiny_unlucky_ones_do_not_lead() {
    // A large bad slice, a smaller one that is worse, thirty tiny ones (one all wrong), a large one that is good.
    let mut slices = vec![(90, 300), (40, 60)];
    slices.extend((0..30).map(|i| if i == 4 { (2, 2) } else { (0, 2) }));
    slices.push((20, 800));
    let set = find(&table_of(&slices), recipe(), None, &ByValue, &Context::default()).unwrap();
    let order: Vec<(i32, Evidence)> = set.slices.iter().take(3).map(|slice| (slice.id, slice.evidence)).collect();
    assert_eq!(order, [(0, Evidence::Clear), (1, Evidence::Clear), (6, Evidence::Weak)]);
    assert_eq!(set.slices.last().map(|slice| slice.id), Some(32));
    let q = |id: i32| set.slice(id).unwrap().q_value.unwrap();
    assert!(q(0) < 0.05 && q(1) < 1e-10 && q(6) > 0.05 && q(32) > 0.99);
}

#[test]
fn errors_only_slices_the_wrong_images_and_proves_nothing() {
    let table = table_of(&[(5, 50), (30, 40), (0, 10)]);
    let set = find(&table, Recipe { errors_only: true, ..recipe() }, None, &ByValue, &Context::default()).unwrap();
    assert_eq!((set.n, set.accuracy), (35, Some(0.65)));
    let slices: Vec<_> = set.slices.iter().map(|slice| (slice.id, slice.size, slice.accuracy)).collect();
    assert_eq!(slices, [(1, 30, Some(0.0)), (0, 5, Some(0.0))], "the largest group of errors first");
    assert!(set.slices.iter().all(|slice| slice.evidence == Evidence::Unknown && !slice.needs_verdict));
    let rows = (0..100).filter(|&row| set.assignment[row] >= 0);
    assert!(rows.clone().count() == 35 && rows.clone().all(|row| table.labels[row] != table.predicted_classes[row]));

    let perfect = table_of(&[(0, 5)]);
    let error =
        find(&perfect, Recipe { errors_only: true, ..recipe() }, None, &ByValue, &Context::default()).unwrap_err();
    assert!(error.to_string().contains("the model is right on all images"), "{error}");
}

#[test]
fn per_class_slices_do_not_mix_classes() {
    let per_class = Recipe { per_class: PerClass::PredictedClass, ..recipe() };
    let set = find(&table_of(&[(5, 20), (3, 20)]), per_class.clone(), None, &ByValue, &Context::default()).unwrap();
    let slices: Vec<_> = set.slices.iter().map(|slice| (slice.id, slice.predictions.len())).collect();
    assert_eq!(slices.len(), 4);
    assert!(slices.iter().all(|&(_, n_classes)| n_classes == 1), "{slices:?}");
    assert_ne!(per_class.id(), recipe().id());
    assert!(per_class.title().ends_with(" · each prediction apart"), "{}", per_class.title());
    assert!(
        !serde_json::to_string(&recipe()).unwrap().contains("per_class"),
        "an option that is not used is no change"
    );
}

#[test]
fn a_report_says_what_is_in_a_slice() {
    let set = find_in(&table());
    assert_eq!(set.assignment, [0, 0, 0, -1, -1, 2, 2, 2, 2]);
    assert_eq!((set.n, set.accuracy), (8, Some(0.5)));
    // Slice 1 has no images and is not reported; slice 0 is worst and comes first.
    assert_eq!(set.slices.iter().map(|s| (s.id, s.size)).collect::<Vec<_>>(), [(0, 3), (2, 4)]);
    let worst = &set.slices[0];
    assert_eq!((worst.accuracy, worst.gap), (Some(0.0), Some(-0.5)));
    let (low, high) = metrics::wilson_interval(0, 3);
    assert_eq!(worst.interval, Some([low, high]));
    // 3 of 3 wrong where 4 of 8 are: 4 draws of 56, twice for two slices.
    assert!((worst.q_value.unwrap() - 8.0 / 56.0).abs() < 1e-12 && worst.evidence == Evidence::Weak);
    assert!(!worst.needs_verdict, "three images prove nothing");
    assert_eq!(worst.confusion[0], ConfusionCell { label: 0, predicted_class: 1, count: 2 });
    assert_eq!(worst.labels, BTreeMap::from([(0, 2), (1, 1)]));
    assert_eq!(worst.predictions, BTreeMap::from([(0, 1), (1, 2)]));
    assert_eq!(worst.groups, BTreeMap::from([("place=false".into(), 3)]));
    assert_eq!(
        worst.typical,
        [0, 1, 2],
        "nearest to the centre first, but before all one of the most frequent outcome"
    );
    assert_eq!(worst.worst, [2, 1, 0], "highest loss first");
    assert!((worst.mean_confidence - 0.9).abs() < 1e-6);
    assert!((worst.coherence.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!(set.noise.as_ref().map(|noise| (noise.id, noise.size)), Some((-1, 1)));
    assert_eq!(set.nmi_group, Some(metrics::nmi(&[0, 0, 0, -1, 2, 2, 2, 2], &[0, 0, 0, 0, 1, 1, 1, 1])));
}

#[test]
fn groups_never_reach_a_slicer() {
    let plain = find_in(&table());
    let mut shuffled = table();
    shuffled.groups[0].values.rotate_left(3);
    let shuffled = find_in(&shuffled);
    let without = find_in(&ScanTable { groups: Vec::new(), masks: None, splits: None, ..table() });
    for other in [&shuffled, &without] {
        assert_eq!(plain.assignment, other.assignment);
        let members = |set: &SliceSet| set.slices.iter().map(|s| (s.id, s.typical.clone())).collect::<Vec<_>>();
        assert_eq!(members(&plain), members(other));
    }
    assert_ne!(plain.nmi_group, shuffled.nmi_group, "the groups do score");
    assert_eq!((without.nmi_group, without.slices[0].groups.len()), (None, 0));
}

#[test]
fn a_slice_needs_a_verdict_only_on_clear_evidence() {
    let mut big = table();
    // Ten copies of every row: the same shares, more evidence.
    let rows: Vec<usize> = (0..90).map(|i| i / 10).collect();
    let tensor = |t: &Tensor| {
        let mut shape = t.shape().to_vec();
        shape[0] = 90;
        Tensor::new(shape, rows.iter().flat_map(|&i| t.row(i)).copied().collect()).unwrap()
    };
    (big.probs, big.embeddings, big.maps) = (tensor(&big.probs), tensor(&big.embeddings), tensor(&big.maps));
    for column in [&mut big.labels, &mut big.predicted_classes, &mut big.target_classes] {
        *column = rows.iter().map(|&i| column[i]).collect();
    }
    big.confidences = rows.iter().map(|&i| big.confidences[i]).collect();
    big.losses = rows.iter().map(|&i| big.losses[i]).collect();
    big.errors = rows.iter().map(|&i| big.errors[i].clone()).collect();
    big.uris = rows.iter().map(|&i| big.uris[i].clone()).collect();
    big.groups.clear();
    let set = find_in(&big);
    assert_eq!(set.slices.iter().map(|s| s.needs_verdict).collect::<Vec<_>>(), [true, false]);
    assert_eq!(set.slices[0].evidence, Evidence::Clear);
}

#[test]
fn without_labels_there_is_no_accuracy_and_no_gap() {
    let mut unlabelled = table();
    unlabelled.labels.fill(-1);
    unlabelled.losses.fill(f32::NAN);
    let set = find_in(&unlabelled);
    assert_eq!(set.accuracy, None);
    let slice = &set.slices[0];
    assert_eq!((slice.accuracy, slice.gap, slice.interval, slice.mean_loss), (None, None, None, None));
    assert!(slice.worst.is_empty() && !slice.needs_verdict && slice.size == 3);
}

#[test]
fn a_projection_comes_before_the_slicer() {
    let set = find(&table(), recipe(), Some(&Double), &BySign, &Context::default()).unwrap();
    // −50 is no noise until it is doubled.
    assert_eq!(set.assignment, find_in(&table()).assignment);
    let mut near = table();
    near.embeddings.data_mut()[6] = -60.0;
    assert_eq!(find_in(&near).assignment[3], 0);
    assert_eq!(find(&near, recipe(), Some(&Double), &BySign, &Context::default()).unwrap().assignment[3], -1);
}

#[test]
fn a_scan_in_which_everything_failed_says_so() {
    let mut failed = table();
    failed.errors.fill(Some("gone".into()));
    let error = find(&failed, recipe(), None, &BySign, &Context::default()).unwrap_err();
    assert!(error.to_string().contains("all failed"), "{error}");
}

#[test]
fn the_id_follows_the_recipe_and_nothing_else() {
    let id = recipe().id();
    assert!(id.starts_with("by_sign-") && id.len() == "by_sign-".len() + 8, "{id}");
    assert_eq!(id, recipe().id());
    assert_ne!(id, Recipe { seed: 1, ..recipe() }.id());
    let order = [r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#]
        .map(|text| Recipe { params: serde_json::from_str(text).unwrap(), ..recipe() }.id());
    assert_eq!(order[0], order[1]);
}

#[test]
fn the_json_has_the_agreed_keys_and_reads_back() {
    let set = find_in(&table());
    let json = serde_json::to_value(&set).unwrap();
    let slice = json["slices"][0].as_object().unwrap();
    let agreed = [
        "id",
        "size",
        "accuracy",
        "gap",
        "interval",
        "mean_confidence",
        "coherence",
        "confusion",
        "groups",
        "q_value",
        "evidence",
    ];
    for key in agreed {
        assert!(slice.contains_key(key), "{key}");
    }
    assert_eq!(json["slices"][0]["groups"]["place=false"], 3);
    assert!(json["nmi_group"].is_number() && json["plugin"] == "by_sign" && json.get("assignment").is_none());
    let back: SliceSet = serde_json::from_value(json).unwrap();
    assert_eq!(SliceSet { assignment: set.assignment.clone(), ..back }, set);
}

#[test]
fn slices_keep_their_places_under_another_model() {
    let mut table = table();
    let set = find_in(&table);
    assert_eq!(judged_by(&set, &table).unwrap().slices.len(), set.slices.len());
    table.predicted_classes.clone_from(&table.labels);
    let judged = judged_by(&set, &table).unwrap();
    let places = |set: &SliceSet| set.slices.iter().map(|s| (s.id, s.size, s.position)).collect::<Vec<_>>();
    assert_eq!((places(&judged), &judged.assignment), (places(&set), &set.assignment));
    assert!(judged.slices.iter().all(|slice| slice.accuracy == Some(1.0)));
    table.uris.push("one more".into());
    let short = SliceSet { assignment: vec![0], ..set };
    assert!(judged_by(&short, &table).is_err());
}

#[test]
fn picked_images_become_a_slice_and_leave_their_own() {
    let table = table();
    let set = find_in(&table);
    let row = table.valid_rows()[0];
    let with = with_slice_of(&table, &set, &[row]).unwrap();
    let new = with.assignment[row];
    assert!(new > set.assignment.iter().copied().max().unwrap());
    assert_eq!(with.slice(new).unwrap().size, 1);
    assert_eq!(with.n, set.n);
    assert_ne!(with.id, set.id);
    assert_eq!(with, with_slice_of(&table, &set, &[row]).unwrap());
    let failed = (0..table.n()).find(|&row| table.errors[row].is_some());
    assert!(with_slice_of(&table, &set, &[]).is_err());
    assert!(failed.is_none_or(|row| with_slice_of(&table, &set, &[row]).is_err()));
}
