//! The demo's reviewer, who goes by the evidence alone.

use crate::annotations::{Annotations, Judgement, Mark, Subject};
use crate::slices::SliceSet;
use crate::spread::spread;
use crate::store::Scan;
use ascan_core::{Context, Result};

/// Marks the slices that are clearly worse as spurious and the others as core, spreads the marks, and accepts.
/// Gives the number of slices of each mark.
///
/// # Errors
/// `File` if the scan cannot be read or its verdicts cannot be written; `Cancelled`.
pub fn review(scan: &Scan, set: &SliceSet, context: &Context) -> Result<[usize; 2]> {
    let mut annotations = Annotations::open(&scan.dir, "demo")?;
    let mut counts = [0; 2];
    for slice in &set.slices {
        counts[usize::from(slice.needs_verdict)] += 1;
        let (mark, note) = match slice.needs_verdict {
            true => (Mark::Spurious, "clearly worse than the rest: the model looks at the ground"),
            false => (Mark::Core, "no worse than the rest"),
        };
        // A demo that is run again finds its verdicts there.
        if annotations.of_slice(&set.id, slice.id).is_none() {
            let subject = Subject::Slice { set: set.id.clone(), slice: slice.id, rows: set.rows(slice.id) };
            annotations.judge(subject, Judgement::Mark { mark, note: note.to_owned() })?;
        }
    }
    let n_rows = scan.plan.data.n_rows;
    let (marks, sources) = (annotations.marks(n_rows), annotations.sources(n_rows));
    let mut spread = spread(&scan.table()?, &marks, &sources, &scan.config.spread, context)?;
    spread.verdicts = annotations.in_force().iter().map(|verdict| verdict.id.clone()).collect();
    spread.review.accepted = true;
    spread.save(scan)?;
    Ok(counts)
}
