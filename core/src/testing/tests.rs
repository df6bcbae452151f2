//! The checks pass what obeys the contract, and each law catches a plugin that breaks it.

use super::*;
use crate::backend::check_gradients;
use crate::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a check that must fail, and gives its sentence.
fn broken(check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err("a broken plugin passed its check");
    panic.downcast_ref::<String>().cloned().expect("a sentence")
}

#[track_caller]
fn assert_law(sentence: &str, law: &str) {
    assert!(sentence.starts_with("plugin `broken` breaks the law: ") && sentence.contains(law), "{law}: {sentence}");
}

// --- slicers ---

/// How a [`Nearest`] slicer breaks the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum SlicerFault {
    None,
    Panics,
    DependsOnThreads,
    IgnoresNan,
    IgnoresLengths,
    IgnoresWidth,
    RanksInTable,
    FailsOnStop,
    SharesAboveOne,
    NanOnEqualImages,
    PanicsOnOneClass,
    PanicsOnConstantColumns,
    PanicsOnFewImages,
    VagueOnConstantColumns,
}

/// Slices around the first two images.
struct Nearest(SlicerFault);

struct NearestModel {
    fault: SlicerFault,
    centres: Vec<Vec<f32>>,
}

impl Nearest {
    fn check(&self, table: &SliceTable) -> Result<()> {
        let checked = table.check();
        match (self.0, &checked) {
            (SlicerFault::IgnoresNan, Err(Error::NotFinite { .. })) => Ok(()),
            (SlicerFault::IgnoresLengths, Err(Error::Shape { what, .. })) if what != "embeddings" => Ok(()),
            _ => checked,
        }
    }
}

impl Slicer for Nearest {
    fn fit(&self, table: &SliceTable, context: &Context) -> Result<Box<dyn SliceModel>> {
        self.check(table)?;
        if table.n() == 0 {
            assert!(self.0 != SlicerFault::Panics, "no images");
            return Err(Error::shape("embeddings", "at least one image", 0));
        }
        let constant = table.embeddings.data().chunks(table.embeddings.row_len()).all(|row| row[0] == 0.0);
        match self.0 {
            SlicerFault::PanicsOnOneClass => assert!(table.n() <= 30 || table.labels.contains(&1), "one class"),
            SlicerFault::PanicsOnConstantColumns => assert!(!constant, "a constant column"),
            SlicerFault::PanicsOnFewImages => assert!(table.n() != 3, "few images"),
            SlicerFault::VagueOnConstantColumns if constant => return Err(Error::NotFinite { what: "x".into() }),
            _ => {}
        }
        context.progress("fit", 0, 1).map_err(|stopped| match self.0 {
            SlicerFault::FailsOnStop => Error::unsupported("stopping", "wait"),
            _ => stopped,
        })?;
        let second = match self.0 {
            SlicerFault::DependsOnThreads => context.n_threads,
            _ => 1,
        };
        let centres = [0, second.min(table.n() - 1)].map(|row| table.embeddings.row(row).to_vec()).to_vec();
        Ok(Box::new(NearestModel { fault: self.0, centres }))
    }
}

impl SliceModel for NearestModel {
    fn n_slices(&self) -> usize {
        2
    }

    fn membership(&self, table: &SliceTable, _context: &Context) -> Result<Tensor> {
        Nearest(self.fault).check(table)?;
        let width = self.centres[0].len();
        if table.embeddings.row_len() != width && self.fault != SlicerFault::IgnoresWidth {
            return Err(Error::shape("embeddings", format!("[n, {width}]"), table.embeddings.shape()));
        }
        let distance =
            |row: &[f32], c: usize| -> f32 { row.iter().zip(&self.centres[c]).map(|(a, b)| (a - b).powi(2)).sum() };
        let mut membership = crate::slicer::one_hot(
            (0..table.n()).map(|i| {
                let row = table.embeddings.row(i);
                let nearer = usize::from(distance(row, 1) < distance(row, 0));
                Some(if self.fault == SlicerFault::RanksInTable { i % 2 } else { nearer })
            }),
            2,
        );
        if self.fault == SlicerFault::SharesAboveOne {
            membership.data_mut().iter_mut().for_each(|share| *share *= 2.0);
        }
        if self.fault == SlicerFault::NanOnEqualImages && self.centres[0] == self.centres[1] {
            membership.data_mut().fill(f32::NAN);
        }
        Ok(membership)
    }
}

#[test]
fn a_sound_slicer_passes() {
    check_slicer("sound", &Nearest(SlicerFault::None));
}

