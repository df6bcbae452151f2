//! Parquet manifests, and images kept inside them as `{bytes, path}` or plain bytes.

use crate::files::{cannot_read, check_file_size, facts, file_name};
use crate::guard::guarded;
use crate::names;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use arrow::array::{Array, ArrayRef, AsArray, GenericBinaryArray, OffsetSizeTrait};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use ascan_core::{Error, Result};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Images are read in blocks of this many rows, and the last few blocks are kept: neighbours are asked for
/// together, and what is in memory stays small however large the file is.
const BLOCK_ROWS: usize = 16;
const N_BLOCKS: usize = 4;

/// One Parquet file or several with the same columns, as one table.
#[derive(Debug)]
pub(crate) struct Shards {
    tables: Vec<Table>,
    /// The split that each file's name says.
    splits: Vec<Option<String>>,
}

impl Shards {
    pub fn open_file(path: &Path) -> Result<Self> {
        Ok(Self { tables: vec![Table::open(path)?], splits: vec![None] })
    }

    /// All Parquet files below a folder, by name, as the Hub of Hugging Face keeps data sets.
    pub fn open_folder(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        collect(folder, 0, &mut files).map_err(|error| Error::file(folder, cannot_read(error), ""))?;
        files.sort();
        if files.is_empty() {
            return Err(Error::file(folder, "is a folder without .parquet files", "name the table itself"));
        }
        let tables = files.iter().map(|file| Table::open(file)).collect::<Result<Vec<_>>>()?;
        for table in &tables[1..] {
            if table.columns() != tables[0].columns() {
                let message = format!("has other columns than {}", file_name(&tables[0].path));
                return Err(Error::file(&table.path, message, "all .parquet files of a folder are one table"));
            }
        }
        let splits = files.iter().map(|file| split_of(file, folder)).collect();
        Ok(Self { tables, splits })
    }

    pub fn columns(&self) -> Vec<String> {
        self.tables[0].columns()
    }

    pub fn file_name(&self, file: usize) -> String {
        file_name(&self.tables[file].path)
    }

    pub fn image_columns(&self, name: &str) -> Result<Option<Vec<ImageColumn>>> {
        let columns = self.tables.iter().map(|table| table.image_column(name)).collect::<Result<Vec<_>>>()?;
        Ok(columns.into_iter().collect())
    }

    pub fn rows(&self, names: &[&str]) -> Result<Vec<Vec<String>>> {
        let rows = self.tables.iter().map(|table| table.rows(names)).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The file and the row in it of each row, and the split that the file's name says.
    pub fn places(&self) -> Vec<(usize, usize, Option<String>)> {
        let files = self.tables.iter().zip(&self.splits).enumerate();
        files
            .flat_map(|(file, (table, split))| (0..table.n_rows()).map(move |row| (file, row, split.clone())))
            .collect()
    }
}

/// Folders deeper than this hold something else.
const MAX_DEPTH: usize = 4;

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if names::is_left_behind(&file_name(&path)) {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(&path, depth + 1, files)?;
            }
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
            files.push(path);
        }
    }
    Ok(())
}

/// `train-00000-of-00002.parquet` and `default/train/0000.parquet` are of the split `train`.
fn split_of(file: &Path, root: &Path) -> Option<String> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let (name, folders) = parts.split_last()?;
    let stem = name.split(['-', '.']).next().unwrap_or_default();
    let named = [stem].into_iter().chain(folders.iter().rev().map(String::as_str));
    named.into_iter().find(|name| names::is_split(name)).map(str::to_owned)
}

/// A Parquet file as a table of texts.
#[derive(Debug, Clone)]
struct Table {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl Table {
    pub fn open(path: &Path) -> Result<Self> {
        let n_bytes = facts(path).map_err(|message| Error::file(path, message, ""))?.len();
        let file = File::open(path).map_err(|error| Error::file(path, cannot_read(error), ""))?;
        let load = || {
            let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|error| error.to_string())?;
            check_sizes(&metadata, n_bytes).map(|()| metadata)
        };
        let metadata = guarded(load).map_err(|message| {
            Error::file(path, format!("cannot be read as Parquet: {message}"), "is the file complete?")
        })?;
        Ok(Self { path: path.into(), metadata })
    }

