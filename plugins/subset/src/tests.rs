use super::*;
use ascan_core::testing::check_regularizer;
use ascan_core::{Context, Plugin, Regularizer, TrainingSet};
use std::collections::BTreeMap;

#[test]
fn all_conform() {
    check_regularizer("dfr", &|| Box::new(Dfr::new(DfrParams::default()).unwrap()));
    check_regularizer("slim_subset", &|| Box::new(SlimSubset::new(SlimSubsetParams::default()).unwrap()));
    check_regularizer("label_repair", &|| Box::new(LabelRepair));
}

const LABELS: [usize; 10] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
const GROUPS: [i32; 10] = [0, 0, 0, 0, 1, 1, 0, 0, 0, 1];

fn set(epoch: u64) -> TrainingSet<'static> {
    TrainingSet {
        labels: &LABELS,
        spuriousness: Some(&[0.9, 0.1, 0.1, 0.1, 0.1, 0.9, 0.2, 0.3, f32::NAN, 0.4]),
        groups: Some(&GROUPS),
        predicted_classes: None,
        corrected_labels: Some(&[1, 0, 0, 0, 0, -1, 1, 1, 1, 1]),
        epoch,
    }
}

fn counts(rows: &[usize]) -> BTreeMap<(usize, i32), usize> {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|&row| *counts.entry((LABELS[row], GROUPS[row])).or_default() += 1);
    counts
}

#[test]
fn each_cell_gives_as_many_as_the_smallest_has_and_others_next_time() {
    let mut dfr = Dfr::new(DfrParams::default()).unwrap();
    let mut select = |epoch| dfr.select(&set(epoch), &Context::default()).unwrap();
    let first = select(0);
    assert_eq!(counts(&first.rows), BTreeMap::from([((0, 0), 1), ((0, 1), 1), ((1, 0), 1), ((1, 1), 1)]));
    assert!((1..8).any(|epoch| select(epoch).rows != first.rows));
    let mut large = Dfr::new(DfrParams { min_cell: 2 }).unwrap();
    let selection = large.select(&set(0), &Context::default()).unwrap();
    assert_eq!(counts(&selection.rows), BTreeMap::from([((0, 0), 2), ((0, 1), 2), ((1, 0), 2)]));
}

#[test]
fn the_subset_is_right_and_balanced() {
    let mut slim = SlimSubset::new(SlimSubsetParams::default()).unwrap();
    let selection = slim.select(&set(0), &Context::default()).unwrap();
    // Seven images are right, in four cells; one cell has but one image, which comes twice.
    assert_eq!(counts(&selection.rows), BTreeMap::from([((0, 0), 2), ((0, 1), 2), ((1, 0), 2), ((1, 1), 2)]));
    assert!([0, 5, 8].iter().all(|row| !selection.rows.contains(row)));
    let none = SlimSubset::new(SlimSubsetParams { max_spuriousness: 0.0, n_images: 0 }).unwrap();
    let error = { none }.select(&set(0), &Context::default()).unwrap_err();
    assert!(error.to_string().contains("spuriousness of 0"), "{error}");
}

#[test]
fn corrected_labels_take_the_place_of_the_given_ones() {
    let selection = LabelRepair.select(&set(0), &Context::default()).unwrap();
    assert_eq!(selection.rows, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
    assert_eq!(selection.labels, [1, 0, 0, 0, 0, 1, 1, 1, 1]);
}
