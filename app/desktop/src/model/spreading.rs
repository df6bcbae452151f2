//! Verdicts that were spread: threshold, borderline images, acceptance.

use super::{Changes, Model};
use crate::command::SpreadCommand;
use ascan_engine::spread::Spread;

/// Borderline images that are shown to be decided one by one.
pub const N_BORDERLINE: usize = 24;

impl Model {
    pub(super) fn apply_to_spread(&mut self, command: SpreadCommand) -> Changes {
        let Some(spread) = &mut self.session.spread else {
            self.toast = "Spread the verdicts first".to_owned();
            return Changes::SHELL;
        };
        match command {
            SpreadCommand::Threshold(threshold) => spread.review.threshold = threshold.map(|t| t.clamp(0.0, 1.0)),
            SpreadCommand::Decide { row, is_spurious } => match spread.review.overrides.get(&row) {
                // A second click on the same decision takes it back.
                Some(present) if *present == is_spurious => {
                    spread.review.overrides.remove(&row);
                }
                _ => {
                    spread.review.overrides.insert(row, is_spurious);
                }
            },
            SpreadCommand::Accept => {
                spread.review.accepted = true;
                self.toast = "Accepted: a repair uses it".to_owned();
            }
        }
        let saved = spread.save_review(&self.session.album.scan);
        self.session.review_changed();
        self.list.update(&self.session);
        let changes = Changes::STEPS | Changes::SHELL | Changes::LIST | Changes::TILES | Changes::INSPECTOR;
        match saved {
            Ok(()) => changes,
            Err(error) => changes | self.fail(&error),
        }
    }
}

/// Images whose spuriousness is nearest to where it is decided, and those that were decided by hand, by row.
///
/// Images of which nothing is known are no borderline: there is nothing to confirm.
pub fn borderline(spread: &Spread) -> Vec<usize> {
    let middle = spread.review.threshold.unwrap_or(0.5);
    let at_prior = spread.at_prior();
    let distance = |row: usize| (spread.spuriousness[row] - middle).abs();
    let is_open = |row: &usize| {
        let mark = spread.marked.get(*row).copied().flatten();
        !spread.spuriousness[*row].is_nan() && !at_prior[*row] && mark.is_none()
    };
    let mut rows: Vec<usize> = (0..spread.spuriousness.len()).filter(is_open).collect();
    rows.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
    rows.truncate(N_BORDERLINE);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use ascan_config::sections::SpreadSettings;
    use ascan_engine::spread::{Check, Review};
    use ascan_store::annotations::Mark;

    #[test]
    fn borderline_images_are_the_uncertain_ones_without_a_mark() {
        let marked = vec![Some(Mark::Core), None, None, None, None, Some(Mark::Spurious)];
        let mut spread = Spread {
            spuriousness: vec![0.0, 0.1, 0.45, f32::NAN, 0.8, 1.0],
            marked,
            check: Check::default(),
            classes: Vec::new(),
            settings: SpreadSettings::default(),
            seed: 0,
            verdicts: Vec::new(),
            review: Review::default(),
        };
        assert_eq!(borderline(&spread), [2, 4, 1]);
        spread.review.threshold = Some(0.9);
        assert_eq!(borderline(&spread), [4, 2, 1]);
        spread.spuriousness[2] = 0.5;
        assert_eq!(borderline(&spread), [4, 1], "the prior says nothing of an image");
    }
}
