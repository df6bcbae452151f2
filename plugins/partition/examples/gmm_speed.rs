//! Seconds and likelihood of `gmm` on a table of `benches/mixtures.py`, which runs this.
//!
//! `gmm_speed FILE N D N_SLICES COVARIANCE N_ITERATIONS N_THREADS`; FILE holds `[n, d]` little-endian f32.

use ascan_core::{Context, Plugin, Slicer, Tensor, params};
use ascan_core::{SliceTable, TensorView};
use ascan_partition::Gmm;
use serde_json::json;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, n, d, n_slices, covariance, n_iterations, n_threads] = &args[..] else {
        return Err("gmm_speed FILE N D N_SLICES COVARIANCE N_ITERATIONS N_THREADS".into());
    };
    let number = |text: &String| text.parse::<usize>();
    let (n, d) = (number(n)?, number(d)?);
    let values = std::fs::read(file)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let embeddings = Tensor::new([n, d], values)?;
    let (zeros, losses, shape) = (vec![0; n], vec![0.0; n], [n, 1]);
    let table = SliceTable {
        embeddings: embeddings.view(),
        labels: &zeros,
        predicted_classes: &zeros,
        probs: TensorView::new(&shape, &losses)?,
        losses: &losses,
        maps: None,
    };
    // No tolerance: as many iterations as asked for, as in the script.
    let given = json!({
        "n_slices": number(n_slices)?, "covariance": covariance, "max_iterations": number(n_iterations)?, "tolerance": 0.0,
    });
    let slicer = Gmm::new(params::parse(given.as_object().ok_or("an object")?)?)?;
    let context = Context { n_threads: number(n_threads)?, ..Context::default() };
    let seconds = (0..3).map(|_| {
        let start = Instant::now();
        slicer.fit(&table, &context).map(|_| start.elapsed().as_secs_f64())
    });
    let seconds = seconds.collect::<Result<Vec<f64>, _>>()?;
    println!("{:.3}", seconds.into_iter().fold(f64::INFINITY, f64::min));
    Ok(())
}
