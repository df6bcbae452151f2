//! Group distributionally robust optimisation.

use ascan_core::{
    Context, Error, Params, Plugin, Problems, RegularizedBatch, Regularizer, Result, Selection, TrainingBatch,
    TrainingSet,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Parameters of [`GroupDro`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupDroParams {
    /// Step size of the group weights.
    pub eta: f32,
}

impl Default for GroupDroParams {
    fn default() -> Self {
        Self { eta: 0.01 }
    }
}

impl Params for GroupDroParams {
    const HELP: &'static [(&'static str, &'static str)] =
        &[("eta", "how fast weight moves to the groups with the larger loss")];

    fn check(&self, problems: &mut Problems) {
        problems.range("eta", self.eta, 0.0, 100.0);
    }
}

/// Minimises `Σ_g q_g · L_g`, `L_g` the mean loss of a group in the batch, `q_g ∝ q_g · exp(η · L_g)`.
///
/// Groups are slices, or label and verdict (see `repair.groups`); images in none count as a group of their own. The
/// weights move after the step, by the losses that it found: those of a batch weigh the next one, which saves a second
/// forward pass.
///
/// # Source
/// Sagawa et al. 2020, arXiv 1911.08731.
pub struct GroupDro {
    params: GroupDroParams,
    /// ln q of each group seen so far, up to a constant.
    log_weights: BTreeMap<i32, f32>,
    /// Groups of the last batch.
    last: Vec<i32>,
}

impl Plugin for GroupDro {
    const NAME: &'static str = "group_dro";
    const SUMMARY: &'static str = "GroupDRO: weight moves to the slices with the largest loss (Sagawa et al. 2020)";
    type Params = GroupDroParams;

    fn new(params: GroupDroParams) -> Result<Self> {
        Ok(Self { params, log_weights: BTreeMap::new(), last: Vec::new() })
    }
}

impl GroupDro {
    /// q of each group, of sum 1.
    fn weights(&self) -> BTreeMap<i32, f32> {
        let largest = self.log_weights.values().copied().fold(f32::NEG_INFINITY, f32::max);
        let scaled = self.log_weights.iter().map(|(&group, &log)| (group, (log - largest).exp()));
        let mut weights: BTreeMap<i32, f32> = scaled.collect();
        let total: f32 = weights.values().sum();
        weights.values_mut().for_each(|weight| *weight /= total);
        weights
    }

    fn learn_groups(&mut self, groups: &[i32]) {
        for &group in groups {
            self.log_weights.entry(group).or_insert(0.0);
        }
    }
}

fn missing() -> Error {
    Error::unsupported("group_dro needs groups", "set `repair.groups` to \"slices\" or \"spuriousness\"")
}

impl Regularizer for GroupDro {
    fn select(&mut self, set: &TrainingSet, _context: &Context) -> Result<Selection> {
        set.check()?;
        let groups = set.groups.ok_or_else(missing)?;
        if groups.iter().collect::<BTreeSet<_>>().len() < 2 {
            return Err(Error::unsupported(
                "all training images are in one group, so there is nothing to balance",
                "slice the scan into more slices, or mark slices of both kinds",
            ));
        }
        self.learn_groups(groups);
        Ok(Selection::all(set))
    }

    fn prepare(&mut self, batch: &TrainingBatch, _context: &Context) -> Result<RegularizedBatch> {
        let [n, ..] = batch.check()?;
        let groups = batch.groups.ok_or_else(missing)?;
        self.learn_groups(groups);
        self.last = groups.to_vec();
        let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
        groups.iter().for_each(|&group| *sizes.entry(group).or_default() += 1);
        let q = self.weights();
        // The trainer divides by n.
        let weights = groups.iter().map(|group| q[group] * n as f32 / sizes[group] as f32).collect();
        Ok(RegularizedBatch { weights, ..batch.unchanged() })
    }

    fn observe(&mut self, losses: &[f32]) -> Result<()> {
        if losses.len() != self.last.len() {
            return Err(Error::shape("losses", format!("[{}], one per image", self.last.len()), losses.len()));
        }
        let mut sums: BTreeMap<i32, (f32, f32)> = BTreeMap::new();
        for (&group, loss) in self.last.iter().zip(losses) {
            let (sum, n) = sums.entry(group).or_default();
            *sum += loss;
            *n += 1.0;
        }
        for (group, (sum, n)) in sums {
            if let Some(log) = self.log_weights.get_mut(&group) {
                *log += self.params.eta * sum / n;
            }
        }
        // A constant that all have does not count; without it they do not grow for ever.
        let largest = self.log_weights.values().copied().fold(f32::NEG_INFINITY, f32::max);
        self.log_weights.values_mut().for_each(|log| *log -= largest);
        Ok(())
    }

    fn state(&self) -> Result<Vec<f32>> {
        Ok(self.log_weights.iter().flat_map(|(&group, &log)| [group as f32, log]).collect())
    }

    fn restore(&mut self, state: &[f32]) -> Result<()> {
        if !state.len().is_multiple_of(2) || !state.iter().all(|value| value.is_finite()) {
            return Err(Error::shape("state of group_dro", "pairs of group and weight", state.len()));
        }
        self.log_weights = state.chunks_exact(2).map(|pair| (pair[0] as i32, pair[1])).collect();
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
        check_regularizer("group_dro", &|| Box::new(GroupDro::new(GroupDroParams { eta: 0.5 }).unwrap()));
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
        assert!(
            first.iter().zip([2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-6),
            "{first:?}"
        );
        dro.observe(&[0.0, 0.5, 1.0, 2.0]).unwrap();
        // q = e^0.5 : e^2.
        let q = [0.5f32.exp(), 2f32.exp()].map(|e| e / (0.5f32.exp() + 2f32.exp()));
        let second = dro.prepare(&batch, &Context::default()).unwrap().weights;
        assert!(
            (second[0] - 4.0 * q[0] / 3.0).abs() < 1e-5 && (second[3] - 4.0 * q[1]).abs() < 1e-5,
            "{second:?} {q:?}"
        );
        assert!(dro.observe(&[1.0]).is_err());
    }

    #[test]
    fn one_group_is_nothing_to_balance() {
        let mut dro = GroupDro::new(GroupDroParams::default()).unwrap();
        let error = dro.select(&set(&[0, 1], &[3, 3], &[0, 1]), &Context::default()).unwrap_err();
        assert!(error.to_string().contains("one group"), "{error}");
    }
}
