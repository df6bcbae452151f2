//! A library built against the first header of ABI 1.0.

use crate::{file, load, of_kind, step};
use ascan_core::abi::Library;
use ascan_core::params::ParamMap;
use ascan_core::testing::{ToyBackend, ToyHead, toy_images, toy_slice_table, toy_training_batch};
use ascan_core::{
    AttributionBatch, Context, Error, Kind, ModelBackend, OpenModel, PassRequest, RelevanceRule, Selection, Tensor,
    TrainerOptions, TrainingSet,
};
use tempfile::tempdir;

/// A network of one pixel.
fn pixel(value: f32) -> Tensor {
    Tensor::new([1, 1, 1, 1], vec![value]).unwrap()
}

fn old_abi() -> Library {
    let dir = tempdir().unwrap();
    let header = file("tests/plugins/old_abi");
    load(&dir, "old_abi", &["-I", &header.display().to_string()]).unwrap()
}

#[test]
fn an_old_slicer_and_an_old_projector_work() {
    let (library, context, table) = (old_abi(), Context::default(), toy_slice_table(10, 3, 0));
    assert_eq!(library.plugins().len(), 5);
    let slicer = of_kind(&library, Kind::Slicer).slicer(&ParamMap::new()).unwrap();
    let membership = slicer.fit(&table.view(), &context).unwrap().membership(&table.view(), &context).unwrap();
    assert_eq!(ascan_core::slicer::assignment(&membership), table.labels);
    let plugin = of_kind(&library, Kind::Projector);
    // What this version added has its default.
    assert_eq!((plugin.speed(), plugin.map_params()), (0, None));
    let projector = plugin.projector(&ParamMap::new()).unwrap();
    let projection = projector.fit(table.embeddings.view(), &context).unwrap();
    let projected = projection.project(table.embeddings.view(), &context).unwrap();
    assert_eq!((projected.shape(), projected.row(7)), (&[10, 1][..], &table.embeddings.row(7)[..1]));
}

#[test]
fn an_old_backend_works_and_says_what_it_lacks() {
    let library = old_abi();
    let runtime = of_kind(&library, Kind::Backend).backend(&ParamMap::new()).unwrap();
    assert!(runtime.available().is_ok() && runtime.capabilities().training);
    let model = runtime.open(&OpenModel::new("old.onnx")).unwrap();
    let image = pixel(3.0);
    let forward = model.forward(image.view(), &["pixel"]).unwrap();
    assert_eq!((forward.logits.data(), forward.feature_maps[0].1.data()), (&[3.0, -3.0][..], &[3.0][..]));
    assert_eq!(model.gradients(image.view(), &[1], &["image"]).unwrap().gradients[0].data(), [-1.0]);
    let request =
        PassRequest { images: image.view(), layers: &["pixel"], target_classes: &[None], gradients_of: &["image"] };
    let pass = model.pass(&request).unwrap();
    assert_eq!(
        (pass.forward, pass.gradients[0].1.data()),
        (forward, &[1.0][..]),
        "of the predicted class, in two calls"
    );
    let lacks = model.pullback(image.view(), "pixel", &mut |map| Ok(map.to_tensor())).unwrap_err();
    assert_eq!(lacks.to_string(), "old has no pullback");
    assert!(lacks.hint().unwrap().contains("a newer version of the backend plugin"));
    let lacks = model.relevance(image.view(), &[1], &RelevanceRule::LrpEpsilon { epsilon: 0.1 }).unwrap_err();
    assert_eq!(lacks.to_string(), "old has no rules of relevance");

    // Its trainers are of the first form.
    let mut trainer = model.trainer(&TrainerOptions::default()).unwrap();
    assert_eq!(trainer.step(&step(&image, &[1], &[1.0])).unwrap().losses, [0.25]);
    assert_eq!(trainer.weights().unwrap(), [("w".to_owned(), Tensor::new([1], vec![4.0]).unwrap())]);
    for lacks in [trainer.state().unwrap_err(), trainer.restore(&[]).unwrap_err()] {
        assert!(lacks.to_string().starts_with("this trainer cannot be stopped and gone on with"), "{lacks}");
        assert!(matches!(lacks, Error::Unsupported { .. }), "{lacks:?}");
    }
}

#[test]
fn an_old_attributor_meets_a_backend_of_today_and_one_of_its_own_age() {
    let library = old_abi();
    let attributor = of_kind(&library, Kind::Attributor).attributor(&ParamMap::new()).unwrap();
    let backend = ToyBackend::new(ToyHead::Hidden, 1);
    let images = toy_images(3, backend.info().input_shape, 1);
    assert_eq!(attributor.requirements(backend.info()).unwrap().map_size, [8, 6]);
    let forward = backend.forward(images.view(), &[]).unwrap();
    let batch = AttributionBatch::new(images.view(), &[0, 1, 2], &forward);
    let maps = attributor.attribute(&backend, &batch, &Context::default()).unwrap().maps;
    let gradient = backend.gradients(images.view(), &[0, 1, 2], &["image"]).unwrap().gradients.remove(0);
    assert_eq!((maps.shape(), maps.row(2)), (&[3, 8, 6][..], &gradient.row(2)[..48]));

    let old = of_kind(&library, Kind::Backend).backend(&ParamMap::new()).unwrap();
    let (old, image) = (old.open(&OpenModel::new("old.onnx")).unwrap(), pixel(3.0));
    let forward = old.forward(image.view(), &[]).unwrap();
    let batch = AttributionBatch::new(image.view(), &[1], &forward);
    assert_eq!(attributor.attribute(&*old, &batch, &Context::default()).unwrap().maps.data(), [-1.0]);
}

#[test]
fn an_old_regularizer_gets_the_batch_that_its_header_describes() {
    let (library, context) = (old_abi(), Context::default());
    let mut regularizer = of_kind(&library, Kind::Regularizer).regularizer(&ParamMap::new()).unwrap();
    let toy = toy_training_batch(1, 0);
    let set = TrainingSet::new(&[1, 0]);
    assert_eq!(regularizer.select(&set, &context).unwrap(), Selection::all(&set));
    let made = regularizer.prepare(&toy.view(77), &context).unwrap();
    assert_eq!((made.images, made.weights, made.labels), (toy.images.clone(), vec![77.0], toy.labels.clone()));
    regularizer.observe(&[0.5]).unwrap();
    let state = regularizer.state().unwrap();
    assert!(state.is_empty());
    regularizer.restore(&state).unwrap();
    assert!(regularizer.restore(&[1.0]).is_err());
    let two = toy_training_batch(2, 0);
    let error = regularizer.prepare(&two.view(0), &context).unwrap_err();
    assert_eq!(error.to_string(), "takes one image at a time");
}