#[test]
fn broken_slicers_fail() {
    for (fault, law) in [
        (SlicerFault::Panics, "fit to an empty table must not panic"),
        (SlicerFault::DependsOnThreads, "same table and seed, same membership"),
        (SlicerFault::IgnoresNan, "fit of embeddings with NaN must be an error"),
        (SlicerFault::IgnoresLengths, "fit of a table with too few labels must be an error"),
        (SlicerFault::IgnoresWidth, "another width"),
        (SlicerFault::RanksInTable, "must not depend on the other images"),
        (SlicerFault::FailsOnStop, "`Cancelled`"),
        (SlicerFault::SharesAboveOne, "must lie in [0, 1]"),
        (SlicerFault::NanOnEqualImages, "must not hold NaN"),
        (SlicerFault::PanicsOnOneClass, "fit to a table of one label must not panic"),
        (SlicerFault::PanicsOnConstantColumns, "fit to a table with constant columns must not panic"),
        (SlicerFault::PanicsOnFewImages, "fit to a table of 3 images must not panic"),
        (SlicerFault::VagueOnConstantColumns, "must say what it lacks"),
    ] {
        assert_law(&broken(|| check_slicer("broken", &Nearest(fault))), law);
    }
}

// --- projectors ---

#[derive(Debug, Clone, Copy, PartialEq)]
enum ProjectorFault {
    None,
    DependsOnThreads,
    IgnoresNan,
    IgnoresWidth,
    SaysOtherDims,
}

/// Keeps the first two dimensions, less their first value.
struct FirstTwo(ProjectorFault);

struct FirstTwoFit {
    fault: ProjectorFault,
    d: usize,
    origin: Vec<f32>,
}

impl Projector for FirstTwo {
    fn fit(&self, embeddings: TensorView, context: &Context) -> Result<Box<dyn Projection>> {
        let [n, d] = embeddings.dims("embeddings", "[n, d]")?;
        if n == 0 {
            return Err(Error::shape("embeddings", "at least one image", 0));
        }
        if !embeddings.is_finite() && self.0 != ProjectorFault::IgnoresNan {
            return Err(Error::NotFinite { what: "embeddings".into() });
        }
        let row = if self.0 == ProjectorFault::DependsOnThreads { context.n_threads.min(n - 1) } else { 0 };
        Ok(Box::new(FirstTwoFit { fault: self.0, d, origin: embeddings.row(row)[..2].to_vec() }))
    }
}

impl Projection for FirstTwoFit {
    fn n_dims(&self) -> usize {
        if self.fault == ProjectorFault::SaysOtherDims { 3 } else { 2 }
    }

    fn project(&self, embeddings: TensorView, _context: &Context) -> Result<Tensor> {
        let [n, d] = embeddings.dims("embeddings", "[n, d]")?;
        if d != self.d && self.fault != ProjectorFault::IgnoresWidth {
            return Err(Error::shape("embeddings", format!("[n, {}]", self.d), d));
        }
        if !embeddings.is_finite() {
            return Err(Error::NotFinite { what: "embeddings".into() });
        }
        let values = (0..n).flat_map(|i| [0, 1].map(|j| embeddings.row(i)[j] - self.origin[j])).collect();
        Tensor::new([n, 2], values)
    }
}

#[test]
fn a_sound_projector_passes() {
    check_projector("sound", &FirstTwo(ProjectorFault::None));
}

#[test]
fn broken_projectors_fail() {
    for (fault, law) in [
        (ProjectorFault::DependsOnThreads, "same embeddings and seed"),
        (ProjectorFault::IgnoresNan, "fit of embeddings with NaN must be an error"),
        (ProjectorFault::IgnoresWidth, "another width"),
        (ProjectorFault::SaysOtherDims, "must have shape [120, 3]"),
    ] {
        assert_law(&broken(|| check_projector("broken", &FirstTwo(fault))), law);
    }
}

// --- attributors ---

#[derive(Debug, Clone, Copy, PartialEq)]
enum AttributorFault {
    None,
    WrongSize,
    IgnoresNan,
    IgnoresClasses,
    UndeclaredGradients,
    ScalesByBatch,
    DependsOnThreads,
}

/// Sum over channels of the input gradient.
struct Saliency(AttributorFault);

