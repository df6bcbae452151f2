//! A projector and an attribution method for `plugin = "process"` in Rust: the first two dimensions of an embedding, or
//! the mean of a feature map over its channels.

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float32Type};
use arrow::error::ArrowError;
use arrow::ipc::{reader::StreamReader, writer::StreamWriter};
use std::sync::Arc;

fn main() -> Result<(), ArrowError> {
    let reader = StreamReader::try_new(std::io::stdin(), None)?;
    let schema = reader.schema();
    let table = concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)?;
    let (name, len, answer) = match table.column_by_name("feature_map") {
        None => ("projection", 2, rows(&table, "embedding").iter().flat_map(|row| row[..2].to_vec()).collect()),
        Some(_) => {
            let shape: Vec<usize> =
                schema.metadata()["feature_map_shape"].split(',').map(|side| side.parse().unwrap_or(0)).collect();
            let area = shape[1] * shape[2];
            let mean = |map: &Vec<f32>| -> Vec<f32> {
                (0..area).map(|at| map.iter().skip(at).step_by(area).sum::<f32>() / shape[0] as f32).collect()
            };
            ("map", area, rows(&table, "feature_map").iter().flat_map(mean).collect::<Vec<f32>>())
        }
    };
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let column = FixedSizeListArray::try_new(item, len as i32, Arc::new(Float32Array::from(answer)), None)?;
    let answer = RecordBatch::try_from_iter([(name, Arc::new(column) as ArrayRef)])?;
    let mut writer = StreamWriter::try_new(std::io::stdout(), &answer.schema())?;
    writer.write(&answer)?;
    writer.finish()
}

/// The lists of a column.
fn rows(table: &RecordBatch, name: &str) -> Vec<Vec<f32>> {
    let lists = table[name].as_fixed_size_list();
    let values = lists.values().as_primitive::<Float32Type>().values();
    values.chunks(lists.value_length() as usize).map(<[f32]>::to_vec).collect()
}
