//! A library whose replies are wrong, in one way at a time.

use crate::{load, of_kind, step};
use ascan_core::abi::LoadedPlugin;
use ascan_core::params::ParamMap;
use ascan_core::testing::{ToyBackend, ToyHead, toy_images, toy_slice_table, toy_training_batch};
use ascan_core::{
    AttributionBatch, Context, Error, Kind, ModelBackend, OpenModel, RelevanceRule, Result, Tensor, TrainerOptions,
    TrainingBatch, TrainingSet,
};
use serde_json::json;
use tempfile::tempdir;

/// Calls everything that a plugin can do; the first error ends it.
fn exercise(plugin: &LoadedPlugin, lie: &str) -> Result<()> {
    let params = json!({ "lie": lie }).as_object().cloned().unwrap();
    let context = Context::default();
    match plugin.kind() {
        Kind::Backend => exercise_backend(plugin, &params),
        Kind::Attributor => {
            let (attributor, backend) = (plugin.attributor(&params)?, ToyBackend::new(ToyHead::Linear, 1));
            attributor.requirements(backend.info())?;
            let images = toy_images(2, backend.info().input_shape, 0);
            let forward = backend.forward(images.view(), &[])?;
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
            let TrainingBatch { labels, spuriousness, groups, predicted_classes, .. } = toy.view(0);
            let set = TrainingSet { spuriousness, groups, predicted_classes, ..TrainingSet::new(labels) };
            regularizer.select(&set, &context)?;
            regularizer.suppress(Tensor::zeros([4, 2]).view(), &set, &context)?;
            regularizer.prepare(&toy.view(0), &context)?;
            regularizer.observe(&[0.5; 4])?;
            let state = regularizer.state()?;
            regularizer.restore(&state)
        }
    }
}

fn exercise_backend(plugin: &LoadedPlugin, params: &ParamMap) -> Result<()> {
    let runtime = plugin.backend(params)?;
    runtime.available()?;
    let model = runtime.open(&OpenModel::new("lying.onnx"))?;
    let images = Tensor::new([2, 1, 1, 1], vec![1.0, 2.0])?;
    let classes = [1, 0];
    let forward = model.forward(images.view(), &["pixel"])?;
    model.gradients(images.view(), &classes, &["image", "pixel"])?;
    model.pullback(images.view(), "pixel", &mut |map| Ok(map.to_tensor()))?;
    model.forward_from(images.view(), "pixel", forward.feature_maps[0].1.view(), &[0, 1])?;
    model.relevance(images.view(), &classes, &RelevanceRule::LrpEpsilon { epsilon: 0.1 })?;
    let mut trainer = model.trainer(&TrainerOptions::default())?;
    let step = step(&images, &classes, &[1.0, 1.0]);
    trainer.step(&step)?;
    trainer.weight_gradients(&step)?;
    let state = trainer.state()?;
    trainer.restore(&state)
}

/// What can be wrong with any tensor, and what is said of it.
fn of_any_tensor(call: &str) -> Vec<(String, String)> {
    [
        ("no name", "sent a tensor whose name is NULL"),
        ("latin name", "sent a tensor whose name is not UTF-8"),
        ("missing", "did not send the tensor"),
        ("many", "sent 18446744073709551615 tensors, 1048576 at most"),
        ("no shape", "which has no shape"),
        ("no values", "which has no values"),
        ("axes", "which has 1000 axes, 16 at most"),
        ("huge", "of shape [9223372036854775807"),
        ("turned", "instead of ["),
        ("strides", "lead out of all memory"),
    ]
    .map(|(lie, says)| (format!("{call} {lie}"), says.to_owned()))
    .to_vec()
}

/// Runs every lie of a kind: each a sentence that names the plugin.
fn check_lies(kind: Kind, calls: &[&str], others: &[(&str, &str)]) {
    let (dir, mut lies) = (tempdir().unwrap(), Vec::new());
    let library = load(&dir, "lying", &[]).unwrap();
    let plugin = of_kind(&library, kind);
    exercise(plugin, "").expect("it keeps the contract where it does not lie");
    lies.extend(calls.iter().flat_map(|call| of_any_tensor(call)));
    lies.extend(others.iter().map(|(lie, says)| (lie.to_string(), says.to_string())));
    lies.push(("create nothing".into(), "reported success but made nothing".into()));
    for (lie, says) in lies {
        let error = exercise(plugin, &lie).expect_err(&lie);
        assert!(matches!(&error, Error::Plugin { plugin, .. } if plugin == "liar"), "{lie}: {error:?}");
        assert!(error.to_string().contains(&says), "{lie}: expected {says}, got {error}");
        assert_eq!(error.hint().as_deref(), Some("this is a mistake in the plugin: tell its author"), "{lie}");
    }
}

#[test]
fn every_lie_of_a_slicer_is_a_sentence() {
    check_lies(
        Kind::Slicer,
        &["membership"],
        &[
            ("fit nothing", "made nothing"),
            ("fit says nothing", "sent a reply that cannot be read"),
            ("fit huge", "made 1000000000000 slices, 16777216 at most"),
            ("fit below", "sent a reply that cannot be read"),
            ("membership nan", "sent a share of NaN in a slice, which is not in [0, 1]"),
            ("membership above", "sent a share of 1.5 in a slice"),
            ("membership below", "sent a share of -0.5 in a slice"),
        ],
    );
}

