//! What was said of a scan, as it is shown with a set of slices.

use crate::judged::{Judged, JudgedElsewhere};
use ascan_engine::slices::Recipe;
use ascan_store::Scan;
use ascan_store::annotations::{Annotations, Subject, Verdict};

/// The marks in force on anything but slices of this set.
pub(super) fn elsewhere(annotations: &Annotations, scan: &Scan, set: &str) -> Vec<JudgedElsewhere> {
    let of = |verdict: &Verdict| {
        let (subject, rows) = match &verdict.subject {
            Subject::Slice { set: of, .. } if of == set => return None,
            Subject::Slice { set: of, slice, rows } => {
                let title = Recipe::of_set(scan, of).map_or_else(|| of.clone(), |recipe| recipe.title());
                (format!("slice {slice} of {title}"), rows)
            }
            Subject::Images { rows } => ("images".to_owned(), rows),
        };
        Some(JudgedElsewhere { subject, n: rows.len(), judged: Judged::of(verdict)? })
    };
    annotations.in_force().into_iter().filter_map(of).collect()
}
