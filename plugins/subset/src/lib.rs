//! Regularizer plugins that choose which images are trained on, and as what: deep feature reweighting (`dfr`), SLIM's
//! balanced subset (`slim_subset`), repaired labels (`label_repair`). The training itself stays as it is.

mod balance;
mod dfr;
mod label_repair;
mod slim_subset;
#[cfg(test)]
mod tests;

pub use dfr::{Dfr, DfrParams};
pub use label_repair::LabelRepair;
pub use slim_subset::{SlimSubset, SlimSubsetParams};

ascan_core::export_library!(ascan_subset: regularizer Dfr, regularizer LabelRepair, regularizer SlimSubset);
