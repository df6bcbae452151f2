//! [`ModelBackend`]: a classifier that can be run, explained and, where the engine can, trained.

use crate::output::{OutputChoice, OutputKind};
use crate::pass::{Forward, Gradients, Pass, PassRequest};
use crate::relevance::RelevanceRule;
use crate::trainer::{Trainer, TrainerOptions};
use crate::{Error, Result, Tensor, TensorView};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The engine behind a backend plugin: opens models.
pub trait Runtime: Send + Sync {
    /// What the models it opens can do, for choosing a backend before anything is opened.
    fn capabilities(&self) -> Capabilities;

    /// Whether the engine can run on this machine; the error says what is missing.
    ///
    /// # Errors
    /// `Plugin`, with where the engine was looked for.
    fn available(&self) -> Result<()> {
        Ok(())
    }

    /// Opens a model. Called once for each worker; the instances share nothing that changes.
    ///
    /// # Errors
    /// `File` for a file that is no model, `UnsupportedOperator` before anything is computed.
    fn open(&self, request: &OpenModel) -> Result<Box<dyn ModelBackend>>;
}

/// Where a model may run; what an engine has of it, it says when it opens one.
pub const DEVICES: [&str; 8] = ["cpu", "wgpu", "cuda", "tensorrt", "coreml", "directml", "openvino", "webgpu"];

/// Which model to open, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenModel {
    /// The ONNX file.
    pub path: PathBuf,
    /// One of [`DEVICES`].
    pub device: String,
    /// Threads this one instance may use inside a call.
    pub n_threads: usize,
    /// Height and width of the images, for models that leave them open.
    pub image_size: Option<[usize; 2]>,
    /// Which output is explained, and what it means.
    #[serde(default)]
    pub output: OutputChoice,
    /// Whether gradients will be asked for: what an engine can only tell by trying, it then tries
    /// ([`ModelInfo::no_gradients`]).
    #[serde(default)]
    pub gradients: bool,
}

impl OpenModel {
    /// A model on one CPU thread.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let (path, device) = (path.as_ref().to_owned(), "cpu".into());
        Self { path, device, n_threads: 1, image_size: None, output: OutputChoice::default(), gradients: false }
    }
}

/// What a backend can do beside the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// ∂logit/∂input and ∂logit/∂feature map, and with them [`ModelBackend::pullback`] and
    /// [`ModelBackend::forward_from`].
    pub gradients: bool,
    /// Has a [`Trainer`].
    pub training: bool,
    /// Has [`ModelBackend::relevance`].
    #[serde(default)]
    pub relevance: bool,
}

/// A feature map of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Name of the ONNX tensor; the name to use in configurations.
    pub name: String,
    /// Operator that produces it.
    pub operator: String,
    /// `[c, h, w]`, as [`ModelBackend::forward`] gives it (token maps already unfolded).
    pub shape: [usize; 3],
}

/// The softmax weights of an attention layer.
///
/// [`ModelBackend::forward`] and [`ModelBackend::gradients`] take its name like a layer's and give
/// `[n, n_heads, n_tokens, n_tokens]`: entry `[i, h, q, k]` is how much of token `k` query `q` takes, rows sum to 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionInfo {
    /// Name of the ONNX tensor.
    pub name: String,
    /// Number of heads.
    pub n_heads: usize,
    /// Number of tokens.
    pub n_tokens: usize,
    /// Tokens before the first place of the image (class tokens).
    pub n_prefix_tokens: usize,
    /// `[h, w]` of the places, which follow row by row.
    pub grid: [usize; 2],
}

