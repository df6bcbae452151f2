//! Probabilities of images that do not depend on their own labels.

use ascan_core::{Context, Error, Result, Tensor};
use ascan_math::knn::Search;
use ascan_math::points::{Normalise, Points};
use ascan_store::table::ScanTable;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// Images of the other folds that are asked.
const N_NEIGHBORS: usize = 15;

/// How images are divided, so that each is judged by the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folds {
    /// So many, at random.
    Random(usize),
    /// A column of the data set, `split` or an annotated attribute: each value is a fold.
    Column(String),
}

impl Folds {
    /// The fold of each row.
    fn of_rows(&self, table: &ScanTable, seed: u64) -> Result<Vec<usize>> {
        let folds = match self {
            Self::Random(n_folds) => {
                let mut order: Vec<usize> = (0..table.n()).collect();
                order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
                let mut folds = vec![0; table.n()];
                order.iter().enumerate().for_each(|(at, &row)| folds[row] = at % (*n_folds).max(1));
                folds
            }
            Self::Column(name) => {
                let values = match (name.as_str(), &table.splits) {
                    ("split", Some(splits)) => Some(splits),
                    _ => table.groups.iter().find(|group| group.name == *name).map(|group| &group.values),
                };
                let Some(values) = values else {
                    let split = table.splits.iter().map(|_| "split".to_owned());
                    let known = split.chain(table.groups.iter().map(|group| group.name.clone()));
                    return Err(Error::unknown_name("column of the scan", name, known));
                };
                let numbers: BTreeMap<&String, usize> =
                    values.iter().collect::<std::collections::BTreeSet<_>>().into_iter().zip(0..).collect();
                values.iter().map(|value| numbers[value]).collect()
            }
        };
        let n_folds = folds.iter().max().map_or(0, |last| last + 1);
        if n_folds < 2 {
            let message = format!("there are {n_folds}, but each image is judged by images of other folds");
            return Err(Error::param("folds", message, "a number from 2, or a column with at least two values"));
        }
        Ok(folds)
    }
}

/// Probabilities of each image by the labels of its nearest images in the other folds.
///
/// Distances are those of the embeddings scaled to length 1; a neighbour's vote is `exp(−d²/mean d²)`, and the shares of
/// the labels in the other folds have one vote together. So a model that has learnt wrong labels by heart judges
/// nothing here: only its features count. The method is ours.
///
/// # Shapes
/// Returns `[n, n_classes]`, zeros in rows that failed.
///
/// # Errors
/// `UnknownName` or `Param` for folds that are none, `Cancelled`.
pub fn out_of_sample(table: &ScanTable, folds: &Folds, context: &Context) -> Result<Tensor> {
    let folds = folds.of_rows(table, context.seed)?;
    let [n, n_classes] = table.probs.view().dims("probs", "[n, n_classes]")?;
    let n_folds = folds.iter().max().map_or(0, |last| last + 1);
    let pool = ascan_math::pool("mislabels", context)?;
    let mut probs = Tensor::zeros([n, n_classes]);
    for fold in 0..n_folds {
        let stop = |_, _| context.progress("judging folds", fold, n_folds);
        let (judged, others): (Vec<usize>, Vec<usize>) =
            table.valid_rows().into_iter().partition(|&row| folds[row] == fold);
        let base: Vec<usize> = others.into_iter().filter(|&row| table.labels[row] >= 0).collect();
        if judged.is_empty() || base.is_empty() {
            continue;
        }
        let mut shares = vec![0.0f64; n_classes];
        base.iter().for_each(|&row| shares[table.labels[row] as usize] += 1.0 / base.len() as f64);
        let points = Points::to_fit(table.embeddings.view(), &base, Normalise::L2)?;
        let queries = Points::to_assign(table.embeddings.view(), &judged, Normalise::L2, points.mean())?;
        let near = Search::new(context.seed).nearest(&points, &queries, N_NEIGHBORS, &pool, stop)?;
        for (at, &row) in judged.iter().enumerate() {
            let (neighbours, sq_distances) = near.row(at);
            let mean = sq_distances.iter().map(|&d| f64::from(d)).sum::<f64>() / sq_distances.len() as f64;
            let mut votes = shares.clone();
            for (&neighbour, &sq_distance) in neighbours.iter().zip(sq_distances) {
                let scaled = if mean > 0.0 { f64::from(sq_distance) / mean } else { 0.0 };
                votes[table.labels[base[neighbour as usize]] as usize] += (-scaled).exp();
            }
            let sum: f64 = votes.iter().sum();
            let of_row = &mut probs.data_mut()[row * n_classes..][..n_classes];
            of_row.iter_mut().zip(votes).for_each(|(p, votes)| *p = (votes / sum) as f32);
        }
    }
    context.progress("judging folds", n_folds, n_folds)?;
    Ok(probs)
}
