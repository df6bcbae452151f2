//! Regularizers: what a training step of `ascan repair` sees, so that the model stops using what is spurious.
//!
//! | `plugin =` | what it changes | needs |
//! |---|---|---|
//! | [`erm`] | nothing: the control | – |
//! | [`corm`] | the pixels where the model should not look: noise, or another image | masks |
//! | [`rrr`] | the loss: a penalty on input gradients where the model should not look | masks |
//! | [`group_dro`] | the weights: the group with the larger loss counts more | groups |
//! | [`jtt`] | the weights: images that the model before got wrong count more | predictions |
//! | [`dfr`] | the choice: as many images of each (label, group) cell | groups |
//! | [`slim_subset`] | the choice: a balanced subset of images that the model sees rightly | groups, spuriousness |
//! | [`label_repair`] | the labels: as a person has corrected them | corrected labels |

mod balance;
pub mod corm;
pub mod dfr;
pub mod erm;
pub mod group_dro;
pub mod jtt;
pub mod label_repair;
pub mod rrr;
pub mod slim_subset;
#[cfg(test)]
mod testing;

pub use corm::{Corm, CormParams};
pub use dfr::{Dfr, DfrParams};
pub use erm::Erm;
pub use group_dro::{GroupDro, GroupDroParams};
pub use jtt::{Jtt, JttParams};
pub use label_repair::LabelRepair;
pub use rrr::{Rrr, RrrParams};
pub use slim_subset::{SlimSubset, SlimSubsetParams};

ascan_core::export_library!(
    ascan_regularization: regularizer Corm, regularizer Dfr, regularizer Erm, regularizer GroupDro, regularizer Jtt,
    regularizer LabelRepair, regularizer Rrr, regularizer SlimSubset
);