impl Attributor for Saliency {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let [_, h, w] = info.input_shape;
        let gradients = self.0 != AttributorFault::UndeclaredGradients;
        Ok(Requirements { gradients, map_size: [h, w], method: "saliency".into(), ..Requirements::default() })
    }

    fn attribute(
        &self,
        backend: &dyn ModelBackend,
        batch: &AttributionBatch,
        context: &Context,
    ) -> Result<Attribution> {
        let info = backend.info();
        let mut classes = batch.target_classes.to_vec();
        if self.0 == AttributorFault::IgnoresClasses {
            classes = vec![0; batch.images.n_rows()];
        }
        let n = check_gradients(info, batch.images, &classes, &[])?;
        if batch.forward.logits.n_rows() != n {
            return Err(Error::shape("forward pass", n.to_string(), batch.forward.logits.shape()));
        }
        if self.0 != AttributorFault::IgnoresNan && !batch.images.is_finite() {
            return Err(Error::NotFinite { what: "images".into() });
        }
        let gradients = backend.gradients(batch.images, &classes, &[&info.input])?.gradients.remove(0);
        let [c, h, w] = info.input_shape;
        let factor = match self.0 {
            AttributorFault::ScalesByBatch => 1.0 / n as f32,
            AttributorFault::DependsOnThreads => context.n_threads as f32,
            _ => 1.0,
        };
        let map = |i: usize| {
            let row = gradients.row(i);
            (0..h * w).map(|p| factor * (0..c).map(|k| row[k * h * w + p]).sum::<f32>()).collect::<Vec<f32>>()
        };
        let shape = if self.0 == AttributorFault::WrongSize { [n, w, h] } else { [n, h, w] };
        Ok(Attribution { maps: Tensor::new(shape, (0..n).flat_map(map).collect())?, convergence_delta: None })
    }
}

#[test]
fn a_sound_attributor_passes() {
    check_attributor("sound", &Saliency(AttributorFault::None));
}

#[test]
fn broken_attributors_fail() {
    for (fault, law) in [
        (AttributorFault::WrongSize, "must have shape"),
        (AttributorFault::IgnoresNan, "attribute of an image with"),
        (AttributorFault::IgnoresClasses, "too few target classes must be an error"),
        (AttributorFault::UndeclaredGradients, "without gradients, as `requirements` says"),
        (AttributorFault::ScalesByBatch, "must not depend on the other images"),
        (AttributorFault::DependsOnThreads, "same images and seed"),
    ] {
        assert_law(&broken(|| check_attributor("broken", &Saliency(fault))), law);
    }
}

// --- backends ---

#[derive(Debug, Clone, Copy, PartialEq)]
enum BackendFault {
    OtherLogits,
    MixesBatch,
    WrongGradients,
    IgnoresShape,
    IgnoresLayer,
    DependsOnThreads,
    WrongHead,
    Panics,
}

/// A toy backend with a fault.
struct Faulty {
    fault: BackendFault,
    inner: ToyBackend,
    info: ModelInfo,
    n_threads: usize,
}

impl Faulty {
    fn new(fault: BackendFault, n_threads: usize) -> Self {
        let inner = ToyBackend::new(ToyHead::Linear, 1);
        let mut info = inner.info().clone();
        if fault == BackendFault::WrongHead {
            let head = info.linear_head.as_mut().unwrap();
            head.weight.data_mut()[0] += 1.0;
        }
        Self { fault, inner, info, n_threads }
    }
}

impl ModelBackend for Faulty {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward> {
        let shape = [images.data().len() / 144, 3, 8, 6];
        let images =
            if self.fault == BackendFault::IgnoresShape { TensorView::new(&shape, images.data())? } else { images };
        let known: Vec<&str> = layers.iter().copied().filter(|layer| self.info.layer(layer).is_ok()).collect();
        let layers = if self.fault == BackendFault::IgnoresLayer { &known[..] } else { layers };
        assert!(self.fault != BackendFault::Panics || images.is_finite(), "bad pixel");
        let mut forward = self.inner.forward(images, layers)?;
        let n = forward.logits.n_rows();
        let shift = match self.fault {
            BackendFault::OtherLogits => 0.5,
            BackendFault::MixesBatch => n as f32,
            BackendFault::DependsOnThreads => self.n_threads as f32,
            _ => 0.0,
        };
        forward.logits.data_mut().iter_mut().for_each(|logit| *logit += shift);
        Ok(forward)
    }

    fn gradients(&self, images: TensorView, classes: &[usize], names: &[&str]) -> Result<Gradients> {
        let mut gradients = self.inner.gradients(images, classes, names)?;
        if self.fault == BackendFault::WrongGradients {
            gradients.gradients[0].data_mut().iter_mut().for_each(|g| *g *= 1.2);
        }
        Ok(gradients)
    }
}

