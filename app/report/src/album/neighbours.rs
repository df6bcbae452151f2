//! The rows that a classifier sees as most like one row.

use super::Album;
use ascan_core::{Error, Result, Tensor};
use ascan_store::Part;
use rayon::prelude::*;

impl Album {
    /// The `k` rows nearest to a row by cosine of the attribution-weighted features, nearest first, itself apart;
    /// ties in the order of rows. Failed rows are no neighbours. One pass over the scan, a shard at a time.
    ///
    /// # Errors
    /// `Param` for a failed row; `File` if a shard is damaged, unless its rows are known to be missing.
    pub fn neighbours(&self, row: usize, k: usize) -> Result<Vec<(usize, f32)>> {
        let fails = |row: usize| self.table.errors.get(row).is_none_or(Option::is_some);
        if fails(row) {
            return Err(Error::param("row", format!("{row} has no features: it failed"), "choose another image"));
        }
        let query = self.part(row, Part::Embeddings)?.into_data();
        let plan = &self.scan.plan;
        let of_shard = |shard: usize| -> Result<Vec<(usize, f32)>> {
            let rows: Vec<usize> = plan.rows(shard).filter(|&other| other != row && !fails(other)).collect();
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            // Past the cache: one pass would push everything else out.
            let embeddings: Tensor = self.scan.part(shard, Part::Embeddings)?;
            let start = plan.rows(shard).start;
            let near = rows.into_iter().map(|other| (other, cosine(&query, embeddings.row(other - start)))).collect();
            Ok(nearest(near, k))
        };
        let shards: Result<Vec<_>> = (0..plan.n_shards()).into_par_iter().map(of_shard).collect();
        Ok(nearest(shards?.concat(), k))
    }
}

impl Album {
    /// How far each of some rows lies from the middle of them all: 1 − cosine to their mean feature, in [0, 2]; NaN for
    /// rows without features. Reads the shards of these rows, one at a time.
    ///
    /// # Errors
    /// `File` if a shard is damaged.
    pub fn distances(&self, rows: &[usize]) -> Result<Vec<f32>> {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&i| self.table.errors[rows[i]].is_none()).collect();
        order.sort_by_key(|&i| rows[i]);
        let plan = &self.scan.plan;
        let mut centre = vec![0.0f32; plan.features.n_dims];
        let mut distances = vec![f32::NAN; rows.len()];
        for pass in 0..2 {
            for of_shard in order.chunk_by(|&a, &b| rows[a] / plan.shard_rows == rows[b] / plan.shard_rows) {
                let shard = rows[of_shard[0]] / plan.shard_rows;
                let embeddings = self.scan.part(shard, Part::Embeddings)?;
                let start = plan.rows(shard).start;
                for &i in of_shard {
                    let embedding = embeddings.row(rows[i] - start);
                    if pass == 0 {
                        centre.iter_mut().zip(embedding).for_each(|(c, v)| *c += v);
                    } else {
                        distances[i] = 1.0 - cosine(&centre, embedding);
                    }
                }
            }
        }
        Ok(distances)
    }
}

fn nearest(mut rows: Vec<(usize, f32)>, k: usize) -> Vec<(usize, f32)> {
    rows.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    rows.truncate(k);
    rows
}

/// The cosine of the angle between two vectors; 0 if one of them has no length.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at once, which the compiler turns into vector instructions.
    let mut sums = [[0.0f32; 8]; 3];
    let (heads, tails) =
        ((a.chunks_exact(8), b.chunks_exact(8)), (a.chunks_exact(8).remainder(), b.chunks_exact(8).remainder()));
    for (a, b) in heads.0.zip(heads.1) {
        for i in 0..8 {
            sums[0][i] += a[i] * b[i];
            sums[1][i] += a[i] * a[i];
            sums[2][i] += b[i] * b[i];
        }
    }
    for (i, (a, b)) in tails.0.iter().zip(tails.1).enumerate() {
        sums[0][i] += a * b;
        sums[1][i] += a * a;
        sums[2][i] += b * b;
    }
    let [dot, aa, bb] = sums.map(|sum| sum.iter().sum::<f32>());
    if aa > 0.0 && bb > 0.0 { dot / (aa.sqrt() * bb.sqrt()) } else { 0.0 }
}
