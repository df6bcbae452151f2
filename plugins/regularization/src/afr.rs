//! Automatic feature reweighting.

use crate::balance::{BALANCES, of_epoch};
use ascan_core::{Context, Error, Params, Plugin, Problems, Regularizer, Result, Selection, Strengths, TrainingSet};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters of [`Afr`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AfrParams {
    /// How much more an image counts of which the model before was less sure: e^gamma times, from sure and right to sure and
    /// wrong.
    pub gamma: f32,
}

impl Default for AfrParams {
    fn default() -> Self {
        Self { gamma: 4.0 }
    }
}

impl Params for AfrParams {
    const HELP: &'static [(&'static str, &'static str)] = &[(
        "gamma",
        "an image on which the original model was wrong counts up to e^gamma times; 0: classes alone count alike",
    )];

    fn check(&self, problems: &mut Problems) {
        problems.range("gamma", self.gamma, 0.0, 100.0);
    }
}

/// Shows an image as often as `exp(−γ p) / n`, with `p` the probability that the model before gave to its label, and `n` the
/// number of images of its class.
///
/// Meant for the head alone, and for images that the model before was not trained on: scan a held-out split and repair that
/// scan. The paper puts these weights on the loss; drawing images by them has the same mean. Its penalty on the distance to the
/// weights before is left out (the paper's λ = 0).
///
/// # Source
/// Qiu, Potapczynski, Izmailov & Wilson 2023, arXiv 2306.11074.
pub struct Afr {
    params: AfrParams,
}

impl Plugin for Afr {
    const NAME: &'static str = "afr";
    const SUMMARY: &'static str =
        "AFR: images of which the model before was less sure come more often (Qiu et al. 2023)";
    const STRENGTHS: Strengths = BALANCES;
    type Params = AfrParams;

    fn new(params: AfrParams) -> Result<Self> {
        Ok(Self { params })
    }
}

/// Rows that come as often as their weights say, as many as there are weights: each the whole number below or above its share.
fn systematic(weights: &[f64], seed: u64) -> Vec<usize> {
    let n = weights.len();
    let step = weights.iter().sum::<f64>() / n as f64;
    let mut next = step * Xoshiro256PlusPlus::seed_from_u64(seed).random::<f64>();
    let (mut sum, mut rows) = (0.0, Vec::with_capacity(n));
    for (row, weight) in weights.iter().enumerate() {
        sum += weight;
        while next < sum && rows.len() < n {
            rows.push(row);
            next += step;
        }
    }
    rows
}

impl Regularizer for Afr {
    fn select(&mut self, set: &TrainingSet, context: &Context) -> Result<Selection> {
        set.check()?;
        let probs = set.label_probs.ok_or_else(|| {
            Error::unsupported("afr needs the predictions of the model before", "scan the images with that model")
        })?;
        let mut n_of_class: BTreeMap<usize, usize> = BTreeMap::new();
        set.labels.iter().for_each(|&label| *n_of_class.entry(label).or_default() += 1);
        let weight =
            |(label, prob): (&usize, &f32)| f64::from(-self.params.gamma * prob).exp() / n_of_class[label] as f64;
        let weights: Vec<f64> = set.labels.iter().zip(probs).map(weight).collect();
        Ok(Selection::of(set, systematic(&weights, of_epoch(context.seed, set.epoch))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::check_regularizer;

    #[test]
    fn conforms() {
        check_regularizer("afr", &|| Box::new(Afr::new(AfrParams::default()).unwrap()));
    }

    #[test]
    fn images_come_as_often_as_their_weights_say() {
        // Two classes of 300 and 100 images; of each the first tenth is wrong, and sure of it.
        let labels: Vec<usize> = (0..400).map(|i| usize::from(i >= 300)).collect();
        let probs: Vec<f32> = (0..400).map(|i| if i < 30 || (300..310).contains(&i) { 0.0 } else { 1.0 }).collect();
        let set = TrainingSet { label_probs: Some(&probs), ..TrainingSet::new(&labels) };
        let mut afr = Afr::new(AfrParams { gamma: 2.0 }).unwrap();
        let selection = afr.select(&set, &Context::default()).unwrap();
        assert_eq!(selection.rows.len(), 400);
        let count =
            |from: usize, to: usize| selection.rows.iter().filter(|&&row| row >= from && row < to).count() as f64;
        // Both classes weigh 0.1 + 0.9 e^−2, so each has half of the 400.
        let wrong = 200.0 * 0.1 / (0.1 + 0.9 * (-2f64).exp());
        for (found, expected) in [
            (count(0, 30), wrong),
            (count(30, 300), 200.0 - wrong),
            (count(300, 310), wrong),
            (count(310, 400), 200.0 - wrong),
        ] {
            assert!((found - expected).abs() <= 1.0, "{found}, expected {expected}");
        }
        let next = afr.select(&TrainingSet { epoch: 1, ..set }, &Context::default()).unwrap();
        assert_ne!(next.rows, selection.rows);
        let error = afr.select(&TrainingSet::new(&labels), &Context::default()).unwrap_err();
        assert!(error.to_string().contains("predictions of the model before"), "{error}");
    }
}
