//! Mini-batch k-means: centres that follow small random batches, for tables too large for a copy in memory.

use crate::kmeans::{self, Centres};
use crate::points::{Normalise, Points};
use ascan_core::{Result, TensorView};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPool;

/// Weak centres are moved after this many rows per centre.
const ROWS_BEFORE_REASSIGNMENT: usize = 10;

/// What to fit. Each setting means what it means in scikit-learn's `MiniBatchKMeans`, and has the same default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Number of clusters.
    pub k: usize,
    /// Number of rows per batch.
    pub batch_size: usize,
    /// Maximum number of rows drawn, as a multiple of the number of rows.
    pub max_epochs: usize,
    /// The fit ends after this many batches without a better smoothed inertia.
    pub max_no_improvement: usize,
    /// A centre that has seen fewer rows than this share of what the busiest has seen is moved to a random row of the
    /// batch.
    pub reassignment_ratio: f64,
    /// Number of seedings; the one with the lowest inertia is used.
    pub n_init: usize,
    /// How each row is normalised first.
    pub normalise: Normalise,
    /// Seed of all random choices.
    pub seed: u64,
}

/// The result of [`fit`].
pub struct Fit {
    /// The centres; fewer than asked for where the rows to seed from have fewer distinct ones.
    pub centres: Centres,
    /// Number of batches.
    pub n_batches: usize,
    /// Whether the inertia had stopped falling.
    pub converged: bool,
}

