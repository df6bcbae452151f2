//! What both kinds of k-means give: centres.

use crate::Normalise;
use ascan_core::{Context, Error, Result, SliceModel, SliceTable, Tensor, slicer};
use ascan_math::kmeans::{self, Centres};
use ascan_math::pool;

/// Centres: each image belongs to the slice with the nearest one.
pub struct CentresModel {
    /// The plugin that fitted them.
    pub plugin: &'static str,
    pub normalise: Normalise,
    pub centres: Centres,
}

impl SliceModel for CentresModel {
    fn n_slices(&self) -> usize {
        self.centres.k()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let fitted = self.centres.mean().len();
        if d != fitted {
            return Err(Error::shape("embeddings", format!("[n, {fitted}], as at the fit"), [n, d]));
        }
        let pool = pool(self.plugin, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let nearest = kmeans::nearest_rows(table.embeddings, &rows, self.normalise, &self.centres, &pool)?;
        Ok(slicer::one_hot(nearest.into_iter().map(Some), self.n_slices()))
    }
}

/// The rows to fit to: all of them.
///
/// # Errors
/// `Shape` if there are none, or what is wrong with the table.
pub fn rows_to_fit(table: &SliceTable) -> Result<Vec<usize>> {
    table.check()?;
    match table.n() {
        0 => Err(Error::shape("embeddings", "at least one image", 0)),
        n => Ok((0..n).collect()),
    }
}

/// Warns if there are fewer slices than asked for.
pub fn warn_if_fewer(method: &str, centres: &Centres, n_slices: usize, n: usize, context: &Context) {
    if centres.k() < n_slices {
        context.warn(&format!(
            "{method}: {} slices instead of {n_slices}: the {n} images have no more distinct embeddings",
            centres.k(),
        ));
    }
}
