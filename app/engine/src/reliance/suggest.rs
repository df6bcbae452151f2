//! Which slices a person should judge first, with a verdict proposed for each.

use super::{Reliance, SliceReliance};
use crate::slices::SliceSet;
use crate::spread::Spread;
use ascan_store::annotations::{Annotations, Mark};
use serde::{Deserialize, Serialize};

/// Reliance on the object below which, with its whole interval, a slice is proposed as `spurious`, and above which as `core`.
const EVEN: f64 = 0.5;

/// What is proposed for one slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The slice.
    pub slice: i32,
    /// How much a verdict would change: images that are uncertain, times the part of their prediction that does not follow
    /// the object.
    pub weight: f64,
    /// The verdict; `None` where the pictures do not decide.
    pub proposal: Option<Mark>,
    /// Why, one sentence.
    pub reason: String,
    /// The verdict in force.
    pub verdict: Option<Mark>,
    /// What was measured; `None` where nothing could be.
    pub reliance: Option<SliceReliance>,
}

/// All slices of a set, first those where a verdict would change most.
pub fn suggest(
    set: &SliceSet,
    reliance: &Reliance,
    annotations: &Annotations,
    spread: Option<&Spread>,
) -> Vec<Suggestion> {
    let marks = annotations.marks(set.assignment.len());
    let reviewed = spread.map(Spread::reviewed);
    let doubt = |row: usize| match (marks[row], reviewed.as_ref().and_then(|all| all.get(row))) {
        (Some(_), _) => 0.0,
        (None, Some(s)) if !s.is_nan() => 4.0 * f64::from(s * (1.0 - s)),
        (None, _) => 1.0,
    };
    let mut suggestions: Vec<Suggestion> = (set.slices.iter())
        .map(|slice| {
            let found = reliance.of_slice(slice.id).copied();
            let (proposal, reason) = match &found {
                Some(found) => found.proposal(),
                None => (None, "none of its images could be tried".to_owned()),
            };
            let uncertain: f64 = set.rows(slice.id).into_iter().map(doubt).sum();
            let elsewhere = 1.0 - found.map_or(0.5, |found| found.object.mean);
            let verdict = annotations.of_slice(&set.id, slice.id).and_then(|verdict| verdict.mark());
            Suggestion { slice: slice.id, weight: uncertain * elsewhere, proposal, reason, verdict, reliance: found }
        })
        .collect();
    suggestions.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    suggestions
}

impl SliceReliance {
    /// A verdict where the interval leaves no doubt, and the reason in words.
    pub fn proposal(&self) -> (Option<Mark>, String) {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let object = &self.object;
        if object.n == 0 {
            return (None, "its images have no object map".to_owned());
        }
        let figures = format!(
            "object {}, 95 % interval {} to {}, {} images",
            percent(object.mean),
            percent(object.low),
            percent(object.high),
            object.n
        );
        let when = "where images exchange their objects, the prediction";
        if object.high < EVEN {
            let looks = if self.on_object.mean < EVEN { "so does" } else { "unlike" };
            let text = format!("{when} stays with what is around the object, {looks} the attribution ({figures})");
            return (Some(Mark::Spurious), text);
        }
        if object.low > EVEN {
            return (Some(Mark::Core), format!("{when} goes with the object ({figures})"));
        }
        (None, format!("{when} goes clearly with neither the object nor what is around it ({figures})"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Estimate;
    use super::*;
    use crate::testing;
    use ascan_store::annotations::{Annotator, Judgement, Subject};

    fn found(slice: i32, object: f64, n: usize) -> SliceReliance {
        let estimate = |mean: f64| Estimate::of(std::iter::repeat_n(mean, n));
        SliceReliance { slice, region: estimate(0.9), object: estimate(object), on_object: estimate(object) }
    }

    #[test]
    fn a_verdict_is_proposed_where_the_interval_is_clear() {
        assert_eq!(found(0, 0.1, 20).proposal().0, Some(Mark::Spurious));
        assert_eq!(found(0, 0.9, 20).proposal().0, Some(Mark::Core));
        for unclear in [found(0, 0.5, 20), found(0, 0.3, 3), found(0, 0.9, 1), found(0, 0.9, 0)] {
            assert_eq!(unclear.proposal().0, None, "{unclear:?}");
        }
        let on_object = Estimate::of([0.9; 20].into_iter());
        let (_, reason) = SliceReliance { on_object, ..found(0, 0.1, 20) }.proposal();
        assert!(reason.contains("unlike the attribution (object 10 %, 95 % interval"), "{reason}");
    }

    #[test]
    fn slices_that_follow_the_surroundings_come_first_until_they_have_a_verdict() {
        let dir = tempfile::tempdir().unwrap();
        let set = testing::find_in(&testing::table());
        let reliance = Reliance { slices: vec![found(0, 0.1, 20), found(2, 0.9, 20)], ..Reliance::default() };
        let mut annotator = Annotator::open(dir.path(), "anna").unwrap();
        let order = |annotations: &Annotations| -> Vec<(i32, Option<Mark>)> {
            let all = suggest(&set, &reliance, annotations, None);
            all.iter().map(|suggestion| (suggestion.slice, suggestion.verdict)).collect()
        };
        assert_eq!(order(&annotator), [(0, None), (2, None)]);
        let subject = Subject::Slice { set: set.id.clone(), slice: 0, rows: set.rows(0) };
        annotator.judge(subject, Judgement::Mark { mark: Mark::Core, note: String::new() }).unwrap();
        assert_eq!(order(&annotator), [(2, None), (0, Some(Mark::Core))]);
    }
}
