//! `spread/`: what was made of the marks.
//!
//! `spread.json` says how, and names its table: `spuriousness-<hash>.parquet` has one row per image, and beside it
//! `review-<hash>.json` holds a person's decisions. `spread.json` is written last, so that there is always one whole spread:
//! the earlier one, or the new one with the decisions that were taken over.

use super::samples::{TableResult, guarded, typed};
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
/// Names before they had the hash of their table.
const TABLE: &str = "spuriousness.parquet";
const REVIEW: &str = "review.json";

/// The table of this hash.
fn table_file(hash: &str) -> String {
    format!("spuriousness-{}.parquet", short(hash))
}

/// The review of the table of this hash.
fn review_file(hash: &str) -> String {
    format!("review-{}.json", short(hash))
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or_default()
}

/// How often a spread is looked for while others are put in its place.
const N_TRIES: usize = 5;

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
    /// blake3 of the table.
    table: String,
    content: Value,
}

impl Scan {
    /// Stores a spread with what a person made of it, in the place of an earlier one. It exists when its report, written last,
    /// names its table.
    ///
    /// # Errors
    /// `Shape` if there is not a value for each row; `File` if it cannot be written, and then the earlier one stands.
    pub fn save_spread(
        &self,
        report: &Value,
        spuriousness: &[f32],
        marks: &[Option<&str>],
        review: &Value,
    ) -> Result<()> {
        let n = self.plan.data.n_rows;
        if spuriousness.len() != n || marks.len() != n {
            let expected = format!("{n} values, one per row of the scan");
            return Err(Error::shape("spread", expected, spuriousness.len()));
        }
        let table = encode(spuriousness, marks).map_err(|error| self.bad_spread(TABLE, &error))?;
        let (hash, _lock) = (hash(&table), self.lock(layout::SPREAD)?);
        self.storage.sweep(layout::SPREAD);
        self.storage.put(&layout::spread_file(&table_file(&hash)), &table)?;
        self.put_about(&review_file(&hash), &hash, review)?;
        self.put_about(REPORT, &hash, report)?;
        let kept = [REPORT.to_owned(), table_file(&hash), review_file(&hash)];
        for name in self.storage.list(layout::SPREAD)?.iter().filter(|name| is_ours(name) && !kept.contains(name)) {
            self.storage.remove(&layout::spread_file(name))?;
        }
        Ok(())
    }

    /// Stores the review of the spread that is there.
    ///
    /// # Errors
    /// `File` if there is no spread, or if it cannot be written.
    pub fn save_spread_review(&self, review: &Value) -> Result<()> {
        let _lock = self.lock(layout::SPREAD)?;
        let Some(report) = self.about(REPORT)? else {
            return Err(Error::file(self.dir.join(layout::SPREAD), "holds no spread", "make one with `ascan spread`"));
        };
        self.put_about(&review_file(&report.table), &report.table, review)
    }

    /// Reads the spread; `None` if there is none.
    ///
    /// # Errors
    /// `File` if it is damaged.
    pub fn load_spread(&self) -> Result<Option<StoredSpread>> {
        for _ in 1..N_TRIES {
            let before = self.about(REPORT)?.map(|report| report.table);
            match self.try_load_spread() {
                // Another one was put in its place meanwhile.
                Err(_) if self.about(REPORT)?.map(|report| report.table) != before => {}
                loaded => return loaded,
            }
        }
        self.try_load_spread()
    }

    fn try_load_spread(&self) -> Result<Option<StoredSpread>> {
        let Some(report) = self.about(REPORT)? else { return Ok(None) };
        let named = |of: &str, before: &str| -> Result<String> {
            let is_there = self.storage.exists(&layout::spread_file(of))?;
            Ok(if is_there { of } else { before }.to_owned())
        };
        let table_name = named(&table_file(&report.table), TABLE)?;
        let table = self.storage.get(&layout::spread_file(&table_name))?;
        if report.table != hash(&table) {
            return Err(self.bad_spread(&table_name, &"it is not the table that spread.json was written for"));
        }
        let review = self.about(&named(&review_file(&report.table), REVIEW)?)?;
        let review = review.filter(|review| review.table == report.table).map(|review| review.content);
        let (spuriousness, marks) = guarded(|| decode(table)).map_err(|error| self.bad_spread(&table_name, &error))?;
        if spuriousness.len() != self.plan.data.n_rows {
            return Err(self.bad_spread(&table_name, &"it does not have one row per image of the scan"));
        }
        Ok(Some(StoredSpread { report: report.content, spuriousness, marks, review }))
    }

    fn about(&self, file: &str) -> Result<Option<About>> {
        let name = layout::spread_file(file);
        if !self.storage.exists(&name)? {
            return Ok(None);
        }
        let about = serde_json::from_slice(&self.storage.get(&name)?);
        about.map(Some).map_err(|error| self.bad_spread(file, &error))
    }

    fn put_about(&self, file: &str, table: &str, content: &Value) -> Result<()> {
        let about = About { table: table.to_owned(), content: content.clone() };
        let bytes = serde_json::to_vec_pretty(&about).map_err(|error| self.bad_spread(file, &error))?;
        self.storage.put(&layout::spread_file(file), &bytes)
    }

    fn bad_spread(&self, file: &str, error: &dyn std::fmt::Display) -> Error {
        let path = self.dir.join(layout::spread_file(file));
        Error::file(path, format!("cannot be parsed: {error}"), "spread again with `ascan spread`")
    }
}

/// Whether a file in the folder is of a spread.
fn is_ours(name: &str) -> bool {
    (name.starts_with("spuriousness") && name.ends_with(".parquet"))
        || (name.starts_with("review") && name.ends_with(".json"))
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
