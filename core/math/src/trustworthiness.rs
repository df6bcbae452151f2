//! How far a layout can be trusted: whether what is near in it is near in the embeddings.

use crate::tiles::sq_distance;
use ascan_core::TensorView;

/// Trustworthiness in [0, 1]: whether the `k` nearest rows of each row in the layout are among its `k` nearest in the
/// embeddings. Each one that is not costs more the higher its rank there. Takes time ∝ n²·(d + log n).
///
/// # Shapes
/// `embeddings`: `[n, d]`; `layout`: `[n, n_dims]`, the same rows; `k` below `n / 2`
///
/// # Source
/// Venna & Kaski 2001, as in scikit-learn.
pub fn trustworthiness(embeddings: TensorView, layout: TensorView, k: usize) -> f64 {
    let n = embeddings.n_rows();
    let nearest = |table: TensorView, i: usize| -> Vec<usize> {
        let mut others: Vec<(f32, usize)> =
            (0..n).filter(|&j| j != i).map(|j| (sq_distance(table.row(i), table.row(j)), j)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        others.into_iter().map(|(_, j)| j).collect()
    };
    let mut cost = 0;
    for i in 0..n {
        let mut rank = vec![0; n];
        nearest(embeddings, i).into_iter().enumerate().for_each(|(at, j)| rank[j] = at + 1);
        cost += nearest(layout, i).into_iter().take(k).map(|j| rank[j].saturating_sub(k)).sum::<usize>();
    }
    let worst = n * k * (2 * n - 3 * k - 1);
    1.0 - 2.0 * cost as f64 / worst as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_among_the_nearest_cost_their_rank() {
        // On a line; the layout puts the last where the first was.
        let (line, shape) = ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [6, 1]);
        let line = TensorView::new(&shape, &line).unwrap();
        assert_eq!(trustworthiness(line, line, 2), 1.0);
        let moved = [0.1, 1.0, 2.0, 3.0, 4.0, 0.0];
        let moved = TensorView::new(&shape, &moved).unwrap();
        // scikit-learn 1.9.1.
        for (k, expected) in [(1, 2.0 / 3.0), (2, 0.7)] {
            assert!((trustworthiness(line, moved, k) - expected).abs() < 1e-12, "{}", trustworthiness(line, moved, k));
        }
    }
}
