//! The figures of a comparison by their names: the same in the page, on the command line and in the window.

use super::{Comparison, MIN_SLICE, Pair};

/// A figure before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// What it means, as a sentence without its full stop.
    pub meaning: &'static str,
    /// Its values.
    pub pair: Pair,
}

impl Comparison {
    /// The figures that are known, in the order of reading.
    pub fn figures(&self) -> Vec<Named> {
        let named = [
            ("mean accuracy", "Share of right predictions: all images count equally", Some(self.accuracy)),
            (
                "training-weighted mean accuracy",
                "Accuracy of each known group, weighted by its share of the training images",
                self.training_weighted_accuracy,
            ),
            ("worst class", "Accuracy of the worst class, by label, of each scan", self.worst_class_accuracy),
            ("worst known group", "Accuracy of the worst known group of each scan", self.worst_group_accuracy),
            (
                &format!("worst slice of at least {MIN_SLICE} images"),
                "Accuracy of the worst slice of each scan; smaller slices would be worst by chance",
                self.worst_slice_accuracy,
            ),
            (
                "accuracy with noise outside the object",
                "Core accuracy: noise hides everything outside the object's mask",
                self.core_accuracy,
            ),
            (
                "relative foreground sensitivity",
                "RFS, from −100 to 100 %: above 0, noise on the object costs more than noise around it",
                self.rfs,
            ),
            (
                "attribution on the object",
                "Share of the attribution that lies inside the object's mask",
                self.energy_in_core,
            ),
            ("overlap with the object", "AIoU: overlap of attribution and mask, 100 % if they are the same", self.aiou),
        ];
        let known = |(name, meaning, pair): (&str, _, Option<Pair>)| {
            Some(Named { name: name.to_owned(), meaning, pair: pair? })
        };
        named.into_iter().filter_map(known).collect()
    }
}
