//! A verdict as pictures and pages show it.

use ascan_store::annotations::{Judgement, Mark, Verdict};
use ascan_viz::Rgb;
use ascan_viz::theme::Theme;

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What it is.
    pub mark: Mark,
    /// Why, in the words of who said it; may be empty.
    pub note: String,
    /// Who said it.
    pub author: String,
}

/// Verdicts that are on no slice of a set: on single images, or on slices of another set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedElsewhere {
    /// `images`, or `slice 3 of kmeans · 14`.
    pub subject: String,
    /// Number of images.
    pub n: usize,
    /// What was said of them.
    pub judged: Judged,
}

impl Judged {
    /// The mark of a verdict, if it gives one.
    pub fn of(verdict: &Verdict) -> Option<Self> {
        let Judgement::Mark { mark, note } = &verdict.judgement else { return None };
        Some(Self { mark: *mark, note: note.clone(), author: verdict.author.clone() })
    }

    /// `spurious: water`.
    pub fn words(&self) -> String {
        let mark = mark_words(self.mark);
        if self.note.is_empty() { mark } else { format!("{mark}: {}", self.note) }
    }
}

/// `noisy label`.
pub fn mark_words(mark: Mark) -> String {
    mark.name().replace('_', " ")
}

/// The colour of a mark; people with colour-vision deficiencies can tell them apart.
pub fn mark_color(mark: Mark, theme: &Theme) -> Rgb {
    match mark {
        Mark::Core => theme.core,
        Mark::Spurious => theme.spurious,
        Mark::NoisyLabel => theme.noisy_label,
    }
}
