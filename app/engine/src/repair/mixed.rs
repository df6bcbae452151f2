//! Pictures that never were: what counts of one image, with everything around it from another.

use super::RepairPlan;
use crate::scanned::{Extractor, Labelled, Objects, Vectors};
use crate::seeds::seed_of;
use ascan_core::{Error, Result};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::json;

/// What stays of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// Its object.
    Object(Objects),
    /// Of a training image, what should not count by its verdict, without its object where that is known.
    Cue(Option<Objects>),
}

/// One copy of each image: what is kept, and the image that gives the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixed {
    /// What stays.
    pub keep: Keep,
    /// `[n]`
    pub donors: Vec<usize>,
}

impl Keep {
    /// The region that stays of image `i`, `[h, w]` in [0, 1]; `None` for an image of which nothing is known.
    fn region(&self, plan: &RepairPlan, i: usize, size: [usize; 2]) -> Option<Vec<f32>> {
        match self {
            Self::Object(objects) => objects.region(i, size),
            Self::Cue(objects) => {
                let (core, spuriousness) = plan.training.mask(i, size, plan.model.absolute, &plan.config.repair);
                let is_spurious = spuriousness > 0.5;
                let Some(objects) = objects else {
                    return Some(if is_spurious { core } else { core.into_iter().map(|m| 1.0 - m).collect() });
                };
                // All around the object of a spurious image is cue, lit or not.
                let outside = |(object, core): (f32, f32)| 1.0 - if is_spurious { object } else { object.max(core) };
                Some(objects.region(i, size)?.into_iter().zip(core).map(outside).collect())
            }
        }
    }
}

impl Mixed {
    /// Images in a random round: each lends once, none to itself.
    pub fn round(keep: Keep, n: usize, seed: u64) -> Self {
        let mut round: Vec<usize> = (0..n).collect();
        round.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let mut donors = vec![0; n];
        round.iter().enumerate().for_each(|(at, &image)| donors[image] = round[(at + 1) % n]);
        Self { keep, donors }
    }

    /// The rest comes from any image of another class; `None` where there is one class only.
    pub fn of_another_class(keep: Keep, labels: &[usize], seed: u64) -> Option<Self> {
        let donor = |(i, &label): (usize, &usize)| {
            let others: Vec<usize> = (0..labels.len()).filter(|&j| labels[j] != label).collect();
            others.choose(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [7, i as u64]))).copied()
        };
        let donors = labels.iter().enumerate().map(donor).collect::<Option<_>>()?;
        Some(Self { keep, donors })
    }

    /// The model's input for copy `i`.
    ///
    /// # Errors
    /// What reading either image reports; `Unsupported` for an image of which nothing is known.
    pub fn picture(&self, plan: &RepairPlan, data: &Labelled, i: usize) -> Result<Vec<f32>> {
        let [_, h, w] = plan.model.unit.input_shape();
        let missing = || Error::unsupported("what is to be kept of the image is not known", "");
        let keep = self.keep.region(plan, i, [h, w]).ok_or_else(missing)?;
        let load = |i: usize| data.load(&plan.model.unit, i);
        Ok(plan.model.mixed(load(i)?, &load(self.donors[i])?, &keep))
    }

    /// The vectors of all copies; `name` tells them from others of the same plan.
    ///
    /// # Errors
    /// Whatever the model reports; `Cancelled`.
    pub fn vectors(
        &self,
        plan: &RepairPlan,
        data: &Labelled,
        name: (&str, u64),
        extractor: &mut Extractor,
        stage: &str,
    ) -> Result<Vectors> {
        let facts = json!({ "pictures": plan.mixed_facts(), "mixed": name, "images": data.facts() });
        extractor.pictures(facts, data.n(), |i| self.picture(plan, data, i), stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn donors_are_others() {
        let round = Mixed::round(Keep::Cue(None), 9, 1);
        let mut lenders = round.donors.clone();
        assert!(round.donors.iter().enumerate().all(|(i, &j)| i != j));
        lenders.sort_unstable();
        assert_eq!(lenders, (0..9).collect::<Vec<_>>());
        let labels = [0, 1, 0, 0, 2, 1, 0, 0, 0];
        let other = Mixed::of_another_class(Keep::Cue(None), &labels, 1).unwrap();
        assert!(other.donors.iter().enumerate().all(|(i, &j)| labels[i] != labels[j]));
        assert_eq!(Mixed::of_another_class(Keep::Cue(None), &[1; 9], 1), None);
    }
}
