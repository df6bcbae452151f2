use super::*;
use crate::table::GroupColumn;
use ascan_core::{SliceModel, SliceTable, Tensor, TensorView};

/// Slices by a threshold on the first embedding value; below −100 is noise.
struct BySign;

impl Slicer for BySign {
    fn fit(&self, table: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        Ok(Box::new(Self))
    }
}

impl SliceModel for BySign {
    fn n_slices(&self) -> usize {
        3
    }

    fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
        let first = (0..table.n()).map(|i| table.embeddings.row(i)[0]);
        let slices: Vec<Option<usize>> = first.map(|v| (v > -100.0).then(|| 2 * usize::from(v > 0.0))).collect();
        Ok(slicer::one_hot(slices.into_iter(), 3))
    }
}

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

/// Two clouds: the left one is always wrong, the right one always right; one failed row, one far out.
pub(crate) fn table() -> ScanTable {
    let x = [-3.0, -2.0, -1.0, -500.0, 0.0, 1.0, 2.0, 3.0, 4.0];
    let n = x.len();
    let mut errors = vec![None; n];
    errors[4] = Some("truncated".to_owned());
    let labels: Vec<i32> = (0..n as i32).map(|i| i % 2).collect();
    let predicted: Vec<i32> = (0..n).map(|i| if x[i] < 0.0 { 1 - labels[i] } else { labels[i] }).collect();
    let probs = predicted.iter().flat_map(|&class| if class == 0 { [0.9, 0.1] } else { [0.1, 0.9] }).collect();
    ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        losses: (0..n).map(|i| if labels[i] == predicted[i] { 0.1 } else { 2.0 + i as f32 }).collect(),
        target_classes: predicted.clone(),
        labels,
        predicted_classes: predicted,
        probs: Tensor::new([n, 2], probs).unwrap(),
        embeddings: Tensor::new([n, 2], x.iter().flat_map(|&v| [v, 1.0]).collect()).unwrap(),
        maps: Tensor::new([n, 1, 2], x.iter().flat_map(|&v| if v < 0.0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect())
            .unwrap(),
        attribution_empty: vec![false; n],
        errors,
        groups: vec![GroupColumn { name: "place".into(), values: x.iter().map(|v| format!("{}", *v > 0.0)).collect() }],
        ..ScanTable::default()
    }
}

fn recipe() -> Recipe {
    Recipe { plugin: "by_sign".into(), ..Recipe::default() }
}

pub(crate) fn find_in(table: &ScanTable) -> SliceSet {
    find(table, recipe(), None, &BySign, &Context::default()).unwrap()
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
    assert!(!worst.needs_verdict, "three images prove nothing: the interval reaches {high}");
    assert_eq!(worst.confusion[0], ConfusionCell { label: 0, predicted_class: 1, count: 2 });
    assert_eq!(worst.labels, BTreeMap::from([(0, 2), (1, 1)]));
    assert_eq!(worst.predictions, BTreeMap::from([(0, 1), (1, 2)]));
    assert_eq!(worst.groups, BTreeMap::from([("place=false".into(), 3)]));
    assert_eq!(worst.typical, [1, 0, 2], "nearest to the centre first, ties in the order of rows");
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
fn a_slice_needs_a_verdict_only_when_the_interval_is_below_the_whole() {
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
    big.losses = rows.iter().map(|&i| big.losses[i]).collect();
    big.errors = rows.iter().map(|&i| big.errors[i].clone()).collect();
    big.uris = rows.iter().map(|&i| big.uris[i].clone()).collect();
    big.groups.clear();
    let set = find_in(&big);
    assert_eq!(set.slices.iter().map(|s| s.needs_verdict).collect::<Vec<_>>(), [true, false]);
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
    let agreed = ["id", "size", "accuracy", "gap", "interval", "mean_confidence", "coherence", "confusion", "groups"];
    for key in agreed {
        assert!(slice.contains_key(key), "{key}");
    }
    assert_eq!(json["slices"][0]["groups"]["place=false"], 3);
    assert!(json["nmi_group"].is_number() && json["plugin"] == "by_sign" && json.get("assignment").is_none());
    let back: SliceSet = serde_json::from_value(json).unwrap();
    assert_eq!(SliceSet { assignment: set.assignment.clone(), ..back }, set);
}