    pub fn n_rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    pub fn columns(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The images of a column of bytes or of `{bytes, path}`; `None` for a column of paths.
    pub fn image_column(&self, name: &str) -> Result<Option<ImageColumn>> {
        let field = self.metadata.schema().field_with_name(name);
        let field = field.map_err(|_| Error::unknown_name("column", name, self.columns()))?;
        let leaf_path = match field.data_type() {
            DataType::Struct(fields) if fields.iter().any(|field| field.name() == "bytes") => vec![name, "bytes"],
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => vec![name],
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => return Ok(None),
            other => {
                let message = format!("column `{name}` holds {other}");
                return Err(Error::file(&self.path, message, "expected paths, bytes, or a struct {bytes, path}"));
            }
        };
        let leaves = self.metadata.parquet_schema().columns();
        let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == leaf_path) else {
            return Err(Error::file(&self.path, format!("column `{name}` holds no bytes"), ""));
        };
        let row_groups = self.metadata.metadata().row_groups();
        let n_nulls = |statistics: &::parquet::file::statistics::Statistics| statistics.null_count_opt();
        let without_bytes = row_groups.iter().all(|group| {
            let n_nulls = group.column(leaf).statistics().and_then(n_nulls);
            n_nulls.is_some_and(|n| i64::try_from(n) == Ok(group.num_rows()))
        });
        if without_bytes && !row_groups.is_empty() && leaf_path.len() == 2 {
            // Hugging Face keeps paths alone when images are not embedded.
            return Ok(None);
        }
        let mut first_rows = vec![0];
        for group in row_groups {
            first_rows.push(first_rows[first_rows.len() - 1] + usize::try_from(group.num_rows()).unwrap_or(0));
        }
        let n_bytes = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        Ok(Some(ImageColumn { table: self.clone(), leaf, first_rows, n_bytes, blocks: Mutex::default() }))
    }

    /// All rows of these columns as texts, in this order; of an image struct its `path`. Read in batches, and
    /// without the bytes of images.
    pub fn rows(&self, names: &[&str]) -> Result<Vec<Vec<String>>> {
        guarded(|| self.texts_of(names))
            .map_err(|message| Error::file(&self.path, format!("cannot be read: {message}"), "is the file complete?"))
    }

    fn texts_of(&self, names: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let fail = |error: &dyn fmt::Display| error.to_string();
        let leaves = self.metadata.parquet_schema().columns().iter().enumerate();
        let is_wanted = |parts: &[String]| match parts {
            [column] => names.contains(&column.as_str()) && !self.is_binary(column),
            [column, field, ..] => names.contains(&column.as_str()) && ["path", "list"].contains(&field.as_str()),
            [] => false,
        };
        let wanted = leaves.filter(|(_, leaf)| is_wanted(leaf.path().parts())).map(|(i, _)| i);
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), wanted);
        let file = File::open(&self.path).map_err(|error| fail(&error))?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .build()
            .map_err(|error| fail(&error))?;
        let mut rows = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|error| fail(&error))?;
            let texts = names.iter().map(|name| batch.column_by_name(name).map(texts).transpose());
            let texts = texts.collect::<Result<Vec<_>, _>>().map_err(|error| fail(&error))?;
            for row in 0..batch.num_rows() {
                // A column that was left out holds bytes: it has no text.
                let text = |column: &Option<ArrayRef>| {
                    let array = column.as_ref().map(|column| column.as_string::<i32>());
                    array.filter(|array| array.is_valid(row)).map_or_else(String::new, |array| array.value(row).into())
                };
                rows.push(texts.iter().map(text).collect());
            }
        }
        Ok(rows)
    }

    /// Whether a column holds bytes, which have no text.
    fn is_binary(&self, column: &str) -> bool {
        let field = self.metadata.schema().field_with_name(column);
        field.is_ok_and(|field| field.data_type().is_binary())
    }
}

/// Every row has something of its own, a path or an image: more rows than bytes are a damaged header, which would cost
/// memory without end.
fn check_sizes(metadata: &ArrowReaderMetadata, n_bytes: u64) -> Result<(), String> {
    let metadata = metadata.metadata();
    let mut n_rows = 0u64;
    for group in metadata.row_groups() {
        let n = u64::try_from(group.num_rows()).map_err(|_| "it counts its rows below zero")?;
        n_rows = n_rows.saturating_add(n);
        for column in group.columns() {
            let (start, length) = column.byte_range();
            if start.checked_add(length).is_none_or(|end| end > n_bytes) {
                return Err("a column ends after the end of the file".into());
            }
        }
    }
    let promised = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(u64::MAX);
    match n_rows == promised && n_rows <= n_bytes {
        true => Ok(()),
        false => Err(format!("it promises {promised} rows in {n_bytes} bytes")),
    }
}

