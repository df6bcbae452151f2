//! What a person says about images: marks, fixes of labels, and who said so when.

use super::ranges;
use ascan_core::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a slice, or a selection of images, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The model looks at what makes the class.
    Core,
    /// The model looks at something that only goes along with the class.
    Spurious,
    /// The labels are wrong.
    NoisyLabel,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 3] = [Self::Core, Self::Spurious, Self::NoisyLabel];

    /// The word for it, in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Spurious => "spurious",
            Self::NoisyLabel => "noisy_label",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|mark| mark.name() == word);
        found.ok_or_else(|| Error::unknown_name("mark", word, Self::ALL.map(Self::name)))
    }
}

/// What is to be done about an image's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// It is right.
    Keep,
    /// It should be this output index.
    Relabel(i32),
    /// No label is right: the image should go.
    Drop,
}

/// What a verdict is about. Its rows (rising) are kept with it, so that it outlives its slice set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A slice, with the images that it had.
    Slice {
        /// Id of the slice set.
        set: String,
        /// Id of the slice in it.
        slice: i32,
        /// Rows of the scan.
        #[serde(with = "ranges")]
        rows: Vec<usize>,
    },
    /// A selection of images.
    Images {
        /// Rows of the scan.
        #[serde(with = "ranges")]
        rows: Vec<usize>,
    },
}

impl Subject {
    /// The rows it is about.
    pub fn rows(&self) -> &[usize] {
        match self {
            Self::Slice { rows, .. } | Self::Images { rows } => rows,
        }
    }

    pub(super) fn rows_mut(&mut self) -> &mut Vec<usize> {
        match self {
            Self::Slice { rows, .. } | Self::Images { rows } => rows,
        }
    }

    /// Whether two verdicts are about the same thing: the same slice, whatever images it had, or the same images.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Slice { set: a, slice: i, .. }, Self::Slice { set: b, slice: j, .. }) => (a, i) == (b, j),
            (Self::Images { rows: a }, Self::Images { rows: b }) => a == b,
            _ => false,
        }
    }
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// What the subject is.
    Mark {
        /// The mark.
        mark: Mark,
        /// In free words, "birds"; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// The subject is not marked any more.
    Clear,
    /// What is to be done about the labels of the subject's images.
    Fix(Fix),
    /// What people call the slice; empty: what its images are, as before.
    Name(String),
}

/// Name of a verdict: its file and its place in it. Unique in a scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerdictId(pub(super) String);

impl fmt::Display for VerdictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one person said about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Its name.
    pub id: VerdictId,
    /// Milliseconds since 1970, UTC. Later than every verdict that its author saw, even where clocks differ.
    pub at: u64,
    /// Who.
    pub author: String,
    /// About what.
    pub subject: Subject,
    /// What.
    pub judgement: Judgement,
}

impl Verdict {
    /// The mark that it gives, if it gives one.
    pub fn mark(&self) -> Option<Mark> {
        match self.judgement {
            Judgement::Mark { mark, .. } => Some(mark),
            Judgement::Clear | Judgement::Fix(_) | Judgement::Name(_) => None,
        }
    }

    /// When, for people: `2026-11-25 02:43 UTC`.
    pub fn time(&self) -> String {
        let (minutes, days) = (self.at / 60_000 % 1_440, self.at / 86_400_000);
        let (year, month, day) = civil(days);
        format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day is last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_the_words_of_their_json() {
        for mark in Mark::ALL {
            assert_eq!(serde_json::to_value(mark).unwrap(), mark.to_string());
            assert_eq!(mark.name().parse::<Mark>().unwrap(), mark);
        }
        let error = "noisy".parse::<Mark>().unwrap_err();
        assert_eq!(error.hint().unwrap(), "available: core, noisy_label, spurious");
    }

    // Python: datetime.fromtimestamp(s, timezone.utc)
    #[test]
    fn times_are_dates() {
        let time = |seconds: u64| {
            let subject = Subject::Images { rows: vec![0] };
            let (id, author) = (VerdictId(String::new()), String::new());
            Verdict { id, at: seconds * 1000, author, subject, judgement: Judgement::Clear }.time()
        };
        assert_eq!(time(0), "1970-01-01 00:00 UTC");
        assert_eq!(time(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(time(951_868_799), "2000-02-29 23:59 UTC");
        assert_eq!(time(1_795_574_580), "2026-11-25 02:43 UTC");
    }
}
