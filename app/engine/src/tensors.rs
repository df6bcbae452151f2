//! Named tensors as the bytes of a safetensors file.

use ascan_core::{Result, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use std::collections::HashMap;

/// Tensors by name.
pub type Named = Vec<(String, Tensor)>;

/// The bytes of a file with these tensors, and a note in its header.
pub fn encode(tensors: &[(String, &Tensor)], note: &str) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let header = HashMap::from([("note".to_owned(), note.to_owned())]);
    safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, Some(header))
}

/// What [`encode`] has written: the tensors, and the note.
pub fn decode(bytes: &[u8]) -> Result<(Named, String), SafeTensorError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let note = header.metadata().as_ref().and_then(|header| header.get("note")).cloned().unwrap_or_default();
    let tensors = SafeTensors::deserialize(bytes)?;
    let named = tensors.iter().map(|(name, view)| {
        let (values, _) = view.data().as_chunks::<4>();
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = Tensor::new(view.shape().to_vec(), values).map_err(|_| SafeTensorError::TensorInvalidInfo)?;
        Ok((name.to_owned(), tensor))
    });
    Ok((named.collect::<Result<_, SafeTensorError>>()?, note))
}
