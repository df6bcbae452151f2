//! Tables with a planted slice, after Domino's protocol (Eyuboglu et al. 2022, arXiv 2203.14960).
//!
//! # The embeddings
//! Each of two classes has five subclasses of unequal size. A row starts as a latent vector of 16 numbers: the centre
//! of its subclass (which lies near that of its class), plus the attribute's direction if the row has the attribute,
//! plus a spread whose axes and lengths differ from subclass to subclass and whose radius has heavy tails. A random
//! network with two rectified layers carries it to the embedding. So subclasses are neither spheres nor Gaussians nor of
//! one size, and they overlap: neither k-means, a mixture nor a density method has its own assumptions handed to it.
//! Still they are *clusters*, one for each subclass, as in every protocol of this kind: on data without any the figures say nothing.
//!
//! # The slices
//! - *rare*: one subclass has the given share of its class; the model is worse on it.
//! - *correlation*: a binary attribute agrees with the label with the given correlation (φ); the two slices are the
//!   rows where they disagree, and the model is worse on them, since it has learned the attribute.
//! - *noisy label*: in one subclass the given share of labels is flipped. The model is not fooled, so that its error
//!   there is its usual one and the flips. The slice is the whole subclass: at 5 % it hardly stands out, as it should.
//!
//! # The model
//! Right with `slice_accuracy` in a rare or correlation slice and with `accuracy` elsewhere, independently of the
//! embedding within each; less sure where it is wrong. Real errors are smoother than that, which would help methods
//! that look at embedding and error together; here they get no such help.

use ascan_config::bench::PlantedSection;
use ascan_core::{Tensor, metrics};
use ascan_store::table::SliceInput;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

const N_LATENT: usize = 16;
const N_SUBCLASSES: usize = 5;

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlantedKind {
    /// A subclass with a small share of its class.
    Rare,
    /// Rows where label and attribute disagree.
    Correlation,
    /// A subclass with flipped labels.
    NoisyLabel,
}

impl PlantedKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rare, Self::Correlation, Self::NoisyLabel];

    /// The word for it in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rare => "rare",
            Self::Correlation => "correlation",
            Self::NoisyLabel => "noisy_label",
        }
    }

    /// The strengths that a configuration asks for.
    pub fn strengths(self, section: &PlantedSection) -> &[f64] {
        match self {
            Self::Rare => &section.rare,
            Self::Correlation => &section.correlation,
            Self::NoisyLabel => &section.noisy_label,
        }
    }
}

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// What is planted.
    pub kind: PlantedKind,
    /// How strongly; what it means depends on the kind.
    pub strength: f64,
    /// Its seed.
    pub seed: u64,
}

/// A table and what was planted in it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantedTable {
    /// What a slicer may see; no maps.
    pub input: SliceInput,
    /// The slices, with their names; never part of the table.
    pub slices: Vec<(String, Vec<bool>)>,
}

/// The table that is fitted to, and the one that is scored: independent rows of one world.
pub fn tables(planted: Planted, section: &PlantedSection) -> [PlantedTable; 2] {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(planted.seed);
    let world = World::new(planted, section, &mut rng);
    [(); 2].map(|()| world.table(section.n_rows, &mut rng))
}

/// A table of `n` rows for measurements of cost, with a rare slice in it.
pub fn table_of(n: usize, n_dims: usize, seed: u64) -> SliceInput {
    let section = PlantedSection { n_dims, ..PlantedSection::default() };
    let planted = Planted { kind: PlantedKind::Rare, strength: 0.05, seed };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    World::new(planted, &section, &mut rng).table(n, &mut rng).input
}

/// Everything that is the same for all rows.
struct World<'a> {
    planted: Planted,
    section: &'a PlantedSection,
    /// Share of each subclass in its class.
    shares: [[f64; N_SUBCLASSES]; 2],
    /// `[16]` of each subclass.
    centres: [Vec<Vec<f64>>; 2],
    /// `[16, 16]` of each subclass.
    spreads: [Vec<Vec<f64>>; 2],
    /// `[16]`
    attribute: Vec<f64>,
    hidden: Layer,
    output: Layer,
}

/// `max(0, W x + b)`.
struct Layer {
    /// `[n_out, n_in]`
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    fn new(n_in: usize, n_out: usize, rng: &mut impl RngExt) -> Self {
        let scale = (2.0 / n_in as f64).sqrt();
        let weights = (0..n_in * n_out).map(|_| scale * normal(rng)).collect();
        Self { weights, bias: (0..n_out).map(|_| 0.5 * normal(rng)).collect() }
    }

    fn apply(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        let rows = self.weights.chunks_exact(x.len()).zip(&self.bias);
        out.extend(rows.map(|(row, bias)| (row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias).max(0.0)));
    }
}