/// What a backend says about an opened model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Engine and version, for the record.
    pub engine: String,
    /// Name of the input tensor.
    pub input: String,
    /// `[c, h, w]` of the images that [`ModelBackend::forward`] takes.
    pub input_shape: [usize; 3],
    /// Name of the tensor with the logits: the input of a final softmax or sigmoid, where there is one.
    pub logits: String,
    /// What the output means: how logits become probabilities.
    #[serde(default)]
    pub output: OutputKind,
    /// Number of classes.
    pub n_classes: usize,
    /// Every feature map with spatial extent, in graph order.
    pub layers: Vec<LayerInfo>,
    /// The attention layers over all places of the image, in graph order; none but in transformers.
    #[serde(default)]
    pub attentions: Vec<AttentionInfo>,
    /// What the operators of layers add to each of their channels whatever the image (a convolution's bias, batch
    /// normalisation), by the name of the layer; only those that add something.
    #[serde(default)]
    pub biases: BTreeMap<String, Vec<f32>>,
    /// The last feature map with spatial extent before the head.
    pub default_layer: Option<String>,
    /// The head, where it is linear in the spatial mean of a feature map.
    #[serde(skip)]
    pub linear_head: Option<LinearHead>,
    /// What this model can do on this engine.
    pub capabilities: Capabilities,
    /// Why this model has no gradients, where the engine has them for others.
    #[serde(default)]
    pub no_gradients: Option<String>,
    /// Images in a call at which this engine is fastest.
    pub preferred_batch: usize,
}

impl ModelInfo {
    /// The layer with this name; `auto` is the default layer.
    ///
    /// # Errors
    /// `UnknownName`, with the layers that exist.
    pub fn layer(&self, name: &str) -> Result<&LayerInfo> {
        let name = match (name, &self.default_layer) {
            ("auto", Some(layer)) => layer,
            ("auto", None) => {
                return Err(Error::unsupported(
                    "the model has no feature map with spatial extent before its head",
                    "name a layer by hand; `ascan check` prints the layers",
                ));
            }
            (name, _) => name,
        };
        self.layers
            .iter()
            .find(|layer| layer.name == name)
            .ok_or_else(|| Error::unknown_name("layer", name, self.layers.iter().map(|layer| &layer.name)))
    }

    /// Name and shape an image of a layer (`auto` too) or of the weights of an attention.
    ///
    /// # Errors
    /// `UnknownName`, with the layers that exist.
    pub fn tensor(&self, name: &str) -> Result<(&str, Vec<usize>)> {
        if let Some(attention) = self.attentions.iter().find(|attention| attention.name == name) {
            let AttentionInfo { n_heads, n_tokens, .. } = *attention;
            return Ok((&attention.name, vec![n_heads, n_tokens, n_tokens]));
        }
        self.layer(name).map(|layer| (layer.name.as_str(), layer.shape.to_vec()))
    }

    /// The linear head, if this is the layer that it pools.
    pub fn linear_head_of(&self, layer: &str) -> Option<&LinearHead> {
        self.linear_head.as_ref().filter(|head| head.layer == layer)
    }
}

/// A head `logit_c = Σ_k weight[c,k] · mean_ij A_kij + bias_c` over the feature map `A` of `layer`.
///
/// With such a head Grad-CAM is CAM: `∂logit_c/∂A_kij = weight[c,k] / (h·w)`, with no backward pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinearHead {
    /// The feature map that is pooled.
    pub layer: String,
    /// `[n_classes, c]`.
    pub weight: Tensor,
}

/// A classifier, opened by an engine.
///
/// One instance serves one thread at a time; open one for each worker.
/// The result for an image does not depend on the other images of the call.
pub trait ModelBackend: Send {
    /// What this model is.
    fn info(&self) -> &ModelInfo;

    /// Runs the model.
    ///
    /// # Shapes
    /// - `images`: `[n, c, h, w]`, already normalised as the model expects
    /// - `layers`: names from [`ModelInfo::layers`] or [`ModelInfo::attentions`]
    /// - returns logits `[n, n_classes]` and for each of `layers` a feature map `[n, c_l, h_l, w_l]` or the weights
    ///   of the attention
    ///
    /// # Errors
    /// `Shape` if the images do not fit; `UnknownName` for a layer that the model does not have.
    fn forward(&self, images: TensorView, layers: &[&str]) -> Result<Forward>;

