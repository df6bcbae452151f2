//! Plain training.

use crate::balance::OTHER_AIM;
use ascan_core::params::NoParams;
use ascan_core::{Plugin, Regularizer, Result, Strengths};

/// Training goes on as it was: empirical risk minimisation, the control that every other method is measured against.
pub struct Erm;

impl Plugin for Erm {
    const NAME: &'static str = "erm";
    const SUMMARY: &'static str = "plain training (empirical risk minimisation): the control";
    const STRENGTHS: Strengths = OTHER_AIM;
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Regularizer for Erm {}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::Context;
    use ascan_core::testing::{check_regularizer, toy_training_batch};

    #[test]
    fn conforms() {
        check_regularizer("erm", &|| Box::new(Erm));
    }

    #[test]
    fn plain_training_changes_nothing() {
        let toy = toy_training_batch(4, 0);
        let made = Erm.prepare(&toy.view(0), &Context::default()).unwrap();
        assert_eq!((made.images, made.labels, made.weights), (toy.images, toy.labels, vec![1.0; 4]));
    }
}
