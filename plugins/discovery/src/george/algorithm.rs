//! The clusters of one class: the number by silhouette, then parts of clusters where the loss is high.

use super::params::GeorgeParams;
use super::silhouette::{silhouettes, sizes};
use ascan_core::{Result, SliceTable, TensorView};
use ascan_math::kmeans::{self, Centres, Settings};
use ascan_math::points::Points;
use rayon::ThreadPool;

/// Rows of a class on which silhouettes are taken; of more, every second, third, … is. Their cost grows with the square.
const MAX_ROWS: usize = 10_000;
/// As much as anyone needs: published is scikit-learn's default.
const MAX_ITERATIONS: usize = 300;
const TOLERANCE: f64 = 1e-4;

/// The clusters of one class.
pub struct ClassModel {
    centres: Centres,
    /// Of each cluster: its parts.
    splits: Vec<Split>,
}

/// The parts of a cluster.
struct Split {
    centres: Centres,
    /// The slice of each part, counted in the class.
    slices: Vec<usize>,
}

/// k-means with the settings of a fit. `ask` is called often, and may stop it.
struct Clusterer<'a> {
    params: &'a GeorgeParams,
    seed: u64,
    pool: &'a ThreadPool,
    ask: &'a dyn Fn() -> Result<()>,
}

impl Clusterer<'_> {
    fn fit(&self, points: &Points, k: usize) -> Result<(Centres, Vec<usize>)> {
        let settings = Settings {
            k,
            n_init: self.params.n_init,
            max_iterations: MAX_ITERATIONS,
            tolerance: TOLERANCE,
            seed: self.seed,
        };
        let centres = kmeans::fit(points, &settings, self.pool, |_, _| (self.ask)())?.centres;
        let clusters = kmeans::nearest(points, &centres, self.pool);
        Ok((centres, clusters))
    }
}

impl ClassModel {
    /// Fits to the rows of one class, at least one.
    ///
    /// # Errors
    /// `NotFinite` for values that are too large to square, and what `ask` says.
    pub fn fit(
        table: &SliceTable,
        rows: &[usize],
        params: &GeorgeParams,
        seed: u64,
        pool: &ThreadPool,
        ask: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let clusterer = Clusterer { params, seed, pool, ask };
        let points = Points::to_fit(table.embeddings, rows, params.normalise)?;
        let step = rows.len().div_ceil(MAX_ROWS);
        let sampled: Vec<usize> = (0..rows.len()).step_by(step).collect();
        let sample: Vec<&[f32]> = sampled.iter().map(|&i| points.row(i)).collect();
        let on_sample = |clusters: &[usize]| -> Vec<usize> { sampled.iter().map(|&i| clusters[i]).collect() };

        let mut candidates = Vec::new();
        for k in 2..=params.max_clusters.min(rows.len().saturating_sub(1)) {
            candidates.push(clusterer.fit(&points, k)?);
        }
        let clusterings: Vec<Vec<usize>> = candidates.iter().map(|(_, clusters)| on_sample(clusters)).collect();
        ask()?;
        let scores = silhouettes(&sample, &clusterings, pool);
        // The larger number on a tie, as published. Equal embeddings have one cluster, whatever was asked for.
        let best = (0..candidates.len())
            .filter(|&i| candidates[i].0.k() > 1)
            .map(|i| (i, mean_of_means(&scores[i], &clusterings[i])))
            .reduce(|best, next| if next.1 >= best.1 { next } else { best });
        let (centres, clusters) = match best {
            Some((i, _)) => candidates.swap_remove(i),
            None => clusterer.fit(&points, 1)?,
        };

        let mut parts = vec![0; rows.len()];
        let mut part_centres = Vec::with_capacity(centres.k());
        for cluster in 0..centres.k() {
            let members: Vec<usize> = (0..rows.len()).filter(|&i| clusters[i] == cluster).collect();
            let member_rows: Vec<usize> = members.iter().map(|&i| rows[i]).collect();
            let points = Points::to_fit(table.embeddings, &member_rows, params.normalise)?;
            let (centres, split) = clusterer.fit(&points, params.n_splits)?;
            members.iter().zip(split).for_each(|(&i, part)| parts[i] = cluster * params.n_splits + part);
            part_centres.push(centres);
        }
        ask()?;
        let both = [on_sample(&clusters), on_sample(&parts)];
        let [before, after] = <[_; 2]>::try_from(silhouettes(&sample, &both, pool)).unwrap_or_default();
        let losses: Vec<f64> = rows.iter().map(|&row| f64::from(table.losses[row])).collect();
        let keep = Keep {
            least: params.min_size.max((params.min_share * rows.len() as f64).ceil() as usize),
            before: means(&before, &both[1]),
            after: means(&after, &both[1]),
            loss: means(&losses, &parts),
            loss_of_cluster: means(&losses, &clusters),
            sizes: sizes(&parts),
        };
        let mut n_slices = 0;
        let splits = part_centres
            .into_iter()
            .enumerate()
            .map(|(cluster, centres)| {
                let kept = (0..centres.k()).map(|part| keep.keeps(cluster * params.n_splits + part, cluster)).collect();
                let slices = number(kept, &mut n_slices);
                Split { centres, slices }
            })
            .collect();
        Ok(Self { centres, splits })
    }