fn expectations() -> BackendExpectations {
    let backend = ToyBackend::new(ToyHead::Linear, 1);
    let images = toy_images(3, backend.info().input_shape, 4);
    let logits = backend.forward(images.view(), &[]).unwrap().logits;
    BackendExpectations { logits: Some(logits), ..BackendExpectations::new(images) }
}

#[test]
fn the_toy_backend_passes() {
    check_backend("toy", &|_| Box::new(ToyBackend::new(ToyHead::Linear, 1)), &expectations());
    for head in [ToyHead::UndeclaredLinear, ToyHead::Hidden] {
        let expectations = BackendExpectations { logits: None, ..expectations() };
        check_backend("toy", &|_| Box::new(ToyBackend::new(head, 1)), &expectations);
    }
}

#[test]
fn broken_backends_fail() {
    for (fault, law) in [
        (BackendFault::OtherLogits, "must match the reference"),
        (BackendFault::MixesBatch, "must match the reference"),
        (BackendFault::WrongGradients, "agree with differences of logits"),
        (BackendFault::IgnoresShape, "must be an error"),
        (BackendFault::IgnoresLayer, "a layer that does not exist must be an error"),
        (BackendFault::DependsOnThreads, "number of threads (2)"),
        (BackendFault::WrongHead, "linear head must give the logits"),
        (BackendFault::Panics, "an image with NaN must not panic"),
    ] {
        let mut expectations = expectations();
        if fault == BackendFault::DependsOnThreads {
            expectations.logits = None;
        }
        let sentence = broken(|| check_backend("broken", &|n| Box::new(Faulty::new(fault, n)), &expectations));
        assert_law(&sentence, law);
    }
    let expectations = BackendExpectations { logits: None, ..expectations() };
    let open: &dyn Fn(usize) -> Box<dyn ModelBackend> = &|n| Box::new(Faulty::new(BackendFault::MixesBatch, n));
    assert_law(&broken(|| check_backend("broken", open, &expectations)), "other images of the call");
}

/// Every gradient of the toy network, against differences in f64.
#[test]
fn toy_layer_gradients_are_exact() {
    let backend = ToyBackend::new(ToyHead::Hidden, 2);
    let images = toy_images(1, backend.info().input_shape, 3);
    let result = backend.gradients(images.view(), &[1], &["features", "conv"]).unwrap();
    let (features, conv) = (&result.gradients[0], &result.gradients[1]);
    let values = &result.values[1];
    for ((f, c), v) in features.data().iter().zip(conv.data()).zip(values.data()) {
        assert_eq!(*c, if *v > 0.0 { *f } else { 0.0 });
    }
    assert!(features.data().iter().any(|g| *g != 0.0));
}

// --- regularizers ---

#[derive(Debug, Clone, Copy, PartialEq)]
enum RegularizerFault {
    OutOfRange,
    NegativeWeights,
    ForeignSources,
    DependsOnThreads,
    IgnoresNan,
    CountsAcrossInstances,
    SelectsBeyond,
    SelectsByChance,
    ForgetsState,
}

struct FaultyRegularizer(RegularizerFault, u64);

impl Regularizer for FaultyRegularizer {
    fn select(&mut self, set: &TrainingSet, _context: &Context) -> Result<Selection> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static CALLS: AtomicU64 = AtomicU64::new(0);
        set.check()?;
        let mut selection = Selection::all(set);
        match self.0 {
            RegularizerFault::SelectsBeyond => selection.rows[0] = set.labels.len(),
            RegularizerFault::SelectsByChance if CALLS.fetch_add(1, Ordering::Relaxed) > 0 => selection.rows.swap(0, 1),
            _ => {}
        }
        Ok(selection)
    }

    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let seed = match self.0 {
            RegularizerFault::DependsOnThreads => context.n_threads as u64,
            RegularizerFault::CountsAcrossInstances => CALLS.fetch_add(1, Ordering::Relaxed),
            // What it has seen decides, and it is not kept.
            RegularizerFault::ForgetsState => self.1,
            _ => context.seed,
        };
        let cleaned: Vec<f32> = batch.images.data().iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
        let images = if self.0 == RegularizerFault::IgnoresNan {
            TensorView::new(batch.images.shape(), &cleaned)?
        } else {
            batch.images
        };
        let mut result = ToyRegularizer.prepare(&TrainingBatch { images, ..*batch }, &Context { seed, ..*context })?;
        self.1 += 1;
        if result.labels.is_empty() {
            return Ok(result);
        }
        match self.0 {
            RegularizerFault::OutOfRange => result.images.data_mut()[0] = 1.5,
            RegularizerFault::NegativeWeights => result.weights[0] = -1.0,
            RegularizerFault::ForeignSources => result.sources[0] = 99,
            _ => {}
        }
        Ok(result)
    }
}

