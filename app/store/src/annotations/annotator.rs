//! Somebody who gives verdicts: writes them into a log of this process, and takes back what was given by it.

use super::log::{Log, Record, Step};
use super::{Annotations, Judgement, Subject, Verdict, VerdictId};
use ascan_core::{Error, Result};
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::path::Path;

/// Variable with the name under which verdicts are given.
pub const AUTHOR: &str = "ASCAN_AUTHOR";

/// Who gives verdicts where nobody says: `$ASCAN_AUTHOR`, or the user's name in the operating system.
pub fn default_author() -> String {
    let variables = [AUTHOR, "USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let home = dirs::home_dir().and_then(|home| Some(home.file_name()?.to_string_lossy().into_owned()));
    variables.chain(home).find(|name| !name.trim().is_empty()).unwrap_or_else(|| "someone".into())
}

/// The verdicts on a scan, and the log in which this process writes those of one author.
#[derive(Debug)]
pub struct Annotator {
    annotations: Annotations,
    author: String,
    /// `None` before the first verdict.
    log: Option<Log>,
    /// What this session may undo.
    own: BTreeSet<VerdictId>,
}

/// Everything that can be read without an author can be read with one.
impl Deref for Annotator {
    type Target = Annotations;

    fn deref(&self) -> &Annotations {
        &self.annotations
    }
}

impl DerefMut for Annotator {
    fn deref_mut(&mut self) -> &mut Annotations {
        &mut self.annotations
    }
}

impl Annotator {
    /// Reads the verdicts on the scan in `dir`. Nothing is written before the first verdict, so a scan that may only
    /// be read opens too.
    ///
    /// # Errors
    /// `Param` for an author without a name; `File` if the folder cannot be listed.
    pub fn open(dir: &Path, author: &str) -> Result<Self> {
        let author = author.trim().to_owned();
        if author.is_empty() {
            return Err(Error::param("author", "is empty: a verdict needs an author", "give a name"));
        }
        Ok(Self { annotations: Annotations::read(dir)?, author, log: None, own: BTreeSet::new() })
    }

    /// Continues the author's earlier sessions: this one may undo and redo what they could.
    pub fn resume(&mut self) {
        let verdicts = self.history.iter().chain(&self.undone).filter(|verdict| verdict.author == self.author);
        self.own = verdicts.map(|verdict| verdict.id.clone()).collect();
    }

    /// Who gives the verdicts of this session.
    pub fn author(&self) -> &str {
        &self.author
    }

    /// Gives a verdict. When this returns, it is on disk and survives a crash.
    ///
    /// # Errors
    /// `Param` for a subject without images; `File` if it cannot be written, and then it is not given.
    pub fn judge(&mut self, mut subject: Subject, judgement: Judgement) -> Result<VerdictId> {
        let rows = subject.rows_mut();
        rows.sort_unstable();
        rows.dedup();
        if rows.is_empty() {
            return Err(Error::param("rows", "are empty: a verdict is about at least one image", "select some images"));
        }
        let (at, author) = (self.now(), self.author.clone());
        let id = self.write(|id| Record::Judge(Verdict { id, at, author, subject, judgement }))?;
        self.own.insert(id.clone());
        Ok(id)
    }

    /// Takes back the newest verdict that this session gave and that still stands; gives it back, if there is one.
    ///
    /// # Errors
    /// `File` if that cannot be written, and then the verdict stands.
    pub fn undo(&mut self) -> Result<Option<Verdict>> {
        let Some(verdict) = self.to_undo().cloned() else { return Ok(None) };
        let step = Step { of: verdict.id.clone(), at: self.now(), author: self.author.clone() };
        self.write(|_| Record::Undo(step))?;
        Ok(Some(verdict))
    }

    /// Brings back what was undone last; a new verdict ends that. Gives it back, if there is one.
    ///
    /// # Errors
    /// `File` if that cannot be written, and then the verdict stays undone.
    pub fn redo(&mut self) -> Result<Option<Verdict>> {
        let Some(verdict) = self.to_redo().cloned() else { return Ok(None) };
        let step = Step { of: verdict.id.clone(), at: self.now(), author: self.author.clone() };
        self.write(|_| Record::Redo(step))?;
        Ok(Some(verdict))
    }

    /// Whether [`Self::undo`] would do something.
    pub fn can_undo(&self) -> bool {
        self.to_undo().is_some()
    }

    /// Whether [`Self::redo`] would do something.
    pub fn can_redo(&self) -> bool {
        self.to_redo().is_some()
    }

    fn to_undo(&self) -> Option<&Verdict> {
        self.history.iter().rev().find(|verdict| self.own.contains(&verdict.id))
    }

    fn to_redo(&self) -> Option<&Verdict> {
        let own = |verdict: &&Verdict| self.own.contains(&verdict.id);
        let given = self.history.iter().chain(&self.undone).filter(own).map(|verdict| verdict.at).max()?;
        let undone_at = |verdict: &Verdict| self.steps.get(&verdict.id).map_or(0, |(at, _)| *at);
        let undone = self.undone.iter().filter(own).filter(|verdict| undone_at(verdict) > given);
        undone.max_by_key(|verdict| undone_at(verdict))
    }

    /// Writes a record into this process's file, then makes it known here.
    fn write(&mut self, record: impl FnOnce(VerdictId) -> Record) -> Result<VerdictId> {
        let failed = |error: std::io::Error| {
            let hint = "the verdict is not kept: make the folder writable, or make room on its disk";
            Error::file(&self.annotations.folder, format!("cannot be written: {error}"), hint)
        };
        let mut log = match self.log.take() {
            Some(log) => log,
            None => Log::begin(&self.annotations.folder, &self.author, self.annotations.now()).map_err(failed)?,
        };
        let id = log.next_id();
        let record = record(id.clone());
        // After a failure the next verdict begins a new file, whatever state this one is in.
        log.append(&record).map_err(failed)?;
        self.annotations.reader.skip(&log);
        self.log = Some(log);
        self.apply(record);
        Ok(id)
    }
}
