//! The search for one spotlight: gradient ascent of a Gaussian kernel.
//!
//! With `sᵢ = ‖xᵢ − m‖²`, weights `wᵢ = exp(−p·sᵢ/2)` and their sum `W`, the objective is
//! `J = L − B`: the weighted loss `L = Σ wᵢlᵢ / W` less a barrier `B = (W − (M + b))² / b²` where `W` is below
//! `M + b`. `M` is the least weight; `b` falls geometrically from all images to `M/20`, so that the kernel starts wide.
//!
//! By `∂J/∂wᵢ = (lᵢ − L)/W − β` with `β = 2(W − (M + b))/b²`, the gradients need six sums only:
//! `∂J/∂m = p·(Σ wᵢlᵢ(xᵢ − m)/W − (L/W + β)·Σ wᵢ(xᵢ − m))` and
//! `∂J/∂ln p = −p/2·(Σ wᵢlᵢsᵢ/W − (L/W + β)·Σ wᵢsᵢ)`. A step reads each row once.

use ascan_core::Result;
use rayon::ThreadPool;
use rayon::prelude::*;

/// Rows whose sums are taken in f32; beyond them sums are f64. Fixed, so that the bits are the same at any number of threads.
const CHUNK: usize = 256;
/// Decay of the first and of the second moment, and the guard of Adam (Kingma & Ba 2015).
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// The step is halved after more than this many steps without a better objective (published).
const PATIENCE: usize = 20;
/// A better objective is better by this share (that of PyTorch's scheduler).
const IMPROVEMENT: f64 = 1e-4;
/// The last width of the barrier, as a share of the least weight (published).
const LAST_BARRIER: f64 = 0.05;

/// What to search for.
pub struct Settings {
    /// Least total weight, in images.
    pub min_weight: f64,
    /// First step of Adam.
    pub learning_rate: f64,
    /// Number of steps.
    pub n_steps: usize,
}

/// A spherical Gaussian kernel; 1 at its centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// `[d]`
    pub centre: Vec<f64>,
    /// Logarithm of the inverse variance.
    pub log_precision: f64,
}

impl Kernel {
    /// At the origin.
    pub fn start(d: usize, log_precision: f64) -> Self {
        Self { centre: vec![0.0; d], log_precision }
    }

    /// Weight of each row of `[n, d]`, in [0, 1].
    pub fn weights(&self, rows: &[f32], pool: &ThreadPool) -> Vec<f32> {
        let (centre, precision) = self.f32();
        let weight = |row: &[f32]| (-0.5 * precision * sq_distance(row, &centre)).exp();
        pool.install(|| rows.par_chunks_exact(centre.len()).map(weight).collect())
    }

    fn f32(&self) -> (Vec<f32>, f32) {
        (self.centre.iter().map(|&v| v as f32).collect(), self.log_precision.exp() as f32)
    }
}

/// The kernel after all steps. `progress(steps done)` is asked before each.
///
/// # Shapes
/// `rows`: `[n, d]` with `d` > 0, `losses`: `[n]`
///
/// # Errors
/// What `progress` says.
pub fn search(
    rows: &[f32],
    losses: &[f32],
    start: Kernel,
    settings: &Settings,
    pool: &ThreadPool,
    mut progress: impl FnMut(usize) -> Result<()>,
) -> Result<Kernel> {
    let mut search = Search::new(start, settings.learning_rate);
    for step in 0..settings.n_steps {
        progress(step)?;
        search.step(rows, losses, settings.min_weight, settings.width(step, losses.len()), pool);
    }
    Ok(search.kernel)
}

impl Settings {
    /// Width of the barrier at a step, for `n` rows.
    pub fn width(&self, step: usize, n: usize) -> f64 {
        let (first, last) = (n as f64 - self.min_weight, LAST_BARRIER * self.min_weight);
        first * (last / first).powf(step as f64 / (self.n_steps.max(2) - 1) as f64)
    }
}

/// A search under way.
pub struct Search {
    /// The kernel so far.
    pub kernel: Kernel,
    adam: Adam,
    plateau: Plateau,
}

impl Search {
    /// A search that has not begun.
    pub fn new(start: Kernel, learning_rate: f64) -> Self {
        let n_parameters = start.centre.len() + 1;
        Self { kernel: start, adam: Adam::new(n_parameters, learning_rate), plateau: Plateau::default() }
    }

    /// One step uphill.
    pub fn step(&mut self, rows: &[f32], losses: &[f32], min_weight: f64, width: f64, pool: &ThreadPool) {
        let (objective, gradient) = Sums::of(rows, losses, &self.kernel, pool).objective(min_weight, width);
        self.adam.ascend(&mut self.kernel, &gradient);
        if self.plateau.reached(-objective) {
            self.adam.learning_rate *= 0.5;
        }
    }
}

/// The six sums of a kernel over all rows.
pub struct Sums {
    precision: f64,
    /// `Σ w`
    weight: f64,
    /// `Σ w·l`
    loss: f64,
    /// `Σ w·s`
    spread: f64,
    /// `Σ w·l·s`
    loss_spread: f64,
    /// `[d]`, `Σ w·(x − m)`
    shift: Vec<f64>,
    /// `[d]`, `Σ w·l·(x − m)`
    loss_shift: Vec<f64>,
}

