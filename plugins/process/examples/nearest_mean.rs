//! A slicer for `plugin = "process"` in Rust: the nearest of the mean embeddings of each predicted class.

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type};
use arrow::error::ArrowError;
use arrow::ipc::{reader::StreamReader, writer::StreamWriter};
use std::collections::BTreeMap;
use std::sync::Arc;

fn main() -> Result<(), ArrowError> {
    let reader = StreamReader::try_new(std::io::stdin(), None)?;
    let table = concat_batches(&reader.schema(), &reader.collect::<Result<Vec<_>, _>>()?)?;
    let column = |name: &str| &table[name];
    let embeddings = column("embedding").as_fixed_size_list();
    let d = embeddings.value_length() as usize;
    let values = embeddings.values().as_primitive::<Float32Type>().values();
    let rows: Vec<&[f32]> = values.chunks(d).collect();

    let mut sums: BTreeMap<i32, (Vec<f64>, f64)> = BTreeMap::new();
    let classes = column("predicted_class").as_primitive::<Int32Type>().values();
    let fit = column("fit").as_boolean().values();
    for i in (0..rows.len()).filter(|&i| fit.value(i)) {
        let (sum, n) = sums.entry(classes[i]).or_insert_with(|| (vec![0.0; d], 0.0));
        sum.iter_mut().zip(rows[i]).for_each(|(sum, &value)| *sum += f64::from(value));
        *n += 1.0;
    }
    let distance = |row: &[f32], (sum, n): &(Vec<f64>, f64)| -> f64 {
        row.iter().zip(sum).map(|(&value, sum)| (f64::from(value) - sum / n).powi(2)).sum()
    };
    let mut membership = vec![0.0; rows.len() * sums.len()];
    for (row, shares) in rows.iter().zip(membership.chunks_mut(sums.len())) {
        let distances = sums.values().map(|mean| distance(row, mean)).enumerate();
        let nearest = distances.reduce(|best, next| if next.1 < best.1 { next } else { best });
        shares[nearest.map_or(0, |(slice, _)| slice)] = 1.0;
    }

    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(membership));
    let column = Arc::new(FixedSizeListArray::try_new(item, sums.len() as i32, values, None)?) as ArrayRef;
    let answer = RecordBatch::try_from_iter([("membership", column)])?;
    let mut writer = StreamWriter::try_new(std::io::stdout(), &answer.schema())?;
    writer.write(&answer)?;
    writer.finish()
}
