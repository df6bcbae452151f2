use super::*;
use ascan_engine::faithfulness::masks::overlap;
use ascan_store::table::GroupColumn;

fn table(predicted: &[i32]) -> ScanTable {
    let n = predicted.len();
    ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        labels: (0..n).map(|i| if i == n - 1 { -1 } else { (i % 2) as i32 }).collect(),
        predicted_classes: predicted.to_vec(),
        errors: vec![None; n],
        groups: vec![GroupColumn {
            name: "place".into(),
            values: (0..n).map(|i| if i < 4 { "a" } else { "b" }.to_owned()).collect(),
        }],
        ..ScanTable::default()
    }
}

fn set(assignment: &[i32]) -> SliceSet {
    let json = serde_json::json!({
        "id": "s", "plugin": "s", "params": {}, "projection": {"plugin": "none", "params": {}}, "seed": 0,
        "n": assignment.len(), "accuracy": null, "slices": [], "noise": null, "nmi_group": null
    });
    let set: SliceSet = serde_json::from_value(json).unwrap();
    SliceSet { assignment: assignment.to_vec(), ..set }
}

#[test]
fn figures_of_two_small_scans() {
    // Labels 0 1 0 1 0 1 0 ?; before: right on 0..4, wrong on 4..7. After: wrong on 0, right on the rest.
    let before = table(&[0, 1, 0, 1, 1, 0, 1, 0]);
    let after = table(&[1, 1, 0, 1, 0, 1, 0, 1]);
    let training = table(&[0, 0, 0, 0, 0]);
    let found = Comparison::of(&[before, after], &set(&[0, 0, 0, 0, 1, 1, -1, 1]), Some(&training), &["even".into()]);
    assert_eq!((found.n, found.fixed, found.broken), (7, vec![4, 5, 6], vec![0]));
    assert_eq!(found.accuracy, Pair::new(4.0 / 7.0, 6.0 / 7.0));
    let groups: Vec<_> = found.groups.iter().map(|g| (g.name.as_str(), g.n, g.accuracy)).collect();
    assert_eq!(groups, [("place=a", 4, Pair::new(1.0, 0.75)), ("place=b", 3, Pair::new(0.0, 1.0))]);
    assert_eq!(found.worst_group_accuracy, Some(Pair::new(0.0, 0.75)));
    let classes: Vec<_> = found.classes.iter().map(|c| (c.name.as_str(), c.n, c.accuracy)).collect();
    assert_eq!(classes, [("even", 4, Pair::new(0.5, 0.75)), ("class 1", 3, Pair::new(2.0 / 3.0, 1.0))]);
    assert_eq!(found.worst_class_accuracy, Some(Pair::new(0.5, 0.75)));
    // Four fifths of the training images are of group a.
    let weighted = found.training_weighted_accuracy.unwrap();
    assert!((weighted.before - 0.8).abs() < 1e-12 && (weighted.after - 0.8).abs() < 1e-12, "{weighted:?}");
    assert_eq!(
        found.slices.iter().map(|s| (s.id, s.n, s.n_fixed, s.n_broken)).collect::<Vec<_>>(),
        [(1, 2, 2, 0), (0, 4, 0, 1)]
    );
    assert_eq!(found.worst_slice_accuracy, None, "all are too small to be believed");
}

#[test]
fn attribution_on_the_object() {
    let mask = [1.0, 1.0, 0.0, 0.0];
    let (energy, aiou) = overlap(&[2.0, 0.0, 1.0, 1.0], &mask).unwrap();
    // Shares 1, 0, ½, ½: minima sum to 1, maxima to 1 + 1 + ½ + ½.
    assert_eq!((energy, aiou), (0.5, 1.0 / 3.0));
    assert_eq!(overlap(&[3.0, 3.0, 0.0, 0.0], &mask), Some((1.0, 1.0)));
    assert_eq!(overlap(&[0.0; 4], &mask), None);
}

#[test]
fn sensitivity_is_relative_to_what_is_possible() {
    let of = |background_noised, foreground_noised| Sensitivity { background_noised, foreground_noised }.rfs();
    assert!((of(0.9, 0.5) - 0.4 / 0.6).abs() < 1e-12);
    assert!((of(0.3, 0.5) + 0.2 / 0.8).abs() < 1e-12);
    assert_eq!([of(1.0, 1.0), of(0.0, 0.0)], [0.0, 0.0]);
}
