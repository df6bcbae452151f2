//! A graph that tract compiles when it first sees its inputs, whose shapes it has to know.

use crate::compile::{Plan, compile, root, values};
use ascan_core::{Error, Result};
use ascan_onnx::proto::ModelProto;
use ascan_onnx::{Given, Graph, Model};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use tract_onnx::prelude::{DatumType, InferenceFact, TValue, TVec, Tensor};

/// Element type and shape of each input.
type Facts = Vec<(DatumType, Vec<usize>)>;

/// A half of a model.
pub(crate) struct Half {
    bytes: Vec<u8>,
    path: PathBuf,
    inputs: Vec<String>,
    outputs: Vec<String>,
    compiled: Option<(Facts, Plan)>,
}

impl Half {
    /// Of this file.
    ///
    /// # Errors
    /// `File` for one without a graph.
    pub fn new(proto: ModelProto, path: PathBuf) -> Result<Self> {
        let model = Model::from_proto(proto, &path);
        let graph = model.graph()?;
        let [inputs, outputs] =
            [&graph.input, &graph.output].map(|infos| infos.iter().map(|info| info.name.clone()).collect());
        Ok(Self { bytes: model.to_bytes(), path, inputs, outputs, compiled: None })
    }

    fn plan(&mut self, inputs: &[TValue]) -> Result<Plan> {
        let facts: Facts = inputs.iter().map(|input| (input.datum_type(), input.shape().to_vec())).collect();
        if let Some((_, plan)) = self.compiled.as_ref().filter(|(known, _)| *known == facts) {
            return Ok(Arc::clone(plan));
        }
        let wanted = facts.iter().map(|(of, shape)| InferenceFact::dt_shape(*of, shape.clone()));
        let plan = compile(&self.bytes, &self.path, wanted.collect())?;
        self.compiled = Some((facts, Arc::clone(&plan)));
        Ok(plan)
    }
}

impl Graph for Half {
    type Value = TValue;

    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn outputs(&self) -> &[String] {
        &self.outputs
    }

    fn run(&mut self, inputs: Vec<(&str, Given<TValue>)>) -> Result<Vec<TValue>> {
        let fail = |message: String| Error::file(&self.path, format!("tract failed: {message}"), "");
        // They come in the order of the graph's own.
        let inputs = inputs.into_iter().map(|(_, given)| match given {
            Given::Floats(shape, values) => Tensor::from_shape(shape, values).map(TValue::from),
            Given::Value(value) => Ok(value.clone()),
        });
        let inputs: TVec<TValue> = inputs.collect::<std::result::Result<_, _>>().map_err(|error| fail(root(&error)))?;
        let outputs = self.plan(&inputs)?.run(inputs);
        Ok(outputs.map_err(|error| Error::file(&self.path, format!("tract failed: {}", root(&error)), ""))?.into_vec())
    }

    fn read<'v>(&self, value: &'v TValue) -> Result<(Vec<usize>, Cow<'v, [f32]>)> {
        Ok((value.shape().to_vec(), Cow::Owned(values(value)?)))
    }
}
