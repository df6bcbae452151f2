//! Seconds of `domino` without its PCA on a table of `benches/mixtures.py`, which runs this.
//!
//! `domino_speed FILE N D N_COMPONENTS N_ITERATIONS N_THREADS`; FILE holds `[n, d + 2]` little-endian f32: the embedding, the
//! label (0 or 1) and the probability of class 1.

use ascan_core::{Context, Plugin, SliceTable, Slicer, Tensor, params};
use ascan_discovery::Domino;
use serde_json::json;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, n, d, n_components, n_iterations, n_threads] = &args[..] else {
        return Err("domino_speed FILE N D N_COMPONENTS N_ITERATIONS N_THREADS".into());
    };
    let number = |text: &String| text.parse::<usize>();
    let (n, d) = (number(n)?, number(d)?);
    let values: Vec<f32> =
        std::fs::read(file)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let rows = || values.chunks_exact(d + 2);
    let embeddings = Tensor::new([n, d], rows().flat_map(|row| &row[..d]).copied().collect())?;
    let probs = Tensor::new([n, 2], rows().flat_map(|row| [1.0 - row[d + 1], row[d + 1]]).collect())?;
    let labels: Vec<i32> = rows().map(|row| row[d] as i32).collect();
    let predicted_classes: Vec<i32> = rows().map(|row| i32::from(row[d + 1] > 0.5)).collect();
    let losses = vec![0.0; n];
    let table = SliceTable {
        embeddings: embeddings.view(),
        labels: &labels,
        predicted_classes: &predicted_classes,
        probs: probs.view(),
        losses: &losses,
        maps: None,
    };
    // No tolerance: as many iterations as asked for, as in the script.
    let given = json!({
        "n_components": number(n_components)?, "n_pca_components": 0, "max_iterations": number(n_iterations)?, "tolerance": 0.0,
    });
    let slicer = Domino::new(params::parse(given.as_object().ok_or("an object")?)?)?;
    let context = Context { n_threads: number(n_threads)?, ..Context::default() };
    let seconds = (0..3).map(|_| {
        let start = Instant::now();
        slicer.fit(&table, &context).map(|_| start.elapsed().as_secs_f64())
    });
    let seconds = seconds.collect::<Result<Vec<f64>, _>>()?;
    println!("{:.3}", seconds.into_iter().fold(f64::INFINITY, f64::min));
    Ok(())
}
