//! `spread/`: what was made of the marks.
//!
//! `spread.json` says how, `spuriousness.parquet` has one row per image, `review.json` holds a person's decisions.

use super::samples::{TableResult, typed};
use super::{Scan, layout};
use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt64Array};
use ascan_core::{Error, Result};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

const REPORT: &str = "spread.json";
const TABLE: &str = "spuriousness.parquet";
const REVIEW: &str = "review.json";

/// A spread as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSpread {
    /// How it was made, and its check.
    pub report: Value,
    /// The spuriousness of each row of the scan, NaN where nothing is known.
    pub spuriousness: Vec<f32>,
    /// The mark of each row.
    pub marks: Vec<Option<String>>,
    /// What a person made of it; `None` if that is of an earlier spread, or not there.
    pub review: Option<Value>,
}

/// A file about one table: it says nothing about another.
#[derive(Serialize, Deserialize)]
struct About {
    /// blake3 of `spuriousness.parquet`.
    table: String,
    content: Value,
}

impl Scan {
    /// Stores a spread, over an earlier one. It exists when its report, written last, names its table.
    ///
    /// # Errors
    /// `Shape` if there is not a value for each row; `File` if it cannot be written.
    pub fn save_spread(&self, report: &Value, spuriousness: &[f32], marks: &[Option<&str>]) -> Result<()> {
        let n = self.plan.data.n_rows;
        if spuriousness.len() != n || marks.len() != n {
            let expected = format!("{n} values, one per row of the scan");
            return Err(Error::shape("spread", expected, spuriousness.len()));
        }
        let table = encode(spuriousness, marks).map_err(|error| self.bad_spread(TABLE, &error))?;
        self.storage.put(&layout::spread_file(TABLE), &table)?;
        self.put_about(REPORT, hash(&table), report)
    }

    /// Stores the review of the spread that is there.
    ///
    /// # Errors
    /// `File` if there is no spread, or if it cannot be written.
    pub fn save_spread_review(&self, review: &Value) -> Result<()> {
        let table = self.storage.get(&layout::spread_file(TABLE))?;
        self.put_about(REVIEW, hash(&table), review)
    }

    /// Reads the spread; `None` if there is none.
    ///
    /// # Errors
    /// `File` if it is damaged.
    pub fn load_spread(&self) -> Result<Option<StoredSpread>> {
        let about = |file: &str| -> Result<Option<About>> {
            let name = layout::spread_file(file);
            if !self.storage.exists(&name)? {
                return Ok(None);
            }
            let about = serde_json::from_slice(&self.storage.get(&name)?);
            about.map(Some).map_err(|error| self.bad_spread(file, &error))
        };
        let Some(report) = about(REPORT)? else { return Ok(None) };
        let table = self.storage.get(&layout::spread_file(TABLE))?;
        let of_table = hash(&table);
        if report.table != of_table {
            return Err(self.bad_spread(TABLE, &"it is not the table that spread.json was written for"));
        }
        let review = about(REVIEW)?.filter(|review| review.table == of_table).map(|review| review.content);
        let (spuriousness, marks) = decode(table).map_err(|error| self.bad_spread(TABLE, &error))?;
        if spuriousness.len() != self.plan.data.n_rows {
            return Err(self.bad_spread(TABLE, &"it does not have one row per image of the scan"));
        }
        Ok(Some(StoredSpread { report: report.content, spuriousness, marks, review }))
    }

    fn put_about(&self, file: &str, table: String, content: &Value) -> Result<()> {
        let about = About { table, content: content.clone() };
        let bytes = serde_json::to_vec_pretty(&about).map_err(|error| self.bad_spread(file, &error))?;
        self.storage.put(&layout::spread_file(file), &bytes)
    }

    fn bad_spread(&self, file: &str, error: &dyn std::fmt::Display) -> Error {
        let path = self.dir.join(layout::spread_file(file));
        Error::file(path, format!("cannot be parsed: {error}"), "spread again with `ascan spread`")
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn encode(spuriousness: &[f32], marks: &[Option<&str>]) -> TableResult<Vec<u8>> {
    let known = |&value: &f32| Some(value).filter(|value| !value.is_nan());
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(UInt64Array::from_iter_values(0..marks.len() as u64)) as ArrayRef, false),
        ("mark", Arc::new(marks.iter().copied().collect::<StringArray>()), true),
        ("spuriousness", Arc::new(spuriousness.iter().map(known).collect::<Float32Array>()), true),
    ])?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>) -> TableResult<(Vec<f32>, Vec<Option<String>>)> {
    let (mut spuriousness, mut marks) = (Vec::new(), Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?.build()? {
        let batch = batch?;
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("column `{name}` is missing"));
        let values = typed::<Float32Array>(column("spuriousness")?, "spuriousness")?;
        spuriousness.extend(values.iter().map(|value| value.unwrap_or(f32::NAN)));
        marks.extend(typed::<StringArray>(column("mark")?, "mark")?.iter().map(|mark| mark.map(str::to_owned)));
    }
    Ok((spuriousness, marks))
}
