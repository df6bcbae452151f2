//! The stages of a repair in which pictures go through the net, as progress names them.

use super::RepairPlan;
use ascan_config::sections::Groups;

pub(super) const OBJECTS: &str = "object maps of training images";
pub(super) const VALIDATION_OBJECTS: &str = "object maps of validation images";
/// A copy of each image from which the cue is read; their features are averaged.
pub(super) const CUES: [&str; 2] =
    ["what the surroundings say, first of two", "what the surroundings say, second of two"];
pub(super) const MIXED: &str = "validation images with other surroundings";
pub(super) const VALIDATION: &str = "features of validation images";
pub(super) const DISTURBED: &str = "features of disturbed copies";
pub(super) const TRAINING: &str = "features of training images";

impl RepairPlan {
    /// The stages in which pictures go through the net, in their order, and how many do at most: what is in the scan's cache
    /// is passed over, and not every method disturbs pictures. Training comes on top.
    pub fn passes(&self) -> Vec<(&'static str, usize)> {
        let (repair, n, n_validation) = (&self.config.repair, self.training.data.n(), self.validation.n());
        let mut passes = Vec::new();
        if repair.evidence && !repair.shuffle_labels {
            passes.extend([(OBJECTS, n), (VALIDATION_OBJECTS, n_validation)]);
        }
        if repair.groups == Groups::Cue {
            passes.extend(CUES.map(|name| (name, n)));
        }
        if repair.layers == "head" {
            passes.extend([(MIXED, n_validation), (VALIDATION, n_validation), (DISTURBED, repair.n_draws * n)]);
            // Of the control, if not of the method itself.
            passes.push((TRAINING, n));
        }
        passes
    }
}
