use super::*;
use ascan_core::TrainingSet;
use ascan_core::testing::{check_regularizer, toy_training_batch};

#[test]
fn all_conform() {
    check_regularizer("erm", &|| Box::new(Erm));
    check_regularizer("group_dro", &|| Box::new(GroupDro::new(GroupDroParams { eta: 0.5 }).unwrap()));
    check_regularizer("jtt", &|| Box::new(Jtt::new(JttParams::default()).unwrap()));
}

#[test]
fn plain_training_changes_nothing() {
    let toy = toy_training_batch(4, 0);
    let made = Erm.prepare(&toy.view(0), &Context::default()).unwrap();
    assert_eq!((made.images, made.labels, made.weights), (toy.images, toy.labels, vec![1.0; 4]));
}

fn set<'a>(labels: &'a [usize], groups: &'a [i32], predicted: &'a [i32]) -> TrainingSet<'a> {
    TrainingSet {
        labels,
        spuriousness: None,
        groups: Some(groups),
        predicted_classes: Some(predicted),
        corrected_labels: None,
        epoch: 0,
    }
}

#[test]
fn weight_moves_to_the_group_with_the_larger_loss() {
    let toy = toy_training_batch(4, 0);
    let groups = [0, 0, 0, 1];
    let batch = TrainingBatch { groups: Some(&groups), ..toy.view(0) };
    let mut dro = GroupDro::new(GroupDroParams { eta: 1.0 }).unwrap();
    dro.select(&set(&toy.labels, &groups, &[0; 4]), &Context::default()).unwrap();
    // Half of the loss is that of each group: 4 · ½ / 3 and 4 · ½ / 1.
    let first = dro.prepare(&batch, &Context::default()).unwrap().weights;
    assert!(first.iter().zip([2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{first:?}");
    dro.observe(&[0.0, 0.5, 1.0, 2.0]).unwrap();
    // q = e^0.5 : e^2.
    let q = [0.5f32.exp(), 2f32.exp()].map(|e| e / (0.5f32.exp() + 2f32.exp()));
    let second = dro.prepare(&batch, &Context::default()).unwrap().weights;
    assert!((second[0] - 4.0 * q[0] / 3.0).abs() < 1e-5 && (second[3] - 4.0 * q[1]).abs() < 1e-5, "{second:?} {q:?}");
    assert!(dro.observe(&[1.0]).is_err());
}

#[test]
fn one_group_is_nothing_to_balance() {
    let mut dro = GroupDro::new(GroupDroParams::default()).unwrap();
    let error = dro.select(&set(&[0, 1], &[3, 3], &[0, 1]), &Context::default()).unwrap_err();
    assert!(error.to_string().contains("one group"), "{error}");
}

#[test]
fn errors_of_the_model_before_count_more() {
    let toy = toy_training_batch(4, 0);
    let predicted: Vec<i32> =
        toy.labels.iter().enumerate().map(|(i, &l)| if i == 2 { 1 - l as i32 } else { l as i32 }).collect();
    let mut jtt = Jtt::new(JttParams { upweight: 5.0 }).unwrap();
    jtt.select(&set(&toy.labels, &[0; 4], &predicted), &Context::default()).unwrap();
    let batch = TrainingBatch { predicted_classes: Some(&predicted), ..toy.view(0) };
    assert_eq!(jtt.prepare(&batch, &Context::default()).unwrap().weights, [0.5, 0.5, 2.5, 0.5]);
    let right: Vec<i32> = toy.labels.iter().map(|&label| label as i32).collect();
    let error = jtt.select(&set(&toy.labels, &[0; 4], &right), &Context::default()).unwrap_err();
    assert!(error.to_string().contains("right on every training image"), "{error}");
}
