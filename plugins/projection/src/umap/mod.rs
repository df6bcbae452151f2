//! UMAP: uniform manifold approximation and projection.
//!
//! Images that are neighbours in the embeddings become neighbours in a layout of few dimensions, where dense places
//! are compact: better for clustering than the embeddings themselves.

mod curve;
mod fuzzy;
mod layout;
mod movement;
mod params;
mod places;
#[cfg(test)]
mod tests;

pub use params::{Metric, UmapParams};

use ascan_core::{Context, Error, Plugin, Projection, Projector, Result, Strengths, Tensor, TensorView};
use ascan_math::graph::Graph;
use ascan_math::knn::Search;
use ascan_math::lookup::Lookup;
use ascan_math::points::{Normalise, Points};
use ascan_math::{pool, spectral};
use curve::Curve;
use places::{Forces, Places};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;
use rayon::prelude::*;

/// Side of the box in which the layout starts.
const SIDE: f64 = 10.0;

/// Noise of the start, so that equal images can part.
const NOISE: f64 = 1e-3;

/// Rotations of the start's eigenvectors, and their precision. A start needs no digits.
const SPECTRAL_ITERATIONS: usize = 3;
const SPECTRAL_TOLERANCE: f64 = 1e-2;

/// Uniform manifold approximation and projection.
///
/// The layout starts from the first eigenvectors of the graph of neighbours. It is the same at any number of threads:
/// images move in fixed rounds, each on its own ([umap-learn](https://umap-learn.readthedocs.io) gives up either the
/// threads or the seed). An image that was there at the fit keeps its place; a new one starts at the weighted mean of
/// its neighbours and settles among the images of the fit, which stay.
///
/// Neighbours are exact to 50,000 images; beyond, 95 % of them or more are found.
///
/// # Source
/// McInnes, Healy & Melville 2018, arXiv 1802.03426.
pub struct Umap {
    params: UmapParams,
}

