//! Vectors that somebody else computed, one per image, and what their model said: a Parquet table or an array of NumPy.

use crate::files::cannot_read;
use crate::guard::guarded;
use crate::npy;
use crate::set::ImageSet;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use ascan_core::{Error, Result, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// The columns of a table of vectors.
const EMBEDDING: &str = "embedding";
const PATH: &str = "path";
const PREDICTION: &str = "prediction";
const PROBS: &str = "probs";
const HINT: &str = "a .npy of [n, d] numbers, or a .parquet with a column `embedding` of lists, and where known `path`, \
                    `prediction` and `probs`";

/// Vectors of the images of a set, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embedded {
    /// `[n, d]`.
    pub embeddings: Tensor,
    /// `[n]`, what a model said: names of classes or indices.
    pub predictions: Option<Vec<String>>,
    /// `[n, n_classes]`, how probable it found each class.
    pub probs: Option<Tensor>,
}

impl Embedded {
    /// Reads the vectors of these images: by the column `path` where the table has one, else in their order.
    ///
    /// # Errors
    /// `File` if it cannot be read, has another number of rows than the set, or lacks an image.
    pub fn open(file: &Path, images: &ImageSet) -> Result<Self> {
        let opened = File::open(file).map_err(|error| Error::file(file, cannot_read(error), ""))?;
        let is_parquet = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
        let wrong = |message: String| Error::file(file, message, HINT);
        if !is_parquet {
            let embeddings = npy::read(opened).map_err(wrong)?;
            check_number(embeddings.n_rows(), images).map_err(wrong)?;
            return Ok(Self { embeddings, ..Self::default() });
        }
        let batch = guarded(|| read(opened)).map_err(wrong)?;
        let places = places(&batch, images).map_err(wrong)?;
        let floats = |name: &str| batch.column_by_name(name).map(|column| matrix(name, column, &places)).transpose();
        let Some(embeddings) = floats(EMBEDDING).map_err(wrong)? else {
            return Err(wrong(format!("has no column `{EMBEDDING}`")));
        };
        let predictions = batch.column_by_name(PREDICTION).map(texts).transpose().map_err(wrong)?;
        let predictions = predictions.map(|said| places.iter().map(|&row| said[row].clone()).collect());
        let probs = floats(PROBS).map_err(wrong)?;
        if probs.as_ref().is_some_and(|probs| probs.data().iter().any(|p| !(0.0..=1.0).contains(p))) {
            return Err(wrong(format!("has values in its column `{PROBS}` that are not in 0 to 1")));
        }
        Ok(Self { embeddings, predictions, probs })
    }
}

/// The columns that are known, as one batch.
fn read(file: File) -> Result<RecordBatch, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let schema = builder.parquet_schema();
    let fields = schema.root_schema().get_fields();
    let known = |name: &str| [EMBEDDING, PATH, PREDICTION, PROBS].contains(&name);
    let mask = ProjectionMask::roots(schema, (0..fields.len()).filter(|&i| known(fields[i].name())));
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    let schema = arrow::array::RecordBatchReader::schema(&reader);
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    concat_batches(&schema, &batches).map_err(|error| error.to_string())
}

/// The row of each image.
fn places(batch: &RecordBatch, images: &ImageSet) -> Result<Vec<usize>, String> {
    let Some(column) = batch.column_by_name(PATH) else {
        check_number(batch.num_rows(), images)?;
        return Ok((0..images.len()).collect());
    };
    let names = texts(column)?;
    let rows: HashMap<&str, usize> = names.iter().enumerate().map(|(row, name)| (name.as_str(), row)).collect();
    let place = |uri: &String| {
        let whole = images.root.join(uri);
        let known = [uri.as_str(), &whole.to_string_lossy()].into_iter().find_map(|name| rows.get(name).copied());
        known.ok_or_else(|| format!("has no row for the image `{uri}` in its column `{PATH}`"))
    };
    images.samples.iter().map(|sample| place(&sample.uri)).collect()
}

fn check_number(n: usize, images: &ImageSet) -> Result<(), String> {
    match images.len() {
        m if m == n => Ok(()),
        m => Err(format!("has {n} rows, and the data set has {m} images: a column `{PATH}` says which row is whose")),
    }
}

fn texts(column: &ArrayRef) -> Result<Vec<String>, String> {
    let options = FormatOptions::default().with_null("");
    let formatter = ArrayFormatter::try_new(column, &options).map_err(|error| error.to_string())?;
    Ok((0..column.len()).map(|row| formatter.value(row).to_string()).collect())
}

/// Lists of one length, in the order of the images.
fn matrix(name: &str, column: &ArrayRef, places: &[usize]) -> Result<Tensor, String> {
    let wrong = || format!("has a column `{name}` of type {}, not of lists of numbers", column.data_type());
    let item = match column.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.clone(),
        _ => return Err(wrong()),
    };
    let item = item.as_ref().clone().with_data_type(DataType::Float32);
    let lists = cast(column, &DataType::LargeList(item.into())).map_err(|_| wrong())?;
    let lists = lists.as_list::<i64>();
    let n_dims = if lists.is_empty() { 0 } else { lists.value(0).len() };
    let mut values = Vec::with_capacity(places.len() * n_dims);
    for &row in places {
        let list = lists.value(row);
        if lists.is_null(row) || list.len() != n_dims || list.null_count() > 0 {
            return Err(format!(
                "has another number of values in row {row} of `{name}` than the {n_dims} of its first"
            ));
        }
        values.extend_from_slice(list.as_primitive::<Float32Type>().values());
    }
    if n_dims == 0 {
        return Err(format!("has no numbers in its column `{name}`"));
    }
    Tensor::new([places.len(), n_dims], values).map_err(|error| error.to_string())
}
