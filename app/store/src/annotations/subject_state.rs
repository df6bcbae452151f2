//! What has become of a slice since somebody judged it.

use super::Subject;
use serde::Serialize;
use std::fmt;

/// What has become of the subject of a verdict. The verdict holds for its own images in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectState {
    /// It has the images it had.
    Same,
    /// Its slice set is not there any more.
    SetGone,
    /// Its set is there, without a slice of this number.
    SliceGone,
    /// The slice has other images than it had.
    OtherImages {
        /// How many it has now.
        n_now: usize,
    },
}

impl SubjectState {
    /// Of a subject. `rows_now` gives the rows that a slice has now, by its set and its number, rising; `None` if there
    /// is no such set.
    pub fn of(subject: &Subject, rows_now: impl FnOnce(&str, i32) -> Option<Vec<usize>>) -> Self {
        let Subject::Slice { set, slice, rows } = subject else { return Self::Same };
        let Some(now) = rows_now(set, *slice) else { return Self::SetGone };
        match now.len() {
            0 => Self::SliceGone,
            _ if now == *rows => Self::Same,
            n_now => Self::OtherImages { n_now },
        }
    }
}

impl fmt::Display for SubjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("as it was"),
            Self::SetGone => f.write_str("its slice set is gone; the verdict holds for the images it had"),
            Self::SliceGone => f.write_str("its slice is gone; the verdict holds for the images it had"),
            Self::OtherImages { n_now } => {
                write!(f, "its slice has other images now ({n_now}); the verdict holds for those it had")
            }
        }
    }
}
