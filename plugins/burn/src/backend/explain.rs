//! What explanations need besides gradients: pulling a cotangent back to the image, and running the part behind a
//! layer.

use super::{BurnBackend, first, join, track};
use crate::graph::Graph;
use crate::value::{Float, Value};
use ascan_core::backend::{Cotangent, check_forward, check_forward_from};
use ascan_core::{Error, Result, Tensor, TensorView};
use std::collections::BTreeMap;
use std::ops::Range;

/// Number of feature maps per call of the head, if the head reads nothing else of the image.
const MAPS_AT_ONCE: usize = 16;

/// See [`ascan_core::ModelBackend::pullback`].
pub fn pullback(backend: &BurnBackend, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
    let info = &backend.info;
    let n = check_forward(info, images, &[])?;
    let layer = info.layer(layer)?;
    let layout = backend.layout(&layer.name);
    let (graph, slots) = backend.graph(&[&info.input, &layer.name])?;
    // Forward with all images, before the cotangent is asked for.
    let tapes = backend.in_parts(n, |range| {
        let (slot, value) = backend.feed(graph, images, range.clone())?;
        let (leaf, image) = track(backend.float(value)?);
        let feeds = vec![(slot, Value::Float(image))];
        let output = graph.run(&graph.run_state(), feeds, &slots[1..], &mut |_, value| value)?.remove(0);
        let output = backend.float(output)?;
        let map = first(backend.to_nchw(&layer.name, &output)?, range.len());
        Ok((leaf, output, map, range))
    })?;
    let shape = [&[n][..], &layer.shape].concat();
    let map = join(tapes.iter().map(|tape| tape.2.clone()), [&[0][..], &layer.shape].concat())?;
    let cotangent = cotangent(map.view())?;
    if cotangent.shape() != shape {
        return Err(Error::shape("cotangent", format!("{shape:?}"), cotangent.shape()));
    }
    // Backward.
    let parts = backend.on_threads(tapes, |(leaf, output, _, range)| {
        let own = output.shape();
        let mut values = vec![0.0; own.iter().product()];
        let rows = values.chunks_exact_mut(own[1..].iter().product::<usize>().max(1));
        for (row, image) in rows.zip(range.clone()) {
            match layout {
                Some(layout) => layout.write(&own, row, cotangent.row(image))?,
                None => row.copy_from_slice(cotangent.row(image)),
            }
        }
        let weights = Float::new(values, &own, &backend.device)?;
        let sum = output.six().mul(weights.six()).sum();
        let gradient = match sum.is_tracked() {
            true => leaf.grad(&sum.backward()),
            false => None,
        };
        let gradient = gradient.unwrap_or_else(|| leaf.without_autodiff().zeros_like());
        Ok(first(Float::from_six(gradient, 4).to_plain()?, range.len()))
    })?;
    join(parts.into_iter(), [&[0][..], &info.input_shape].concat())
}

/// What the part from a layer to the logits reads of one image.
struct Surroundings {
    /// The layer itself, in the model's layout.
    own: Option<Float>,
    /// Tensors beside it.
    beside: Vec<(usize, Value)>,
}

/// See [`ascan_core::ModelBackend::forward_from`].
pub fn forward_from(
    backend: &BurnBackend,
    images: TensorView,
    layer: &str,
    feature_maps: TensorView,
    image_of: &[usize],
) -> Result<Tensor> {
    let info = &backend.info;
    check_forward_from(info, images, layer, feature_maps, image_of)?;
    let layer = info.layer(layer)?;
    let (graph, slots) = backend.graph(&[&layer.name, &info.logits])?;
    let beside = graph.beside(slots[0], slots[1]);
    let layout = backend.layout(&layer.name);
    let plain_shape = layout.and_then(|layout| layout.own_shape(1, layer.shape));
    let alone = beside.is_empty() && plain_shape.is_some();

    // Which maps can share a call: any if the head reads nothing else, otherwise those of one image.
    let mut by_image: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (map, &image) in image_of.iter().enumerate() {
        by_image.entry(if alone { 0 } else { image }).or_default().push(map);
    }
    let at_once = backend.fixed_batch.unwrap_or(if alone { MAPS_AT_ONCE } else { 1 });
    let needed: Vec<usize> = if alone { Vec::new() } else { by_image.keys().copied().collect() };
    let surroundings: BTreeMap<usize, Surroundings> = backend
        .on_threads(needed, |image| {
            Ok((image, surroundings(backend, graph, images, image..image + 1, slots[0], &beside)?))
        })?
        .into_iter()
        .collect();
    let calls: Vec<(usize, Vec<usize>)> = by_image
        .into_iter()
        .flat_map(|(image, maps)| maps.chunks(at_once).map(|maps| (image, maps.to_vec())).collect::<Vec<_>>())
        .collect();
    let parts = backend.on_threads(calls, |(image, maps)| {
        let around = surroundings.get(&image);
        let own = around.and_then(|around| around.own.as_ref());
        let mut shape = own.map(Float::shape).or(plain_shape.clone()).unwrap_or_default();
        shape[0] = backend.fixed_batch.unwrap_or(maps.len());
        let len: usize = shape[1..].iter().product();
        let before = own.map_or_else(|| vec![0.0; len], |own| own.to_vec()[..len].to_vec());
        let mut values = Vec::with_capacity(shape[0] * len);
        for row in 0..shape[0] {
            let mut one = before.clone();
            let map = feature_maps.row(maps[row.min(maps.len() - 1)]);
            match layout {
                Some(layout) => layout.write(&shape, &mut one, map)?,
                None => one.copy_from_slice(map),
            }
            values.extend(one);
        }
        let mut feeds = vec![(slots[0], Value::Float(Float::new(values, &shape, &backend.device)?))];
        feeds.extend(around.iter().flat_map(|around| around.beside.iter().cloned()));
        let logits = graph.run(&graph.run_state(), feeds, &slots[1..], &mut |_, value| value)?.remove(0);
        let logits = first(backend.float(logits)?.to_plain()?, maps.len());
        Ok((maps, logits))
    })?;
    let mut logits = Tensor::zeros([image_of.len(), info.n_classes]);
    for (maps, part) in parts {
        for (row, map) in maps.into_iter().enumerate() {
            let into = map * info.n_classes..(map + 1) * info.n_classes;
            logits.data_mut()[into].copy_from_slice(part.row(row));
        }
    }
    Ok(logits)
}

fn surroundings(
    backend: &BurnBackend,
    graph: &Graph,
    images: TensorView,
    image: Range<usize>,
    layer: usize,
    beside: &[usize],
) -> Result<Surroundings> {
    let feed = backend.feed(graph, images, image)?;
    let wanted = [&[layer], beside].concat();
    let mut values = graph.run(&graph.run_state(), vec![feed], &wanted, &mut |_, value| value)?.into_iter();
    let own = values.next().map(|own| backend.float(own)).transpose()?;
    Ok(Surroundings { own, beside: beside.iter().copied().zip(values).collect() })
}
