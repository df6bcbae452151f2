//! Just train twice.

use crate::balance::BALANCES;
use ascan_core::{
    Context, Error, Params, Plugin, Problems, RegularizedBatch, Regularizer, Result, Selection, Strengths,
    TrainingBatch, TrainingSet,
};
use serde::{Deserialize, Serialize};

/// Parameters of [`Jtt`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JttParams {
    /// Times that an image counts which the model before got wrong. The default is the paper's smallest.
    pub upweight: f32,
}

impl Default for JttParams {
    fn default() -> Self {
        Self { upweight: 20.0 }
    }
}

impl Params for JttParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("upweight", "how often an image counts that the original model got wrong")];

    fn check(&self, problems: &mut Problems) {
        problems.range("upweight", self.upweight, 1.0, 1e6);
    }
}

/// Counts the images that the model before the repair got wrong `upweight` times.
///
/// The first model of the paper is the one that is repaired: its predictions are those of the scan. Weights are
/// divided by their mean over the training split, so that the learning rate means what it means elsewhere.
///
/// # Source
/// Liu et al. 2021, arXiv 2107.09044.
pub struct Jtt {
    params: JttParams,
    /// Mean weight of the training split.
    mean: f32,
}

impl Plugin for Jtt {
    const NAME: &'static str = "jtt";
    const SUMMARY: &'static str = "JTT: images that the model before got wrong count more (Liu et al. 2021)";
    type Params = JttParams;
    const STRENGTHS: Strengths = BALANCES;

    fn new(params: JttParams) -> Result<Self> {
        Ok(Self { params, mean: 1.0 })
    }
}

impl Jtt {
    fn weight(&self, label: usize, predicted_class: i32) -> f32 {
        let is_wrong = predicted_class >= 0 && predicted_class != label as i32;
        if is_wrong { self.params.upweight } else { 1.0 }
    }
}

fn missing() -> Error {
    Error::unsupported("jtt needs the predictions of the model before", "scan the training split with that model")
}

impl Regularizer for Jtt {
    fn select(&mut self, set: &TrainingSet, _context: &Context) -> Result<Selection> {
        set.check()?;
        let predicted = set.predicted_classes.ok_or_else(missing)?;
        let weights: Vec<f32> = set.labels.iter().zip(predicted).map(|(&l, &p)| self.weight(l, p)).collect();
        if weights.iter().all(|&weight| weight == 1.0) && self.params.upweight > 1.0 {
            return Err(Error::unsupported(
                "the model before is right on every training image, so jtt has nothing to weigh",
                "use another regularizer, or repair on a split that the model was not trained on",
            ));
        }
        self.mean = weights.iter().sum::<f32>() / weights.len() as f32;
        Ok(Selection::all(set))
    }

    fn prepare(&mut self, batch: &TrainingBatch, _context: &Context) -> Result<RegularizedBatch> {
        batch.check()?;
        let predicted = batch.predicted_classes.ok_or_else(missing)?;
        let weights = batch.labels.iter().zip(predicted).map(|(&l, &p)| self.weight(l, p) / self.mean).collect();
        Ok(RegularizedBatch { weights, ..batch.unchanged() })
    }

    fn state(&self) -> Result<Vec<f32>> {
        Ok(vec![self.mean])
    }

    fn restore(&mut self, state: &[f32]) -> Result<()> {
        match state {
            [mean] if *mean > 0.0 => self.mean = *mean,
            _ => return Err(Error::shape("state of jtt", "one number above 0", state.len())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::set;
    use ascan_core::testing::{check_regularizer, toy_training_batch};

    #[test]
    fn conforms() {
        check_regularizer("jtt", &|| Box::new(Jtt::new(JttParams::default()).unwrap()));
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
}
