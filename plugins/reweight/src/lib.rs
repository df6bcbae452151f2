//! Regularizer plugins that weigh images: not at all (`erm`), by the group that suffers (`group_dro`), by what the
//! model before got wrong (`jtt`).

mod group_dro;
mod jtt;
#[cfg(test)]
mod tests;

pub use group_dro::{GroupDro, GroupDroParams};
pub use jtt::{Jtt, JttParams};

use ascan_core::params::NoParams;
use ascan_core::{Context, Plugin, RegularizedBatch, Regularizer, Result, TrainingBatch};

/// Training goes on as it was: empirical risk minimisation, the control that every other method is measured against.
pub struct Erm;

impl Plugin for Erm {
    const NAME: &'static str = "erm";
    const SUMMARY: &'static str = "plain training (empirical risk minimisation): the control";
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Regularizer for Erm {
    fn prepare(&mut self, batch: &TrainingBatch, _context: &Context) -> Result<RegularizedBatch> {
        batch.check()?;
        Ok(batch.unchanged())
    }
}

ascan_core::export_library!(ascan_reweight: regularizer Erm, regularizer GroupDro, regularizer Jtt);
