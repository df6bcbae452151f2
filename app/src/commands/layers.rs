//! `ascan layers`: the feature maps of a model, and what an explanation at each can show.

use super::{Result, print, print_json};
use crate::globals::Globals;
use crate::table::Column::{Left, Right, Text};
use crate::table::aligned;
use ascan_core::{Capabilities, LayerInfo, ModelInfo, OutputChoice};
use ascan_onnx::{Classifier, Model};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// `ascan layers`
#[derive(Debug, Args)]
pub struct LayersArgs {
    /// The ONNX model
    pub model: PathBuf,
    /// Height and width of the images, for models that leave them open
    #[arg(long, value_name = "HxW", value_parser = image_size)]
    pub image_size: Option<[usize; 2]>,
}

/// `224x224`.
pub(super) fn image_size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(height, width)| Some([height.parse().ok()?, width.parse().ok()?]));
    let fits = |sides: &[usize; 2]| sides.iter().all(|side| (1..=16_384).contains(side));
    sides.filter(fits).ok_or_else(|| "expected height x width in pixels, as in 224x224".into())
}

/// A line of the list.
#[derive(Serialize)]
struct Layer<'a> {
    #[serde(flatten)]
    info: &'a LayerInfo,
    /// Pixels of the input along a side of one cell.
    stride: [usize; 2],
    /// Whether `auto` means this one.
    is_auto: bool,
    /// Whether the head is linear in the mean of this one, so that Grad-CAM needs no gradients here.
    has_linear_head: bool,
}

pub(crate) fn run(args: LayersArgs, globals: &Globals) -> Result {
    let classifier = Classifier::analyse(&Model::load(&args.model)?, args.image_size, &OutputChoice::default())?;
    let info = classifier.model_info("", Capabilities::default(), 1);
    let layers: Vec<Layer> = info.layers.iter().map(|layer| of(layer, &info)).collect();
    if globals.json {
        print_json(&layers)?;
    } else {
        print(&describe(&info, &layers))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of<'a>(layer: &'a LayerInfo, model: &ModelInfo) -> Layer<'a> {
    let [_, height, width] = model.input_shape;
    let [_, h, w] = layer.shape;
    Layer {
        info: layer,
        stride: [height.div_ceil(h.max(1)), width.div_ceil(w.max(1))],
        is_auto: model.default_layer.as_ref() == Some(&layer.name),
        has_linear_head: model.linear_head.as_ref().is_some_and(|head| head.layer == layer.name),
    }
}

/// What a map at a layer can show, by the size of its cells.
fn shows(layer: &Layer) -> &'static str {
    match layer.stride[0].max(layer.stride[1]) {
        ..=4 => "edges and colours; too fine to say what is recognised",
        5..=12 => "textures and small parts",
        13..=24 => "parts of objects",
        _ => "whole objects, coarsely",
    }
}

fn describe(info: &ModelInfo, layers: &[Layer]) -> String {
    let [c, h, w] = info.input_shape;
    let n = layers.len();
    let heading = format!("{n} feature maps; input `{}` [{c}, {h}, {w}], {} classes", info.input, info.n_classes);
    let columns = [Left("layer"), Left("operator"), Right("shape"), Text("shows")];
    let rows = layers.iter().map(|layer| {
        let [c, h, w] = layer.info.shape;
        let head = if layer.has_linear_head { ", head in closed form" } else { "" };
        let auto = if layer.is_auto { "  <- auto" } else { "" };
        let shows = format!("{}{head}{auto}", shows(layer));
        [layer.info.name.clone(), layer.info.operator.clone(), format!("[{c}, {h}, {w}]"), shows]
    });
    format!("{heading}\n{}", aligned(2, &columns, rows))
}
