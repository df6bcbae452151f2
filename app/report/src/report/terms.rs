//! The words that a report explains: the figures that it shows, by the sentence that the window has for each, and what else is no
//! everyday word.

use super::slice::shown;
use crate::figures::Figure;
use crate::mosaic::Scene;
use ascan_engine::slices::SliceSet;
use ascan_math::likeness::DISPUTED;

pub(super) fn terms(scene: &Scene, set: &SliceSet) -> Vec<(String, String)> {
    let mut terms = vec![
        ("Slice", "Images with similar attribution-weighted features: they look alike to the model where it looks.".to_owned()),
        (
            "Attribution",
            "How much each part of an image contributes to the score of the explained class. Pictures are scaled per image; the \
             scan keeps the raw numbers."
                .to_owned(),
        ),
    ];
    if scene.methods.len() > 1 {
        terms.push((
            "Disputed",
            format!(
                "Images on which the attribution methods agree no better than unrelated maps would (rank correlation below \
                 {DISPUTED:.2})."
            ),
        ));
    }
    let has_labels = set.accuracy.is_some();
    if has_labels {
        terms.push((
            "Clearly worse",
            "At least ten points below the overall accuracy, and worse than the other images by more than chance explains \
             (Fisher's exact test, corrected for the number of slices, 5 % false discoveries)."
                .to_owned(),
        ));
    }
    let first: &[Figure] = &[Figure::Size, Figure::Accuracy, Figure::Interval];
    let figures = first[..if has_labels { 3 } else { 1 }].iter().chain(shown(has_labels));
    terms.extend(figures.map(|figure| (figure.title(), format!("{}.", figure.tip()))));
    terms.into_iter().map(|(name, meaning)| (name.to_owned(), meaning)).collect()
}
