//! Features of images, computed once, where only the head trains.
//!
//! Kept for a head that is linear in the spatial mean of a feature map: an image is then one vector. A method that
//! disturbs pictures gets the features of several disturbed copies of each image, drawn before the first step.

use crate::scanned::Vectors;
use ascan_core::{OpenModel, OutputChoice, Suppression};
use ascan_onnx::proto::NodeProto;
use ascan_onnx::proto::tensor_shape_proto::dimension::Value as Dim;
use ascan_onnx::proto::type_proto::Value as Type;
use ascan_onnx::{Classifier, Model, cut_after, prepare};

/// Places over which a vector stands in for its feature map: two, since a map of one place could be taken for an image
/// with its channels last. Their mean is the vector.
pub const N_PLACES: usize = 2;

/// Features of the images of a repair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// Length of a vector.
    pub d: usize,
    /// `[n]` of the training images as they are, if the method does not disturb; `None` where one cannot be read.
    pub clean: Vectors,
    /// `[n_draws][n]` rows of disturbed copies of each training image: features, label, weight. Empty if the method
    /// does not disturb.
    pub draws: Vec<Draw>,
    /// `[n_validation]`
    pub validation: Vectors,
    /// What the head sees less of, where the method has found something: it is applied to all of these.
    pub suppressed: Option<Suppression>,
    /// `[n_validation]`, of their copies with other surroundings; empty where there are none.
    pub mixed: Vectors,
}

/// `[n]`, the rows that a method made of each image.
pub type Draw = Vec<Vec<Row>>;

/// A row of a disturbed batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `[d]`
    pub features: Vec<f32>,
    /// The label it is trained on.
    pub label: usize,
    /// Its weight.
    pub weight: f32,
}

impl Features {
    /// Shows the head less of a direction, in all features.
    pub fn suppress(&mut self, found: Suppression) {
        let vectors = [&mut self.clean, &mut self.validation, &mut self.mixed];
        vectors.into_iter().flatten().flatten().for_each(|vector| found.apply(vector));
        self.draws.iter_mut().flatten().flatten().for_each(|row| found.apply(&mut row.features));
        self.suppressed = Some(found);
    }
}

/// The head alone, a model whose input is its feature map with [`N_PLACES`] places; `None` if the head is not linear
/// in the mean of the map, or cannot be cut off.
pub fn head_model(original: &Model, open: &OpenModel) -> Option<Model> {
    let classifier = Classifier::analyse(original, open.image_size, &open.output).ok()?;
    let layer = classifier.linear_head.as_ref()?.layer.clone();
    let whole = Model::from_proto(prepare(original, &classifier, &[&layer], None).ok()?, &original.path);
    let mut head = cut_after(&whole, &layer, &[&classifier.logits]).ok()?;
    let graph = head.graph.as_mut()?;
    // The layer stays a tensor that a node gives: an input is no feature map.
    let input = graph.input.first_mut()?;
    input.name = format!("{layer}/features");
    graph.node.insert(0, NodeProto::new("Identity", &[&input.name], &layer));
    let Some(Type::TensorType(tensor)) = input.r#type.as_mut()?.value.as_mut() else { return None };
    let dims = &mut tensor.shape.as_mut()?.dim;
    let [_, _, h, w] = dims.as_mut_slice() else { return None };
    (h.value, w.value) = (Some(Dim::DimValue(1)), Some(Dim::DimValue(N_PLACES as i64)));
    let head = Model::from_proto(head, &original.path);
    // What the cut has made must still be a classifier.
    let choice = OutputChoice { kind: Some(classifier.kind.of_logits()), ..OutputChoice::default() };
    Classifier::analyse(&head, None, &choice).ok().filter(|cut| cut.n_classes == classifier.n_classes)?;
    Some(head)
}

/// A vector over all places of the head's input.
pub fn spread_out(features: &[f32]) -> impl Iterator<Item = f32> + '_ {
    features.iter().flat_map(|&value| [value; N_PLACES])
}

impl Features {
    /// A step on these images by their places, of draw `draw`: inputs, labels, weights and sources of its rows.
    pub fn step(&self, places: &[usize], draw: usize) -> (Vec<f32>, Vec<usize>, Vec<f32>, Vec<usize>) {
        let (mut inputs, mut labels, mut weights, mut sources) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let draw = &self.draws[draw % self.draws.len()];
        for (source, &place) in places.iter().enumerate() {
            for row in &draw[place] {
                inputs.extend(spread_out(&row.features));
                labels.push(row.label);
                weights.push(row.weight);
                sources.push(source);
            }
        }
        (inputs, labels, weights, sources)
    }

    /// Whether an image has features.
    pub fn has(&self, place: usize) -> bool {
        match self.draws.first() {
            Some(draw) => !draw[place].is_empty(),
            None => self.clean[place].is_some(),
        }
    }
}
