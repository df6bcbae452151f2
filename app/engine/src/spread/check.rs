//! Whether spread marks can be believed: what they say about marks that were held out.

use ascan_core::metrics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Number of [`Check::bins`].
const N_BINS: usize = 10;

/// How marks that were held out were predicted from the others.
///
/// Images of one slice are mostly marked together. Where single images are held out they have neighbours of their own
/// slice among the rest: this then says whether marks spread within what was marked, not whether they hold beyond.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Check {
    /// Marks that spread, in the classes that have both kinds.
    pub n_marks: usize,
    /// Marks held out.
    pub n_held_out: usize,
    /// Verdicts that were held out whole; 0: single images were.
    #[serde(default)]
    pub n_verdicts: usize,
    /// Chance that a spurious image gets a higher spuriousness than a core one; `None` without both kinds.
    pub auroc: Option<f64>,
    /// Mean squared distance of spuriousness from the mark (0 or 1), 0 is best; `None` if nothing was held out.
    pub brier: Option<f64>,
    /// `brier` of one who knows nothing but the share of spurious marks.
    pub brier_of_share: Option<f64>,
    /// Held-out images by their predicted spuriousness, in ten equal steps from 0 to 1: a histogram by mark, and, where
    /// `mean` is near the share of spurious images, calibrated.
    pub bins: Vec<Bin>,
}

impl Check {
    /// Whether held-out marks are predicted no better than by lot.
    pub fn is_chance(&self) -> bool {
        self.auroc.is_some_and(|auroc| auroc < 0.6)
    }

    /// What the AUROC is worth, in a word; `None` if nothing was checked.
    pub fn worth(&self) -> Option<&'static str> {
        Some(match self.auroc? {
            _ if self.is_chance() => "no better than chance",
            auroc if auroc < 0.75 => "weak",
            auroc if auroc < 0.9 => "fair",
            _ => "good",
        })
    }
}

/// Held-out images with about the same spuriousness.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Spuriousness from here.
    pub from: f32,
    /// Up to here.
    pub to: f32,
    /// Images marked `core`.
    pub n_core: usize,
    /// Images marked `spurious`.
    pub n_spurious: usize,
    /// Mean predicted spuriousness, `None` without images.
    pub mean: Option<f32>,
}

/// What was said about held-out marks, and what they are.
#[derive(Default)]
pub(super) struct Answers {
    pub n_marks: usize,
    /// Those that were held out whole; a slice may hold images of several classes.
    pub verdicts: BTreeSet<usize>,
    pub given: Vec<f32>,
    /// Whether the mark is `spurious`.
    pub right: Vec<bool>,
}

impl Answers {
    pub fn check(&self) -> Check {
        let known = |value: f64| Some(value).filter(|value| value.is_finite());
        let share = self.right.iter().filter(|&&is| is).count() as f32 / self.right.len() as f32;
        Check {
            n_marks: self.n_marks,
            n_held_out: self.given.len(),
            n_verdicts: self.verdicts.len(),
            auroc: known(metrics::auroc(&self.given, &self.right)),
            brier: known(metrics::brier(&self.given, &self.right)),
            brier_of_share: known(metrics::brier(&vec![share; self.right.len()], &self.right)),
            bins: (0..N_BINS).map(|bin| self.bin(bin)).collect(),
        }
    }

    fn bin(&self, bin: usize) -> Bin {
        // The last bin holds 1 itself.
        let is_in = |value: f32| ((value * N_BINS as f32) as usize).min(N_BINS - 1) == bin;
        let inside = || self.given.iter().zip(&self.right).filter(|(value, _)| is_in(**value));
        let n_spurious = inside().filter(|(_, right)| **right).count();
        let (sum, n) = inside().fold((0.0, 0usize), |(sum, n), (value, _)| (sum + value, n + 1));
        let edge = |bin: usize| bin as f32 / N_BINS as f32;
        let mean = (n > 0).then(|| sum / n as f32);
        Bin { from: edge(bin), to: edge(bin + 1), n_core: n - n_spurious, n_spurious, mean }
    }
}
