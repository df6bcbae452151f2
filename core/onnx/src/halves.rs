//! What runs in two halves on any engine, with a tensor from outside between them: pulling a cotangent back to the images,
//! and running the part behind a layer.

use crate::proto::ModelProto;
use crate::split::{behind, pullback as split_pullback};
use crate::{Classifier, Layout, Model, Split, calls};
use ascan_core::backend::{Cotangent, check_forward, check_forward_from};
use ascan_core::{Error, ModelInfo, Result, Tensor, TensorView};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An input of a graph.
#[derive(Debug)]
pub enum Given<'v, V> {
    /// Shape and values.
    Floats(&'v [usize], &'v [f32]),
    /// What another graph of the same engine gave.
    Value(&'v V),
}

/// A graph that an engine has compiled: named tensors in, named tensors out.
pub trait Graph {
    /// A tensor of the engine.
    type Value;

    /// The names of the inputs, in order.
    fn inputs(&self) -> &[String];

    /// The names of the outputs, in order.
    fn outputs(&self) -> &[String];

    /// Runs it; gives all outputs in their order.
    ///
    /// # Errors
    /// What the engine reports.
    fn run(&mut self, inputs: Vec<(&str, Given<Self::Value>)>) -> Result<Vec<Self::Value>>;

    /// Shape and numbers of an output.
    ///
    /// # Errors
    /// If they are not float32.
    fn read<'v>(&self, value: &'v Self::Value) -> Result<(Vec<usize>, Cow<'v, [f32]>)>;
}

/// A model that an engine can run in two halves.
pub struct Halved<'a, G> {
    /// The model.
    pub model: &'a Model,
    /// What was found out about it.
    pub classifier: &'a Classifier,
    /// What its backend says of it.
    pub info: &'a ModelInfo,
    /// Feature maps per call, if what is behind the layer reads nothing else of the image.
    pub maps_at_once: usize,
    /// Compiles a half.
    pub compile: &'a dyn Fn(ModelProto) -> Result<G>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Back,
    On,
}

/// A model in two compiled halves, at one layer.
#[derive(Debug)]
pub struct Halves<G> {
    layer: String,
    direction: Direction,
    before: G,
    after: G,
    crossing: Vec<String>,
}

/// What the first half gave for the images of one call.
struct Tape<V> {
    /// The images of the call, as many as it takes.
    images: Vec<f32>,
    /// The layer, then what crosses.
    outputs: Vec<V>,
    n_rows: usize,
}

impl<G: Graph> Halves<G> {
    /// Runs the first half on images of calls of `size`.
    fn run_before(&mut self, info: &ModelInfo, images: TensorView, size: usize) -> Result<Vec<Tape<G::Value>>> {
        let shape = [&[size][..], &info.input_shape].concat();
        let mut tapes = Vec::new();
        for (n_rows, values) in calls(images, size) {
            let outputs = self.before.run(vec![(&info.input, Given::Floats(&shape, &values))])?;
            tapes.push(Tape { images: values.into_owned(), outputs, n_rows });
        }
        Ok(tapes)
    }

    /// Runs the second half on a tensor from outside and what the first half gave.
    fn run_after(
        &mut self,
        info: &ModelInfo,
        shape: &[usize],
        values: &[f32],
        tape: Option<&Tape<G::Value>>,
    ) -> Result<Vec<G::Value>> {
        let image_shape = [&[shape[0]][..], &info.input_shape].concat();
        let names = self.after.inputs().to_vec();
        let mut inputs = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let value = match tape {
                // What comes from outside is the first input.
                Some(tape) if i > 0 => match self.before.outputs().iter().position(|output| output == name) {
                    Some(at) => Given::Value(&tape.outputs[at]),
                    None => Given::Floats(&image_shape, &tape.images),
                },
                _ => Given::Floats(shape, values),
            };
            inputs.push((name.as_str(), value));
        }
        self.after.run(inputs)
    }
}

/// Feature maps in the model's own layout: those of `maps` in place of what `own` holds.
fn written(layout: Layout, shape: &[usize], own: &mut [f32], maps: &[&[f32]]) -> Result<()> {
    let len: usize = shape[1..].iter().product();
    let rows = own.chunks_exact_mut(len.max(1));
    rows.zip(maps).try_for_each(|(row, map)| layout.write(shape, row, map))
}

