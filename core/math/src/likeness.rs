//! How alike attribution maps are, by the order of their places: methods have units of their own.

use crate::resize::resize_map;

/// A map `[h, w]`, flat, and its size.
pub type SizedMap<'a> = (&'a [f32], [usize; 2]);

/// Cells along each side at which maps are compared, at most.
const N_COMPARED: usize = 14;

/// Below this agreement the methods disagree about where the model looks: maps of 7 x 7 cells that have nothing to do with
/// each other reach it in one case of forty (1.96 / sqrt(48)).
pub const DISPUTED: f32 = 0.28;

/// Mean of Spearman's correlation over all pairs of maps of one image, on the grid of the coarsest of them and at most
/// 14 cells per side; −1 to 1. `None` for a single map, and where one of them is constant.
pub fn agreement(maps: &[SizedMap]) -> Option<f64> {
    let side = |axis: usize| maps.iter().map(|(_, size)| size[axis]).fold(N_COMPARED, usize::min);
    let grid = [side(0), side(1)];
    let ranks: Vec<Vec<f64>> = maps.iter().map(|(map, size)| ranks(&resize_map(map, *size, grid))).collect();
    let pairs = ranks.iter().enumerate().flat_map(|(i, a)| ranks[..i].iter().map(move |b| pearson(a, b)));
    let found = pairs.collect::<Option<Vec<f64>>>().filter(|found| !found.is_empty())?;
    Some(found.iter().sum::<f64>() / found.len() as f64)
}

/// Pearson's correlation; `None` where one side is constant.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let scale = (aa * bb).sqrt();
    (scale > 0.0).then(|| ab / scale)
}

/// Place of each value in their order, ties at their mean.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = start as f64 + (tied.len() - 1) as f64 / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        start += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_do_not_matter_and_order_does() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let squared = a.map(|v| v * v * 100.0 - 7.0);
        let turned = a.map(|v| -v);
        let size = [2, 2];
        assert_eq!(agreement(&[(&a, size)]), None, "one map agrees with nothing");
        assert_eq!(agreement(&[(&a, size), (&squared, size)]), Some(1.0));
        assert_eq!(agreement(&[(&a, size), (&turned, size)]), Some(-1.0));
        // Pairs: 1, -1, -1.
        let all = agreement(&[(&a, size), (&squared, size), (&turned, size)]).unwrap();
        assert!((all + 1.0 / 3.0).abs() < 1e-6, "{all}");
        assert_eq!(agreement(&[(&a, size), (&[5.0; 4], size)]), None, "a constant map has no order");
        // Ranks 0, 1.5, 1.5, 3 against 3, 2, 1, 0.
        let tied = agreement(&[(&[1.0, 2.0, 2.0, 9.0], size), (&[4.0, 3.0, 2.0, 1.0], size)]).unwrap();
        assert!((tied + 4.5 / (4.5f64 * 5.0).sqrt()).abs() < 1e-12, "{tied}");
    }

    #[test]
    fn maps_of_two_sizes_meet_on_the_coarser_grid() {
        let coarse = [0.0, 1.0, 2.0, 3.0];
        let fine: Vec<f32> = (0..16).map(|at| coarse[at / 8 * 2 + at % 4 / 2] * 2.0).collect();
        assert_eq!(agreement(&[(&coarse, [2, 2]), (&fine, [4, 4])]), Some(1.0));
    }
}