impl Sums {
    /// Of the rows `[n, d]`.
    pub fn of(rows: &[f32], losses: &[f32], kernel: &Kernel, pool: &ThreadPool) -> Self {
        let (centre, precision) = kernel.f32();
        let d = centre.len();
        let chunks: Vec<([f64; 4], Vec<f32>)> = pool.install(|| {
            let chunks = rows.par_chunks(CHUNK * d).zip(losses.par_chunks(CHUNK));
            chunks.map(|(rows, losses)| chunk_sums(rows, losses, &centre, precision)).collect()
        });
        let mut sums = Self {
            precision: kernel.log_precision.exp(),
            weight: 0.0,
            loss: 0.0,
            spread: 0.0,
            loss_spread: 0.0,
            shift: vec![0.0; d],
            loss_shift: vec![0.0; d],
        };
        for ([weight, loss, spread, loss_spread], shifts) in chunks {
            sums.weight += weight;
            sums.loss += loss;
            sums.spread += spread;
            sums.loss_spread += loss_spread;
            let (shift, loss_shift) = shifts.split_at(d);
            sums.shift.iter_mut().zip(shift).for_each(|(sum, &part)| *sum += f64::from(part));
            sums.loss_shift.iter_mut().zip(loss_shift).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        sums
    }

    /// The objective and its gradient by the centre, and last by the log-precision.
    pub fn objective(&self, min_weight: f64, width: f64) -> (f64, Vec<f64>) {
        // A kernel that reaches no row has no loss, and nothing to climb.
        let weight = self.weight.max(f64::MIN_POSITIVE);
        let mean_loss = self.loss / weight;
        let missing = (min_weight + width - self.weight).max(0.0);
        let objective = mean_loss - (missing / width).powi(2);
        let slope = mean_loss / weight - 2.0 * missing / width.powi(2);
        let shifts = self.loss_shift.iter().zip(&self.shift);
        let mut gradient: Vec<f64> = shifts.map(|(l, w)| self.precision * (l / weight - slope * w)).collect();
        gradient.push(-0.5 * self.precision * (self.loss_spread / weight - slope * self.spread));
        (objective, gradient)
    }
}

/// The scalar sums of a chunk, and its `shift` and `loss_shift` one after the other.
fn chunk_sums(rows: &[f32], losses: &[f32], centre: &[f32], precision: f32) -> ([f64; 4], Vec<f32>) {
    let d = centre.len();
    let mut scalars = [0.0f64; 4];
    let mut shifts = vec![0.0f32; 2 * d];
    let (shift, loss_shift) = shifts.split_at_mut(d);
    for (row, &loss) in rows.chunks_exact(d).zip(losses) {
        let s = sq_distance(row, centre);
        let w = (-0.5 * precision * s).exp();
        if w == 0.0 {
            continue;
        }
        let wl = w * loss;
        for (sum, term) in scalars.iter_mut().zip([w, wl, w * s, wl * s]) {
            *sum += f64::from(term);
        }
        for (((shift, loss_shift), x), m) in shift.iter_mut().zip(loss_shift.iter_mut()).zip(row).zip(centre) {
            *shift += w * (x - m);
            *loss_shift += wl * (x - m);
        }
    }
    (scalars, shifts)
}

/// In a fixed order; eight sums at once, so that it can be vectorised.
fn sq_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum::<f32>() + tail
}

struct Adam {
    learning_rate: f64,
    step: i32,
    /// First and second moment of each parameter.
    moments: Vec<[f64; 2]>,
}

impl Adam {
    fn new(n_parameters: usize, learning_rate: f64) -> Self {
        Self { learning_rate, step: 0, moments: vec![[0.0; 2]; n_parameters] }
    }

    fn ascend(&mut self, kernel: &mut Kernel, gradient: &[f64]) {
        self.step += 1;
        let (first, second) = (1.0 - BETA_1.powi(self.step), 1.0 - BETA_2.powi(self.step));
        let parameters = kernel.centre.iter_mut().chain([&mut kernel.log_precision]);
        for ((parameter, moments), g) in parameters.zip(&mut self.moments).zip(gradient) {
            moments[0] += (1.0 - BETA_1) * (g - moments[0]);
            moments[1] += (1.0 - BETA_2) * (g * g - moments[1]);
            *parameter += self.learning_rate * (moments[0] / first) / ((moments[1] / second).sqrt() + EPSILON);
        }
    }
}

/// Whether the objective has stopped falling, as PyTorch's `ReduceLROnPlateau` with a reset after each reduction (published).
struct Plateau {
    best: f64,
    n_worse: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { best: f64::INFINITY, n_worse: 0 }
    }
}

impl Plateau {
    fn reached(&mut self, objective: f64) -> bool {
        if objective < self.best * (1.0 - IMPROVEMENT) {
            *self = Self { best: objective, n_worse: 0 };
        } else {
            self.n_worse += 1;
        }
        let reached = self.n_worse > PATIENCE;
        if reached {
            *self = Self::default();
        }
        reached
    }
}