impl<G: Graph> Halved<'_, G> {
    /// The halves at this layer, which are made if they are not there yet.
    fn at<'h>(&self, all: &'h mut Vec<Halves<G>>, layer: &str, direction: Direction) -> Result<&'h mut Halves<G>> {
        let known = |halves: &Halves<G>| halves.layer == layer && halves.direction == direction;
        let at = match all.iter().position(known) {
            Some(at) => at,
            None => {
                let split = match direction {
                    Direction::Back => split_pullback,
                    Direction::On => behind,
                };
                let Split { before, after, crossing } = split(self.model, self.classifier, layer)?;
                let (before, after) = ((self.compile)(before)?, (self.compile)(after)?);
                all.push(Halves { layer: layer.to_owned(), direction, before, after, crossing });
                all.len() - 1
            }
        };
        Ok(&mut all[at])
    }

    /// See [`ascan_core::ModelBackend::pullback`]; `all` keeps what was compiled.
    ///
    /// # Errors
    /// As there.
    pub fn pullback(
        &self,
        all: &mut Vec<Halves<G>>,
        images: TensorView,
        layer: &str,
        cotangent: &mut Cotangent,
    ) -> Result<Tensor> {
        let info = self.info;
        let n = check_forward(info, images, &[])?;
        let layer = info.layer(layer)?;
        let layout = self.classifier.layer(&layer.name)?.layout;
        let size = self.classifier.batch.unwrap_or(1);
        let halves = self.at(all, &layer.name, Direction::Back)?;
        let tapes = halves.run_before(info, images, size)?;
        let mut map = Vec::new();
        for tape in &tapes {
            let (shape, data) = halves.before.read(&tape.outputs[0])?;
            map.extend_from_slice(layout.to_nchw(&shape, &data)?.view().rows(0..tape.n_rows));
        }
        let shape = [&[n][..], &layer.shape].concat();
        let cotangent = cotangent(Tensor::new(shape.clone(), map)?.view())?;
        if cotangent.shape() != shape {
            return Err(Error::shape("cotangent", format!("{shape:?}"), cotangent.shape()));
        }
        let mut gradient = Vec::with_capacity(n * images.row_len());
        for (call, tape) in tapes.iter().enumerate() {
            let own = halves.before.read(&tape.outputs[0])?.0;
            let mut values = vec![0.0; own.iter().product()];
            let maps: Vec<&[f32]> = (0..tape.n_rows).map(|row| cotangent.row(call * size + row)).collect();
            written(layout, &own, &mut values, &maps)?;
            let outputs = halves.run_after(info, &own, &values, Some(tape))?;
            gradient.extend_from_slice(&halves.after.read(&outputs[0])?.1[..tape.n_rows * images.row_len()]);
        }
        Tensor::new([&[n][..], &info.input_shape].concat(), gradient)
    }

    /// See [`ascan_core::ModelBackend::forward_from`]; `all` keeps what was compiled.
    ///
    /// # Errors
    /// As there.
    pub fn forward_from(
        &self,
        all: &mut Vec<Halves<G>>,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        let info = self.info;
        check_forward_from(info, images, layer, feature_maps, image_of)?;
        let layer = info.layer(layer)?;
        let layout = self.classifier.layer(&layer.name)?.layout;
        let halves = self.at(all, &layer.name, Direction::On)?;
        // Which maps can share a call: any if nothing else of the image is read, otherwise those of one image.
        let plain = layout.own_shape(1, layer.shape).filter(|_| halves.crossing.is_empty());
        let mut by_image: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (map, &image) in image_of.iter().enumerate() {
            by_image.entry(if plain.is_some() { 0 } else { image }).or_default().push(map);
        }
        let fixed = self.classifier.batch;
        let at_once = fixed.unwrap_or(if plain.is_some() { self.maps_at_once } else { 1 });
        let mut logits = Tensor::zeros([image_of.len(), info.n_classes]);
        for (image, maps) in by_image {
            let tape = match plain {
                Some(_) => None,
                None => {
                    let shape = [&[1][..], &info.input_shape].concat();
                    let one = TensorView::new(&shape, images.row(image))?;
                    halves.run_before(info, one, fixed.unwrap_or(1))?.pop()
                }
            };
            let own = tape.as_ref().map(|tape| halves.before.read(&tape.outputs[0])).transpose()?;
            let own = own.map(|(shape, data)| (shape, data.to_vec()));
            for maps in maps.chunks(at_once) {
                let (shape, mut values) = match (&own, &plain) {
                    (Some((shape, values)), _) => (shape.clone(), values.clone()),
                    (None, shape) => {
                        let mut shape = shape.clone().unwrap_or_default();
                        shape[0] = fixed.unwrap_or(maps.len());
                        let len = shape.iter().product();
                        (shape, vec![0.0; len])
                    }
                };
                // A call that is not full is filled up with its last map.
                let rows = (0..shape[0]).map(|row| feature_maps.row(maps[row.min(maps.len() - 1)]));
                written(layout, &shape, &mut values, &rows.collect::<Vec<_>>())?;
                let outputs = halves.run_after(info, &shape, &values, tape.as_ref())?;
                let made = halves.after.read(&outputs[0])?.1;
                for (row, &map) in maps.iter().enumerate() {
                    let of = |at: usize| at * info.n_classes..(at + 1) * info.n_classes;
                    logits.data_mut()[of(map)].copy_from_slice(&made[of(row)]);
                }
            }
        }
        Ok(logits)
    }
}
