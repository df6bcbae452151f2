//! How well clusters are separated, and what that says about their number.
//!
//! Distances are Euclidean and in f64; noise (−1) is left out everywhere. Nothing takes memory ∝ n².

use crate::points::CHUNK;
use ascan_core::TensorView;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::index;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde::Serialize;

/// Up to this many rows a silhouette is exact by default: it takes seconds, and a mean needs no more.
pub const MAX_EXACT: usize = 10_000;

/// Below this share of `‖x‖² + ‖y‖²`, rounding dominates `‖x‖² − 2x·y + ‖y‖²` and the difference is taken.
const CANCELLATION: f64 = 1e-10;

/// Rows that belong to clusters, numbered from 0, widened and centred, padded with zeros to whole chunks.
struct Clustered {
    d: usize,
    k: usize,
    /// `[n]`
    clusters: Vec<usize>,
    /// `[n rounded up to CHUNK, d]`
    data: Vec<f64>,
    /// `[n rounded up to CHUNK]`
    sq_norms: Vec<f64>,
}

impl Clustered {
    /// Keeps those of the given rows that are not noise.
    fn new(embeddings: TensorView, assignment: &[i32], rows: impl Iterator<Item = usize>) -> Self {
        let d = embeddings.row_len();
        let rows: Vec<usize> = rows.filter(|&row| assignment[row] >= 0).collect();
        let mut names: Vec<i32> = rows.iter().map(|&row| assignment[row]).collect();
        names.sort_unstable();
        names.dedup();
        let number = |row: &usize| names.partition_point(|&name| name < assignment[*row]);
        let clusters = rows.iter().map(number).collect();
        let mut mean = vec![0.0; d];
        for &row in &rows {
            mean.iter_mut().zip(embeddings.row(row)).for_each(|(sum, &x)| *sum += f64::from(x) / rows.len() as f64);
        }
        let mut data = vec![0.0; rows.len().next_multiple_of(CHUNK) * d];
        for (out, &row) in data.chunks_exact_mut(d.max(1)).zip(&rows) {
            out.iter_mut().zip(embeddings.row(row)).zip(&mean).for_each(|((out, &x), mean)| *out = f64::from(x) - mean);
        }
        let sq_norms = data.chunks_exact(d.max(1)).map(|row| row.iter().map(|x| x * x).sum()).collect();
        Self { d, k: names.len(), clusters, data, sq_norms }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.d..][..self.d]
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.k];
        self.clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
        sizes
    }

    /// The mean of each cluster, `[k, d]`.
    fn centres(&self, sizes: &[usize]) -> Vec<f64> {
        let mut centres = vec![0.0; self.k * self.d];
        for (i, &cluster) in self.clusters.iter().enumerate() {
            let centre = &mut centres[cluster * self.d..][..self.d];
            centre.iter_mut().zip(self.row(i)).for_each(|(sum, x)| *sum += x / sizes[cluster] as f64);
        }
        centres
    }

    fn distance(&self, i: usize, j: usize, product: f64) -> f64 {
        let scale = self.sq_norms[i] + self.sq_norms[j];
        let square = scale - 2.0 * product;
        if square > CANCELLATION * scale { square.sqrt() } else { distance(self.row(i), self.row(j)) }
    }

    /// The silhouettes of the rows of a chunk.
    fn silhouettes(&self, chunk: usize, sizes: &[usize]) -> Vec<f64> {
        let n = self.clusters.len();
        let matrix = |chunk: usize| {
            MatRef::from_row_major_slice(&self.data[chunk * CHUNK * self.d..][..CHUNK * self.d], CHUNK, self.d)
        };
        let rows = chunk * CHUNK..((chunk + 1) * CHUNK).min(n);
        // [rows, k], the sums of distances to each cluster
        let mut sums = vec![0.0; rows.len() * self.k];
        let mut products = vec![0.0; CHUNK * CHUNK];
        for other in 0..n.div_ceil(CHUNK) {
            let out = MatMut::from_row_major_slice_mut(&mut products, CHUNK, CHUNK);
            matmul(out, Accum::Replace, matrix(chunk), matrix(other).transpose(), 1.0, Par::Seq);
            for ((i, sums), products) in
                rows.clone().zip(sums.chunks_exact_mut(self.k)).zip(products.chunks_exact(CHUNK))
            {
                for (j, &product) in (other * CHUNK..n).zip(products) {
                    sums[self.clusters[j]] += self.distance(i, j, product);
                }
            }
        }
        let silhouette = |(i, sums): (usize, &[f64])| {
            let own = self.clusters[i];
            if sizes[own] < 2 {
                return 0.0;
            }
            let within = sums[own] / (sizes[own] - 1) as f64;
            let others = (0..self.k).filter(|&cluster| cluster != own);
            let nearest = others.map(|cluster| sums[cluster] / sizes[cluster] as f64).fold(f64::INFINITY, f64::min);
            let scale = within.max(nearest);
            if scale > 0.0 { (nearest - within) / scale } else { 0.0 }
        };
        rows.zip(sums.chunks_exact(self.k)).map(silhouette).collect()
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// Mean silhouette of the rows: how much nearer they are to their own cluster than to the next, in [−1, 1], higher is
/// better. `None` for fewer than two clusters.
///
/// Exact up to `max_exact` rows (see [`MAX_EXACT`]); beyond, of that many rows drawn without replacement, among
/// themselves (as scikit-learn's `sample_size`). A row alone in its cluster counts 0. Takes time ∝ n²·d and
/// memory ∝ n·d.
///
/// # Shapes
/// `embeddings`: `[n, d]`; `assignment`: `[n]`, −1 for noise
///
/// # Source
/// Rousseeuw 1987.
pub fn silhouette(
    embeddings: TensorView,
    assignment: &[i32],
    max_exact: usize,
    seed: u64,
    pool: &ThreadPool,
) -> Option<f64> {
    let rows: Vec<usize> = (0..assignment.len()).filter(|&row| assignment[row] >= 0).collect();
    let mut chosen = rows;
    if chosen.len() > max_exact {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut drawn = index::sample(&mut rng, chosen.len(), max_exact).into_vec();
        drawn.sort_unstable();
        chosen = drawn.into_iter().map(|i| chosen[i]).collect();
    }
    let clustered = Clustered::new(embeddings, assignment, chosen.into_iter());
    if clustered.k < 2 {
        return None;
    }
    let sizes = clustered.sizes();
    let n = clustered.clusters.len();
    let sums: Vec<f64> = pool.install(|| {
        let of_chunk = |chunk| clustered.silhouettes(chunk, &sizes).iter().sum();
        (0..n.div_ceil(CHUNK)).into_par_iter().map(of_chunk).collect()
    });
    Some(sums.iter().sum::<f64>() / n as f64)
}

/// Davies–Bouldin index: the mean over clusters of the worst (spread + spread of the other) / distance of the two
/// centres; 0 or more, lower is better. `None` for fewer than two clusters.
///
/// # Shapes
/// `embeddings`: `[n, d]`; `assignment`: `[n]`, −1 for noise
///
/// # Source
/// Davies & Bouldin 1979. Spread is the mean distance to the centre; clusters with the same centre do not count
/// against each other, as in scikit-learn.
pub fn davies_bouldin(embeddings: TensorView, assignment: &[i32]) -> Option<f64> {
    let clustered = Clustered::new(embeddings, assignment, 0..assignment.len());
    let (k, d) = (clustered.k, clustered.d);
    if k < 2 {
        return None;
    }
    let sizes = clustered.sizes();
    let centres = clustered.centres(&sizes);
    let centre = |cluster: usize| &centres[cluster * d..][..d];
    let mut spreads = vec![0.0; k];
    for (i, &cluster) in clustered.clusters.iter().enumerate() {
        spreads[cluster] += distance(clustered.row(i), centre(cluster)) / sizes[cluster] as f64;
    }
    let ratio = |a: usize, b: usize| {
        let apart = distance(centre(a), centre(b));
        if a != b && apart > 0.0 { (spreads[a] + spreads[b]) / apart } else { 0.0 }
    };
    let worst = |a: usize| (0..k).map(|b| ratio(a, b)).fold(0.0, f64::max);
    Some((0..k).map(worst).sum::<f64>() / k as f64)
}

/// Sum of squared distances of the rows to the mean of their cluster.
///
/// # Shapes
/// `embeddings`: `[n, d]`; `assignment`: `[n]`, −1 for noise
pub fn inertia(embeddings: TensorView, assignment: &[i32]) -> f64 {
    let clustered = Clustered::new(embeddings, assignment, 0..assignment.len());
    let centres = clustered.centres(&clustered.sizes());
    let of_row = |(i, &cluster): (usize, &usize)| {
        distance(clustered.row(i), &centres[cluster * clustered.d..][..clustered.d]).powi(2)
    };
    clustered.clusters.iter().enumerate().map(of_row).sum()
}

/// The elbow of a falling curve: the point furthest below the line from its first to its last, both axes scaled to 1.
///
/// `None` for fewer than three points, or where no point is below the line. `curve`: (number of clusters, inertia), by
/// rising number.
///
/// # Source
/// Satopää et al. 2011 ("Kneedle"), without smoothing.
pub fn elbow(curve: &[(usize, f64)]) -> Option<usize> {
    let (&(k0, y0), &(k1, y1)) = (curve.first()?, curve.last()?);
    if curve.len() < 3 || y0.partial_cmp(&y1) != Some(std::cmp::Ordering::Greater) || k1 <= k0 {
        return None;
    }
    let below = |&(k, y): &(usize, f64)| {
        let (x, y) = ((k - k0) as f64 / (k1 - k0) as f64, (y - y1) / (y0 - y1));
        (k, 1.0 - x - y)
    };
    let furthest = curve.iter().map(below).reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    // A bend as small as the rounding error of a straight line is none.
    (furthest.1 > 1e-9).then_some(furthest.0)
}

/// A candidate clustering.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Number of clusters that was asked for.
    pub n_clusters: usize,
    /// `[n]`, −1 for noise.
    pub assignment: &'a [i32],
}

