//! A table as an Arrow batch: what is sent to the program.

use crate::params::ProcessParams;
use arrow::array::{ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use ascan_core::{Context, Error, Result, SliceTable, TensorView};
use std::collections::HashMap;
use std::sync::Arc;

/// The columns of a table, owned; `fit` is the same for all its rows.
///
/// # Errors
/// `Shape` for a table without rows or dimensions; `Unsupported` if maps are asked for and there are none.
pub fn batch(table: &SliceTable, fit: bool, with_maps: bool, metadata: HashMap<String, String>) -> Result<RecordBatch> {
    let mut metadata = metadata;
    let n = table.n();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("fit", Arc::new(BooleanArray::from(vec![fit; n]))),
        ("embedding", lists("embeddings", table.embeddings)?),
        ("label", Arc::new(Int32Array::from(table.labels.to_vec()))),
        ("predicted_class", Arc::new(Int32Array::from(table.predicted_classes.to_vec()))),
        ("probs", lists("probs", table.probs)?),
        ("loss", Arc::new(Float32Array::from(table.losses.to_vec()))),
    ];
    if with_maps {
        let maps = table.maps.ok_or_else(|| {
            Error::unsupported("the program is to be sent attribution maps, and there are none", "maps = false")
        })?;
        let [_, h, w] = maps.dims("maps", "[n, h, w]")?;
        metadata.extend([("map_height".into(), h.to_string()), ("map_width".into(), w.to_string())]);
        columns.push(("map", lists("maps", maps)?));
    }
    of_columns(columns, metadata)
}

/// A batch of these columns.
///
/// # Errors
/// `Shape` for columns of different lengths.
pub fn of_columns(columns: Vec<(&str, ArrayRef)>, metadata: HashMap<String, String>) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), false)).collect();
    let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect())
        .map_err(|error| Error::shape("table", "columns that Arrow can hold", error))
}

/// What every program is told of a run.
pub fn told(params: &ProcessParams, context: &Context) -> HashMap<String, String> {
    let params = serde_json::to_string(&params.params).unwrap_or_default();
    let told = [("seed", context.seed.to_string()), ("n_threads", context.n_threads.to_string()), ("params", params)];
    told.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Entries of the first axis, flat, as lists of one length.
pub fn lists(what: &str, tensor: TensorView) -> Result<ArrayRef> {
    let size = i32::try_from(tensor.row_len()).unwrap_or(0);
    if size == 0 || tensor.n_rows() == 0 {
        return Err(Error::shape(what, "at least one image and one number per image", tensor.shape()));
    }
    let field = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(tensor.data().to_vec()));
    FixedSizeListArray::try_new(field, size, values, None)
        .map(|lists| Arc::new(lists) as ArrayRef)
        .map_err(|error| Error::shape(what, "values that Arrow can hold", error))
}
