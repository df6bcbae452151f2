//! Regularizers: what a training step of `ascan repair` sees, so that the model stops using what is spurious.
//!
//! | `plugin =` | what it changes | needs |
//! |---|---|---|
//! | [`erm`] | nothing: the control | – |
//! | [`corm`] | the pixels where the model should not look: noise, or another image | masks |
//! | [`rrr`] | the loss: a penalty on input gradients where the model should not look | masks |
//! | [`p_clarc`], [`rr_clarc`] | the features: less of the direction from core to spurious images | spuriousness, a linear head |
//! | [`group_dro`] | the weights: the group with the larger loss counts more | groups |
//! | [`jtt`] | the weights: images that the model before got wrong count more | predictions |
//! | [`afr`] | the choice: images of which the model before was less sure come more often | predictions |
//! | [`selective`] (`self`) | the choice: the images on which the model before disagrees most with itself | a linear head |
//! | [`dfr`] | the choice: as many images of each (label, group) cell | groups |
//! | [`verdict_dfr`] | the choice: as many images of each (label, verdict) cell | spuriousness |
//! | [`slim_subset`] | the choice: a balanced subset of images that the model sees rightly | groups, spuriousness |
//! | [`label_repair`] | the labels: as a person has corrected them | corrected labels |

pub mod afr;
mod balance;
mod clarc;
pub mod corm;
pub mod dfr;
pub mod erm;
pub mod group_dro;
pub mod jtt;
pub mod label_repair;
pub mod p_clarc;
pub mod rr_clarc;
pub mod rrr;
// The name of its method is a word of the language.
#[path = "self.rs"]
pub mod selective;
pub mod slim_subset;
#[cfg(test)]
mod testing;
pub mod verdict_dfr;

pub use afr::{Afr, AfrParams};
pub use corm::{Corm, CormParams};
pub use dfr::{Dfr, DfrParams};
pub use erm::Erm;
pub use group_dro::{GroupDro, GroupDroParams};
pub use jtt::{Jtt, JttParams};
pub use label_repair::LabelRepair;
pub use p_clarc::PClarc;
pub use rr_clarc::{RrClarc, RrClarcParams};
pub use rrr::{Rrr, RrrParams};
pub use selective::{Selective, SelectiveParams};
pub use slim_subset::{SlimSubset, SlimSubsetParams};
pub use verdict_dfr::VerdictDfr;

ascan_core::export_library!(
    ascan_regularization: regularizer Afr, regularizer Corm, regularizer Dfr, regularizer Erm, regularizer GroupDro,
    regularizer Jtt, regularizer LabelRepair, regularizer PClarc, regularizer RrClarc, regularizer Rrr, regularizer Selective, regularizer SlimSubset,
    regularizer VerdictDfr
);
