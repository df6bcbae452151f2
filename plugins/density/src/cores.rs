//! What DBSCAN and OPTICS share: cores, and slices around them.

use ascan_core::{Context, Error, Result, SliceModel, SliceTable, Tensor, slicer};
use ascan_math::knn::Search;
use ascan_math::lookup::Lookup;
use ascan_math::points::{Normalise, Points};
use ascan_math::{knn, pool};
use rayon::ThreadPool;

/// The slice of each row, and whether it is a core of it.
pub struct Clusters {
    pub slices: Vec<Option<usize>>,
    pub is_core: Vec<bool>,
    pub n_slices: usize,
}

/// The embeddings of a table.
///
/// # Errors
/// `Shape` if there are none, or what is wrong with the table.
pub fn points(table: &SliceTable, normalise: Normalise) -> Result<Points> {
    table.check()?;
    if table.n() == 0 {
        return Err(Error::shape("embeddings", "at least one image", table.embeddings.shape()));
    }
    Points::to_fit(table.embeddings, &(0..table.n()).collect::<Vec<_>>(), normalise)
}

/// Squared distance within which each image has `min_samples` images, itself included; infinite if there are fewer.
///
/// # Errors
/// `Cancelled`.
pub fn core_distances(points: &Points, min_samples: usize, pool: &ThreadPool, context: &Context) -> Result<Vec<f32>> {
    let k = min_samples.saturating_sub(1);
    let neighbours = knn::graph(points, k, pool, |done, of| context.progress("nearest neighbours", done, of))?;
    let of_row = |i: usize| match k {
        0 => 0.0,
        k => neighbours.row(i).1.get(k - 1).copied().unwrap_or(f32::INFINITY),
    };
    Ok((0..points.n()).map(of_row).collect())
}

/// Slices around cores: an image that was not there at the fit joins the slice of the nearest core, if it is within
/// the distance.
pub struct CoresModel {
    plugin: &'static str,
    normalise: Normalise,
    points: Points,
    lookup: Lookup,
    sq_eps: f32,
    /// `[n]`.
    slices: Vec<Option<usize>>,
    n_slices: usize,
    cores: Points,
    /// `[cores]`.
    slices_of_cores: Vec<Option<usize>>,
}

impl CoresModel {
    /// A model that keeps the points of the fit, and which of them are cores.
    pub fn new(plugin: &'static str, normalise: Normalise, points: Points, sq_eps: f32, clusters: Clusters) -> Self {
        let rows: Vec<usize> = (0..points.n()).filter(|&i| clusters.is_core[i]).collect();
        let (lookup, cores) = (Lookup::new(&points), points.select(rows.iter().copied()));
        let slices_of_cores = rows.into_iter().map(|row| clusters.slices[row]).collect();
        let Clusters { slices, n_slices, .. } = clusters;
        Self { plugin, normalise, points, lookup, sq_eps, slices, n_slices, cores, slices_of_cores }
    }

    /// Says what is not as one would want it: no slice, mostly noise, or one slice at a distance that was found.
    pub fn warn(&self, found_eps: bool, context: &Context) {
        let (plugin, n, eps) = (self.plugin, self.slices.len(), self.sq_eps.sqrt());
        let n_noise = self.slices.iter().filter(|slice| slice.is_none()).count();
        if self.n_slices == 0 {
            context.warn(&format!(
                "{plugin}: no slice: no image has enough others within {eps}; raise `eps` or lower `min_samples`"
            ));
        } else if n_noise * 2 > n {
            context.warn(&format!("{plugin}: {n_noise} of {n} images are noise; raise `eps` or lower `min_samples`"));
        } else if found_eps && self.n_slices == 1 {
            context.warn(&format!("{plugin}: one slice at the distance found, {eps}; set `eps` to less"));
        }
    }
}

impl SliceModel for CoresModel {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let [n, d] = table.embeddings.dims("embeddings", "[n, d]")?;
        if d != self.points.d() {
            return Err(Error::shape("embeddings", format!("[n, {}], as at the fit", self.points.d()), [n, d]));
        }
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_assign(table.embeddings, &rows, self.normalise, self.points.mean())?;
        let known: Vec<Option<usize>> = rows.iter().map(|&i| self.lookup.find(&self.points, points.row(i))).collect();
        let new: Vec<usize> = rows.into_iter().filter(|&i| known[i].is_none()).collect();
        let mut slices: Vec<Option<usize>> = known.into_iter().map(|known| self.slices[known?]).collect();
        let pool = pool(self.plugin, context)?;
        let queries = points.select(new.iter().copied());
        let nearest = Search::new(context.seed)
            .nearest(&self.cores, &queries, 1, &pool, |done, of| context.progress("nearest neighbours", done, of))?;
        for (at, row) in new.into_iter().enumerate() {
            let (indices, sq_distances) = nearest.row(at);
            let core = indices.iter().zip(sq_distances).find(|&(_, &sq_distance)| sq_distance <= self.sq_eps);
            slices[row] = core.and_then(|(&core, _)| self.slices_of_cores[core as usize]);
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices))
    }
}
