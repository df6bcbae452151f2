//! `slices/<id>/`: results of slicing, side by side.

use super::samples::{TableResult, guarded, typed};
use super::{Scan, layout};
use arrow::array::{ArrayRef, Int32Array, RecordBatch, UInt64Array};
use ascan_core::{Error, Result};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::sync::Arc;

const PARAMS: &str = "params.json";
const ASSIGNMENT: &str = "assignment.parquet";
const REPORT: &str = "report.json";

/// A slice set as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSlices {
    /// Its folder name.
    pub id: String,
    /// How it was made.
    pub params: Value,
    /// The slice of each row of the scan, −1 for noise and failed rows.
    pub assignment: Vec<i32>,
    /// What was found.
    pub report: Value,
}

impl Scan {
    /// Stores a slice set, over one of the same name. It exists when its report, written last, does.
    ///
    /// # Errors
    /// `Param` for a name that is not plain letters, digits, `.`, `-` and `_`; `Shape` if the assignment has not a
    /// value for each row; `File` if it cannot be written.
    pub fn save_slices(&self, id: &str, params: &Value, assignment: &[i32], report: &Value) -> Result<()> {
        check_id(id)?;
        if assignment.len() != self.plan.data.n_rows {
            let expected = format!("{} values, one per row of the scan", self.plan.data.n_rows);
            return Err(Error::shape("assignment", expected, assignment.len()));
        }
        let failed = |error: &dyn std::fmt::Display| Error::file(self.dir.join(layout::slice_file(id, "")), error, "");
        let json = |value: &Value| serde_json::to_vec_pretty(value).map_err(|error| failed(&error));
        let table = encode(assignment).map_err(|error| failed(&error))?;
        let (params, report) = (json(params)?, json(report)?);
        let _lock = self.lock(layout::SLICES)?;
        self.storage.sweep(&layout::slice_file(id, ""));
        self.storage.put(&layout::slice_file(id, PARAMS), &params)?;
        self.storage.put(&layout::slice_file(id, ASSIGNMENT), &table)?;
        self.storage.put(&layout::slice_file(id, REPORT), &report)
    }

    /// Names of the slice sets, sorted.
    ///
    /// # Errors
    /// `File` if the folder cannot be read.
    pub fn slice_sets(&self) -> Result<Vec<String>> {
        let mut ids = self.storage.list(layout::SLICES)?;
        let mut failure = None;
        // What file managers and people leave here is no slice set.
        ids.retain(|id| check_id(id).is_ok());
        ids.retain(|id| {
            self.storage.exists(&layout::slice_file(id, REPORT)).unwrap_or_else(|error| {
                failure = Some(error);
                false
            })
        });
        failure.map_or(Ok(ids), Err)
    }

    /// Reads how a slice set was made, and nothing else of it.
    ///
    /// # Errors
    /// `File` if there is none of this name, or if it is damaged.
    pub fn slice_params(&self, id: &str) -> Result<Value> {
        let file = layout::slice_file(id, PARAMS);
        serde_json::from_slice(&self.storage.get(&file)?).map_err(|error| {
            Error::file(self.dir.join(file), format!("cannot be parsed: {error}"), "slice again with `ascan slice`")
        })
    }

    /// Reads a slice set.
    ///
    /// # Errors
    /// `UnknownName` (lists those that exist); `File` if it is damaged.
    pub fn load_slices(&self, id: &str) -> Result<StoredSlices> {
        let known = self.slice_sets()?;
        if !known.iter().any(|name| name == id) {
            return Err(Error::unknown_name("slice set", id, known));
        }
        let read = |file: &str| self.storage.get(&layout::slice_file(id, file));
        let damaged = |file: &str, error: &dyn std::fmt::Display| {
            let path = self.dir.join(layout::slice_file(id, file));
            Error::file(path, format!("cannot be parsed: {error}"), "slice again with `ascan slice`")
        };
        let json = |file: &str| serde_json::from_slice(&read(file)?).map_err(|error| damaged(file, &error));
        let assignment =
            read(ASSIGNMENT).map(|bytes| guarded(|| decode(bytes)))?.map_err(|error| damaged(ASSIGNMENT, &error))?;
        if assignment.len() != self.plan.data.n_rows {
            return Err(damaged(ASSIGNMENT, &"it does not have one row per image of the scan"));
        }
        Ok(StoredSlices { id: id.to_owned(), params: json(PARAMS)?, assignment, report: json(REPORT)? })
    }
}

fn check_id(id: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !id.is_empty() && !id.starts_with('.') && id.chars().all(plain) {
        return Ok(());
    }
    Err(Error::param("slice set", format!("\"{id}\" cannot be a folder name"), "use letters, digits, `.`, `-` and `_`"))
}

fn encode(assignment: &[i32]) -> TableResult<Vec<u8>> {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(UInt64Array::from_iter_values(0..assignment.len() as u64)) as ArrayRef),
        ("slice", Arc::new(Int32Array::from(assignment.to_vec())) as ArrayRef),
    ])?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>) -> TableResult<Vec<i32>> {
    let mut assignment = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?.build()? {
        let batch = batch?;
        let column = batch.column_by_name("slice").ok_or("column `slice` is missing")?;
        assignment.extend(typed::<Int32Array>(column, "slice")?.values());
    }
    Ok(assignment)
}
