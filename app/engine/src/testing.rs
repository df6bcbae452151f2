//! For tests, here and in the crates above: a table of nine images and its slices.

use crate::slices::{Recipe, SliceSet, find};
use ascan_core::{Context, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_store::table::{GroupColumn, ScanTable};

/// Slices by a threshold on the first embedding value; below −100 is noise.
pub struct BySign;

impl Slicer for BySign {
    fn fit(&self, table: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        Ok(Box::new(Self))
    }
}

impl SliceModel for BySign {
    fn n_slices(&self) -> usize {
        3
    }

    fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
        let first = (0..table.n()).map(|i| table.embeddings.row(i)[0]);
        let slices: Vec<Option<usize>> = first.map(|v| (v > -100.0).then(|| 2 * usize::from(v > 0.0))).collect();
        Ok(slicer::one_hot(slices.into_iter(), 3))
    }
}

/// Two clouds: the left one is always wrong, the right one always right; one failed row, one far out.
pub fn table() -> ScanTable {
    let x = [-3.0, -2.0, -1.0, -500.0, 0.0, 1.0, 2.0, 3.0, 4.0];
    let n = x.len();
    let mut errors = vec![None; n];
    errors[4] = Some("truncated".to_owned());
    let labels: Vec<i32> = (0..n as i32).map(|i| i % 2).collect();
    let predicted: Vec<i32> = (0..n).map(|i| if x[i] < 0.0 { 1 - labels[i] } else { labels[i] }).collect();
    let probs = predicted.iter().flat_map(|&class| if class == 0 { [0.9, 0.1] } else { [0.1, 0.9] }).collect();
    ScanTable {
        uris: (0..n).map(|i| format!("{i}.png")).collect(),
        losses: (0..n).map(|i| if labels[i] == predicted[i] { 0.1 } else { 2.0 + i as f32 }).collect(),
        target_classes: predicted.clone(),
        labels,
        predicted_classes: predicted,
        confidences: vec![0.9; n],
        probs: Tensor::new([n, 2], probs).unwrap(),
        embeddings: Tensor::new([n, 2], x.iter().flat_map(|&v| [v, 1.0]).collect()).unwrap(),
        maps: Tensor::new([n, 1, 2], x.iter().flat_map(|&v| if v < 0.0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect())
            .unwrap(),
        attribution_empty: vec![false; n],
        errors,
        groups: vec![GroupColumn { name: "place".into(), values: x.iter().map(|v| format!("{}", *v > 0.0)).collect() }],
        ..ScanTable::default()
    }
}

/// A recipe with nothing set but its plugin.
pub fn recipe() -> Recipe {
    Recipe { plugin: "by_sign".into(), ..Recipe::default() }
}

/// The slices of a table by [`BySign`].
///
/// # Panics
/// If they cannot be found.
pub fn find_in(table: &ScanTable) -> SliceSet {
    find(table, recipe(), None, &BySign, &Context::default()).unwrap()
}