impl<'a> World<'a> {
    fn new(planted: Planted, section: &'a PlantedSection, rng: &mut impl RngExt) -> Self {
        // Two centres at this distance from a common one are `separation` apart, in the mean.
        let radius = section.separation / 2f64.sqrt();
        let mut shares = [(); 2].map(|()| {
            let raw = [(); N_SUBCLASSES].map(|()| rng.random_range(1.0..3.0));
            raw.map(|share: f64| share / raw.iter().sum::<f64>())
        });
        if planted.kind == PlantedKind::Rare {
            let others = 1.0 - shares[1][0];
            shares[1] = shares[1].map(|share| share / others * (1.0 - planted.strength));
            shares[1][0] = planted.strength;
        }
        let centres = [(); 2].map(|()| {
            let class = direction(radius / 2.0, rng);
            (0..N_SUBCLASSES).map(|_| sum(&class, &direction(radius, rng))).collect()
        });
        let spreads = [(); 2].map(|()| (0..N_SUBCLASSES).map(|_| spread(rng)).collect());
        Self {
            planted,
            section,
            shares,
            centres,
            spreads,
            attribute: direction(section.separation, rng),
            hidden: Layer::new(N_LATENT, 2 * N_LATENT, rng),
            output: Layer::new(2 * N_LATENT, section.n_dims, rng),
        }
    }

    fn table(&self, n: usize, rng: &mut impl RngExt) -> PlantedTable {
        let d = self.section.n_dims;
        let (mut embeddings, mut probs) = (Vec::with_capacity(n * d), Vec::with_capacity(2 * n));
        let mut input = SliceInput { rows: (0..n).collect(), ..SliceInput::default() };
        let mut slices: Vec<(String, Vec<bool>)> =
            self.slice_names().into_iter().map(|name| (name, Vec::with_capacity(n))).collect();
        let (mut latent, mut middle, mut embedding) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..n {
            // Alternating classes: both have the same size in every table.
            let class = row % 2;
            let subclass = pick(&self.shares[class], rng);
            // φ of two balanced binaries is 2·P(equal) − 1; without a planted correlation there is none.
            let correlation = if self.planted.kind == PlantedKind::Correlation { self.planted.strength } else { 0.0 };
            let attribute = if rng.random_bool((1.0 + correlation) / 2.0) { class } else { 1 - class };

            self.latent(class, subclass, attribute == 1, &mut latent, rng);
            self.hidden.apply(&latent, &mut middle);
            self.output.apply(&middle, &mut embedding);
            embeddings.extend(embedding.iter().map(|&v| v as f32));

            let slice = self.slice_of(class, subclass, attribute);
            for (i, (_, members)) in slices.iter_mut().enumerate() {
                members.push(slice == Some(i));
            }
            let noisy = self.planted.kind == PlantedKind::NoisyLabel;
            let accuracy = if slice.is_some() && !noisy { self.section.slice_accuracy } else { self.section.accuracy };
            let right = rng.random_bool(accuracy);
            let flipped = noisy && slice.is_some() && rng.random_bool(self.planted.strength);
            let label = if flipped { 1 - class } else { class };
            let predicted = if right { class } else { 1 - class };
            let margin = ((if right { 0.8 } else { 0.2 }) + 0.6 * normal(rng)).exp() as f32;
            let mut logits = [0.0; 2];
            logits[predicted] = margin;
            input.labels.push(label as i32);
            input.predicted_classes.push(predicted as i32);
            input.losses.push(metrics::cross_entropy(&logits, label as i32));
            probs.extend(metrics::softmax(&logits));
        }
        // As many values as the shapes say.
        input.embeddings = Tensor::new([n, d], embeddings).unwrap_or_default();
        input.probs = Tensor::new([n, 2], probs).unwrap_or_default();
        PlantedTable { input, slices }
    }

    fn slice_names(&self) -> Vec<String> {
        match self.planted.kind {
            PlantedKind::Rare | PlantedKind::NoisyLabel => vec!["class 1, subclass 0".into()],
            PlantedKind::Correlation => vec!["class 0 with the attribute".into(), "class 1 without it".into()],
        }
    }

    fn slice_of(&self, class: usize, subclass: usize, attribute: usize) -> Option<usize> {
        match self.planted.kind {
            PlantedKind::Rare | PlantedKind::NoisyLabel => (class == 1 && subclass == 0).then_some(0),
            PlantedKind::Correlation => (class != attribute).then_some(class),
        }
    }

