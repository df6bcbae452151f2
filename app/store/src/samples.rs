//! `samples-NNNNN.parquet`: the columns that people and other programs read.
//!
//! | column | what |
//! |---|---|
//! | `id`, `uri` | row in the image set, and where the image came from |
//! | `label`, `prediction`, `target_class` | output indices, −1 where unknown; `target_class` was explained |
//! | `probs` | `[n_classes]`, softmax of the logits, or their sigmoids |
//! | `loss` | cross-entropy, or how far a quantity is off; NaN where the label is unknown |
//! | `numbers`, `truth` | where an image may have several classes: the probability of each, and whether it is there; of a quantity: itself, and its label |
//! | `error` | why the image has no result; null if it has one |
//! | `heatmap`, `heatmap_min`, `heatmap_scale` | the map in bytes: `heatmap_min + heatmap_scale · heatmap`; its size is in `plan.json` |
//! | `attribution_empty` | the map had no weight, so the plain spatial mean is the embedding |
//! | `convergence_delta` | of the first method that promises a sum |
//! | `agreement` | how alike the maps of the methods are, where there are several |
//! | `split`, `mask`, `group_…` | passed through from the data set |

use super::part::Part;
use super::plan::ScanPlan;
use super::row::{Outcome, ScanRow};
use crate::table::{GroupColumn, ScanTable};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeListArray, Float32Array, Int32Array, RecordBatch, StringArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use ascan_core::OutputKind;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// The columns of a [`ScanTable`], the group columns apart. Heat maps are for other programs: the raw maps are beside them.
const COLUMNS: [&str; 11] = [
    "uri",
    "label",
    "prediction",
    "target_class",
    "probs",
    "loss",
    "error",
    "attribution_empty",
    "convergence_delta",
    "split",
    "mask",
];

/// A column of scans with several methods.
const AGREEMENT: &str = "agreement";
/// Columns of scans that ask for something else than a class.
const NUMBERS: &str = "numbers";
const TRUTH: &str = "truth";

/// Group columns stand apart from our own by this prefix.
const GROUP_PREFIX: &str = "group_";

/// What went wrong with a table, without its file.
pub(super) type TableResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Reads a table. Its bytes may be anyone's, and a panic of the reader is only a damaged table.
pub(super) fn guarded<T>(read: impl FnOnce() -> TableResult<T>) -> TableResult<T> {
    ascan_core::guard::guarded(read, |message| message.to_owned().into())
}

/// The bytes of a shard's table.
pub(super) fn encode(plan: &ScanPlan, first_row: usize, rows: &[ScanRow]) -> TableResult<Vec<u8>> {
    let blank = Outcome { predicted_class: -1, target_class: -1, loss: f32::NAN, ..Default::default() };
    let outcomes: Vec<&Outcome> = rows.iter().map(|row| row.outcome.as_ref().unwrap_or(&blank)).collect();
    let heatmaps: Vec<Heatmap> = outcomes.iter().map(|outcome| Heatmap::new(&outcome.map)).collect();
    let text =
        |value: fn(&ScanRow) -> Option<&str>| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<StringArray>()) };
    let ints = |value: &dyn Fn(usize) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values((0..rows.len()).map(value)))
    };
    let floats = |value: &dyn Fn(usize) -> Option<f32>| -> ArrayRef {
        Arc::new((0..rows.len()).map(value).collect::<Float32Array>())
    };
    let ids = first_row as u64..(first_row + rows.len()) as u64;
    let probs = fixed_size_list(plan.model.n_classes, outcomes.iter().map(|outcome| &outcome.probs[..]))?;
    let mut columns: Vec<(String, ArrayRef)> = [
        ("id", Arc::new(UInt64Array::from_iter_values(ids)) as ArrayRef),
        ("uri", text(|row| Some(&row.facts.uri))),
        ("label", ints(&|i| rows[i].facts.label)),
        ("prediction", ints(&|i| outcomes[i].predicted_class)),
        ("target_class", ints(&|i| outcomes[i].target_class)),
        ("probs", Arc::new(probs)),
        ("loss", floats(&|i| Some(outcomes[i].loss))),
        ("error", text(|row| row.outcome.as_ref().err().map(String::as_str))),
        ("heatmap", Arc::new(BinaryArray::from_iter_values(heatmaps.iter().map(|heatmap| &heatmap.pixels)))),
        ("heatmap_min", floats(&|i| Some(heatmaps[i].min))),
        ("heatmap_scale", floats(&|i| Some(heatmaps[i].scale))),
        ("attribution_empty", Arc::new(outcomes.iter().map(|o| Some(o.attribution_empty)).collect::<BooleanArray>())),
        ("convergence_delta", floats(&|i| outcomes[i].convergence_delta)),
        ("split", text(|row| row.facts.split.as_deref())),
        ("mask", text(|row| row.facts.mask.as_deref())),
    ]
    .map(|(name, column)| (name.to_owned(), column))
    .into();
    if !plan.also.is_empty() {
        columns.push((AGREEMENT.into(), floats(&|i| outcomes[i].agreement)));
    }
    let n_numbers = plan.model.numbers.len();
    if n_numbers > 0 {
        let numbers = fixed_size_list(n_numbers, outcomes.iter().map(|outcome| &outcome.numbers[..]))?;
        let truth = fixed_size_list(n_numbers, rows.iter().map(|row| &row.facts.truth[..]))?;
        columns.push((NUMBERS.into(), Arc::new(numbers)));
        columns.push((TRUTH.into(), Arc::new(truth)));
    }
    for (i, name) in plan.data.group_columns.iter().enumerate() {
        let values = rows.iter().map(|row| row.facts.groups.get(i)).collect::<StringArray>();
        columns.push((format!("{GROUP_PREFIX}{name}"), Arc::new(values)));
    }
    // Every column may be null for the reader's sake; only text and deltas are.
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_column_dictionary_enabled("probs".into(), false)
        .set_column_dictionary_enabled("heatmap".into(), false)
        .set_created_by(format!("ascan {}", plan.version))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// The rows of a shard, all columns but embeddings and maps; the probabilities beside the table, `[n · n_classes]`.
