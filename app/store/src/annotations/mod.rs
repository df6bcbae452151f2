//! Verdicts as data: who said what about which images, when; undoable, with nothing ever overwritten.
//!
//! Each process appends to a file of its own in `<scan>/annotations/`, so any number of them work on one scan at once
//! and see each other's verdicts by [`Annotations::refresh`]. Reading needs no author: [`Annotations`]; giving verdicts does:
//! [`Annotator`].
//!
//! - **Newest wins.** A slice has the mark of the newest verdict on it, an image that of the newest mark on a slice
//!   or selection that holds it, whoever gave it. That two people disagree is not lost: see
//!   [`Annotations::disagreements`].
//! - **Undo** takes back one's own newest verdict of this session, never somebody else's, and is a record itself. A
//!   session that begins has nothing to undo, until [`Annotator::resume`] takes up the earlier sessions of the same
//!   author: each call of the command line is a process, and does so.
//! - A verdict keeps its rows: it holds for these images when its slice set is gone or has been made anew.

mod annotator;
mod log;
mod ranges;
mod subject_state;
#[cfg(test)]
mod tests;
mod verdict;

pub use annotator::{AUTHOR, Annotator, default_author};
pub use subject_state::SubjectState;
pub use verdict::{Fix, Judgement, Mark, Subject, Verdict, VerdictId};

use crate::{ScanPlan, disk, layout};
use ascan_core::{Error, Result};
use log::{Reader, Record, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The verdicts on a scan, as far as they have been read. Whoever wants to give some needs an [`Annotator`].
pub struct Annotations {
    /// Damaged lines; everything else was read.
    pub problems: Vec<String>,
    folder: PathBuf,
    /// Rows of the scan.
    n_rows: usize,
    reader: Reader,
    /// Standing verdicts, in order of time.
    history: Vec<Verdict>,
    /// Undone verdicts, in order of time.
    undone: Vec<Verdict>,
    /// The newest undo or redo of each verdict that has one.
    steps: BTreeMap<VerdictId, (u64, Direction)>,
    known: BTreeSet<VerdictId>,
    /// When the newest record was written.
    newest: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Undo,
    Redo,
}

/// Verdicts of different authors that mark the same subject differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// What it is about, as in the newest of the verdicts.
    pub subject: Subject,
    /// The newest of each author, in order of time; the last one is in force.
    pub verdicts: Vec<Verdict>,
}

