//! Silhouettes of several clusterings of the same rows at once: distances are most of the work.

use rayon::ThreadPool;
use rayon::prelude::*;

/// Silhouette of each row under each clustering, in [−1, 1]; 0 for a row that is alone in its cluster.
///
/// Costs `n²·d`, and memory of `n` times the number of clusterings.
///
/// # Shapes
/// `rows`: `n` of `[d]`; `clusterings`: each `[n]`, clusters counted from 0; returns `[n]` for each of them.
///
/// # Source
/// Rousseeuw 1987.
pub fn silhouettes(rows: &[&[f32]], clusterings: &[Vec<usize>], pool: &ThreadPool) -> Vec<Vec<f64>> {
    let sizes: Vec<Vec<usize>> = clusterings.iter().map(|clusters| sizes(clusters)).collect();
    let of_row = |i: usize| -> Vec<f64> {
        let mut sums: Vec<Vec<f64>> = sizes.iter().map(|sizes| vec![0.0; sizes.len()]).collect();
        for (j, row) in rows.iter().enumerate() {
            let distance = distance(rows[i], row);
            for (sums, clusters) in sums.iter_mut().zip(clusterings) {
                sums[clusters[j]] += distance;
            }
        }
        let all = sums.iter().zip(&sizes).zip(clusterings);
        all.map(|((sums, sizes), clusters)| silhouette(clusters[i], sums, sizes)).collect()
    };
    let by_row: Vec<Vec<f64>> = pool.install(|| (0..rows.len()).into_par_iter().map(of_row).collect());
    (0..clusterings.len()).map(|c| by_row.iter().map(|row| row[c]).collect()).collect()
}

/// Rows in each cluster.
pub fn sizes(clusters: &[usize]) -> Vec<usize> {
    let mut sizes = vec![0; clusters.iter().max().map_or(0, |&last| last + 1)];
    clusters.iter().for_each(|&cluster| sizes[cluster] += 1);
    sizes
}

/// `(b − a) / max(a, b)`: a is the mean distance to the other rows of the own cluster, b that to the nearest other cluster.
fn silhouette(own: usize, sums: &[f64], sizes: &[usize]) -> f64 {
    if sizes[own] < 2 {
        return 0.0;
    }
    let a = sums[own] / (sizes[own] - 1) as f64;
    let others = (0..sizes.len()).filter(|&cluster| cluster != own && sizes[cluster] > 0);
    let b = others.map(|cluster| sums[cluster] / sizes[cluster] as f64).fold(f64::INFINITY, f64::min);
    let larger = a.max(b);
    if larger > 0.0 && b.is_finite() { (b - a) / larger } else { 0.0 }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += (a - b) * (a - b);
        }
    }
    f64::from(sums.iter().sum::<f32>() + tail).sqrt()
}
