//! SpRAy: spectral clustering of the attribution maps themselves.
//!
//! Where the other slicers compare what the model saw, this one compares where it looked: a slice is a place. It finds
//! a watermark in one corner of many images, whatever else is on them.

mod maps;
mod params;
#[cfg(test)]
mod tests;

pub use params::SprayParams;

use ascan_core::{Context, Error, Plugin, Result, SliceModel, SliceTable, Slicer, Tensor, slicer};
use ascan_math::graph::Graph;
use ascan_math::kmeans;
use ascan_math::knn::Search;
use ascan_math::lookup::Lookup;
use ascan_math::points::{Normalise, Points};
use ascan_math::pool;
use ascan_math::spectral::{self, Spectrum};

/// Rotations of the eigenvectors, at most.
const MAX_ITERATIONS: usize = 200;

/// SpRAy slices: clusters of attribution maps.
///
/// Maps are averaged to a coarse grid, and each is joined to its nearest. The first eigenvectors of that graph's
/// normalised Laplacian place the maps so that k-means parts what the graph barely joins; the number of slices is
/// where the eigenvalues rise most. A map that was not there at the fit goes where most of its nearest maps are.
///
/// # Errors
/// `Unsupported` for a table without maps.
///
/// # Source
/// Lapuschkin et al. 2019 (Nature Communications 10:1096); the embedding and k-means as in scikit-learn's
/// `SpectralClustering`; von Luxburg 2007 (eigengap).
pub struct Spray {
    params: SprayParams,
}

impl Plugin for Spray {
    const NAME: &'static str = "spray";
    const SUMMARY: &'static str = "SpRAy: spectral clustering of the attribution maps, their number by eigengap";
    type Params = SprayParams;

    fn new(params: SprayParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct Model {
    params: SprayParams,
    /// Height and width of the maps.
    shape: [usize; 2],
    points: Points,
    lookup: Lookup,
    /// `[n]`.
    slices: Vec<usize>,
    n_slices: usize,
}

impl Slicer for Spray {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        table.check()?;
        let maps = maps::maps(table)?;
        let [n, h, w] = maps.dims("maps", "[n, h, w]")?;
        if n == 0 {
            return Err(Error::shape("maps", "at least one image", maps.shape()));
        }
        let params = &self.params;
        let rows: Vec<usize> = (0..n).collect();
        let points = Points::to_fit(maps::downsample(maps, params.side).view(), &rows, params.normalise)?;
        let pool = pool(Self::NAME, context)?;
        let progress = |stage: &'static str| move |done, of| context.progress(stage, done, of);
        let search = Search::new(context.seed);
        let neighbours = search.graph(&points, params.n_neighbors, &pool, progress("nearest neighbours"))?;
        let weights = vec![1.0; neighbours.indices.len()];
        let graph = Graph::symmetric(&neighbours, &weights, |a, b| (a + b) / 2.0);
        let settings = spectral::Settings {
            // One more than slices: the gap is after the last.
            n_vectors: if params.n_slices == 0 { params.max_slices + 1 } else { params.n_slices },
            tolerance: 1e-5,
            max_iterations: MAX_ITERATIONS,
            seed: context.seed,
        };
        let spectrum = spectral::spectrum(&graph, &settings, &pool, progress("eigenvectors"))?;
        if !spectrum.converged {
            context.warn(&format!(
                "spray: the eigenvectors had not settled after {MAX_ITERATIONS} rotations; lower `max_slices`, or \
                 raise `n_neighbors`",
            ));
        }
        let k = match params.n_slices {
            0 => eigengap(&spectrum.values),
            n_slices => n_slices.min(n),
        };
        let embedding = embedding(&spectrum, k);
        let placed = Points::to_fit(embedding.view(), &rows, Normalise::None)?;
        let settings =
            kmeans::Settings { k, n_init: params.n_init, max_iterations: 300, tolerance: 1e-4, seed: context.seed };
        let centres = kmeans::fit(&placed, &settings, &pool, progress("k-means"))?.centres;
        if centres.k() < params.n_slices {
            context.warn(&format!(
                "spray: {} slices instead of {}: the {n} maps have no more distinct places",
                centres.k(),
                params.n_slices,
            ));
        }
        let slices = kmeans::nearest(&placed, &centres, &pool);
        let lookup = Lookup::new(&points);
        Ok(Box::new(Model { params: params.clone(), shape: [h, w], points, lookup, slices, n_slices: centres.k() }))
    }
}

/// The number of slices after which the eigenvalues rise most, at least 2 where there are 2.
fn eigengap(values: &[f64]) -> usize {
    let gaps = (2..values.len()).map(|k| (k, values[k] - values[k - 1]));
    gaps.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or(values.len().min(2), |(k, _)| k)
}

/// The first `k` eigenvectors of the random walk on the graph, `[n, k]`.
fn embedding(spectrum: &Spectrum, k: usize) -> Tensor {
    let n = spectrum.inverse_sqrt_degrees.len();
    // Of unit variance or so, whatever n.
    let scale = (n as f64).sqrt();
    let value = |i: usize, j: usize| spectrum.vectors[(i, j)] * spectrum.inverse_sqrt_degrees[i] * scale;
    let mut embedding = Tensor::zeros([n, k]);
    for (i, row) in embedding.data_mut().chunks_exact_mut(k).enumerate() {
        row.iter_mut().enumerate().for_each(|(j, out)| *out = value(i, j) as f32);
    }
    embedding
}

impl Model {
    /// What most of these maps of the fit are in; of the nearest, on a tie.
    fn vote(&self, nearest: &[u32]) -> Option<usize> {
        let mut votes = vec![0usize; self.n_slices];
        let slices: Vec<usize> = nearest.iter().map(|&i| self.slices[i as usize]).collect();
        slices.iter().for_each(|&slice| votes[slice] += 1);
        let most = votes.iter().max()?;
        slices.into_iter().find(|&slice| votes[slice] == *most)
    }
}

impl SliceModel for Model {
    fn n_slices(&self) -> usize {
        self.n_slices
    }

    fn membership(&self, table: &SliceTable, context: &Context) -> Result<Tensor> {
        table.check()?;
        let maps = maps::maps(table)?;
        let [n, h, w] = maps.dims("maps", "[n, h, w]")?;
        if [h, w] != self.shape {
            let [h, w] = self.shape;
            return Err(Error::shape("maps", format!("[n, {h}, {w}], as at the fit"), maps.shape()));
        }
        let rows: Vec<usize> = (0..n).collect();
        let small = maps::downsample(maps, self.params.side);
        let points = Points::to_assign(small.view(), &rows, self.params.normalise, self.points.mean())?;
        let mut slices: Vec<Option<usize>> =
            rows.iter().map(|&i| Some(self.slices[self.lookup.find(&self.points, points.row(i))?])).collect();
        let new: Vec<usize> = rows.into_iter().filter(|&i| slices[i].is_none()).collect();
        let pool = pool(Spray::NAME, context)?;
        let queries = points.select(new.iter().copied());
        let neighbours =
            Search::new(context.seed).nearest(&self.points, &queries, self.params.n_neighbors, &pool, |done, of| {
                context.progress("nearest neighbours", done, of)
            })?;
        for (at, row) in new.into_iter().enumerate() {
            slices[row] = self.vote(neighbours.row(at).0);
        }
        Ok(slicer::one_hot(slices.into_iter(), self.n_slices))
    }
}