impl std::fmt::Debug for Annotations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Annotations").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Annotations {
    /// Reads the verdicts on the scan in `dir`.
    ///
    /// # Errors
    /// `File` if the folder or a log in it cannot be read.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut annotations = Self {
            problems: Vec::new(),
            folder: dir.join(layout::ANNOTATIONS),
            n_rows: n_rows(dir),
            reader: Reader::default(),
            history: Vec::new(),
            undone: Vec::new(),
            steps: BTreeMap::new(),
            known: BTreeSet::new(),
            newest: 0,
        };
        annotations.refresh()?;
        Ok(annotations)
    }

    /// Reads what other processes have written since; whether they have.
    ///
    /// # Errors
    /// `File` if the folder or a log in it cannot be read.
    pub fn refresh(&mut self) -> Result<bool> {
        let problems = &mut self.problems;
        let keep = |problem: String| {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        let records = self.reader.read_new(&self.folder, self.n_rows, keep);
        let mut records =
            records.map_err(|error| Error::file(&self.folder, format!("cannot be listed: {error}"), ""))?;
        let latest = clock().max(RELEASED) + YEAR;
        for record in &mut records {
            let (at, author) = record.signed();
            if *at > latest {
                let problem =
                    format!("{author:?} dated a verdict more than a year ahead; it counts as older than all others");
                *at = 0;
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
        }
        let is_any = !records.is_empty();
        records.into_iter().for_each(|record| self.apply(record));
        Ok(is_any)
    }

    /// Takes over the verdicts on a copy of this scan in another folder, those of its sessions that are not here; how many
    /// verdicts are new.
    ///
    /// # Errors
    /// `File` if the other's cannot be read or these not written.
    pub fn merge(&mut self, other: &Path) -> Result<usize> {
        let from = other.join(layout::ANNOTATIONS);
        let before = self.known.len();
        log::merge(&self.folder, &from).map_err(|error| {
            Error::file(
                &from,
                format!("cannot be taken over: {error}"),
                "has anybody judged that scan? may this one be written to?",
            )
        })?;
        self.refresh()?;
        Ok(self.known.len() - before)
    }

    /// All verdicts in order of time, undone ones excluded.
    pub fn history(&self) -> &[Verdict] {
        &self.history
    }

    /// The mark in force on a slice, with who gave it; `None` if nobody marked it or the newest verdict cleared it.
    pub fn of_slice(&self, set: &str, slice: i32) -> Option<&Verdict> {
        let about = |verdict: &&Verdict| match &verdict.subject {
            Subject::Slice { set: of, slice: id, .. } => (of.as_str(), *id) == (set, slice) && is_about_marks(verdict),
            Subject::Images { .. } => false,
        };
        self.history.iter().rev().find(about).filter(|verdict| verdict.mark().is_some())
    }

    /// What people call a slice: the newest name that somebody gave it and nobody took away.
    pub fn name_of(&self, set: &str, slice: i32) -> Option<&str> {
        let named = self.history.iter().rev().find_map(|verdict| match (&verdict.subject, &verdict.judgement) {
            (Subject::Slice { set: of, slice: id, .. }, Judgement::Name(name))
                if (of.as_str(), *id) == (set, slice) =>
            {
                Some(name.as_str())
            }
            _ => None,
        });
        named.filter(|name| !name.is_empty())
    }

    /// The marks in force, in order of time: of each subject the newest verdict, unless that cleared it.
    pub fn in_force(&self) -> Vec<&Verdict> {
        let newest = self.history.iter().enumerate().filter(|(i, verdict)| {
            let mut later = self.history[i + 1..].iter().filter(|later| is_about_marks(later));
            verdict.mark().is_some() && !later.any(|later| later.subject.is_same(&verdict.subject))
        });
        newest.map(|(_, verdict)| verdict).collect()
    }

    /// The names of the marks in force: what a spread of them rests on.
    pub fn basis(&self) -> Vec<VerdictId> {
        self.in_force().into_iter().map(|verdict| verdict.id.clone()).collect()
    }

    /// Subjects on which people disagree: the newest verdicts of two authors mark them differently.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let mut subjects: Vec<Vec<&Verdict>> = Vec::new();
        for verdict in self.history.iter().filter(|verdict| is_about_marks(verdict)) {
            match subjects.iter_mut().find(|verdicts| verdicts[0].subject.is_same(&verdict.subject)) {
                Some(verdicts) => {
                    verdicts.retain(|earlier| earlier.author != verdict.author);
                    verdicts.push(verdict);
                }
                None => subjects.push(vec![verdict]),
            }
        }
        let disagree = |verdicts: &Vec<&Verdict>| {
            let marks: BTreeSet<Mark> = verdicts.iter().filter_map(|verdict| verdict.mark()).collect();
            marks.len() > 1
        };
        let found = subjects.into_iter().filter(disagree).filter_map(|verdicts| {
            let verdicts = verdicts.into_iter().filter(|verdict| verdict.mark().is_some()).cloned();
            let verdicts: Vec<Verdict> = verdicts.collect();
            Some(Disagreement { subject: verdicts.last()?.subject.clone(), verdicts })
        });
        found.collect()
    }

    /// The mark of each row of a scan: that of the newest mark in force that holds it.
    ///
    /// A slice that is cleared loses its mark, and what its images had before or elsewhere shows again; images that
    /// are cleared have no mark, wherever they had it from.
    pub fn marks(&self, n_rows: usize) -> Vec<Option<Mark>> {
        let marks = self.marks_of_verdicts(n_rows).into_iter();
        marks.map(|mark| mark.map(|(mark, _)| mark)).collect()
    }

    /// For each row that has a mark the verdict it comes from, by its place in the history.
    pub fn sources(&self, n_rows: usize) -> Vec<Option<usize>> {
        let marks = self.marks_of_verdicts(n_rows).into_iter();
        marks.map(|mark| mark.map(|(_, verdict)| verdict)).collect()
    }

    fn marks_of_verdicts(&self, n_rows: usize) -> Vec<Option<(Mark, usize)>> {
        let in_force: BTreeSet<&VerdictId> = self.in_force().into_iter().map(|verdict| &verdict.id).collect();
        let mut marks = vec![None; n_rows];
        for (at, verdict) in self.history.iter().enumerate() {
            let mark = match (&verdict.judgement, &verdict.subject) {
                (Judgement::Mark { mark, .. }, _) if in_force.contains(&verdict.id) => Some((*mark, at)),
                (Judgement::Clear, Subject::Images { .. }) => None,
                _ => continue,
            };
            // A verdict of a scan that had more rows says nothing about those that are gone.
            for &row in verdict.subject.rows().iter().filter(|&&row| row < n_rows) {
                marks[row] = mark;
            }
        }
        marks
    }

    /// What is to be done about the label of each image on which somebody decided; the newest decision wins.
    pub fn fixes(&self) -> BTreeMap<usize, Fix> {
        let fixes = self.history.iter().filter_map(|verdict| match verdict.judgement {
            Judgement::Fix(fix) => Some((verdict.subject.rows(), fix)),
            Judgement::Mark { .. } | Judgement::Clear | Judgement::Name(_) => None,
        });
        fixes.flat_map(|(rows, fix)| rows.iter().map(move |&row| (row, fix))).collect()
    }

    /// The clock, but later than all that is known.
    fn now(&self) -> u64 {
        clock().max(self.newest.saturating_add(1))
    }

    /// Makes a record known. The result does not depend on the order in which records come.
    fn apply(&mut self, record: Record) {
        match record {
            Record::Judge(verdict) => {
                self.newest = self.newest.max(verdict.at);
                // A copy of a file is no second verdict.
                if self.known.insert(verdict.id.clone()) {
                    let is_undone = matches!(self.steps.get(&verdict.id), Some((_, Direction::Undo)));
                    insert(if is_undone { &mut self.undone } else { &mut self.history }, verdict);
                }
            }
            Record::Undo(step) => self.step(step, Direction::Undo),
            Record::Redo(step) => self.step(step, Direction::Redo),
        }
    }

    fn step(&mut self, step: Step, direction: Direction) {
        self.newest = self.newest.max(step.at);
        if self.steps.get(&step.of).is_some_and(|(at, _)| *at >= step.at) {
            return;
        }
        let (from, to) = match direction {
            Direction::Undo => (&mut self.history, &mut self.undone),
            Direction::Redo => (&mut self.undone, &mut self.history),
        };
        if let Some(at) = from.iter().position(|verdict| verdict.id == step.of) {
            insert(to, from.remove(at));
        }
        self.steps.insert(step.of, (step.at, direction));
    }
}

/// Milliseconds since 1970.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// A year in milliseconds: clocks are not further apart.
const YEAR: u64 = 366 * 86_400_000;
/// When this version was made: a clock that says earlier is wrong.
const RELEASED: u64 = 1_796_000_000_000;

/// Rows of the scan in a folder; where that is not known, more than any person judged.
fn n_rows(dir: &Path) -> usize {
    let plan = disk::read(&dir.join(layout::PLAN)).ok().and_then(|bytes| ScanPlan::read(&bytes, dir).ok());
    plan.map_or(1 << 24, |(plan, _)| plan.data.n_rows)
}

/// Whether a verdict is about what its subject is, not about labels or names.
fn is_about_marks(verdict: &Verdict) -> bool {
    matches!(verdict.judgement, Judgement::Mark { .. } | Judgement::Clear)
}

/// Puts a verdict where it belongs in order of time; names decide between equal times.
fn insert(verdicts: &mut Vec<Verdict>, verdict: Verdict) {
    let at = verdicts.partition_point(|other| (other.at, &other.id) < (verdict.at, &verdict.id));
    verdicts.insert(at, verdict);
}
