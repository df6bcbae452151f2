//! [`Classifier`]: what a scan needs to know of a model, read from its graph.

use crate::axes::Layout;
use crate::bias::bias;
use crate::flat::Flat;
use crate::head;
use crate::input::Form;
use crate::model::Model;
use crate::names;
use crate::outputs;
use crate::remarks;
use crate::view::View;
use ascan_core::output::{OutputChoice, OutputKind};
use ascan_core::{AttentionInfo, Capabilities, Error, LayerInfo, LinearHead, ModelInfo, Result, Tensor};
use std::collections::BTreeMap;

/// A feature map of the model, and how the model stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name, operator and `[c, h, w]`.
    pub info: LayerInfo,
    /// How to read the model's own tensor.
    pub layout: Layout,
}

/// An image classifier, as found in its graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// Name of the image input.
    pub input: String,
    /// `[c, h, w]` of the images that a backend takes, whatever the file's own layout.
    pub input_shape: [usize; 3],
    /// Whether the file itself takes `[n, h, w, c]`. [`prepare`](crate::prepare) hides it.
    pub input_is_nhwc: bool,
    /// The only batch size that the graph can take; `None` if [`prepare`](crate::prepare) makes it take any.
    pub batch: Option<usize>,
    /// Name of the graph output that is explained.
    pub output: String,
    /// What it means.
    pub kind: OutputKind,
    /// Name of the tensor with the logits: the input of a final softmax or sigmoid, where there is one. Where `kind` is
    /// [`OutputKind::Binary`] the file has one number there, which [`prepare`](crate::prepare) makes two logits.
    pub logits: String,
    /// Number of classes: 2 where `kind` asks for one class, 1 for a quantity.
    pub n_classes: usize,
    /// Numbers of the output itself.
    pub n_scores: usize,
    /// Which of them is asked for, where `kind` asks for one.
    pub class: usize,
    /// The logit that a class has to reach to count as there ([`OutputChoice::threshold_logit`]).
    pub threshold_logit: f32,
    /// Names of the numbers of the output, where the file holds them (`ZipMap`, metadata); else empty.
    pub class_names: Vec<String>,
    /// What is worth knowing of the model, one sentence each: how its output was chosen and read.
    pub notes: Vec<String>,
    /// Whether the model has no feature map behind its input, so that the input itself is made the layer `INPUT/pixels`.
    pub input_is_layer: bool,
    /// Every feature map with spatial extent on the way to the logits, in graph order.
    pub layers: Vec<Layer>,
    /// Attention layers over all places, by the softmax that gives their weights, in graph order.
    pub attentions: Vec<AttentionInfo>,
    /// What the operator of a layer adds to each channel, by the name of the layer.
    pub biases: BTreeMap<String, Vec<f32>>,
    /// The layer to explain when none is named: the last one before the head whose places have a gradient.
    pub default_layer: Option<String>,
    /// The head, where it is linear in the spatial mean of a layer.
    pub linear_head: Option<LinearHead>,
}

impl Classifier {
    /// Finds input, logits, feature maps and head.
    ///
    /// `image_size`: height and width, for models that leave them open; `choice`: which output, and what it means, where
    /// the graph is not to tell.
    ///
    /// # Errors
    /// `File` if the model is no image classifier, saying what its input or its outputs are, or at which node its
    /// shapes contradict each other; `Param` (`image_size`) if the size is open and not given, or fixed and different
    /// from the one given; `UnknownName` (`output`) or `Param` (`model.output.name`, `model.output.kind`) for a choice that
    /// the graph does not have.
    pub fn analyse(model: &Model, image_size: Option<[usize; 2]>, choice: &OutputChoice) -> Result<Self> {
        let flat = Flat::of(model, image_size)?;
        let found = Self::of_flat(&flat, choice)?;
        if found.default_layer.is_some() || flat.input.is_single() {
            return Ok(found);
        }
        let at_input = Self { input_is_layer: true, ..Self::of_flat(&flat.with_input_as_layer(), choice)? };
        // An input of whole numbers is no map either.
        Ok(if at_input.default_layer.is_some() { at_input } else { found })
    }