    /// Gradients of `logits[i][target_classes[i]]` with respect to the input or feature maps.
    ///
    /// # Shapes
    /// - `images`: `[n, c, h, w]`; `target_classes`: `[n]`, each in `0..n_classes`
    /// - `with_respect_to`: [`ModelInfo::input`], or names from [`ModelInfo::layers`] or [`ModelInfo::attentions`]
    ///
    /// # Units
    /// Logits per unit of the normalised input, or of the activation.
    ///
    /// # Errors
    /// `Unsupported` if the engine has no gradients; `UnknownName` as for [`Self::forward`].
    fn gradients(&self, images: TensorView, target_classes: &[usize], with_respect_to: &[&str]) -> Result<Gradients> {
        let _ = (images, target_classes, with_respect_to);
        Err(lacks(self.info(), "has no gradients"))
    }

    /// Logits, feature maps and gradients of the target logits in one pass.
    ///
    /// A backend that does not say otherwise makes two: one forwards, to know the predicted classes, and one there and back.
    ///
    /// # Errors
    /// As [`Self::forward`] and, where gradients are asked for, [`Self::gradients`].
    fn pass(&self, request: &PassRequest) -> Result<Pass> {
        pass_in_two(self, request)
    }

    /// The gradient of a function of a feature map with respect to the images, in one pass there and back.
    ///
    /// The function is given by its own gradient: `cotangent` is called once with the feature map `A` of all images and
    /// returns `∂f/∂A`; the result is `∂f/∂image`.
    ///
    /// # Shapes
    /// - `images`: `[n, c, h, w]`; `layer`: a name from [`ModelInfo::layers`]
    /// - `cotangent` takes and returns `[n, c_l, h_l, w_l]`
    /// - returns `[n, c, h, w]`
    ///
    /// # Units
    /// Those of the function per unit of the normalised input.
    ///
    /// # Errors
    /// `Unsupported` if the engine has no gradients; `Shape` for a cotangent of another shape; whatever `cotangent` reports.
    fn pullback(&self, images: TensorView, layer: &str, cotangent: &mut Cotangent) -> Result<Tensor> {
        let _ = (images, layer, cotangent);
        Err(lacks(self.info(), "has no gradients"))
    }

    /// Logits with the feature map of one layer replaced by others; only what is behind the layer runs anew.
    ///
    /// Everything that does not come through the layer (skip connections around it, class tokens beside the places) is
    /// that of the image.
    ///
    /// # Shapes
    /// - `images`: `[n, c, h, w]`; `layer`: a name from [`ModelInfo::layers`]
    /// - `feature_maps`: `[m, c_l, h_l, w_l]`; `image_of`: `[m]`, the image that each of them belongs to, in `0..n`
    /// - returns `[m, n_classes]`
    ///
    /// # Errors
    /// `Unsupported` if the engine cannot; `Shape` if the arguments do not fit together.
    fn forward_from(
        &self,
        images: TensorView,
        layer: &str,
        feature_maps: TensorView,
        image_of: &[usize],
    ) -> Result<Tensor> {
        let _ = (images, layer, feature_maps, image_of);
        Err(lacks(self.info(), "cannot run a part of the model"))
    }

    /// How much of the target logit each input value is given by a backward pass with changed rules.
    ///
    /// # Shapes
    /// - `images`: `[n, c, h, w]`; `target_classes`: `[n]`, each in `0..n_classes`
    /// - returns `[n, c, h, w]`
    ///
    /// # Units
    /// Logits; [`RelevanceRule`] says what they sum to.
    ///
    /// # Errors
    /// `Unsupported` if the engine has no such rules, or none for a node that it names.
    fn relevance(&self, images: TensorView, target_classes: &[usize], rule: &RelevanceRule) -> Result<Tensor> {
        let _ = (images, target_classes, rule);
        Err(lacks(self.info(), "has no rules of relevance"))
    }

