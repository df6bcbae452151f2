//! Tables as CSV and Parquet.

use super::{Column, Table, unwritable, write_file};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use ascan_core::Result;
use ascan_viz::words::no_formula;
use parquet::arrow::ArrowWriter;
use std::path::Path;
use std::sync::Arc;

pub(super) fn csv(path: &Path, table: &Table) -> Result<()> {
    let encode = || -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(table.columns.iter().map(|(name, _)| name))?;
        for i in 0..table.n_rows() {
            writer.write_record(table.columns.iter().map(|(_, column)| cell(column, i)))?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    };
    write_file(path, &encode().map_err(|error| unwritable(path, &error))?)
}

fn cell(column: &Column, i: usize) -> String {
    match column {
        Column::Int(values) => values[i].map(|v| v.to_string()),
        Column::Float(values) => values[i].map(|v| v.to_string()),
        Column::Bool(values) => values[i].map(|v| v.to_string()),
        Column::Text(values) => values[i].as_deref().map(|text| no_formula(text).into_owned()),
    }
    .unwrap_or_default()
}

pub(super) fn parquet(path: &Path, table: &Table) -> Result<()> {
    let array = |column: &Column| -> ArrayRef {
        match column {
            Column::Int(values) => Arc::new(Int64Array::from(values.clone())),
            Column::Float(values) => Arc::new(Float64Array::from(values.clone())),
            Column::Bool(values) => Arc::new(BooleanArray::from(values.clone())),
            Column::Text(values) => Arc::new(StringArray::from(values.clone())),
        }
    };
    let encode = || -> Result<Vec<u8>, ArrowError> {
        let columns = table.columns.iter().map(|(name, column)| (name, array(column), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(bytes)
    };
    write_file(path, &encode().map_err(|error| unwritable(path, &error))?)
}