pub(super) fn decode(bytes: Vec<u8>, plan: &ScanPlan) -> TableResult<(ScanTable, Vec<f32>)> {
    let group_column = |name: &String| format!("{GROUP_PREFIX}{name}");
    let groups: Vec<String> = plan.data.group_columns.iter().map(group_column).collect();
    let agreement = (!plan.also.is_empty()).then_some(AGREEMENT);
    let quantity = (plan.model.output_kind() == OutputKind::Regression).then_some([NUMBERS, TRUTH]);
    let optional = agreement.into_iter().chain(quantity.into_iter().flatten());
    let names: Vec<&str> = COLUMNS.iter().copied().chain(optional).chain(groups.iter().map(String::as_str)).collect();
    guarded(|| {
        let (mut table, mut probs) = (ScanTable::default(), Vec::new());
        for batch in read(bytes, &names)? {
            let batch = batch?;
            let of_rows = floats_of(&batch, "probs")?;
            table.append(rows(&batch, of_rows, plan)?);
            probs.extend_from_slice(of_rows);
        }
        Ok((table, probs))
    })
}

fn rows(batch: &RecordBatch, probs: &[f32], plan: &ScanPlan) -> TableResult<ScanTable> {
    let ints = |name: &str| Ok::<_, ArrowError>(typed::<Int32Array>(column(batch, name)?, name)?.values().to_vec());
    let floats = |name: &str| typed::<Float32Array>(column(batch, name)?, name);
    let text = |name: &str| typed::<StringArray>(column(batch, name)?, name);
    let owned = |value: Option<&str>| value.map(str::to_owned);
    let plain =
        |name: &str| Ok::<_, ArrowError>(text(name)?.iter().map(|v| v.unwrap_or_default().to_owned()).collect());
    // A column without values is one that the data set does not have.
    let optional =
        |name: &str| if text(name)?.null_count() == batch.num_rows() { Ok(None) } else { plain(name).map(Some) };
    let deltas = floats("convergence_delta")?;
    let or_nan = |values: &Float32Array| values.iter().map(|value| value.unwrap_or(f32::NAN)).collect();
    let k = plan.model.n_classes;
    let confidence = |i: usize| probs.get(i * k..(i + 1) * k).unwrap_or_default().iter().copied().fold(0.0, f32::max);
    let group = |name: &String| {
        plain(&format!("{GROUP_PREFIX}{name}")).map(|values| GroupColumn { name: name.clone(), values })
    };
    Ok(ScanTable {
        uris: plain("uri")?,
        labels: ints("label")?,
        predicted_classes: ints("prediction")?,
        target_classes: ints("target_class")?,
        confidences: (0..batch.num_rows()).map(confidence).collect(),
        losses: floats("loss")?.values().to_vec(),
        attribution_empty: typed::<BooleanArray>(column(batch, "attribution_empty")?, "attribution_empty")?
            .iter()
            .map(Option::unwrap_or_default)
            .collect(),
        convergence_delta: (deltas.null_count() < batch.num_rows()).then(|| or_nan(deltas)),
        agreement: (!plan.also.is_empty()).then(|| floats(AGREEMENT).map(or_nan)).transpose()?,
        errors: text("error")?.iter().map(owned).collect(),
        quantities: match plan.model.output_kind() {
            OutputKind::Regression => {
                let (truth, values) = (floats_of(batch, TRUTH)?, floats_of(batch, NUMBERS)?);
                Some(truth.iter().zip(values).map(|(&truth, &value)| [truth, value]).collect())
            }
            _ => None,
        },
        splits: optional("split")?,
        masks: optional("mask")?,
        groups: plan.data.group_columns.iter().map(group).collect::<Result<_, _>>()?,
        ..ScanTable::default()
    })
}

