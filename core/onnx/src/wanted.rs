//! What one compiled file of a model gives, and how the answer of a backend is put together from its calls.

use crate::batch::calls;
use crate::classifier::Classifier;
use crate::gradient::{Seed, gradient};
use crate::model::Model;
use crate::prepare::prepare;
use crate::proto::ModelProto;
use ascan_core::{Error, Forward, ModelInfo, Pass, PassRequest, Result, Tensor};

/// In place of a class: the one that the pass predicts; see [`Seed::TargetClass`].
const PREDICTED: i64 = -1;

/// Layers and gradients that a file gives besides the logits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    layers: Vec<String>,
    gradients_of: Vec<String>,
}

/// Shape and values of an output.
pub type Output = (Vec<usize>, Vec<f32>);
/// Runs a file on images and the class of each.
pub type Run<'a> = dyn FnMut(&[f32], &[i64]) -> Result<Vec<Output>> + 'a;

impl Wanted {
    /// What is asked for, each tensor once; where a gradient of a layer is asked for, the file gives the layer too.
    ///
    /// # Errors
    /// `UnknownName` for a tensor that is neither the input nor a layer or attention.
    pub fn of(info: &ModelInfo, layers: &[&str], gradients_of: &[&str]) -> Result<Self> {
        let mut wanted = Self::default();
        for &name in layers.iter().chain(gradients_of.iter().filter(|&&name| name != info.input)) {
            push_new(&mut wanted.layers, info.tensor(name)?.0);
        }
        for &name in gradients_of {
            let name = if name == info.input { name } else { info.tensor(name)?.0 };
            push_new(&mut wanted.gradients_of, name);
        }
        Ok(wanted)
    }

    /// Whether there is a way back.
    pub fn has_gradients(&self) -> bool {
        !self.gradients_of.is_empty()
    }

    /// Whether a file that gives `other` serves: it gives all of this, and does not go back in vain.
    pub fn is_served_by(&self, other: &Self) -> bool {
        let all = |names: &[String], others: &[String]| names.iter().all(|name| others.contains(name));
        self.has_gradients() == other.has_gradients()
            && all(&self.layers, &other.layers)
            && all(&self.gradients_of, &other.gradients_of)
    }

    /// The file: outputs are logits, layers, gradients; inputs are the images and, with gradients, `target_class`.
    ///
    /// # Errors
    /// As [`prepare`] and [`gradient`].
    pub fn file(&self, model: &Model, classifier: &Classifier, batch: Option<usize>) -> Result<ModelProto> {
        let [layers, gradients_of] =
            [&self.layers, &self.gradients_of].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        match self.has_gradients() {
            false => prepare(model, classifier, &layers, batch),
            true => gradient(model, classifier, &layers, &gradients_of, Seed::TargetClass),
        }
    }

    /// Runs the file on calls of `size` images. `run` takes the images and, for a file with gradients, the class of each, and
    /// gives all outputs.
    ///
    /// # Errors
    /// Whatever `run` reports; `Shape` if an output is not what it should be.
    pub fn pass(
        &self,
        (classifier, info): (&Classifier, &ModelInfo),
        request: &PassRequest,
        size: usize,
        run: &mut Run,
    ) -> Result<Pass> {
        let images = request.images;
        let n = images.n_rows();
        let (first_layer, first_gradient) = (1, 1 + self.layers.len());
        let mut logits = Vec::with_capacity(n * info.n_classes);
        let mut found: Vec<Vec<f32>> = vec![Vec::new(); self.layers.len() + self.gradients_of.len()];
        let names = || self.layers.iter().chain(&self.gradients_of);
        for (call, (n_rows, values)) in calls(images, size).enumerate() {
            let class = |row: usize| request.target_classes.get((call * size + row).min(n - 1)).copied().flatten();
            let classes: Vec<i64> = (0..size).map(|row| class(row).map_or(PREDICTED, |class| class as i64)).collect();
            let outputs = run(&values, &classes)?;
            if outputs.len() != 1 + found.len() {
                return Err(Error::shape("outputs", (1 + found.len()).to_string(), outputs.len()));
            }
            logits.extend_from_slice(rows(&outputs[0], n_rows, info.n_classes)?);
            for ((name, output), found) in names().zip(&outputs[first_layer..]).zip(&mut found) {
                if *name == info.input {
                    found.extend_from_slice(rows(output, n_rows, images.row_len())?);
                } else {
                    let plain = classifier.to_plain(name, &output.0, &output.1)?;
                    found.extend_from_slice(plain.view().rows(0..n_rows));
                }
            }
        }
        let tensor = |asked: &str, names: &[String], first: usize| -> Result<(String, Tensor)> {
            let (name, shape) = match asked == info.input {
                true => (asked, info.input_shape.to_vec()),
                false => info.tensor(asked)?,
            };
            let at = names.iter().position(|known| known == name);
            let at = at.ok_or_else(|| Error::unknown_name("tensor", name, names))?;
            Ok((asked.to_owned(), Tensor::new([vec![n], shape].concat(), found[first + at - first_layer].clone())?))
        };
        let layers = request.layers.iter().map(|layer| tensor(layer, &self.layers, first_layer));
        let gradients = request.gradients_of.iter().map(|name| tensor(name, &self.gradients_of, first_gradient));
        let (feature_maps, gradients) = (layers.collect::<Result<_>>()?, gradients.collect::<Result<_>>()?);
        Ok(Pass { forward: Forward { logits: Tensor::new([n, info.n_classes], logits)?, feature_maps }, gradients })
    }
}

fn push_new(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// The first rows of an output.
fn rows((shape, values): &Output, n_rows: usize, len: usize) -> Result<&[f32]> {
    values
        .get(..n_rows * len)
        .ok_or_else(|| Error::shape("an output", format!("{n_rows} rows of {len}"), shape.as_slice()))
}
