//! Slicer plugin: k-means over the embeddings.
//!
//! Lloyd's algorithm from greedy k-means++ seeds, the best of several restarts, with empty clusters
//! moved to the points that are served worst. The number of slices is meant to be too large
//! ("over-clustering"): a few pure slices are worth more here than a faithful partition.

mod params;
#[cfg(test)]
mod tests;

pub use ascan_math::points::Normalise;
pub use params::{GroupBy, KMeansParams};

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_math::kmeans::{self, Centres, Settings};
use ascan_math::points::Points;
use ascan_math::pool;

/// k-means slices: each image belongs to the slice with the nearest centre.
///
/// # Source
/// Lloyd 1982; Arthur & Vassilvitskii 2007 (k-means++), with the best of `2 + ln k` candidates a seed.
pub struct KMeans {
    params: KMeansParams,
}

impl Plugin for KMeans {
    const NAME: &'static str = "kmeans";
    const SUMMARY: &'static str = "k-means: Lloyd's algorithm from k-means++ seeds, best of several restarts";
    type Params = KMeansParams;

    fn new(params: KMeansParams) -> Result<Self> {
        Ok(Self { params })
    }
}

/// The centres of one class, or of all images when slices are not made per class.
struct Part {
    /// The class, if there is one model for each.
    class: Option<i32>,
    centres: Centres,
}

struct KMeansModel {
    params: KMeansParams,
    d: usize,
    parts: Vec<Part>,
}

impl Slicer for KMeans {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let [_, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        let classes = classes(&self.params, table);
        if classes.is_empty() {
            return Err(Error::shape("embeddings", "at least one image (with a known class, if `group_by` is set)", 0));
        }
        let pool = pool(Self::NAME, context)?;
        let mut parts = Vec::with_capacity(classes.len());
        for (i, &class) in classes.iter().enumerate() {
            let points = Points::to_fit(table.embeddings, &rows_of(&self.params, table, class), self.params.normalise)?;
            let settings = Settings {
                k: self.params.n_slices,
                n_init: self.params.n_init,
                max_iterations: self.params.max_iterations,
                tolerance: self.params.tolerance,
                // Another stream for each class, so that equal classes are not seeded alike.
                seed: context.seed.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            };
            let fit = kmeans::fit(&points, &settings, &pool, |done, of| {
                context.progress("k-means", i * of + done, classes.len() * of)
            })?;
            let whose = class.map(|class| format!(" of class {class}")).unwrap_or_default();
            if fit.centres.k() < self.params.n_slices {
                context.warn(&format!(
                    "k-means: {} slices instead of {}: the {} images{whose} have no more distinct embeddings",
                    fit.centres.k(),
                    self.params.n_slices,
                    points.n(),
                ));
            }
            if !fit.converged {
                context.warn(&format!(
                    "k-means: the centres{whose} still moved after {} iterations; raise `max_iterations` or `tolerance`",
                    self.params.max_iterations,
                ));
            }
            parts.push(Part { class, centres: fit.centres });
        }
        Ok(Box::new(KMeansModel { params: self.params.clone(), d, parts }))
    }
}

impl SliceModel for KMeansModel {
    fn n_slices(&self) -> usize {
        self.parts.iter().map(|part| part.centres.k()).sum()
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.d), [n, d]));
        }
        let pool = pool(KMeans::NAME, context)?;
        let mut slices = vec![None; n];
        let mut offset = 0;
        for part in &self.parts {
            let rows = rows_of(&self.params, table, part.class);
            let points = Points::to_assign(table.embeddings, &rows, self.params.normalise, part.centres.mean())?;
            let nearest = kmeans::nearest(&points, &part.centres, &pool);
            for (&row, slice) in rows.iter().zip(nearest) {
                slices[row] = Some(offset + slice);
            }
            offset += part.centres.k();
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices()))
    }
}

/// The classes to slice one by one, sorted; `None` alone stands for all images together.
fn classes(params: &KMeansParams, table: &SliceTable) -> Vec<Option<i32>> {
    match column(params.group_by, table) {
        None if table.n() == 0 => Vec::new(),
        None => vec![None],
        Some(column) => {
            let mut classes: Vec<i32> = column.iter().copied().filter(|&class| class >= 0).collect();
            classes.sort_unstable();
            classes.dedup();
            classes.into_iter().map(Some).collect()
        }
    }
}

fn rows_of(params: &KMeansParams, table: &SliceTable, class: Option<i32>) -> Vec<usize> {
    match (column(params.group_by, table), class) {
        (Some(column), Some(class)) => (0..table.n()).filter(|&i| column[i] == class).collect(),
        _ => (0..table.n()).collect(),
    }
}

fn column<'a>(group_by: GroupBy, table: &SliceTable<'a>) -> Option<&'a [i32]> {
    match group_by {
        GroupBy::None => None,
        GroupBy::Label => Some(table.labels),
        GroupBy::PredictedClass => Some(table.predicted_classes),
    }
}

ascan_core::export_library!(ascan_kmeans: slicer KMeans);