    fn of_flat(flat: &Flat, choice: &OutputChoice) -> Result<Self> {
        let view = View::of(flat)?;
        let chosen = outputs::choose(&view, choice)?;
        let logits = chosen.logits;
        let used = view.ancestors(logits);
        let outputs = flat.nodes.iter().flat_map(|node| node.output.iter().map(move |name| (node, name.as_str())));
        let mut biases = BTreeMap::new();
        let mut layers: Vec<Layer> = outputs
            .filter(|(_, name)| used.contains(name))
            .filter_map(|(node, name)| {
                let (layout, shape) = view.feature_map(name)?;
                let bias = bias(&view, node, layout, shape[0]).filter(|bias| bias.iter().any(|&b| b != 0.0));
                biases.extend(bias.map(|bias| (name.to_owned(), bias)));
                let info = LayerInfo { name: name.to_owned(), operator: node.operator(), shape };
                Some(Layer { info, layout })
            })
            .collect();
        let attentions = find_attentions(&view, &layers, |name| used.contains(name));
        // A head may pool the image itself, which is a layer only of a graph that gives it as one.
        let is_layer = |name: &str| layers.iter().any(|layer| layer.info.name == name);
        let linear_head = head::linear_head(&view, logits).filter(|head| is_layer(&head.layer));
        let linear_head = linear_head.map(|head| match chosen.kind {
            OutputKind::Binary | OutputKind::MultiLabel => {
                head::of_rows(&head, &[(chosen.class, -0.5), (chosen.class, 0.5)])
            }
            OutputKind::Regression => head::of_rows(&head, &[(chosen.class, 1.0)]),
            OutputKind::Logits | OutputKind::Softmax | OutputKind::Sigmoid => head,
        });
        let default_layer = match &linear_head {
            Some(head) => Some(head.layer.clone()),
            None => head::default_layer(&view, logits).map(str::to_owned),
        };
        let mut class_names = chosen.class_names;
        if class_names.is_empty() {
            let n_names = if chosen.kind == OutputKind::Binary { 2 } else { chosen.n_scores };
            class_names = names::of_metadata(&flat.model.proto, n_names).unwrap_or_default();
        }
        let mut notes = chosen.notes;
        notes.extend(remarks::in_training(&view, &used));
        notes.extend(remarks::at_input(&view, default_layer.as_deref()));
        if chosen.kind == OutputKind::MultiLabel {
            let (name, shape) = (scores_name(logits), [chosen.n_scores, 1, 1]);
            layers.push(Layer { info: LayerInfo { name, operator: "Reshape".into(), shape }, layout: Layout::Nchw });
        }
        Ok(Self {
            input: flat.input.name.clone(),
            input_shape: flat.input.shape,
            input_is_nhwc: matches!(flat.input.form, Form::Nhwc | Form::Hwc),
            batch: flat.batch,
            output: chosen.name.to_owned(),
            kind: chosen.kind,
            logits: logits.to_owned(),
            n_classes: match chosen.kind {
                OutputKind::Binary | OutputKind::MultiLabel => 2,
                OutputKind::Regression => 1,
                OutputKind::Logits | OutputKind::Softmax | OutputKind::Sigmoid => chosen.n_scores,
            },
            n_scores: chosen.n_scores,
            class: chosen.class,
            threshold_logit: choice.threshold_logit(),
            class_names,
            notes,
            input_is_layer: false,
            layers,
            attentions,
            biases,
            default_layer,
            linear_head,
        })
    }

    /// The layer `[n_scores, 1, 1]` that holds all numbers of the output, where an image may have several classes: what
    /// the model says of every one in the same pass.
    pub fn scores(&self) -> Option<String> {
        (self.kind == OutputKind::MultiLabel).then(|| scores_name(&self.logits))
    }

