//! Other numbers of slices beside the one that was asked for.

use crate::KMeansParams;
use ascan_core::{Context, Level, Result, TensorView};
use ascan_math::kmeans::{self, Settings};
use ascan_math::points::Points;
use ascan_math::quality::{self, Candidate, MAX_EXACT};
use rayon::ThreadPool;

/// Tries numbers around `n_slices`, from a quarter to four times as many, and tells the user what silhouette,
/// Davies–Bouldin index and the elbow of the inertia say about each. Changes nothing.
///
/// # Errors
/// `Cancelled` if the user asked to stop.
pub fn advise(points: &Points, params: &KMeansParams, pool: &ThreadPool, context: &Context) -> Result<()> {
    let KMeansParams { n_slices, max_iterations, tolerance, .. } = *params;
    let mut numbers = vec![n_slices / 4, n_slices / 2, n_slices, n_slices * 2, n_slices * 4];
    // One slice has no other to be apart from, and there are no more than images.
    numbers.retain(|&k| k >= 2 && k <= points.n());
    numbers.dedup();
    let mut tried = Vec::with_capacity(numbers.len());
    for (i, &k) in numbers.iter().enumerate() {
        let settings = Settings { k, n_init: 1, max_iterations, tolerance, seed: context.seed };
        let fit = kmeans::fit(points, &settings, pool, |_, _| context.progress("advice", i, numbers.len()))?;
        let nearest = kmeans::nearest(points, &fit.centres, pool);
        tried.push((k, nearest.into_iter().map(|cluster| cluster as i32).collect::<Vec<_>>(), fit.inertia));
    }
    let candidates: Vec<Candidate> = tried
        .iter()
        .map(|(n_clusters, assignment, inertia)| Candidate { n_clusters: *n_clusters, assignment, inertia: *inertia })
        .collect();
    let shape = [points.n(), points.d()];
    let as_clustered = TensorView::new(&shape, points.rows(0..points.n()))?;
    let advice = quality::advise(as_clustered, &candidates, MAX_EXACT, context.seed, pool);
    let index = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let lines = advice.table.iter().map(|line| {
        let (silhouette, davies_bouldin) = (index(line.silhouette), index(line.davies_bouldin));
        format!("\n{:>8} {:>12.4e} {silhouette:>11} {davies_bouldin:>15}", line.n_clusters, line.inertia)
    });
    let suggestion = advice.suggestion.map_or("the indices say nothing".to_owned(), |k| {
        let number = |k: Option<usize>| k.map_or("-".to_owned(), |k| k.to_string());
        let (silhouette, elbow) = (number(advice.by_silhouette), number(advice.by_elbow));
        let davies_bouldin = number(advice.by_davies_bouldin);
        format!("at least {k} (silhouette {silhouette}, Davies–Bouldin {davies_bouldin}, elbow {elbow})")
    });
    let heading = format!("{:>8} {:>12} {:>11} {:>15}", "n_slices", "inertia", "silhouette", "Davies–Bouldin");
    let message = format!("k-means, how many slices: {suggestion}\n{heading}{}", lines.collect::<String>());
    context.reporter.log(Level::Info, &message);
    Ok(())
}