    /// Number of slices.
    pub fn n_slices(&self) -> usize {
        self.splits.iter().flat_map(|split| &split.slices).max().map_or(0, |&last| last + 1)
    }

    /// The slice of each of these rows.
    ///
    /// # Errors
    /// `NotFinite` for values that are too large to square.
    pub fn assign(
        &self,
        embeddings: TensorView,
        rows: &[usize],
        params: &GeorgeParams,
        pool: &ThreadPool,
    ) -> Result<Vec<usize>> {
        let nearest = |centres: &Centres, rows: &[usize]| -> Result<Vec<usize>> {
            let points = Points::to_assign(embeddings, rows, params.normalise, centres.mean())?;
            Ok(kmeans::nearest(&points, centres, pool))
        };
        let clusters = nearest(&self.centres, rows)?;
        let mut slices = vec![0; rows.len()];
        for (cluster, split) in self.splits.iter().enumerate() {
            let members: Vec<usize> = (0..rows.len()).filter(|&i| clusters[i] == cluster).collect();
            let member_rows: Vec<usize> = members.iter().map(|&i| rows[i]).collect();
            let parts = nearest(&split.centres, &member_rows)?;
            members.iter().zip(parts).for_each(|(&i, part)| slices[i] = split.slices[part]);
        }
        Ok(slices)
    }
}

/// What decides whether a part of a cluster becomes a slice of its own.
struct Keep {
    least: usize,
    /// Mean silhouette of the rows of each part: before the split and after.
    before: Vec<f64>,
    after: Vec<f64>,
    /// Mean loss of each part, and of each cluster.
    loss: Vec<f64>,
    loss_of_cluster: Vec<f64>,
    sizes: Vec<usize>,
}

impl Keep {
    /// Published: the silhouette rises and is above 0, the loss is no lower than the cluster's, the size suffices.
    fn keeps(&self, part: usize, cluster: usize) -> bool {
        let size = self.sizes.get(part).copied().unwrap_or(0);
        // NaN (a part without a sampled row, or without a loss) keeps nothing.
        size >= self.least
            && self.after.get(part).zip(self.before.get(part)).is_some_and(|(after, before)| *after > before.max(0.0))
            && self.loss[part] >= self.loss_of_cluster[cluster]
    }
}

/// The slices of the parts of one cluster: those not kept stay together, and come first.
fn number(kept: Vec<bool>, n_slices: &mut usize) -> Vec<usize> {
    let rest = *n_slices;
    *n_slices += usize::from(kept.contains(&false));
    kept.into_iter()
        .map(|kept| {
            if !kept {
                return rest;
            }
            *n_slices += 1;
            *n_slices - 1
        })
        .collect()
}

/// Mean of the finite values of each cluster, NaN where there are none.
fn means(values: &[f64], clusters: &[usize]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); clusters.iter().max().map_or(0, |&last| last + 1)];
    for (&value, &cluster) in values.iter().zip(clusters).filter(|(value, _)| value.is_finite()) {
        sums[cluster].0 += value;
        sums[cluster].1 += 1;
    }
    sums.into_iter().map(|(sum, n)| sum / n as f64).collect()
}

/// Mean over the clusters of their mean silhouettes: each counts the same, whatever its size (published).
fn mean_of_means(silhouettes: &[f64], clusters: &[usize]) -> f64 {
    let means: Vec<f64> = means(silhouettes, clusters).into_iter().filter(|mean| mean.is_finite()).collect();
    means.iter().sum::<f64>() / means.len() as f64
}