    fn latent(&self, class: usize, subclass: usize, attribute: bool, out: &mut Vec<f64>, rng: &mut impl RngExt) {
        out.clone_from(&self.centres[class][subclass]);
        // A radius of mean square about 1 whose tail is heavier than a Gaussian's.
        let radius = (0.4 * normal(rng) - 0.16).exp();
        let noise: Vec<f64> = (0..N_LATENT).map(|_| radius * normal(rng)).collect();
        for (value, row) in out.iter_mut().zip(self.spreads[class][subclass].chunks_exact(N_LATENT)) {
            *value += row.iter().zip(&noise).map(|(w, noise)| w * noise).sum::<f64>();
        }
        if attribute {
            out.iter_mut().zip(&self.attribute).for_each(|(value, shift)| *value += shift);
        }
    }
}

/// A random matrix with one standard deviation along an axis of the latent space, in the mean, and very unlike axes.
fn spread(rng: &mut impl RngExt) -> Vec<f64> {
    let lengths: Vec<f64> = (0..N_LATENT).map(|_| (0.7 * normal(rng) - 0.49).exp()).collect();
    let scale = 1.0 / (N_LATENT as f64).sqrt();
    (0..N_LATENT).flat_map(|_| lengths.iter().map(|length| scale * length * normal(rng)).collect::<Vec<_>>()).collect()
}

/// A random vector of this length.
fn direction(length: f64, rng: &mut impl RngExt) -> Vec<f64> {
    let raw: Vec<f64> = (0..N_LATENT).map(|_| normal(rng)).collect();
    let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
    raw.iter().map(|v| v / norm * length).collect()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn pick(shares: &[f64], rng: &mut impl RngExt) -> usize {
    let mut left: f64 = rng.random();
    for (i, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return i;
        }
    }
    shares.len() - 1
}

/// Standard normal, by Box and Muller 1958.
fn normal(rng: &mut impl RngExt) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: PlantedKind, strength: f64, seed: u64) -> [PlantedTable; 2] {
        tables(Planted { kind, strength, seed }, &PlantedSection::default())
    }

    fn share(of: impl ExactSizeIterator<Item = bool>) -> f64 {
        let n = of.len() as f64;
        of.filter(|&is| is).count() as f64 / n
    }

    fn accuracy(table: &PlantedTable, inside: bool) -> f64 {
        let in_slice = |row: usize| table.slices.iter().any(|(_, members)| members[row]);
        let rows: Vec<usize> = (0..table.input.rows.len()).filter(|&row| in_slice(row) == inside).collect();
        share(rows.iter().map(|&row| table.input.labels[row] == table.input.predicted_classes[row]))
    }

    #[test]
    fn each_kind_has_the_size_and_the_error_that_were_asked_for() {
        for table in made(PlantedKind::Rare, 0.1, 3) {
            assert!((share(table.slices[0].1.iter().copied()) - 0.05).abs() < 0.015);
            assert!((accuracy(&table, true) - 0.55).abs() < 0.12, "{}", accuracy(&table, true));
            assert!((accuracy(&table, false) - 0.95).abs() < 0.015);
        }
        for table in made(PlantedKind::Correlation, 0.8, 3) {
            // 10 % of each class.
            assert_eq!(table.slices.len(), 2);
            for (_, members) in &table.slices {
                assert!((share(members.iter().copied()) - 0.05).abs() < 0.015);
            }
            assert!((accuracy(&table, true) - 0.55).abs() < 0.1);
        }
        for table in made(PlantedKind::NoisyLabel, 0.3, 3) {
            // Right with 0.95, and 0.3 of the labels turned around: 0.95·0.7 + 0.05·0.3.
            assert!((accuracy(&table, true) - 0.68).abs() < 0.08, "{}", accuracy(&table, true));
            assert!((accuracy(&table, false) - 0.95).abs() < 0.015);
        }
    }

    #[test]
    fn a_seed_is_a_table_and_its_two_halves_share_a_world_but_no_row() {
        let [fit, test] = made(PlantedKind::Rare, 0.05, 1);
        assert_eq!(made(PlantedKind::Rare, 0.05, 1), [fit.clone(), test.clone()]);
        assert_ne!(made(PlantedKind::Rare, 0.05, 2)[0], fit);
        assert_ne!(fit.input.embeddings.row(0), test.input.embeddings.row(0));
        let mean = |table: &PlantedTable, j: usize| {
            let n = table.input.rows.len();
            (0..n).map(|i| f64::from(table.input.embeddings.row(i)[j])).sum::<f64>() / n as f64
        };
        let mut gaps: Vec<f64> =
            (0..64).map(|j| (mean(&fit, j) - mean(&test, j)).abs() / mean(&fit, j).max(0.1)).collect();
        gaps.sort_by(f64::total_cmp);
        assert!(gaps[32] < 0.1, "{gaps:?}");
    }
}