    /// The name of a layer (`auto` too) or an attention, as the graph has it.
    ///
    /// # Errors
    /// As [`Self::layer`].
    pub fn tensor(&self, name: &str) -> Result<&str> {
        match self.attentions.iter().find(|attention| attention.name == name) {
            Some(attention) => Ok(&attention.name),
            None => self.layer(name).map(|layer| layer.info.name.as_str()),
        }
    }

    /// Converts the values of a layer or an attention to the form in which a backend returns them: layers as
    /// `[n, c, h, w]`.
    ///
    /// # Errors
    /// `UnknownName`; `Shape` if the shape does not fit the layer's layout.
    pub fn to_plain(&self, name: &str, shape: &[usize], data: &[f32]) -> Result<Tensor> {
        match self.attentions.iter().any(|attention| attention.name == name) {
            true => Tensor::new(shape, data.to_vec()),
            false => self.layer(name)?.layout.to_nchw(shape, data),
        }
    }

    /// The layer with this name; `auto` is the default layer.
    ///
    /// # Errors
    /// `UnknownName`, with the layers that exist; `Unsupported` for `auto` if there is no default layer.
    pub fn layer(&self, name: &str) -> Result<&Layer> {
        let wanted = if name == "auto" { self.default_layer.as_deref().unwrap_or(name) } else { name };
        match self.layers.iter().find(|layer| layer.info.name == wanted) {
            Some(layer) => Ok(layer),
            // The error is the one that `ModelInfo` itself gives.
            None => Err(match self.model_info("", Capabilities::default(), 1).layer(name) {
                Err(error) => error,
                Ok(info) => Error::unknown_name("layer", &info.name, [] as [&str; 0]),
            }),
        }
    }

    /// The description of this model that a backend returns.
    pub fn model_info(&self, engine: &str, capabilities: Capabilities, preferred_batch: usize) -> ModelInfo {
        ModelInfo {
            engine: engine.to_owned(),
            input: self.input.clone(),
            input_shape: self.input_shape,
            logits: self.logits.clone(),
            output: self.kind,
            n_classes: self.n_classes,
            layers: self.layers.iter().map(|layer| layer.info.clone()).collect(),
            attentions: self.attentions.clone(),
            biases: self.biases.clone(),
            default_layer: self.default_layer.clone(),
            linear_head: self.linear_head.clone(),
            capabilities,
            no_gradients: None,
            preferred_batch,
        }
    }
}

/// [`prepare`](crate::prepare) writes it.
fn scores_name(logits: &str) -> String {
    format!("{logits}/scores")
}

/// Softmaxes `[n, heads, t, t]` over as many tokens as a token map has.
fn find_attentions(view: &View, layers: &[Layer], used: impl Fn(&str) -> bool) -> Vec<AttentionInfo> {
    let token_maps: Vec<(usize, [usize; 2])> = layers
        .iter()
        .filter_map(|layer| match layer.layout {
            Layout::Tokens { prefix, h, w } => Some((prefix, [h, w])),
            _ => None,
        })
        .collect();
    let softmaxes = view.flat.nodes.iter().filter(|node| node.op_type == "Softmax");
    softmaxes
        .filter_map(|node| {
            let name = node.output.first().filter(|name| used(name) && view.of_image(name))?;
            let &[batch, n_heads, n_tokens, keys] = view.shape(name)? else { return None };
            let last_axis = matches!(node.attr_int("axis"), None | Some(-1 | 3));
            let &(n_prefix_tokens, grid) = token_maps.iter().find(|(prefix, [h, w])| prefix + h * w == n_tokens)?;
            (last_axis && batch == view.batch && keys == n_tokens).then(|| AttentionInfo {
                name: name.clone(),
                n_heads,
                n_tokens,
                n_prefix_tokens,
                grid,
            })
        })
        .collect()
}
