//! What the window writes to files: tables and verdicts.

use ascan_core::{Error, Result};
use ascan_engine::slices::SliceSet;
use ascan_report::album::Album;
use ascan_store::annotations::{Annotations, Fix, Judgement};
use ascan_viz::words::no_formula;

/// The mark and the note of a slice, empty where there is none.
fn verdict(annotations: &Annotations, set: &SliceSet, slice: i32) -> [String; 3] {
    match annotations.of_slice(&set.id, slice).map(|verdict| (verdict, &verdict.judgement)) {
        Some((verdict, Judgement::Mark { mark, note })) => [mark.to_string(), note.clone(), verdict.author.clone()],
        _ => Default::default(),
    }
}

/// Every slice with its figures and its verdict, as CSV.
///
/// # Errors
/// `Unsupported` if the table cannot be put together, which is a defect.
pub fn slices(album: &Album, set: &SliceSet, annotations: &Annotations) -> Result<Vec<u8>> {
    let name = |class: i32| usize::try_from(class).ok().and_then(|i| album.class_names.get(i)).cloned();
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let header = [
        "slice",
        "images",
        "label",
        "prediction",
        "accuracy",
        "interval_low",
        "interval_high",
        "gap",
        "q_value",
        "mean_confidence",
        "mean_loss",
        "coherence",
        "compactness",
        "verdict",
        "note",
        "author",
        "name",
    ];
    let rows = set.slices.iter().chain(&set.noise).map(|slice| {
        let cell = slice.confusion.first();
        let class = |class: Option<i32>| class.and_then(name).unwrap_or_default();
        let mut row = vec![
            slice.id.to_string(),
            slice.size.to_string(),
            class(cell.map(|cell| cell.label)),
            class(cell.map(|cell| cell.predicted_class)),
            number(slice.accuracy),
            number(slice.interval.map(|[low, _]| low)),
            number(slice.interval.map(|[_, high]| high)),
            number(slice.gap),
            number(slice.q_value),
            slice.mean_confidence.to_string(),
            number(slice.mean_loss),
            number(slice.coherence),
            number(slice.compactness),
        ];
        row.extend(verdict(annotations, set, slice.id));
        row.push(annotations.name_of(&set.id, slice.id).unwrap_or_default().to_owned());
        row
    });
    csv(&header, rows)
}

/// Every image with its prediction, its slice and what verdicts say of it, as CSV.
///
/// # Errors
/// As [`slices`].
pub fn images(album: &Album, set: &SliceSet, annotations: &Annotations) -> Result<Vec<u8>> {
    let table = &album.table;
    let marks = annotations.marks(table.n());
    let fixes = annotations.fixes();
    let header = ["id", "uri", "label", "prediction", "confidence", "loss", "slice", "mark", "fix", "error"];
    let rows = (0..table.n()).map(|row| {
        vec![
            row.to_string(),
            table.uris[row].clone(),
            table.labels[row].to_string(),
            table.predicted_classes[row].to_string(),
            table.confidences[row].to_string(),
            table.losses[row].to_string(),
            set.assignment.get(row).copied().unwrap_or(-1).to_string(),
            marks[row].map_or_else(String::new, |mark| mark.to_string()),
            fixes.get(&row).map_or_else(String::new, word),
            table.errors[row].clone().unwrap_or_default(),
        ]
    });
    csv(&header, rows)
}

/// Every verdict that stands, as JSON.
///
/// # Errors
/// As [`slices`].
pub fn verdicts(annotations: &Annotations) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(annotations.history()).map_err(|error| failed(&error))
}

fn word(fix: &Fix) -> String {
    match fix {
        Fix::Keep => "keep".to_owned(),
        Fix::Relabel(class) => format!("relabel {class}"),
        Fix::Drop => "drop".to_owned(),
    }
}

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(|error| failed(&error))?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| no_formula(cell).into_owned())).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::unsupported(format!("the table cannot be written: {error}"), "please report this as a defect")
}
