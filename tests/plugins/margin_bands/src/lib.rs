//! An example slicer in Rust: bands of the margin between the two most probable classes.

use ascan_core::{Context, Error, Params, Plugin, Problems, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use serde::{Deserialize, Serialize};

/// What a user may set: `params = { n_slices = 4 }`.
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
    const HELP: &'static [(&'static str, &'static str)] = &[("n_slices", "number of bands, of equal size at the fit")];

    fn check(&self, problems: &mut Problems) {
        problems.range("n_slices", self.n_slices, 1, 100);
    }
}

/// Bands of the margin, from the least to the most certain.
struct MarginBands(MarginParams);

impl Plugin for MarginBands {
    const NAME: &'static str = "margin_bands";
    const SUMMARY: &'static str = "bands of the margin between the two most probable classes (example)";
    type Params = MarginParams;

    fn new(params: MarginParams) -> Result<Self> {
        Ok(Self(params))
    }
}

/// What is kept of the table: the margins between the bands, rising.
struct Edges(Vec<f32>);

impl Slicer for MarginBands {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let mut margins: Vec<f32> = (0..table.n()).map(|i| margin(table.probs.row(i))).collect();
        if margins.is_empty() {
            return Err(Error::shape("probs", "at least one image", 0));
        }
        context.progress("margin bands", 0, 1)?; // ends the fit if the user wants to stop
        margins.sort_by(f32::total_cmp);
        let k = self.0.n_slices;
        Ok(Box::new(Edges((1..k).map(|band| margins[band * margins.len() / k]).collect())))
    }
}

impl SliceModel for Edges {
    fn n_slices(&self) -> usize {
        self.0.len() + 1
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        table.check()?;
        let band = |i| self.0.partition_point(|&edge| edge <= margin(table.probs.row(i)));
        Ok(slicer::one_hot((0..table.n()).map(|i| Some(band(i))), self.n_slices()))
    }
}

fn margin(probs: &[f32]) -> f32 {
    let mut sorted = probs.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted.first().unwrap_or(&1.0) - sorted.get(1).unwrap_or(&0.0)
}

ascan_core::export_library!(margin_bands: slicer MarginBands);

#[test]
fn conforms() {
    ascan_core::testing::check_slicer("margin_bands", &MarginBands(MarginParams::default()));
}
