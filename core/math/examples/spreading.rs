//! Seconds and peak memory of label spreading on a table generated in memory, a hundredth of it labelled.
//!
//! `spreading KERNEL N D N_THREADS`, KERNEL `auto`, `rbf` or `knn`

use ascan_core::{Context, Tensor};
use ascan_math::label_spreading::{Settings, Similarity};
use ascan_math::points::{Normalise, Points};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::error::Error;
use std::time::Instant;

/// Clusters of the table; those of even number have one label, the others the other.
const N_CENTRES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kernel, n, d, n_threads] = &args[..] else { return Err("spreading KERNEL N D N_THREADS".into()) };
    let (n, d): (usize, usize) = (n.parse()?, d.parse()?);
    let kernel = serde_json::from_value(serde_json::Value::String(kernel.clone()))?;
    let settings = Settings { alpha: 0.2, kernel, gamma: None, n_neighbors: 15, max_iter: 200, tol: 1e-4, seed: 0 };
    let table = generate(n, d);
    println!("table: {} MiB, peak {} MiB", (n * d * 4) >> 20, peak_mib()?);
    let rows: Vec<usize> = (0..n).collect();
    let labels: Vec<Option<usize>> =
        rows.iter().map(|&i| (i / N_CENTRES).is_multiple_of(100).then_some(i % 2)).collect();
    let pool = ascan_math::pool("spreading", &Context { n_threads: n_threads.parse()?, ..Context::default() })?;

    let start = Instant::now();
    let points = Points::to_fit(table.view(), &rows, Normalise::L2)?;
    let similarity = Similarity::new(&points, &settings, &pool, |_, _| Ok(()))?;
    println!("{:?}: {:.2} s, peak {} MiB", similarity.kernel(), start.elapsed().as_secs_f64(), peak_mib()?);
    let spread = similarity.spread(&labels, 2, &settings, |_, _| Ok(()))?;
    println!("{} steps: {:.2} s in all, peak {} MiB", spread.n_iter, start.elapsed().as_secs_f64(), peak_mib()?);
    let right = rows.iter().filter(|&&i| (spread.shares[2 * i + 1] > 0.5) == (i % 2 == 1)).count();
    println!("right: {:.4}", right as f64 / n as f64);
    Ok(())
}

/// Rows around random centres.
fn generate(n: usize, d: usize) -> Tensor {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let centres: Vec<f32> = (0..N_CENTRES * d).map(|_| 4.0 * rng.random::<f32>()).collect();
    let mut table = Tensor::zeros([n, d]);
    for (i, row) in table.data_mut().chunks_exact_mut(d).enumerate() {
        let centre = &centres[i % N_CENTRES * d..][..d];
        row.iter_mut().zip(centre).for_each(|(x, c)| *x = c + 4.0 * rng.random::<f32>() - 2.0);
    }
    table
}

/// Peak resident memory of this process, as Linux counts it.
fn peak_mib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<usize>()? / 1024)
}