#[test]
fn the_toy_regularizer_passes() {
    check_regularizer("toy", &|| Box::new(ToyRegularizer));
}

#[test]
fn broken_regularizers_fail() {
    for (fault, law) in [
        (RegularizerFault::OutOfRange, "must stay in [0, 1]"),
        (RegularizerFault::NegativeWeights, "weights must be numbers ≥ 0"),
        (RegularizerFault::ForeignSources, "sources must be images of the batch"),
        (RegularizerFault::DependsOnThreads, "same result (2 threads)"),
        (RegularizerFault::IgnoresNan, "images with NaN must be an error"),
        (RegularizerFault::CountsAcrossInstances, "same batches, seed and steps"),
        (RegularizerFault::SelectsBeyond, "selected rows must be images of the set"),
        (RegularizerFault::SelectsByChance, "same set, seed and epoch: same selection"),
        (RegularizerFault::ForgetsState, "a restored regularizer must go on as the first one does"),
    ] {
        let make: &dyn Fn() -> Box<dyn Regularizer> = &|| Box::new(FaultyRegularizer(fault, 0));
        assert_law(&broken(|| check_regularizer("broken", make)), law);
    }
}

// --- trainers ---

#[derive(Debug, Clone, Copy, PartialEq)]
enum TrainerFault {
    None,
    MovesWithGradients,
    ClimbsUp,
    WrongLosses,
    IgnoresLabels,
    StepsOnNan,
    ForgetsMomentum,
}

struct FaultyTrainer {
    fault: TrainerFault,
    inner: Box<dyn Trainer>,
}

impl Trainer for FaultyTrainer {
    fn step(&mut self, step: &TrainingStep) -> Result<StepOutcome> {
        let cleaned: Vec<f32> = step.images.data().iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
        let clamped: Vec<usize> = step.labels.iter().map(|&label| label.min(2)).collect();
        let mut step = *step;
        match self.fault {
            TrainerFault::StepsOnNan => step.images = TensorView::new(step.images.shape(), &cleaned)?,
            TrainerFault::IgnoresLabels => step.labels = &clamped,
            TrainerFault::ClimbsUp => step.learning_rate = -step.learning_rate,
            _ => {}
        }
        let mut outcome = self.inner.step(&step)?;
        if self.fault == TrainerFault::WrongLosses {
            outcome.losses[0] += 1.0;
        }
        Ok(outcome)
    }

    fn weight_gradients(&mut self, step: &TrainingStep) -> Result<Vec<(String, Tensor)>> {
        let gradients = self.inner.weight_gradients(step)?;
        if self.fault == TrainerFault::MovesWithGradients {
            self.inner.step(step)?;
        }
        Ok(gradients)
    }

    fn weights(&self) -> Result<Vec<(String, Tensor)>> {
        self.inner.weights()
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.inner.state()?;
        if self.fault == TrainerFault::ForgetsMomentum {
            let moments = state.iter_mut().filter(|(name, _)| name.starts_with("first/"));
            moments.for_each(|(_, moment)| moment.data_mut().fill(0.0));
        }
        Ok(state)
    }

    fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.inner.restore(state)
    }
}

fn check_toy_trainer(plugin: &str, fault: TrainerFault) {
    let backend = ToyBackend::new(ToyHead::Hidden, 1);
    let expectations = TrainerExpectations {
        images: toy_images(4, backend.info().input_shape, 4),
        labels: vec![0, 1, 2, 1],
        n_classes: 3,
        learning_rate: 0.05,
    };
    let make: &MakeTrainer = &|options, _| Ok(Box::new(FaultyTrainer { fault, inner: backend.trainer(options)? }));
    check_trainer(plugin, make, &expectations);
}

#[test]
fn the_toy_trainer_passes() {
    check_toy_trainer("toy", TrainerFault::None);
}

#[test]
fn broken_trainers_fail() {
    for (fault, law) in [
        (TrainerFault::MovesWithGradients, "weight_gradients must not move the weights"),
        (TrainerFault::ClimbsUp, "plain SGD must move a weight"),
        (TrainerFault::WrongLosses, "cross-entropies of its logits"),
        (TrainerFault::IgnoresLabels, "a label outside the classes must be an error"),
        (TrainerFault::StepsOnNan, "a step on NaN must be a `NotFinite` error"),
        (TrainerFault::ForgetsMomentum, "a restored trainer must go on as the first one does"),
    ] {
        assert_law(&broken(|| check_toy_trainer("broken", fault)), law);
    }
}
