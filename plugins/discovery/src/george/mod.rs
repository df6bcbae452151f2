//! GEORGE: clusters within each class, split further where the loss is high.

mod algorithm;
mod params;
mod silhouette;
#[cfg(test)]
mod tests;

pub use ascan_math::points::Normalise;
pub use params::GeorgeParams;

use algorithm::ClassModel;
use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_math::pool;

/// Slices of each label: clusters, and parts of clusters with a high loss.
///
/// 1. k-means with 2 to `max_clusters` clusters; the number with the best silhouette (mean over clusters of their means) is taken.
/// 2. Each cluster is split into `n_splits` on trial. A part becomes a slice of its own if its images' mean silhouette rises
///    (and is above 0), its mean loss is no lower than the cluster's, and it has at least `min_share` of the class and `min_size` images.
///    The other parts stay one slice.
///
/// Images without a label, and images of a label that did not occur at the fit, are noise. Silhouettes cost the square of the
/// images: beyond 10,000 of a class they are taken on every second, third, … image.
///
/// The method reduces embeddings first (UMAP to 1 or 2 dimensions, say): that is the projector's task.
///
/// # Source
/// Sohoni et al., NeurIPS 2020, arXiv 2011.12945, with the published implementation's defaults. It asks for 25 images of each part in
/// a validation set as well, which a slicer does not have.
pub struct George {
    params: GeorgeParams,
}

impl Plugin for George {
    const NAME: &'static str = "george";
    const SUMMARY: &'static str = "GEORGE (NeurIPS 2020): clusters within each label, split where the loss is high";
    type Params = GeorgeParams;

    fn new(params: GeorgeParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct GeorgeModel {
    params: GeorgeParams,
    d: usize,
    /// By label, sorted.
    classes: Vec<(i32, ClassModel)>,
}

impl Slicer for George {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let [_, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let mut labels: Vec<i32> = table.labels.iter().copied().filter(|&label| label >= 0).collect();
        labels.sort_unstable();
        labels.dedup();
        if labels.is_empty() {
            return Err(Error::unsupported(
                "george clusters within each class, and no image has a label",
                "give the data a label column, or use another slicer, for example \"kmeans\"",
            ));
        }
        let pool = pool(Self::NAME, context)?;
        let mut classes = Vec::with_capacity(labels.len());
        for (i, &label) in labels.iter().enumerate() {
            let ask = || context.progress("george", i, labels.len());
            ask()?;
            let seed = context.seed.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            classes.push((label, ClassModel::fit(table, &rows_of(table, label), &self.params, seed, &pool, &ask)?));
        }
        context.progress("george", labels.len(), labels.len())?;
        Ok(Box::new(GeorgeModel { params: self.params.clone(), d, classes }))
    }
}

impl SliceModel for GeorgeModel {
    fn n_slices(&self) -> usize {
        self.classes.iter().map(|(_, model)| model.n_slices()).sum()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let pool = pool(George::NAME, context)?;
        let mut slices = vec![None; n];
        let mut offset = 0;
        for (label, model) in &self.classes {
            let rows = rows_of(table, *label);
            for (&row, slice) in rows.iter().zip(model.assign(table.embeddings, &rows, &self.params, &pool)?) {
                slices[row] = Some(offset + slice);
            }
            offset += model.n_slices();
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices()))
    }
}

fn rows_of(table: &SliceTable, label: i32) -> Vec<usize> {
    (0..table.n()).filter(|&i| table.labels[i] == label).collect()
}
