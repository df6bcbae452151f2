//! What runs in two halves, with a tensor from outside between them: pulling a cotangent back to the images, and running the
//! part behind a layer.

use crate::engine::Compiled;
use crate::opened::Opened;
use ascan_core::backend::{Cotangent, check_forward, check_forward_from};
use ascan_core::{Error, Result, Tensor, TensorView};
use ascan_onnx::{Layout, Split, behind, calls, pullback as split_pullback};
use ort::session::SessionInputValue;
use ort::value::DynValue;
use std::collections::BTreeMap;

/// Number of feature maps per call, if what is behind the layer reads nothing else of the image.
const MAPS_AT_ONCE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Back,
    On,
}

/// A model in two halves, at one layer.
pub(crate) struct Halves {
    layer: String,
    direction: Direction,
    before: Compiled,
    after: Compiled,
    crossing: Vec<String>,
}

/// What the first half gave for the images of one call.
struct Tape {
    /// The images of the call, as many as it takes.
    images: Vec<f32>,
    /// The layer, then what crosses.
    outputs: Vec<DynValue>,
    n_rows: usize,
}

impl Halves {
    /// The halves at this layer, which are made if they are not there yet.
    fn at<'h>(opened: &Opened, all: &'h mut Vec<Self>, layer: &str, direction: Direction) -> Result<&'h mut Self> {
        let known = |halves: &Self| halves.layer == layer && halves.direction == direction;
        if let Some(at) = all.iter().position(known) {
            return Ok(&mut all[at]);
        }
        let split = match direction {
            Direction::Back => split_pullback,
            Direction::On => behind,
        };
        let Split { before, after, crossing } = split(&opened.known.model, &opened.known.classifier, layer)?;
        let (before, after) = (opened.engine.compile(before)?, opened.engine.compile(after)?);
        all.push(Self { layer: layer.to_owned(), direction, before, after, crossing });
        let last = all.len() - 1;
        Ok(&mut all[last])
    }

    /// Runs the first half on images of calls of `size`.
    fn run_before(&mut self, opened: &Opened, images: TensorView, size: usize) -> Result<Vec<Tape>> {
        let shape = [&[size][..], &opened.known.info.input_shape].concat();
        let mut tapes = Vec::new();
        for (n_rows, values) in calls(images, size) {
            let image = self.before.floats(&shape, &values)?;
            let outputs = self.before.run(vec![(&opened.known.info.input, image)])?;
            tapes.push(Tape { images: values.into_owned(), outputs, n_rows });
        }
        Ok(tapes)
    }

    /// Runs the second half on a tensor from outside and what the first half gave.
    fn run_after<'t>(
        &mut self,
        opened: &Opened,
        shape: &[usize],
        values: &[f32],
        tape: Option<&'t Tape>,
    ) -> Result<Vec<DynValue>> {
        let image_shape = [&[shape[0]][..], &opened.known.info.input_shape].concat();
        let names = self.after.inputs.clone();
        let mut inputs: Vec<(&str, SessionInputValue)> = Vec::with_capacity(names.len());
        for (i, name) in names.iter().enumerate() {
            let given = |tape: &'t Tape| {
                let at = self.before.outputs.iter().position(|output| output == name);
                at.map(|at| &tape.outputs[at])
            };
            let value = match tape {
                // What comes from outside is the first input.
                Some(tape) if i > 0 => match given(tape) {
                    Some(value) => value.into(),
                    None => self.after.floats(&image_shape, &tape.images)?,
                },
                _ => self.after.floats(shape, values)?,
            };
            inputs.push((name, value));
        }
        self.after.run(inputs)
    }
}

/// Feature maps in the model's own layout: those of `map` in place of what `own` holds.
fn written(layout: Layout, shape: &[usize], own: &mut [f32], maps: &[&[f32]]) -> Result<()> {
    let len: usize = shape[1..].iter().product();
    let rows = own.chunks_exact_mut(len.max(1));
    rows.zip(maps).try_for_each(|(row, map)| layout.write(shape, row, map))
}

/// See [`ascan_core::ModelBackend::pullback`].
pub(crate) fn pullback(
    opened: &Opened,
    all: &mut Vec<Halves>,
    images: TensorView,
    layer: &str,
    cotangent: &mut Cotangent,
) -> Result<Tensor> {
    let info = &opened.known.info;
    let n = check_forward(info, images, &[])?;
    let layer = info.layer(layer)?;
    let layout = opened.known.classifier.layer(&layer.name)?.layout;
    let size = opened.known.classifier.batch.unwrap_or(1);
    let halves = Halves::at(opened, all, &layer.name, Direction::Back)?;
    let tapes = halves.run_before(opened, images, size)?;
    let mut map = Vec::new();
    for tape in &tapes {
        let (shape, data) = halves.before.read(&tape.outputs[0])?;
        map.extend_from_slice(layout.to_nchw(&shape, data)?.view().rows(0..tape.n_rows));
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
        let outputs = halves.run_after(opened, &own, &values, Some(tape))?;
        gradient.extend_from_slice(&halves.after.read(&outputs[0])?.1[..tape.n_rows * images.row_len()]);
    }
    Tensor::new([&[n][..], &info.input_shape].concat(), gradient)
}

/// See [`ascan_core::ModelBackend::forward_from`].
pub(crate) fn forward_from(
    opened: &Opened,
    all: &mut Vec<Halves>,
    images: TensorView,
    layer: &str,
    feature_maps: TensorView,
    image_of: &[usize],
) -> Result<Tensor> {
    let info = &opened.known.info;
    check_forward_from(info, images, layer, feature_maps, image_of)?;
    let layer = info.layer(layer)?;
    let layout = opened.known.classifier.layer(&layer.name)?.layout;
    let halves = Halves::at(opened, all, &layer.name, Direction::On)?;
    // Which maps can share a call: any if nothing else of the image is read, otherwise those of one image.
    let plain = layout.own_shape(1, layer.shape).filter(|_| halves.crossing.is_empty());
    let mut by_image: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (map, &image) in image_of.iter().enumerate() {
        by_image.entry(if plain.is_some() { 0 } else { image }).or_default().push(map);
    }
    let fixed = opened.known.classifier.batch;
    let at_once = fixed.unwrap_or(if plain.is_some() { MAPS_AT_ONCE } else { 1 });
    let mut logits = Tensor::zeros([image_of.len(), info.n_classes]);
    for (image, maps) in by_image {
        let tape = match plain {
            Some(_) => None,
            None => {
                let shape = [&[1][..], &info.input_shape].concat();
                let one = TensorView::new(&shape, images.row(image))?;
                halves.run_before(opened, one, fixed.unwrap_or(1))?.pop()
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
            let outputs = halves.run_after(opened, &shape, &values, tape.as_ref())?;
            let made = halves.after.read(&outputs[0])?.1;
            for (row, &map) in maps.iter().enumerate() {
                let of = |at: usize| at * info.n_classes..(at + 1) * info.n_classes;
                logits.data_mut()[of(map)].copy_from_slice(&made[of(row)]);
            }
        }
    }
    Ok(logits)
}