/// The values as texts, a list as `[a, b]`; of a struct its `path`.
fn texts(column: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    if matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_)) {
        let shown = ArrayFormatter::try_new(column, &FormatOptions::default())?;
        let text = |row| column.is_valid(row).then(|| shown.value(row).to_string());
        return Ok(Arc::new((0..column.len()).map(text).collect::<arrow::array::StringArray>()));
    }
    match column.as_struct_opt() {
        Some(fields) => match fields.column_by_name("path") {
            Some(path) => cast(path, &DataType::Utf8),
            None => Ok(arrow::array::new_null_array(&DataType::Utf8, column.len())),
        },
        None => cast(column, &DataType::Utf8),
    }
}

type Block = Arc<Vec<Option<Vec<u8>>>>;

/// Images inside a Parquet file, read by row when they are asked for.
#[derive(Debug)]
pub(crate) struct ImageColumn {
    table: Table,
    leaf: usize,
    /// First row of each row group, and the number of rows at the end.
    first_rows: Vec<usize>,
    n_bytes: u64,
    /// The blocks that were read last, by their first row.
    blocks: Mutex<VecDeque<(usize, Block)>>,
}

impl ImageColumn {
    /// Size of the whole file.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// The encoded image of a row.
    pub fn read(&self, row: usize) -> Result<Vec<u8>, String> {
        let group = self.first_rows.partition_point(|&first| first <= row) - 1;
        let in_group = row - self.first_rows[group];
        let block_in_group = in_group - in_group % BLOCK_ROWS;
        let block_start = self.first_rows[group] + block_in_group;
        let lock = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|(start, _)| *start == block_start).map(|(_, block)| Arc::clone(block));
        let block = match known {
            Some(block) => block,
            None => {
                let block = Arc::new(self.read_block(group, block_in_group)?);
                let mut blocks = lock();
                blocks.truncate(N_BLOCKS - 1);
                blocks.push_front((block_start, Arc::clone(&block)));
                block
            }
        };
        match block.get(row - block_start) {
            Some(Some(bytes)) => {
                check_file_size(bytes.len() as u64)?;
                Ok(bytes.clone())
            }
            _ => Err("the row holds no bytes".into()),
        }
    }

    fn read_block(&self, group: usize, start: usize) -> Result<Vec<Option<Vec<u8>>>, String> {
        guarded(|| self.bytes_of(group, start))
    }

    fn bytes_of(&self, group: usize, start: usize) -> Result<Vec<Option<Vec<u8>>>, String> {
        let fail = |error: &dyn fmt::Display| format!("cannot be read from {}: {error}", self.table.path.display());
        // A file of its own: the position of a shared one would move under other threads.
        let file = File::open(&self.table.path).map_err(|error| fail(&error))?;
        let metadata = self.table.metadata.clone();
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), [self.leaf]);
        let n = BLOCK_ROWS.min(self.first_rows[group + 1] - self.first_rows[group] - start);
        let selection = RowSelection::from(vec![RowSelector::skip(start), RowSelector::select(n)]);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_row_selection(selection)
            .with_batch_size(BLOCK_ROWS)
            .build()
            .map_err(|error| fail(&error))?;
        let mut images = Vec::with_capacity(n);
        for batch in reader {
            let batch = batch.map_err(|error| fail(&error))?;
            let column = batch.column(0);
            // One leaf was asked for, so a struct has one column.
            let column = column.as_struct_opt().map_or(column, |fields| fields.column(0));
            match column.data_type() {
                DataType::LargeBinary => copy_bytes(column.as_binary::<i64>(), &mut images),
                DataType::BinaryView => {
                    images.extend(column.as_binary_view().iter().map(|bytes| bytes.map(<[u8]>::to_vec)));
                }
                _ => copy_bytes(column.as_binary::<i32>(), &mut images),
            }
        }
        Ok(images)
    }
}

fn copy_bytes<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>, images: &mut Vec<Option<Vec<u8>>>) {
    images.extend(array.iter().map(|bytes| bytes.map(<[u8]>::to_vec)));
}