impl Plugin for Umap {
    const NAME: &'static str = "umap";
    const SUMMARY: &'static str = "UMAP: a layout of few dimensions that keeps neighbours together";
    /// Neighbours as far apart as is good to look at, by the angle that lists of neighbours go by too.
    const STRENGTHS: Strengths =
        Strengths { map_params: Some(r#"{"min_dist": 0.1, "metric": "cosine"}"#), ..Strengths::none() };
    type Params = UmapParams;

    fn new(params: UmapParams) -> Result<Self> {
        Ok(Self { params })
    }
}

struct Layout {
    params: UmapParams,
    forces: Forces,
    points: Points,
    lookup: Lookup,
    places: Places,
}

impl UmapParams {
    fn normalise(&self) -> Normalise {
        match self.metric {
            Metric::Euclidean => Normalise::None,
            Metric::Cosine => Normalise::L2,
        }
    }

    fn distance(&self, sq_distance: f32) -> f64 {
        match self.metric {
            Metric::Euclidean => f64::from(sq_distance).sqrt(),
            // Of vectors of length 1.
            Metric::Cosine => f64::from(sq_distance) / 2.0,
        }
    }
}

impl Projector for Umap {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        let [n, _] = check(embeddings)?;
        if n == 0 {
            return Err(Error::shape("embeddings", "at least one image", embeddings.shape()));
        }
        let params = &self.params;
        let rows: Vec<usize> = (0..n).collect();
        let pool = pool(Self::NAME, context)?;
        let points = pool.install(|| Points::to_fit(embeddings, &rows, params.normalise()))?;
        let progress = |stage: &'static str| move |done, of| context.progress(stage, done, of);
        let search = Search::new(context.seed);
        let neighbours = search.graph(&points, params.n_neighbors - 1, &pool, progress("nearest neighbours"))?;
        if neighbours.k + 1 < params.n_neighbors {
            context.warn(&format!(
                "umap: {} neighbours instead of {}: there are {n} images",
                neighbours.k + 1,
                params.n_neighbors,
            ));
        }
        let order = neighbours.order();
        let neighbours = neighbours.ordered(&order);
        let graph = fuzzy::union(&neighbours, &fuzzy::weights(&neighbours, |d| params.distance(d), true, &pool));
        let places = start(&graph, params.n_dims, context.seed, &pool, progress("spectral start"))?;
        let forces = Forces {
            curve: Curve::fit(params.min_dist, params.spread),
            repulsion: params.repulsion_strength as f32,
            learning_rate: params.learning_rate as f32,
            n_negatives: params.negative_sample_rate,
            n_epochs: params.n_epochs_for(n),
            seed: context.seed,
        };
        layout::optimise(&places, &graph, &forces, &pool, progress("umap"))?;
        let places = places.named(&order);
        let lookup = pool.install(|| Lookup::new(&points));
        Ok(Box::new(Layout { params: params.clone(), forces, points, lookup, places }))
    }
}

/// Where the layout starts: the eigenvectors after the constant one, each stretched over the same length.
fn start(
    graph: &Graph,
    n_dims: usize,
    seed: u64,
    pool: &ThreadPool,
    progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Places> {
    let n = graph.n();
    let settings = spectral::Settings {
        n_vectors: n_dims + 1,
        tolerance: SPECTRAL_TOLERANCE,
        max_iterations: SPECTRAL_ITERATIONS,
        seed,
    };
    let spectrum = spectral::spectrum(graph, &settings, pool, progress)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut values = vec![0.0; n * n_dims];
    for dim in 0..n_dims {
        // Few images have few eigenvectors: nothing but noise for the rest.
        let at = |i: usize| if dim + 1 < spectrum.values.len() { spectrum.vectors[(i, dim + 1)] } else { 0.0 };
        let (low, high) = (0..n).map(at).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let scale = if high > low { SIDE / (high - low) } else { 0.0 };
        for i in 0..n {
            let noise = NOISE * (rng.random::<f64>() - 0.5);
            values[i * n_dims + dim] = ((at(i) - low) * scale + noise) as f32;
        }
    }
    let places = Places::new(n, n_dims);
    values.chunks_exact(n_dims).enumerate().for_each(|(i, place)| places.write(i, place));
    Ok(places)
}

impl Projection for Layout {
    fn n_dims(&self) -> usize {
        self.places.n_dims()
    }

    fn project(&self, embeddings: TensorView, context: &Context) -> Result<Tensor> {
        let [n, d] = check(embeddings)?;
        if d != self.points.d() {
            let expected = format!("[n, {}], as at the fit", self.points.d());
            return Err(Error::shape("embeddings", expected, embeddings.shape()));
        }
        let pool = pool(Umap::NAME, context)?;
        let rows: Vec<usize> = (0..n).collect();
        let (points, known) = pool.install(|| {
            let points = Points::to_assign(embeddings, &rows, self.params.normalise(), self.points.mean())?;
            let known = rows.par_iter().map(|&row| self.lookup.find(&self.points, points.row(row)));
            let known: Vec<Option<usize>> = known.collect();
            Ok::<_, Error>((points, known))
        })?;
        let mut projected = Tensor::zeros([n, self.n_dims()]);
        let mut new = Vec::new();
        let places = projected.data_mut().chunks_exact_mut(self.n_dims());
        for (row, (place, known)) in places.zip(known).enumerate() {
            match known {
                Some(known) => self.places.read(known, place),
                None => new.push(row),
            }
        }
        let queries = points.select(new.iter().copied());
        let placed = self.place(&queries, context, &pool)?;
        for (row, place) in new.into_iter().zip(placed.chunks_exact(self.n_dims())) {
            projected.data_mut()[row * self.n_dims()..][..self.n_dims()].copy_from_slice(place);
        }
        Ok(projected)
    }
}

impl Layout {
    /// The places of new images, `[queries, n_dims]`; each depends on nothing but itself and the images of the fit.
    fn place(&self, queries: &Points, context: &Context, pool: &ThreadPool) -> Result<Vec<f32>> {
        let progress = |stage: &'static str| move |done, of| context.progress(stage, done, of);
        let search = Search::new(context.seed);
        let k = self.params.n_neighbors;
        let neighbours = search.nearest(&self.points, queries, k, pool, progress("nearest neighbours"))?;
        let weights = fuzzy::weights(&neighbours, |d| self.params.distance(d), false, pool);
        let forces = Forces {
            n_epochs: (self.forces.n_epochs / 3).max(1),
            // They start near to where they belong.
            learning_rate: self.forces.learning_rate / 4.0,
            ..self.forces
        };
        context.progress("umap", 0, 1)?;
        let of_row = |row: usize| (neighbours.row(row).0, &weights[row * neighbours.k..(row + 1) * neighbours.k]);
        let settle = |(group, moved): (usize, &mut [f32])| {
            let first = group * movement::LANES;
            let of_group: Vec<_> = (first..).take(moved.len() / self.n_dims()).map(of_row).collect();
            for (place, (ends, weights)) in moved.chunks_exact_mut(self.n_dims()).zip(&of_group) {
                // Weights may all vanish where an image has one neighbour.
                let total = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
                for (&end, weight) in ends.iter().zip(*weights) {
                    for (value, known) in place.iter_mut().zip(self.places.row(end as usize)) {
                        *value += weight / total * places::load(known);
                    }
                }
            }
            forces.settle(moved, &self.places, &of_group);
        };
        let mut placed = vec![0.0; queries.n() * self.n_dims()];
        let groups = placed.par_chunks_mut(movement::LANES * self.n_dims()).enumerate();
        pool.install(|| groups.for_each(settle));
        context.progress("umap", 1, 1)?;
        Ok(placed)
    }
}

fn check(embeddings: TensorView) -> Result<[usize; 2]> {
    let [n, d] = embeddings.dims("embeddings", "[n, d]")?;
    if d == 0 {
        return Err(Error::shape("embeddings", "at least one dimension", embeddings.shape()));
    }
    if !embeddings.is_finite() {
        return Err(Error::NotFinite { what: "embeddings".into() });
    }
    Ok([n, d])
}
