//! `features-NNNNN.arrow`: embeddings and raw attribution maps, uncompressed and of fixed width.

use super::plan::{AttributionPlan, ScanPlan};
use super::row::ScanRow;
use super::samples::{TableResult, fixed_size_list, guarded, typed};
use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float16Array, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use half::f16;
use std::io::Cursor;
use std::sync::Arc;

/// The bytes of a shard's arrays.
///
/// # Shapes
/// `embedding`: `[d]` per row; `attribution`: `[h · w]` per row, at the stored map size, where there are maps;
/// `attribution_<name>`: the same of
/// each further method.
pub(super) fn encode(plan: &ScanPlan, rows: &[ScanRow]) -> TableResult<Vec<u8>> {
    let outcomes = || rows.iter().map(|row| row.outcome.as_ref().ok());
    let area = |method: &AttributionPlan| method.stored_map_size.iter().product();
    let mut embeddings =
        fixed_size_list(plan.features.n_dims, outcomes().map(|o| o.map_or(&[][..], |o| &o.embedding)))?;
    if plan.features.settings.dtype == "f16" {
        embeddings = to_f16(&embeddings)?;
    }
    let mut columns = vec![("embedding".to_owned(), Arc::new(embeddings) as ArrayRef)];
    if plan.has_maps() {
        let maps = fixed_size_list(area(&plan.attribution), outcomes().map(|o| o.map_or(&[][..], |o| &o.map)))?;
        columns.push(("attribution".to_owned(), Arc::new(maps)));
    }
    for (i, method) in plan.also.iter().enumerate() {
        let maps = outcomes().map(|o| o.and_then(|o| o.also.get(i)).map_or(&[][..], Vec::as_slice));
        columns.push((column_of(method), Arc::new(fixed_size_list(area(method), maps)?)));
    }
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    Ok(writer.into_inner()?)
}

/// The column of a further method's maps.
pub(super) fn column_of(method: &AttributionPlan) -> String {
    format!("attribution_{}", method.title())
}

/// Appends a column of a shard.
pub(super) fn decode(bytes: &[u8], column: &str, values: &mut Vec<f32>) -> TableResult<()> {
    guarded(|| decode_all(bytes, column, values))
}

fn decode_all(bytes: &[u8], column: &str, values: &mut Vec<f32>) -> TableResult<()> {
    for batch in FileReader::try_new(Cursor::new(bytes), None)? {
        let batch = batch?;
        let array = batch.column_by_name(column).ok_or_else(|| format!("column `{column}` is missing"))?;
        let list: &FixedSizeListArray = typed(array, column)?;
        match list.values().data_type() {
            DataType::Float16 => {
                let halves: &Float16Array = typed(list.values(), column)?;
                values.extend(halves.values().iter().map(|v| v.to_f32()));
            }
            _ => values.extend_from_slice(typed::<Float32Array>(list.values(), column)?.values()),
        }
    }
    Ok(())
}

fn to_f16(list: &FixedSizeListArray) -> TableResult<FixedSizeListArray> {
    let values: &Float32Array = typed(list.values(), "embedding")?;
    let halves: Float16Array = values.values().iter().map(|&v| Some(f16::from_f32(v))).collect();
    // Without a null buffer, as the f32 form has none.
    let halves = Float16Array::new(halves.values().clone(), None);
    let item = Arc::new(Field::new("item", DataType::Float16, false));
    Ok(FixedSizeListArray::try_new(item, list.value_length(), Arc::new(halves), None)?)
}