/// Fits to some rows of a table, batch by batch: beside the table, memory is ∝ (`batch_size` + `k`)·d.
/// `progress(batches done, limit)` is called before each batch.
///
/// # Errors
/// `NotFinite` for values that are too large to square; whatever error `progress` returns.
///
/// # Source
/// Sculley 2010; seeding, reassignment of weak centres and early stopping as in scikit-learn.
pub fn fit(
    embeddings: TensorView,
    rows: &[usize],
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize, usize) -> Result<()>,
) -> Result<Fit> {
    let n = rows.len();
    let batch_size = settings.batch_size.min(n).max(1);
    let n_batches = (settings.max_epochs * n / batch_size).max(1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    let mut go_on = || progress(0, n_batches);
    let mut centres = seed(embeddings, rows, settings, batch_size, &mut rng, pool, &mut go_on)?;

    let mut counts = vec![0.0f64; centres.k()];
    let mut stopping = Stopping::new(batch_size, n, settings.max_no_improvement);
    let mut since_reassignment = 0;
    let mut done = 0;
    let mut converged = false;
    while done < n_batches && !converged {
        progress(done, n_batches)?;
        let drawn: Vec<usize> = (0..batch_size).map(|_| rows[below(&mut rng, n)]).collect();
        let batch = Points::to_assign(embeddings, &drawn, settings.normalise, centres.mean())?;
        let inertia = step(&batch, &mut centres, &mut counts, pool);
        since_reassignment += batch_size;
        if counts.contains(&0.0) || since_reassignment >= ROWS_BEFORE_REASSIGNMENT * counts.len() {
            since_reassignment = 0;
            reassign(&batch, &mut centres, &mut counts, settings.reassignment_ratio, &mut rng);
        }
        // The first batch was drawn to the seeds: its inertia says nothing yet.
        converged = done > 0 && stopping.after(inertia / batch_size as f64);
        done += 1;
    }
    progress(n_batches, n_batches)?;
    Ok(Fit { centres, n_batches: done, converged })
}

fn below(rng: &mut Xoshiro256PlusPlus, n: usize) -> usize {
    ((rng.random::<f64>() * n as f64) as usize).min(n - 1)
}

/// The tightest of `n_init` k-means++ seedings, each from three batches of rows (or three rows per centre), all judged
/// on the first one's rows.
fn seed(
    embeddings: TensorView,
    rows: &[usize],
    settings: &Settings,
    batch_size: usize,
    rng: &mut Xoshiro256PlusPlus,
    pool: &ThreadPool,
    go_on: &mut impl FnMut() -> Result<()>,
) -> Result<Centres> {
    let size = (3 * batch_size).max(3 * settings.k).min(rows.len());
    let mut sample = || -> Vec<usize> {
        let mut drawn = index::sample(rng, rows.len(), size).into_vec();
        drawn.sort_unstable();
        drawn.into_iter().map(|i| rows[i]).collect()
    };
    let validation = Points::to_fit(embeddings, &sample(), settings.normalise)?;
    let samples: Vec<Vec<usize>> = (1..settings.n_init).map(|_| sample()).collect();
    let mut best = kmeans::seed(&validation, settings.k, rng, pool, go_on)?;
    let mut least = kmeans::nearest_with_inertia(&validation, &best, pool).1;
    for sample in samples {
        let points = Points::to_assign(embeddings, &sample, settings.normalise, validation.mean())?;
        let centres = kmeans::seed(&points, settings.k, rng, pool, go_on)?;
        let inertia = kmeans::nearest_with_inertia(&validation, &centres, pool).1;
        if centres.k() > best.k() || (centres.k() == best.k() && inertia < least) {
            (best, least) = (centres, inertia);
        }
    }
    Ok(best)
}

/// Each centre becomes the mean of all rows it has ever been nearest to; returns the batch's inertia before the step.
fn step(batch: &Points, centres: &mut Centres, counts: &mut [f64], pool: &ThreadPool) -> f64 {
    let (nearest, inertia) = kmeans::nearest_with_inertia(batch, centres, pool);
    let d = batch.d();
    let mut sums = vec![0.0f64; counts.len() * d];
    let mut arrived = vec![0usize; counts.len()];
    for (row, &cluster) in nearest.iter().enumerate() {
        sums[cluster * d..][..d].iter_mut().zip(batch.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
        arrived[cluster] += 1;
    }
    for (cluster, &arrived) in arrived.iter().enumerate().filter(|&(_, &arrived)| arrived > 0) {
        let (before, after) = (counts[cluster], counts[cluster] + arrived as f64);
        let old = centres.row(cluster).to_vec();
        let moved =
            old.iter().zip(&sums[cluster * d..]).map(|(&c, sum)| ((f64::from(c) * before + sum) / after) as f32);
        centres.set(cluster, moved);
        counts[cluster] = after;
    }
    inertia
}

/// Moves the weakest centres, at most half a batch of them, to random rows of the batch.
fn reassign(batch: &Points, centres: &mut Centres, counts: &mut [f64], ratio: f64, rng: &mut Xoshiro256PlusPlus) {
    let busiest = counts.iter().copied().fold(0.0, f64::max);
    let mut weak: Vec<usize> = (0..counts.len()).filter(|&cluster| counts[cluster] < ratio * busiest).collect();
    weak.sort_by(|&a, &b| counts[a].total_cmp(&counts[b]));
    weak.truncate(batch.n() / 2);
    let rows = index::sample(rng, batch.n(), weak.len()).into_vec();
    for (&cluster, row) in weak.iter().zip(rows) {
        centres.set(cluster, batch.row(row).iter().copied());
    }
    // As busy as the least busy of the others, or they would be moved again at once.
    let others = (0..counts.len()).filter(|cluster| !weak.contains(cluster)).map(|cluster| counts[cluster]);
    let least = others.fold(f64::INFINITY, f64::min);
    weak.iter().for_each(|&cluster| counts[cluster] = least);
}

/// Ends a fit when the smoothed inertia of the batches no longer falls.
struct Stopping {
    alpha: f64,
    patience: usize,
    smoothed: Option<f64>,
    least: f64,
    n_worse: usize,
}

impl Stopping {
    /// Smooths over about as many batches as half the rows fill.
    fn new(batch_size: usize, n: usize, patience: usize) -> Self {
        let alpha = (2.0 * batch_size as f64 / (n as f64 + 1.0)).min(1.0);
        Self { alpha, patience, smoothed: None, least: f64::INFINITY, n_worse: 0 }
    }

    /// Whether to end after a batch of this mean inertia.
    fn after(&mut self, inertia: f64) -> bool {
        let smoothed = self.smoothed.map_or(inertia, |before| before * (1.0 - self.alpha) + inertia * self.alpha);
        self.smoothed = Some(smoothed);
        if smoothed < self.least {
            self.least = smoothed;
            self.n_worse = 0;
        } else {
            self.n_worse += 1;
        }
        self.n_worse >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_core::testing::toy_slice_table;
    use rayon::ThreadPoolBuilder;

    #[test]
    fn a_centre_is_the_mean_of_all_it_was_nearest_to() {
        let data = [0.0, 2.0, 10.0, 1.0, 3.0, 14.0f32];
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let embeddings = TensorView::new(&[6, 1], &data).unwrap();
        let batch = |rows: &[usize]| Points::to_assign(embeddings, rows, Normalise::None, &[0.0]).unwrap();
        let first = batch(&[0, 1, 2]);
        let mut centres = Centres::empty(&first);
        centres.push(&[0.0]);
        centres.push(&[9.0]);
        let mut counts = vec![0.0, 0.0];
        assert_eq!(step(&first, &mut centres, &mut counts, &pool), 4.0 + 1.0);
        assert_eq!((centres.row(0), centres.row(1)), (&[1.0f32][..], &[10.0f32][..]));
        step(&batch(&[3, 4, 5]), &mut centres, &mut counts, &pool);
        assert_eq!((centres.row(0), centres.row(1)), (&[1.5f32][..], &[12.0f32][..]));
        assert_eq!(counts, [4.0, 2.0]);
    }

    #[test]
    fn weak_centres_move_and_are_as_busy_as_the_least_busy() {
        let table = toy_slice_table(40, 3, 1);
        let rows: Vec<usize> = (0..40).collect();
        let points = Points::to_fit(table.embeddings.view(), &rows, Normalise::None).unwrap();
        let mut centres = Centres::empty(&points);
        (0..3).for_each(|_| centres.push(&[1e6, 0.0, 0.0]));
        let mut counts = vec![1000.0, 5.0, 50.0];
        reassign(&points, &mut centres, &mut counts, 0.01, &mut Xoshiro256PlusPlus::seed_from_u64(0));
        assert_eq!(counts, [1000.0, 50.0, 50.0]);
        assert!(centres.row(1)[0] < 1e3 && centres.row(0)[0] == 1e6 && centres.row(2)[0] == 1e6);
    }

    #[test]
    fn the_fit_ends_when_nothing_is_gained() {
        let mut stopping = Stopping::new(10, 19, 2);
        let ends: Vec<bool> = [5.0, 4.0, 4.0, 3.0, 3.0, 3.5].map(|inertia| stopping.after(inertia)).to_vec();
        assert_eq!(ends, [false, false, false, false, false, true]);
    }
}
