//! Seeded data with a planted structure, and a regularizer to go with it.

use crate::metrics::{argmax, cross_entropy, softmax};
use crate::{Context, Error, RegularizedBatch, Regularizer, Result, SliceTable, Tensor, TrainingBatch};

/// A small generator (SplitMix64) whose numbers never change with a dependency.
pub struct ToyRng(u64);

impl ToyRng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal: the sum of twelve uniform numbers, centred.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }
}

/// Images `[n, c, h, w]` of smooth noise, about normal.
pub fn toy_images(n: usize, shape: [usize; 3], seed: u64) -> Tensor {
    let [c, h, w] = shape;
    let data = ToyRng::new(seed).normals(n * c * h * w);
    Tensor::new([n, c, h, w], data).expect("as many values as the shape says")
}

/// The columns of a [`SliceTable`], owned.
#[derive(Debug, Clone)]
pub struct ToyTable {
    /// `[n, d]`.
    pub embeddings: Tensor,
    /// `[n]`.
    pub labels: Vec<i32>,
    /// `[n]`.
    pub predicted_classes: Vec<i32>,
    /// `[n, 2]`.
    pub probs: Tensor,
    /// `[n]`.
    pub losses: Vec<f32>,
    /// `[n, 6, 5]`, ≥ 0, a bright spot in a place that depends on the planted cluster.
    pub maps: Tensor,
    /// The planted cluster of each image; never part of the table.
    pub planted: Vec<usize>,
}

impl ToyTable {
    /// The table as a slicer sees it.
    pub fn view(&self) -> SliceTable<'_> {
        SliceTable {
            embeddings: self.embeddings.view(),
            labels: &self.labels,
            predicted_classes: &self.predicted_classes,
            probs: self.probs.view(),
            losses: &self.losses,
            maps: Some(self.maps.view()),
        }
    }

    /// The table of these rows.
    pub fn rows(&self, rows: &[usize]) -> Self {
        Self {
            embeddings: super::laws::take(&self.embeddings, rows),
            labels: rows.iter().map(|&i| self.labels[i]).collect(),
            predicted_classes: rows.iter().map(|&i| self.predicted_classes[i]).collect(),
            probs: super::laws::take(&self.probs, rows),
            losses: rows.iter().map(|&i| self.losses[i]).collect(),
            maps: super::laws::take(&self.maps, rows),
            planted: rows.iter().map(|&i| self.planted[i]).collect(),
        }
    }
}

/// A table of `n` images in five planted clusters, `d` dimensions, two classes.
///
/// Clusters are far apart (centres about 8·√2 standard deviations from each other in the first dimensions).
/// In the last cluster the model is always wrong, elsewhere always right.
pub fn toy_slice_table(n: usize, d: usize, seed: u64) -> ToyTable {
    const N_CLUSTERS: usize = 5;
    const MAP: [usize; 2] = [6, 5];
    let mut rng = ToyRng::new(seed);
    let mut table = ToyTable {
        embeddings: Tensor::zeros([n, d]),
        labels: Vec::new(),
        predicted_classes: Vec::new(),
        probs: Tensor::zeros([n, 2]),
        losses: Vec::new(),
        maps: Tensor::zeros([n, MAP[0], MAP[1]]),
        planted: Vec::new(),
    };
    for i in 0..n {
        let cluster = i % N_CLUSTERS;
        for j in 0..d {
            let centre = if j % N_CLUSTERS == cluster { 8.0 } else { 0.0 };
            table.embeddings.data_mut()[i * d + j] = centre + rng.normal();
        }
        let label = (cluster % 2) as i32;
        let towards = if cluster == N_CLUSTERS - 1 { 1 - label } else { label };
        let mut logits = [0.0; 2];
        logits[towards as usize] = 1.0 + rng.uniform();
        table.probs.data_mut()[i * 2..][..2].copy_from_slice(&softmax(&logits));
        table.predicted_classes.push(argmax(&logits) as i32);
        table.losses.push(cross_entropy(&logits, label));
        table.labels.push(label);
        table.planted.push(cluster);
    }
    // After all other numbers, so that those do not depend on the maps.
    for (map, &cluster) in table.maps.data_mut().chunks_exact_mut(MAP[0] * MAP[1]).zip(&table.planted) {
        // Corners and the middle.
        let (y, x) = [(0.5, 0.5), (0.5, 3.5), (4.5, 0.5), (4.5, 3.5), (2.5, 2.0)][cluster];
        for (at, value) in map.iter_mut().enumerate() {
            let (dy, dx) = ((at / MAP[1]) as f32 - y, (at % MAP[1]) as f32 - x);
            *value = (-(dy * dy + dx * dx) / 2.0).exp() + 0.3 * rng.uniform();
        }
    }
    table
}

/// The columns of a [`TrainingBatch`], owned.
#[derive(Debug, Clone)]
pub struct ToyBatch {
    /// `[n, c, h, w]` in [0, 1].
    pub images: Tensor,
    /// `[n]`, two classes.
    pub labels: Vec<usize>,
    /// `[n, h, w]` in [0, 1].
    pub masks: Tensor,
    /// `[n]` in [0, 1].
    pub spuriousness: Vec<f32>,
    /// `[n]`.
    pub groups: Vec<i32>,
    /// `[n]`, two classes; every third is not the label.
    pub predicted_classes: Vec<i32>,
}

impl ToyBatch {
    /// The batch as a regularizer sees it.
    pub fn view(&self, step: u64) -> TrainingBatch<'_> {
        TrainingBatch {
            images: self.images.view(),
            labels: &self.labels,
            masks: Some(self.masks.view()),
            spuriousness: Some(&self.spuriousness),
            groups: Some(&self.groups),
            predicted_classes: Some(&self.predicted_classes),
            step,
        }
    }
}

/// A batch of `n` images of 3 channels, 6 pixels high and 5 wide.
pub fn toy_training_batch(n: usize, seed: u64) -> ToyBatch {
    let mut rng = ToyRng::new(seed);
    let mut uniform = |shape: &[usize]| {
        let data = (0..shape.iter().product()).map(|_| rng.uniform()).collect();
        Tensor::new(shape, data).expect("as many values as the shape says")
    };
    ToyBatch {
        images: uniform(&[n, 3, 6, 5]),
        masks: uniform(&[n, 6, 5]),
        spuriousness: uniform(&[n]).into_data(),
        labels: (0..n).map(|i| i % 2).collect(),
        groups: (0..n).map(|i| (i % 3) as i32).collect(),
        predicted_classes: (0..n).map(|i| ((i % 2) ^ usize::from(i % 3 == 0)) as i32).collect(),
    }
}

/// A regularizer that adds seeded noise where the mask is, and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToyRegularizer;

impl Regularizer for ToyRegularizer {
    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        let [n, c, h, w] = batch.check()?;
        let masks = batch.masks.ok_or_else(|| Error::unsupported("the batch has no masks", "scan first"))?;
        let mut rng = ToyRng::new(context.seed ^ batch.step.wrapping_mul(0xD134_2543_DE82_EF95));
        let mut images = batch.images.to_tensor();
        for (i, value) in images.data_mut().iter_mut().enumerate() {
            let mask = masks.data()[i / (c * h * w) * h * w + i % (h * w)];
            *value = (*value + 0.25 * mask * rng.normal()).clamp(0.0, 1.0);
        }
        Ok(RegularizedBatch {
            images,
            labels: batch.labels.to_vec(),
            weights: vec![1.0; n],
            sources: (0..n).collect(),
            penalty: None,
        })
    }
}
