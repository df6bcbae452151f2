//! Seconds and peak memory of k-means on a table of a million images, generated in memory.
//!
//! `million PLUGIN N D N_SLICES N_THREADS`, PLUGIN `kmeans` (one restart, 10 iterations) or `minibatch_kmeans`

use ascan_core::{Context, Plugin, SliceTable, Slicer, Tensor, TensorView, slicer};
use ascan_kmeans::{KMeans, KMeansParams, MiniBatchKMeans, MiniBatchKMeansParams};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [plugin, n, d, n_slices, n_threads] = &args[..] else {
        return Err("million PLUGIN N D N_SLICES N_THREADS".into());
    };
    let (n, d, n_slices): (usize, usize, usize) = (n.parse()?, d.parse()?, n_slices.parse()?);
    let embeddings = generate(n, d, 100);
    let (zeros, losses, shape) = (vec![0; n], vec![0.0; n], [n, 1]);
    let table = SliceTable {
        embeddings: embeddings.view(),
        labels: &zeros,
        predicted_classes: &zeros,
        probs: TensorView::new(&shape, &losses)?,
        losses: &losses,
        maps: None,
    };
    println!("table: {} MiB, peak {} MiB", (n * d * 4) >> 20, peak_mib()?);
    let method: Box<dyn Slicer> = match plugin.as_str() {
        "kmeans" => Box::new(KMeans::new(KMeansParams {
            n_slices,
            n_init: 1,
            max_iterations: 10,
            tolerance: 0.0,
            ..Default::default()
        })?),
        _ => Box::new(MiniBatchKMeans::new(MiniBatchKMeansParams { n_slices, ..Default::default() })?),
    };
    let context = Context { n_threads: n_threads.parse()?, ..Context::default() };
    let start = Instant::now();
    let model = method.fit(&table, &context)?;
    println!("fit: {:.2} s, peak {} MiB", start.elapsed().as_secs_f64(), peak_mib()?);
    let start = Instant::now();
    let membership = model.membership(&table, &context)?;
    println!("membership: {:.2} s, peak {} MiB", start.elapsed().as_secs_f64(), peak_mib()?);
    let assignment = slicer::assignment(&membership);
    println!("inertia a image: {:.3}", inertia(embeddings.view(), &assignment, model.n_slices()) / n as f64);
    Ok(())
}

/// Rows around `n_centres` random centres.
fn generate(n: usize, d: usize, n_centres: usize) -> Tensor {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let centres: Vec<f32> = (0..n_centres * d).map(|_| 4.0 * rng.random::<f32>()).collect();
    let mut table = Tensor::zeros([n, d]);
    for (i, row) in table.data_mut().chunks_exact_mut(d).enumerate() {
        let centre = &centres[i % n_centres * d..][..d];
        row.iter_mut().zip(centre).for_each(|(x, c)| *x = c + 2.0 * rng.random::<f32>() - 1.0);
    }
    table
}

fn inertia(embeddings: TensorView, assignment: &[i32], k: usize) -> f64 {
    let d = embeddings.row_len();
    let (mut sums, mut counts, mut squares) = (vec![0.0f64; k * d], vec![0.0f64; k], 0.0);
    for (i, &slice) in assignment.iter().enumerate() {
        counts[slice as usize] += 1.0;
        for (sum, &x) in sums[slice as usize * d..][..d].iter_mut().zip(embeddings.row(i)) {
            *sum += f64::from(x);
            squares += f64::from(x) * f64::from(x);
        }
    }
    let explained =
        sums.chunks_exact(d).zip(&counts).map(|(sum, n)| sum.iter().map(|s| s * s).sum::<f64>() / n.max(1.0));
    squares - explained.sum::<f64>()
}

/// Peak resident memory of this process, as Linux counts it.
fn peak_mib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<usize>()? / 1024)
}
