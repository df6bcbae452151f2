//! A plugin of every kind, and a call of everything that it can do.

use crate::abi::LoadedPlugin;
use crate::params::NoParams;
use crate::testing::{ToyBackend, ToyHead, ToyRegularizer, toy_images, toy_slice_table, toy_training_batch};
use crate::*;

/// What the toy says of itself.
pub const HABITS: Habits = Habits { balances: true, needs_disagreement: true, ..Habits::none() };

/// All five kinds in one type.
pub struct Toy;

impl Plugin for Toy {
    const NAME: &'static str = "toy";
    const SUMMARY: &'static str = "all kinds";
    const STRENGTHS: Strengths = Strengths { speed: 7, map_params: Some(r#"{"n": 3}"#), habits: HABITS };
    type Params = NoParams;

    fn new(_params: NoParams) -> Result<Self> {
        Ok(Self)
    }
}

impl Runtime for Toy {
    fn capabilities(&self) -> Capabilities {
        Capabilities { gradients: true, training: true, relevance: false }
    }

    fn open(&self, _request: &OpenModel) -> Result<Box<dyn ModelBackend>> {
        Ok(Box::new(ToyBackend::new(ToyHead::Linear, 1)))
    }
}

impl Attributor for Toy {
    fn requirements(&self, info: &ModelInfo) -> Result<Requirements> {
        let [_, h, w] = info.input_shape;
        Ok(Requirements { layers: vec!["conv".into()], gradients: true, map_size: [h, w], ..Requirements::default() })
    }

    /// The gradient of the first channel, and a call of everything else that a backend has.
    fn attribute(&self, backend: &dyn ModelBackend, batch: &AttributionBatch, _: &Context) -> Result<Attribution> {
        let info = backend.info();
        let n = batch.check(info)?;
        let [_, h, w] = info.input_shape;
        let gradient = batch.gradient(backend, &info.input)?;
        let maps = (0..n).flat_map(|i| gradient.row(i)[..h * w].to_vec()).collect();
        exercise_backend(backend, batch.images, batch.target_classes)?;
        Ok(Attribution { maps: Tensor::new([n, h, w], maps)?, convergence_delta: Some(vec![0.0; n]) })
    }
}

impl Slicer for Toy {
    fn fit(&self, table: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
        table.check().map(|()| Box::new(Self) as Box<dyn SliceModel>)
    }
}

impl SliceModel for Toy {
    fn n_slices(&self) -> usize {
        2
    }

    fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
        Ok(slicer::one_hot(table.labels.iter().map(|&label| usize::try_from(label).ok()), 2))
    }
}

impl Projector for Toy {
    fn fit(&self, _embeddings: TensorView, _: &Context) -> Result<Box<dyn Projection>> {
        Ok(Box::new(Self))
    }
}

impl Projection for Toy {
    fn n_dims(&self) -> usize {
        1
    }

    fn project(&self, embeddings: TensorView, _: &Context) -> Result<Tensor> {
        Tensor::new([embeddings.n_rows(), 1], (0..embeddings.n_rows()).map(|i| embeddings.row(i)[0]).collect())
    }
}

impl Regularizer for Toy {
    fn prepare(&mut self, batch: &TrainingBatch, context: &Context) -> Result<RegularizedBatch> {
        ToyRegularizer.prepare(batch, context)
    }
}

/// Calls every function of a plugin.
pub fn exercise(plugin: &LoadedPlugin) -> Result<()> {
    let (params, context) = (ParamMap::new(), Context::default());
    plugin.resolve(&params)?;
    match plugin.kind() {
        Kind::Backend => {
            let runtime = plugin.backend(&params)?;
            runtime.available()?;
            assert!(runtime.capabilities().training);
            let backend = runtime.open(&OpenModel::new("toy.onnx"))?;
            let images = toy_images(2, backend.info().input_shape, 0);
            exercise_backend(&*backend, images.view(), &[0, 2])
        }
        Kind::Attributor => {
            let (attributor, backend) = (plugin.attributor(&params)?, ToyBackend::new(ToyHead::Linear, 1));
            attributor.requirements(backend.info())?;
            let images = toy_images(2, backend.info().input_shape, 0);
            let forward = backend.forward(images.view(), &["conv"])?;
            let batch = AttributionBatch::new(images.view(), &[0, 2], &forward);
            attributor.attribute(&backend, &batch, &context).map(drop)
        }
        Kind::Slicer => {
            let table = toy_slice_table(6, 3, 0);
            let model = plugin.slicer(&params)?.fit(&table.view(), &context)?;
            model.membership(&table.view(), &context).map(drop)
        }
        Kind::Projector => {
            let embeddings = toy_slice_table(6, 3, 0).embeddings;
            plugin.projector(&params)?.fit(embeddings.view(), &context)?.project(embeddings.view(), &context).map(drop)
        }
        Kind::Regularizer => {
            let (mut regularizer, toy) = (plugin.regularizer(&params)?, toy_training_batch(4, 0));
            let batch = toy.view(0);
            let set = TrainingSet {
                spuriousness: batch.spuriousness,
                groups: batch.groups,
                predicted_classes: batch.predicted_classes,
                ..TrainingSet::new(batch.labels)
            };
            assert_eq!(regularizer.select(&set, &context)?, Selection::all(&set));
            regularizer.prepare(&batch, &context)?;
            regularizer.observe(&[0.5; 4])?;
            let none = regularizer.suppress(Tensor::zeros([4, 2]).view(), &set, &context)?;
            assert_eq!(none, None);
            let state = regularizer.state()?;
            regularizer.restore(&state)
        }
    }
}

/// Calls every function of a model; those that a version lacks may be missing.
fn exercise_backend(backend: &dyn ModelBackend, images: TensorView, classes: &[usize]) -> Result<()> {
    let lacking = |result: Result<Tensor>| match result {
        Err(Error::Unsupported { .. }) => Ok(()),
        result => result.map(drop),
    };
    let info = backend.info();
    let forward = backend.forward(images, &["conv"])?;
    backend.gradients(images, classes, &[&info.input, "conv"])?;
    let target_classes = [Some(0), None];
    backend.pass(&PassRequest {
        images,
        layers: &["conv"],
        target_classes: &target_classes,
        gradients_of: &["conv"],
    })?;
    lacking(backend.pullback(images, "conv", &mut |map| Ok(map.to_tensor())))?;
    lacking(backend.forward_from(images, "conv", forward.feature_maps[0].1.view(), &[0, 1]))?;
    lacking(backend.relevance(images, classes, &RelevanceRule::LrpEpsilon { epsilon: 0.1 }))?;
    let mut trainer = match backend.trainer(&TrainerOptions::default()) {
        Err(Error::Plugin { message, .. }) if message == "made a trainer without functions" => return Ok(()),
        trainer => trainer?,
    };
    let step = TrainingStep { images, labels: classes, weights: &[1.0, 0.5], learning_rate: 0.1, penalty: None };
    trainer.step(&step)?;
    trainer.weight_gradients(&step)?;
    trainer.weights()?;
    let state = trainer.state()?;
    trainer.restore(&state)
}
