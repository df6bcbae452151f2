//! An example slicer in Rust: bands of the margin between the two most probable classes.
//!
//! Build it with `cargo build`, put the library where plugins are looked for, and write
//! `plugin = "margin_bands"` in a configuration.

use ascan_core::{Context, Params, Plugin, Problems, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use serde::{Deserialize, Serialize};

/// Parameters of `margin_bands`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct MarginParams {
    n_slices: usize,
}

impl Default for MarginParams {
    fn default() -> Self {
        Self { n_slices: 4 }
    }
}

impl Params for MarginParams {
    const HELP: &'static [(&'static str, &'static str)] = &[("n_slices", "number of bands between 0 and 1")];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100);
    }
}

/// Bands of the margin, from the least to the most certain.
#[derive(Debug, Clone)]
struct MarginBands(MarginParams);

impl Plugin for MarginBands {
    const NAME: &'static str = "margin_bands";
    const SUMMARY: &'static str = "bands of the margin between the two most probable classes (example)";
    type Params = MarginParams;

    fn new(params: MarginParams) -> Result<Self> {
        Ok(Self(params))
    }
}

impl Slicer for MarginBands {
    fn fit(&self, table: &SliceTable, _context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        Ok(Box::new(self.clone()))
    }
}

impl SliceModel for MarginBands {
    fn n_slices(&self) -> usize {
        self.0.n_slices
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        let n_slices = self.n_slices();
        let bands = (0..table.n()).map(|i| {
            let mut probs = table.probs.row(i).to_vec();
            probs.sort_by(|a, b| b.total_cmp(a));
            let margin = probs.first().unwrap_or(&1.0) - probs.get(1).unwrap_or(&0.0);
            Some(((margin * n_slices as f32) as usize).min(n_slices - 1))
        });
        Ok(slicer::one_hot(bands.collect::<Vec<_>>().into_iter(), n_slices))
    }
}

ascan_core::export_library!(margin_bands: slicer MarginBands);
