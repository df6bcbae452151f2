//! The demo's reviewer, who goes by the evidence alone.

use ascan_core::{Context, Result};
use ascan_engine::slices::SliceSet;
use ascan_engine::spread::Spread;
use ascan_store::Scan;
use ascan_store::annotations::{Annotator, Judgement, Mark, Subject};

/// Marks the slices that are clearly worse as spurious and the others as core, spreads the marks, and accepts.
/// Gives the number of slices of each mark.
///
/// # Errors
/// `File` if the scan cannot be read or its verdicts cannot be written; `Cancelled`.
pub fn review(scan: &Scan, set: &SliceSet, context: &Context) -> Result<[usize; 2]> {
    let mut annotations = Annotator::open(&scan.dir, "demo")?;
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
    let mut spread = Spread::of_scan(scan, &annotations, context)?;
    spread.review.accepted = true;
    spread.save(scan)?;
    Ok(counts)
}
