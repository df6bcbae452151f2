//! What tests of several methods measure.

use ascan_core::testing::ToyTable;

/// Sum of squared distances to the mean of the own slice, by the definition.
pub fn inertia(table: &ToyTable, assignment: &[i32]) -> f64 {
    let n_slices = *assignment.iter().max().unwrap() as usize + 1;
    (0..n_slices as i32)
        .map(|slice| {
            let rows: Vec<&[f32]> =
                (0..assignment.len()).filter(|&i| assignment[i] == slice).map(|i| table.embeddings.row(i)).collect();
            let d = table.embeddings.view().row_len();
            let column = |j: usize| rows.iter().map(move |row| f64::from(row[j]));
            (0..d)
                .map(|j| {
                    let mean = column(j).sum::<f64>() / rows.len().max(1) as f64;
                    column(j).map(|v| (v - mean).powi(2)).sum::<f64>()
                })
                .sum::<f64>()
        })
        .sum()
}