#[test]
fn every_lie_of_a_projector_is_a_sentence() {
    check_lies(
        Kind::Projector,
        &["project"],
        &[
            ("fit nothing", "made nothing"),
            ("fit huge", "made a projection to 1000000000000 dimensions"),
            ("fit none", "made a projection to 0 dimensions"),
            ("project nan", "sent a projection that is not finite"),
        ],
    );
}

#[test]
fn every_lie_of_an_attributor_is_a_sentence() {
    check_lies(
        Kind::Attributor,
        &["attribute"],
        &[
            ("requirements layer", "needs `conv9`, which the model does not have"),
            ("requirements gradient", "needs `conv9`, which the model does not have"),
            ("requirements no size", "says that its maps are 0 × 6"),
            ("requirements huge", "says that its maps are 1000000000 × 6"),
            ("attribute rank", "sent `maps` of shape [2, 48] instead of [2, h, w]"),
            ("delta turned", "sent `convergence_delta` of shape [3] instead of [2]"),
        ],
    );
}

#[test]
fn every_lie_of_a_regularizer_is_a_sentence() {
    check_lies(
        Kind::Regularizer,
        &["prepare images", "prepare weights", "prepare mask", "suppress direction", "suppress through"],
        &[
            ("suppress kept", "keeps 1.5 of a direction, not a share"),
            ("suppress long", "sent a direction of length 2, not 1"),
            ("suppress direction nan", "sent a direction of length NaN, not 1"),
            ("suppress through nan", "sent a point that is not finite"),
            ("select row", "selected 2 rows and 2 labels of 4 images"),
            ("select counts", "selected 2 rows and 1 labels of 4 images"),
            ("prepare source", "sent an image from image 4 of a batch of 4"),
            ("prepare sources", "sent 2 labels and 3 sources"),
            ("prepare labels", "sent 3 labels and 2 sources"),
            ("prepare strength", "sent a penalty of strength -1"),
            ("prepare no mask", "did not send the tensor `penalty_mask`"),
            ("prepare images nan", "sent images with values outside [0, 1]"),
            ("prepare images above", "sent images with values outside [0, 1]"),
            ("prepare weights nan", "sent a weight of NaN, which is no number from 0 on"),
            ("prepare weights below", "sent a weight of -0.5, which is no number from 0 on"),
            ("prepare weights infinite", "sent a weight of inf, which is no number from 0 on"),
            ("prepare mask nan", "sent a penalty mask with values outside [0, 1]"),
            ("state rank", "sent `state` of shape [2, 2] instead of [k]"),
            ("state huge", "sent `state`, which has shape [9223372036854775807], more than any memory holds"),
            ("state missing", "did not send the tensor `state`"),
        ],
    );
}

#[test]
fn every_lie_of_a_backend_is_a_sentence() {
    let cannot = "describes a model that cannot be: ";
    check_lies(
        Kind::Backend,
        &["info head", "forward logits", "forward", "gradients", "pullback gradient", "forward_from", "relevance"],
        &[
            ("open nothing", "made nothing"),
            ("info input", &format!("{cannot}its images are [0, 1, 1]")),
            ("info classes", &format!("{cannot}it has 0 classes")),
            ("info layer", &format!("{cannot}its layer `pixel` is [18446744073709551615, 1, 1]")),
            ("info default", &format!("{cannot}its default layer is `pixel9`")),
            ("info biases", &format!("{cannot}it has 2 biases for `pixel`")),
            ("info head layer", "has a head on the layer `pixel9`, which it does not list"),
            ("pullback shape", "asked for the cotangent of a feature map [3, 1, 1, 1] instead of [2, 1, 1, 1]"),
            ("pullback no shape", "asked for the cotangent of a feature map that has no shape"),
            ("pullback no room", "asked for the cotangent of a feature map"),
            ("pullback never", "asked for 0 cotangents, not for one"),
            ("pullback twice", "asked for 2 cotangents, not for one"),
            ("trainer nothing", "made nothing"),
            ("step losses turned", "sent `losses` of shape [3] instead of [2]"),
            ("step losses nan", "sent a loss that is not finite, and no error"),
            ("step losses missing", "did not send the tensor `losses`"),
            ("step turned", "sent `logits` of shape [3, 2] instead of [2, 2]"),
            ("weights twins", "sent two tensors of one name"),
            ("weights huge", "sent `b`, which has shape [9223372036854775807], more than any memory holds"),
            ("weights no values", "sent `b`, which has no values"),
        ],
    );
}

#[test]
fn what_a_liar_says_of_its_errors_and_parameters_is_a_sentence() {
    let dir = tempdir().unwrap();
    let library = load(&dir, "lying", &[]).unwrap();
    let (slicer, backend) = (of_kind(&library, Kind::Slicer), of_kind(&library, Kind::Backend));
    let error = |lie: &str| exercise(slicer, lie).unwrap_err();
    assert_eq!(error("fit silent").to_string(), "failed and did not say why");
    assert_eq!(error("fit unknown status").to_string(), "plugin `liar`: failed and did not say why");
    // Facts that are none leave the words; facts that are some are the error.
    assert_eq!(error("fit another error").to_string(), "no such thing");
    assert_eq!(error("fit layer"), Error::unknown_name("layer", "conv9", ["conv1"]));
    let params = json!({ "lie": "" }).as_object().cloned().unwrap();
    let resolved = slicer.resolve(&params).unwrap_err().to_string();
    assert!(resolved.starts_with("plugin `liar`: sent a reply that cannot be read"), "{resolved}");
    // What it does not say it can do it cannot.
    let vague = json!({ "lie": "capabilities" }).as_object().cloned().unwrap();
    assert!(!backend.backend(&vague).unwrap().capabilities().gradients);
}
