use super::*;
use ascan_core::testing::{check_regularizer, toy_training_batch};

#[test]
fn conforms() {
    check_regularizer("rrr", &|| Box::new(Rrr::new(RrrParams::default()).unwrap()));
}

#[test]
fn the_penalty_lies_on_the_region_that_should_not_count() {
    let toy = toy_training_batch(3, 0);
    let batch = toy.view(0);
    let made = Rrr { params: RrrParams { strength: 7.0 } }.prepare(&batch, &Context::default()).unwrap();
    let penalty = made.penalty.unwrap();
    assert_eq!((penalty.strength, penalty.mask), (7.0, batch.non_core().unwrap()));
    assert_eq!((made.images, made.weights), (toy.images, vec![1.0; 3]));
}
