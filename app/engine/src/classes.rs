//! Classes and outcomes as people read them.

use crate::slices::SliceReport;
use ascan_store::table::ScanTable;

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
        let [label, predicted] = [label, predicted_class].map(|class| class_name(class_names, class));
        if [&label, &predicted].into_iter().any(|name| name.chars().any(runs_from_the_right)) {
            return in_order(&label, &predicted);
        }
        format!("{label} → {predicted}")
    }
}

/// What the model made of an image of a scan: as [`outcome`], or a quantity and what it was taken for, `16 → 56.2`.
pub fn said_of(table: &ScanTable, class_names: &[String], row: usize) -> String {
    match &table.quantities {
        None => outcome(class_names, table.labels[row], table.predicted_classes[row]),
        Some(quantities) => {
            let [truth, value] = quantities[row];
            let value = format!("{value:.3}");
            let value = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
            if truth.is_nan() { value.to_owned() } else { format!("{truth} → {value}") }
        }
    }
}

/// The label stays left of the arrow, whatever the direction of the names: each is set apart, and the whole runs from the left.
///
/// # Source
/// Unicode Standard Annex 9, "Unicode Bidirectional Algorithm": LRM, FSI and PDI.
fn in_order(label: &str, predicted: &str) -> String {
    format!("\u{200E}\u{2068}{label}\u{2069} → \u{2068}{predicted}\u{2069}")
}

/// Hebrew, Arabic and their kin, with their presentation forms.
fn runs_from_the_right(letter: char) -> bool {
    matches!(letter, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// The most frequent outcome in a slice.
pub fn slice_title(class_names: &[String], slice: &SliceReport) -> String {
    let most = slice.confusion.first();
    most.map_or_else(String::new, |cell| outcome(class_names, cell.label, cell.predicted_class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_said_as_numbers() {
        let table = ScanTable { quantities: Some(vec![[16.0, 56.25], [f32::NAN, 2.0]]), ..ScanTable::default() };
        assert_eq!([said_of(&table, &[], 0), said_of(&table, &[], 1)], ["16 → 56.25", "2"]);
    }

    #[test]
    fn a_label_stays_before_its_prediction_in_every_script() {
        let names = ["بحر", "יבשה", "sea"].map(str::to_owned);
        assert_eq!(outcome(&names, 2, 2), "sea");
        assert_eq!(outcome(&names, 0, 1), "\u{200E}\u{2068}بحر\u{2069} → \u{2068}יבשה\u{2069}");
        assert_eq!(outcome(&["land".to_owned(), "sea".to_owned()], 0, 1), "land → sea");
    }
}
