//! The answer of the program: from bytes to a membership.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float32Type, Int32Type};
use arrow::ipc::reader::StreamReader;
use ascan_core::{Tensor, slicer};

/// Every stream begins with it; anything else is no stream, and its first bytes are no length to trust.
const MARKER: [u8; 4] = [0xFF; 4];

/// What is wrong with an answer, and what to do.
pub type Wrong = (String, &'static str);

/// What the program says about each row.
pub enum Answer {
    /// `[n, k]`
    Membership(Tensor),
    /// `[n]`, negative for noise.
    Assignment(Vec<i32>),
}

impl Answer {
    /// Reads an answer for `n` rows.
    ///
    /// # Errors
    /// One sentence, with a hint.
    pub fn read(bytes: &[u8], n: usize) -> Result<Self, Wrong> {
        let batch = read_stream(bytes)?;
        if batch.num_rows() != n {
            let rows = batch.num_rows();
            return Err((
                format!("answered with {rows} rows, and was sent {n}"),
                "answer for every row, in the order received: those with `fit` and those without",
            ));
        }
        if let Some(column) = batch.column_by_name("membership") {
            return membership(column, n).map(Self::Membership);
        }
        if let Some(column) = batch.column_by_name("assignment") {
            return assignment(column).map(Self::Assignment);
        }
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Err((
            format!("answered with the columns [{}]", names.join(", ")),
            "answer with a column `membership` (fixed-size list of float32) or `assignment` (int32)",
        ))
    }

    /// Number of slices: the length of a membership, or one more than the largest assignment.
    pub fn n_slices(&self) -> usize {
        match self {
            Self::Membership(membership) => membership.view().row_len(),
            Self::Assignment(slices) => slices.iter().max().map_or(0, |&last| usize::try_from(last + 1).unwrap_or(0)),
        }
    }

    /// The membership of the rows from `first` on, for a model of `n_slices`.
    ///
    /// # Errors
    /// If the answer has other slices.
    pub fn into_membership(self, first: usize, n_slices: usize) -> Result<Tensor, Wrong> {
        let got = self.n_slices();
        match self {
            Self::Membership(membership) if got == n_slices => {
                let rows = membership.n_rows() - first;
                let data = membership.data()[first * n_slices..].to_vec();
                Tensor::new([rows, n_slices], data).map_err(|error| (error.to_string(), ""))
            }
            Self::Assignment(slices) if got <= n_slices => {
                let slices = slices[first..].iter().map(|&slice| usize::try_from(slice).ok());
                Ok(slicer::one_hot(slices, n_slices))
            }
            Self::Membership(_) | Self::Assignment(_) => Err((
                format!("answered with {got} slices, and with {n_slices} at the fit"),
                "the slices must depend on nothing but the rows with `fit`, the seed and the params",
            )),
        }
    }
}

/// The lists of one length that a column of the answer holds, `[n, k]`.
///
/// # Errors
/// One sentence, with a hint.
pub fn lists(bytes: &[u8], name: &str, n: usize) -> Result<Tensor, Wrong> {
    const HINT: &str = "answer for every row, in the order received, with one fixed-size list of float32 each";
    let batch = read_stream(bytes)?;
    let Some(column) = batch.column_by_name(name) else {
        return Err((format!("answered without a column `{name}`"), HINT));
    };
    let wrong = || (format!("answered with a `{name}` of type {}", column.data_type()), HINT);
    let lists = column.as_fixed_size_list_opt().ok_or_else(wrong)?;
    let values = cast(lists.values(), &DataType::Float32).map_err(|_| wrong())?;
    let k = usize::try_from(lists.value_length()).unwrap_or(0);
    if batch.num_rows() != n || k == 0 {
        return Err((format!("answered with {} rows of {k} values, and was sent {n} rows", batch.num_rows()), HINT));
    }
    let data = values.as_primitive::<Float32Type>().values().to_vec();
    if values.null_count() > 0 || lists.null_count() > 0 || !data.iter().all(|value| value.is_finite()) {
        return Err((format!("answered with a `{name}` that holds NaN, infinity or nothing"), HINT));
    }
    Tensor::new([n, k], data).map_err(|_| wrong())
}

fn read_stream(bytes: &[u8]) -> Result<RecordBatch, Wrong> {
    const HINT: &str = "write one Arrow IPC stream to stdout and nothing else; messages go to stderr";
    if bytes.is_empty() {
        return Err(("ended without an answer".into(), HINT));
    }
    if !bytes.starts_with(&MARKER) {
        let start: String = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        return Err((format!("did not answer with an Arrow IPC stream; its output begins with {start:?}"), HINT));
    }
    let read = || {
        let reader = StreamReader::try_new(bytes, None)?;
        let schema = reader.schema();
        concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)
    };
    read().map_err(|error| (format!("answered with a damaged Arrow IPC stream: {error}"), HINT))
}

fn membership(column: &ArrayRef, n: usize) -> Result<Tensor, Wrong> {
    const HINT: &str = "`membership` is a fixed-size list of float32, one entry per slice";
    let wrong = || (format!("answered with a `membership` of type {}", column.data_type()), HINT);
    let lists = column.as_fixed_size_list_opt().ok_or_else(wrong)?;
    let values = cast(lists.values(), &DataType::Float32).map_err(|_| wrong())?;
    let k = usize::try_from(lists.value_length()).unwrap_or(0);
    let mut data = values.as_primitive::<Float32Type>().values().to_vec();
    // A missing entry is an image in no slice.
    for row in (0..n).filter(|&row| lists.is_null(row)) {
        data[row * k..(row + 1) * k].fill(0.0);
    }
    if values.null_count() > 0 || !data.iter().all(|share| (-1e-6..=1.0001).contains(share)) {
        return Err(("answered with a `membership` that is not in [0, 1]".into(), "each is a share of the image"));
    }
    data.iter_mut().for_each(|share| *share = share.clamp(0.0, 1.0));
    Tensor::new([n, k], data).map_err(|_| wrong())
}

fn assignment(column: &ArrayRef) -> Result<Vec<i32>, Wrong> {
    let wrong = || {
        (format!("answered with an `assignment` of type {}", column.data_type()), "`assignment` is int32, −1 for noise")
    };
    if !column.data_type().is_integer() {
        return Err(wrong());
    }
    let slices = cast(column, &DataType::Int32).map_err(|_| wrong())?;
    // A number that is no int32 is null after the cast.
    let n_lost = slices.null_count() - column.null_count();
    let slices: Vec<i32> = slices.as_primitive::<Int32Type>().iter().map(|slice| slice.unwrap_or(-1)).collect();
    // A hash or an image's id, say: a column for each would fill the memory.
    if n_lost > 0 || slices.iter().any(|&slice| slice >= 100_000) {
        return Err(("answered with an `assignment` of 100000 or more".into(), "slices count from 0"));
    }
    Ok(slices)
}