/// The lists of a shard's rows, one after the other, that the table holds for this part; none for a part that is elsewhere.
pub(super) fn decode_part(bytes: Vec<u8>, part: Part) -> TableResult<Vec<f32>> {
    let name = match part {
        Part::Probs => "probs",
        Part::Numbers => NUMBERS,
        Part::Truth => TRUTH,
        Part::Embeddings | Part::Maps | Part::Also(_) => return Ok(Vec::new()),
    };
    guarded(|| {
        let mut values = Vec::new();
        for batch in read(bytes, &[name])? {
            values.extend_from_slice(floats_of(&batch?, name)?);
        }
        Ok(values)
    })
}

/// Why each row of a shard has no result, where it has none.
pub(super) fn decode_errors(bytes: Vec<u8>) -> TableResult<Vec<Option<String>>> {
    guarded(|| {
        let mut errors = Vec::new();
        for batch in read(bytes, &["error"])? {
            let batch = batch?;
            let column = typed::<StringArray>(column(&batch, "error")?, "error")?;
            errors.extend(column.iter().map(|error| error.map(str::to_owned)));
        }
        Ok(errors)
    })
}

/// The columns of these names; the bytes of the others are not even decompressed.
fn read(bytes: Vec<u8>, names: &[&str]) -> TableResult<ParquetRecordBatchReader> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?;
    // By whole names: a path of names would be split at the dots of `attr.color`.
    let fields = builder.parquet_schema().root_schema().get_fields();
    let wanted = (0..fields.len()).filter(|&i| names.contains(&fields[i].name()));
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    Ok(builder.with_projection(mask).build()?)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` is missing")))
}

fn floats_of<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [f32], ArrowError> {
    let list = typed::<FixedSizeListArray>(column(batch, name)?, name)?;
    Ok(typed::<Float32Array>(list.values(), name)?.values())
}

/// A column of the type that the layout says.
pub(super) fn typed<'a, T: Array + 'static>(column: &'a ArrayRef, name: &str) -> Result<&'a T, ArrowError> {
    let wrong = || ArrowError::SchemaError(format!("column `{name}` has type {}", column.data_type()));
    column.as_any().downcast_ref().ok_or_else(wrong)
}

/// Rows of equal length; a row with no values is zeros.
pub(super) fn fixed_size_list<'a>(
    len: usize,
    rows: impl Iterator<Item = &'a [f32]>,
) -> Result<FixedSizeListArray, ArrowError> {
    let mut values = Vec::new();
    for row in rows {
        values.extend_from_slice(row);
        values.resize(values.len() + len - row.len(), 0.0);
    }
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    FixedSizeListArray::try_new(item, len as i32, Arc::new(Float32Array::from(values)), None)
}

/// A map in 256 steps between its smallest and its largest value.
struct Heatmap {
    pixels: Vec<u8>,
    min: f32,
    scale: f32,
}

impl Heatmap {
    fn new(map: &[f32]) -> Self {
        let (min, max) = map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let scale = if max > min { (max - min) / 255.0 } else { 0.0 };
        let steps = |v: f32| if scale > 0.0 { ((v - min) / scale).round() as u8 } else { 0 };
        Self { pixels: map.iter().map(|&v| steps(v)).collect(), min: if map.is_empty() { 0.0 } else { min }, scale }
    }
}
