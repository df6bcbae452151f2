//! Which images are listed.

use ascan_store::annotations::Mark;
use ascan_store::table::ScanTable;

/// Right or wrong, in the order of the buttons; the last is for images that could not be read.
pub const OUTCOMES: [&str; 4] = ["All", "Right", "Wrong", "Unread"];
/// Verdicts in the order of the menu.
pub const VERDICTS: [(&str, Option<Option<Mark>>); 5] = [
    ("any verdict", None),
    ("no verdict", Some(None)),
    ("core", Some(Some(Mark::Core))),
    ("spurious", Some(Some(Mark::Spurious))),
    ("noisy label", Some(Some(Mark::NoisyLabel))),
];
/// Confidence in the order of the menu, with its ends.
pub const CONFIDENCES: [(&str, f32, f32); 4] =
    [("any confidence", 0.0, 1.1), ("below 60 %", 0.0, 0.6), ("60 to 90 %", 0.6, 0.9), ("from 90 %", 0.9, 1.1)];

/// Which images are listed: all that fit everything that is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Index into [`OUTCOMES`].
    pub outcome: usize,
    /// Ground truth.
    pub label: Option<i32>,
    /// What the model said.
    pub predicted_class: Option<i32>,
    /// Index into [`VERDICTS`].
    pub verdict: usize,
    /// Index into [`CONFIDENCES`].
    pub confidence: usize,
    /// A known group, by name.
    pub group: Option<String>,
    /// Words of the image's address.
    pub words: String,
}

impl Filter {
    /// Whether every image fits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Images of one cell of the confusion matrix.
    pub fn of_cell(label: Option<i32>, predicted_class: Option<i32>) -> Self {
        Self { label, predicted_class, ..Self::default() }
    }

    /// Whether an image is listed. Without a label it is neither right nor wrong.
    pub fn fits(&self, table: &ScanTable, marks: &[Option<Mark>], row: usize) -> bool {
        let (label, predicted) = (table.labels[row], table.predicted_classes[row]);
        let by_outcome = match self.outcome {
            1 => label >= 0 && label == predicted,
            2 => label >= 0 && label != predicted && table.errors[row].is_none(),
            3 => table.errors[row].is_some(),
            _ => true,
        };
        let (_, low, high) = CONFIDENCES[self.confidence];
        let confidence = table.confidences[row];
        by_outcome
            && self.label.is_none_or(|wanted| wanted == label)
            && self.predicted_class.is_none_or(|wanted| wanted == predicted)
            && VERDICTS[self.verdict].1.is_none_or(|wanted| marks.get(row).copied().flatten() == wanted)
            && (self.confidence == 0 || (low..high).contains(&confidence))
            && self.group.as_ref().is_none_or(|wanted| table.group(row).as_ref() == Some(wanted))
            && (self.words.trim().is_empty() || {
                let uri = table.uris[row].to_lowercase();
                self.words.to_lowercase().split_whitespace().all(|word| uri.contains(word))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ScanTable {
        ScanTable {
            uris: ["a/one.png", "a/two.png", "b/one.png", "b/two.png"].map(Into::into).into(),
            labels: vec![0, 0, 1, -1],
            predicted_classes: vec![0, 1, 0, 1],
            confidences: vec![0.95, 0.7, 0.5, 1.0],
            errors: vec![None; 4],
            ..ScanTable::default()
        }
    }

    #[test]
    fn each_filter_keeps_what_fits() {
        let (table, marks) = (table(), [Some(Mark::Core), None, None, None]);
        let kept = |filter: Filter| -> Vec<usize> { (0..4).filter(|&row| filter.fits(&table, &marks, row)).collect() };
        let none = Filter::default;
        assert_eq!(kept(none()), [0, 1, 2, 3]);
        assert_eq!(kept(Filter { outcome: 1, ..none() }), [0]);
        assert_eq!(kept(Filter { outcome: 2, ..none() }), [1, 2], "without a label nothing is wrong");
        assert_eq!(kept(Filter { outcome: 2, label: Some(0), ..none() }), [1]);
        let mut unread = table.clone();
        unread.errors[2] = Some("truncated".into());
        let kept_of = |outcome: usize| -> Vec<usize> {
            (0..4).filter(|&row| Filter { outcome, ..none() }.fits(&unread, &marks, row)).collect()
        };
        assert_eq!((kept_of(2), kept_of(3)), (vec![1], vec![2]), "what could not be read is not wrong");
        assert_eq!(kept(Filter::of_cell(None, Some(1))), [1, 3]);
        assert_eq!(kept(Filter { verdict: 1, ..none() }), [1, 2, 3]);
        assert_eq!(kept(Filter { verdict: 2, ..none() }), [0]);
        assert_eq!(kept(Filter { confidence: 3, ..none() }), [0, 3]);
        assert_eq!(kept(Filter { confidence: 1, ..none() }), [2]);
        assert_eq!(kept(Filter { words: " One B".into(), ..none() }), [2]);
        assert_eq!(kept(Filter { group: Some("place=land".into()), ..none() }), Vec::<usize>::new());
    }
}