/// A line of the table of [`advise`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Number of clusters that was asked for.
    pub n_clusters: usize,
    /// See [`inertia`]; falls with the number, whatever the data.
    pub inertia: f64,
    /// See [`silhouette`].
    pub silhouette: Option<f64>,
    /// See [`davies_bouldin`].
    pub davies_bouldin: Option<f64>,
}

/// What the indices say about the number of clusters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// One line per candidate, by rising number of clusters.
    pub table: Vec<Measured>,
    /// The number with the highest silhouette.
    pub by_silhouette: Option<usize>,
    /// The number with the lowest Davies–Bouldin index.
    pub by_davies_bouldin: Option<usize>,
    /// The number at the elbow of the inertia.
    pub by_elbow: Option<usize>,
    /// The middle one of the three (the lower of two): where two agree, what they agree on. Ours; advice, no more.
    pub suggestion: Option<usize>,
}

/// Compares clusterings of the same rows into different numbers of clusters.
///
/// The indices reward clusters that are round and apart. Slices are cut finer on purpose, so read the suggestion as the
/// least number that makes sense, not as the best one.
///
/// # Shapes
/// `embeddings`: `[n, d]`, as they were clustered (normalised, if they were)
pub fn advise(
    embeddings: TensorView,
    candidates: &[Candidate],
    max_exact: usize,
    seed: u64,
    pool: &ThreadPool,
) -> Advice {
    let measure = |candidate: &Candidate| Measured {
        n_clusters: candidate.n_clusters,
        inertia: inertia(embeddings, candidate.assignment),
        silhouette: silhouette(embeddings, candidate.assignment, max_exact, seed, pool),
        davies_bouldin: davies_bouldin(embeddings, candidate.assignment),
    };
    let mut table: Vec<Measured> = candidates.iter().map(measure).collect();
    table.sort_by_key(|line| line.n_clusters);
    let lowest = |index: &dyn Fn(&Measured) -> Option<f64>| {
        let known = table.iter().filter_map(|line| Some((line.n_clusters, index(line)?)));
        known.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|best| best.0)
    };
    let by_silhouette = lowest(&|line| line.silhouette.map(|value| -value));
    let by_davies_bouldin = lowest(&|line| line.davies_bouldin);
    let by_elbow = elbow(&table.iter().map(|line| (line.n_clusters, line.inertia)).collect::<Vec<_>>());
    let mut votes: Vec<usize> = [by_silhouette, by_davies_bouldin, by_elbow].into_iter().flatten().collect();
    votes.sort_unstable();
    let suggestion = votes.get(votes.len().saturating_sub(1) / 2).copied();
    Advice { table, by_silhouette, by_davies_bouldin, by_elbow, suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmeans;
    use crate::points::{Normalise, Points};
    use ascan_core::testing::toy_slice_table;
    use rayon::ThreadPoolBuilder;
    use serde_json::Value;

    fn threads(n: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(n).build().unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        match value {
            Value::Array(values) => values.iter().flat_map(numbers).collect(),
            number => vec![number.as_f64().unwrap()],
        }
    }

    /// scikit-learn 1.9.1, by `tests/golden/make_mixtures.py`.
    #[test]
    fn as_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/mixtures.json")).unwrap();
        let theirs = &golden["quality"];
        let table: Vec<f32> = numbers(&golden["table"]).into_iter().map(|v| v as f32).collect();
        let group: Vec<i32> = numbers(&theirs["group"]).into_iter().map(|v| v as i32).collect();
        let shape = [group.len(), 4];
        let table = TensorView::new(&shape, &table).unwrap();
        let ours = silhouette(table, &group, MAX_EXACT, 0, &threads(1)).unwrap();
        assert!((ours - theirs["silhouette"].as_f64().unwrap()).abs() < 1e-9, "{ours}");
        let clustered = Clustered::new(table, &group, 0..group.len());
        let head = clustered.silhouettes(0, &clustered.sizes());
        for (a, b) in head.iter().zip(numbers(&theirs["silhouette_head"])) {
            assert!((a - b).abs() < 1e-9, "{a}, scikit-learn {b}");
        }
        let ours = davies_bouldin(table, &group).unwrap();
        assert!((ours - theirs["davies_bouldin"].as_f64().unwrap()).abs() < 1e-9, "{ours}");
    }

    #[test]
    fn a_sample_tells_nearly_the_same_and_noise_is_left_out() {
        let table = toy_slice_table(3000, 6, 1);
        let planted: Vec<i32> = table.planted.iter().map(|&c| c as i32).collect();
        let at = |max_exact, n_threads| {
            silhouette(table.embeddings.view(), &planted, max_exact, 7, &threads(n_threads)).unwrap()
        };
        assert!((at(3000, 1) - at(1000, 1)).abs() < 0.01);
        assert_ne!(at(3000, 1), at(1000, 1));
        assert_eq!(at(3000, 1).to_bits(), at(3000, 3).to_bits());

        let noisy: Vec<i32> = (0..3000).map(|i| if i < 1000 { -1 } else { planted[i] }).collect();
        let rest = table.rows(&(1000..3000).collect::<Vec<_>>());
        let with_noise = silhouette(table.embeddings.view(), &noisy, MAX_EXACT, 0, &threads(1)).unwrap();
        let without = silhouette(rest.embeddings.view(), &planted[1000..], MAX_EXACT, 0, &threads(1)).unwrap();
        assert!((with_noise - without).abs() < 1e-12);
    }

    #[test]
    fn no_index_without_two_clusters() {
        let table = toy_slice_table(20, 3, 1);
        for assignment in [vec![0; 20], vec![-1; 20]] {
            assert_eq!(silhouette(table.embeddings.view(), &assignment, 10, 0, &threads(1)), None);
            assert_eq!(davies_bouldin(table.embeddings.view(), &assignment), None);
        }
        let equal = toy_slice_table(20, 3, 1).rows(&[0; 20]);
        let halves: Vec<i32> = (0..20).map(|i| i % 2).collect();
        assert_eq!(silhouette(equal.embeddings.view(), &halves, 100, 0, &threads(1)), Some(0.0));
        assert_eq!(davies_bouldin(equal.embeddings.view(), &halves), Some(0.0));
    }

    #[test]
    fn the_elbow_is_where_the_curve_bends() {
        assert_eq!(elbow(&[(2, 100.0), (3, 60.0), (4, 20.0), (5, 18.0), (6, 16.0), (10, 10.0)]), Some(4));
        assert_eq!(elbow(&[(2, 3.0), (3, 2.0), (4, 1.0)]), None, "a straight line has no elbow");
        assert_eq!(elbow(&[(2, 3.0), (3, 2.0)]), None);
        assert_eq!(elbow(&[(2, 1.0), (3, 2.0), (4, 3.0)]), None);
    }

    #[test]
    fn planted_clusters_are_counted() {
        let table = toy_slice_table(600, 8, 2);
        let pool = threads(1);
        let rows: Vec<usize> = (0..600).collect();
        let points = Points::to_fit(table.embeddings.view(), &rows, Normalise::None).unwrap();
        let fits: Vec<(usize, Vec<i32>)> = [2, 3, 4, 5, 6, 8, 12]
            .into_iter()
            .map(|k| {
                let settings = kmeans::Settings { k, n_init: 4, max_iterations: 100, tolerance: 1e-4, seed: 0 };
                let fit = kmeans::fit(&points, &settings, &pool, |_, _| Ok(())).unwrap();
                let nearest: Vec<i32> =
                    kmeans::nearest(&points, &fit.centres, &pool).into_iter().map(|c| c as i32).collect();
                let ratio = inertia(table.embeddings.view(), &nearest) / fit.inertia;
                assert!((ratio - 1.0).abs() < 1e-5, "{k} clusters: {ratio} of k-means' own");
                (k, nearest)
            })
            .collect();
        let candidates: Vec<Candidate> =
            fits.iter().rev().map(|(k, assignment)| Candidate { n_clusters: *k, assignment }).collect();
        let advice = advise(table.embeddings.view(), &candidates, MAX_EXACT, 0, &pool);
        assert_eq!(advice.table.iter().map(|line| line.n_clusters).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8, 12]);
        assert_eq!(
            (advice.by_silhouette, advice.by_davies_bouldin, advice.by_elbow, advice.suggestion),
            (Some(5), Some(5), Some(5), Some(5))
        );
    }
}