    /// A trainer that starts from this model's weights.
    ///
    /// # Errors
    /// `Unsupported` if the engine cannot train; `UnknownName` for tensors that do not exist.
    fn trainer(&self, options: &TrainerOptions) -> Result<Box<dyn Trainer>> {
        let _ = options;
        Err(Error::unsupported(format!("{} cannot train", self.info().engine), "use `model.backend = \"burn\"`"))
    }

    /// The backend itself, if it came through the plugin boundary: its functions are lent on as they are.
    #[doc(hidden)]
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// See [`ModelBackend::pass`].
pub(crate) fn pass_in_two<B: ModelBackend + ?Sized>(backend: &B, request: &PassRequest) -> Result<Pass> {
    let forward = backend.forward(request.images, request.layers)?;
    let classes = request.classes(&forward.logits)?;
    let mut pass = Pass { forward, ..Pass::default() };
    if !request.gradients_of.is_empty() {
        let made = backend.gradients(request.images, &classes, request.gradients_of)?.gradients;
        pass.gradients = request.gradients_of.iter().map(|&name| name.to_owned()).zip(made).collect();
    }
    Ok(pass)
}

/// [`ModelBackend::gradients`] by a pass that brings the layers along: the arguments are checked, and `pass` is asked once.
///
/// # Errors
/// As [`check_gradients`], and whatever `pass` reports.
pub fn gradients_by_pass(
    info: &ModelInfo,
    images: TensorView,
    target_classes: &[usize],
    with_respect_to: &[&str],
    pass: impl FnOnce(&PassRequest) -> Result<Pass>,
) -> Result<Gradients> {
    check_gradients(info, images, target_classes, with_respect_to)?;
    let classes: Vec<Option<usize>> = target_classes.iter().copied().map(Some).collect();
    let layers: Vec<&str> = with_respect_to.iter().copied().filter(|&name| name != info.input).collect();
    let request = PassRequest { images, layers: &layers, target_classes: &classes, gradients_of: with_respect_to };
    let Pass { forward, gradients } = pass(&request)?;
    let mut maps = forward.feature_maps.into_iter();
    // The input's own value is what was given.
    let value = |&name: &&str| match name == info.input {
        true => Some(images.to_tensor()),
        false => maps.next().map(|(_, map)| map),
    };
    let values = with_respect_to.iter().filter_map(value).collect();
    Ok(Gradients { logits: forward.logits, gradients: gradients.into_iter().map(|(_, made)| made).collect(), values })
}

/// `∂f/∂A` of a function `f` of the feature map `A`; see [`ModelBackend::pullback`].
pub type Cotangent<'a> = dyn FnMut(TensorView) -> Result<Tensor> + 'a;

fn lacks(info: &ModelInfo, what: &str) -> Error {
    Error::unsupported(format!("{} {what}", info.engine), "use `model.backend = \"burn\"` or `\"auto\"`")
}

/// Most values of an image or of its feature map, and most classes; numbers above are mistakes.
const MAX_VALUES: usize = 1 << 30;

/// Checks what a backend says about its model; the reason if there can be no such model.
pub(crate) fn check_info(info: &ModelInfo) -> Result<(), String> {
    let is_shape = |shape: &[usize]| {
        let n = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
        n.is_some_and(|n| (1..=MAX_VALUES).contains(&n))
    };
    if !is_shape(&info.input_shape) {
        return Err(format!("its images are {:?}", info.input_shape));
    }
    if !is_shape(&[info.n_classes]) {
        return Err(format!("it has {} classes", info.n_classes));
    }
    if let Some(layer) = info.layers.iter().find(|layer| layer.name.is_empty() || !is_shape(&layer.shape)) {
        return Err(format!("its layer `{}` is {:?}", layer.name, layer.shape));
    }
    let layer = |name: &str| info.layers.iter().find(|layer| layer.name == name);
    if let Some(name) = info.default_layer.as_ref().filter(|name| layer(name).is_none()) {
        return Err(format!("its default layer is `{name}`, which it does not list"));
    }
    for (name, biases) in &info.biases {
        if layer(name).is_none_or(|layer| layer.shape[0] != biases.len()) {
            return Err(format!("it has {} biases for `{name}`", biases.len()));
        }
    }
    for AttentionInfo { name, n_heads, n_tokens, n_prefix_tokens, grid: [h, w] } in &info.attentions {
        let n_places = h.checked_mul(*w).and_then(|n| n.checked_add(*n_prefix_tokens));
        if !is_shape(&[*n_heads, *n_tokens, *n_tokens]) || n_places.is_none_or(|n| n > *n_tokens) {
            return Err(format!("its attention `{name}` has {n_tokens} tokens for {h} × {w} places"));
        }
    }
    Ok(())
}

/// Checks what every backend must check before it computes.
///
/// # Errors
/// `Shape` if `images` is not `[n, c, h, w]` with the model's `[c, h, w]`; `UnknownName` for an unknown layer.
pub fn check_forward(info: &ModelInfo, images: TensorView, layers: &[&str]) -> Result<usize> {
    let [c, h, w] = info.input_shape;
    let [n, rest @ ..] = images.dims::<4>("images", &format!("[n, {c}, {h}, {w}]"))?;
    if rest != [c, h, w] {
        return Err(Error::shape("images", format!("[n, {c}, {h}, {w}]"), images.shape()));
    }
    for layer in layers {
        info.tensor(layer)?;
    }
    Ok(n)
}

/// Checks the arguments of [`ModelBackend::gradients`].
///
/// # Errors
/// As [`check_forward`]; `Shape` for a wrong number of target classes; `Param` for a class the model does not have.
pub fn check_gradients(
    info: &ModelInfo,
    images: TensorView,
    target_classes: &[usize],
    with_respect_to: &[&str],
) -> Result<usize> {
    let layers: Vec<&str> = with_respect_to.iter().copied().filter(|&name| name != info.input).collect();
    let n = check_forward(info, images, &layers)?;
    if target_classes.len() != n {
        return Err(Error::shape("target classes", format!("[{n}], one per image"), [target_classes.len()]));
    }
    match target_classes.iter().find(|&&class| class >= info.n_classes) {
        Some(class) => Err(Error::param(
            "target_class",
            format!("class {class} does not exist: the model has {} classes", info.n_classes),
            format!("use 0 to {}", info.n_classes.saturating_sub(1)),
        )),
        None => Ok(n),
    }
}

/// Checks the arguments of [`ModelBackend::pass`].
///
/// # Errors
/// As [`check_gradients`].
pub fn check_pass(info: &ModelInfo, request: &PassRequest) -> Result<usize> {
    check_forward(info, request.images, request.layers)?;
    // Class 0 is one that every model has.
    let classes: Vec<usize> = request.target_classes.iter().map(|class| class.unwrap_or(0)).collect();
    check_gradients(info, request.images, &classes, request.gradients_of)
}

/// Checks the arguments of [`ModelBackend::forward_from`].
///
/// # Errors
/// As [`check_forward`]; `Shape` for feature maps of another shape, or an image that is not there.
pub fn check_forward_from(
    info: &ModelInfo,
    images: TensorView,
    layer: &str,
    feature_maps: TensorView,
    image_of: &[usize],
) -> Result<usize> {
    let n = check_forward(info, images, &[])?;
    let [c, h, w] = info.layer(layer)?.shape;
    let expected = [image_of.len(), c, h, w];
    if feature_maps.shape() != expected {
        return Err(Error::shape(
            "feature maps",
            format!("{expected:?}, one for each `image_of`"),
            feature_maps.shape(),
        ));
    }
    match image_of.iter().find(|&&image| image >= n) {
        Some(image) => Err(Error::shape("image_of", format!("numbers of {n} images"), image)),
        None => Ok(n),
    }
}
