//! Classes and outcomes as people read them.

use crate::slices::SliceReport;

/// Name of a class; `class 3` where it has none, `?` where the label is unknown.
pub fn class_name(class_names: &[String], class: i32) -> String {
    match usize::try_from(class) {
        Err(_) => "?".to_owned(),
        Ok(i) => class_names.get(i).cloned().unwrap_or_else(|| format!("class {i}")),
    }
}

/// What the model made of a label: `landbird`, or `landbird → waterbird` where the prediction is another.
pub fn outcome(class_names: &[String], label: i32, predicted_class: i32) -> String {
    if label == predicted_class || label < 0 {
        class_name(class_names, predicted_class)
    } else {
        format!("{} → {}", class_name(class_names, label), class_name(class_names, predicted_class))
    }
}

/// The most frequent outcome in a slice.
pub fn slice_title(class_names: &[String], slice: &SliceReport) -> String {
    let most = slice.confusion.first();
    most.map_or_else(String::new, |cell| outcome(class_names, cell.label, cell.predicted_class))
}
