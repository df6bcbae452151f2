//! What makes a mixture Domino: where it starts, and which of its components are slices.

use ascan_core::{SliceTable, TensorView};
use ascan_math::mixture::{Column, Mixture, Responsibilities, Values};

/// The columns that are modelled beside the embeddings: labels, and predicted probabilities.
pub fn columns<'a>(table: &SliceTable<'a>, n_classes: usize, weights: [f64; 2]) -> [Column<'a>; 2] {
    [
        Column { values: Values::Classes(table.labels), n_classes, weight: weights[0] },
        Column { values: Values::Probs(table.probs), n_classes, weight: weights[1] },
    ]
}

/// Responsibilities by confusion cell, softened by the predicted probabilities: component j starts from a cell
/// (label, predicted class), and its share of an image is the image's probability of that cell, plus noise.
///
/// Cells are dealt out in turn, as published. Where there are more cells than components (published: an error), the
/// cells that hold most images are dealt out, and the other images are shared by all components.
///
/// # Shapes
/// `labels`: `[n]`; `probs`: `[n, n_classes]`; `noise()`: a number in [0, `scale`), drawn image by image
pub fn start(
    labels: &[i32],
    probs: TensorView,
    n_components: usize,
    mut noise: impl FnMut() -> f64,
) -> Responsibilities {
    let (n, n_classes) = (labels.len(), probs.row_len());
    let cells = cells(labels, probs, n_components);
    let mut shares = vec![0.0; n_components];
    let mut fill = |row: usize| {
        let probability = |component: usize| {
            let (label, predicted) = cells[component % cells.len()];
            if labels[row] == label as i32 && predicted < n_classes {
                f64::from(probs.row(row)[predicted])
            } else {
                0.0
            }
        };
        shares.iter_mut().enumerate().for_each(|(component, share)| *share = probability(component));
        normalise(&mut shares);
        shares.iter_mut().for_each(|share| *share += noise());
        normalise(&mut shares);
        shares.clone()
    };
    let mut row_shares = Vec::new();
    Responsibilities::from_fn(n, n_components, |row, component| {
        if component == 0 {
            row_shares = fill(row);
        }
        row_shares[component]
    })
}

/// The cells to start from, sorted by label, then by predicted class: all, or the `n_components` heaviest.
fn cells(labels: &[i32], probs: TensorView, n_components: usize) -> Vec<(usize, usize)> {
    let n_classes = probs.row_len().max(1);
    let mut masses = vec![0.0; n_classes * n_classes];
    for (row, &label) in labels.iter().enumerate() {
        if let Some(cells) = usize::try_from(label).ok().and_then(|label| masses.chunks_exact_mut(n_classes).nth(label))
        {
            cells.iter_mut().zip(probs.row(row)).for_each(|(mass, &p)| *mass += f64::from(p));
        }
    }
    let mut cells: Vec<usize> = (0..masses.len()).collect();
    if cells.len() > n_components {
        cells.sort_by(|&a, &b| masses[b].total_cmp(&masses[a]).then(a.cmp(&b)));
        cells.truncate(n_components);
        cells.sort_unstable();
    }
    cells.into_iter().map(|cell| (cell / n_classes, cell % n_classes)).collect()
}

/// To a sum of 1; a row of nothing is shared by all.
fn normalise(shares: &mut [f64]) {
    let sum: f64 = shares.iter().sum();
    let n = shares.len() as f64;
    shares.iter_mut().for_each(|share| *share = if sum > 0.0 { *share / sum } else { 1.0 / n });
}

/// The components in which predictions and labels differ most, the furthest first: by the largest excess of a class's
/// mean predicted probability over its share of the labels.
pub fn worst(mixture: &Mixture, n_slices: usize) -> Vec<usize> {
    let [labels, predictions] = &mixture.categoricals[..] else { return Vec::new() };
    let gap = |component: usize| {
        let excess = predictions.probs(component).iter().zip(labels.probs(component)).map(|(p, y)| p - y);
        excess.fold(f64::NEG_INFINITY, f64::max).abs()
    };
    let mut order: Vec<(usize, f64)> = (0..mixture.k()).map(|component| (component, gap(component))).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.into_iter().take(n_slices).map(|(component, _)| component).collect()
}
