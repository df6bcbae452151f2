//! `annotations/<author>-<start>.jsonl`: one file per process, one record with a checksum per line.
//!
//! A line is `{"blake3":"<16 hex digits>","record":{…}}`; the checksum is the hash of the record as it is written.

use super::ranges;
use super::verdict::{Verdict, VerdictId};
use crate::disk::{self, step, sync_folder};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const EXTENSION: &str = ".jsonl";
const BEFORE_CHECKSUM: &str = "{\"blake3\":\"";
const BEFORE_RECORD: &str = "\",\"record\":";
const AFTER_RECORD: &str = "}";
const CHECKSUM_LEN: usize = 16;

/// A line of the log. Nothing is ever taken out: to undo is a record too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Judge(Verdict),
    Undo(Step),
    Redo(Step),
}

impl Record {
    /// When it was written, and by whom.
    pub fn signed(&mut self) -> (&mut u64, &str) {
        match self {
            Self::Judge(Verdict { at, author, .. }) => (at, author.as_str()),
            Self::Undo(step) | Self::Redo(step) => (&mut step.at, step.author.as_str()),
        }
    }
}

/// A verdict taken back, or brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub of: VerdictId,
    pub at: u64,
    pub author: String,
}

fn checksum(record: &[u8]) -> String {
    blake3::hash(record).to_hex()[..CHECKSUM_LEN].to_owned()
}

fn to_line(record: &Record) -> io::Result<Vec<u8>> {
    let record = serde_json::to_string(record)?;
    let checksum = checksum(record.as_bytes());
    Ok(format!("{BEFORE_CHECKSUM}{checksum}{BEFORE_RECORD}{record}{AFTER_RECORD}\n").into_bytes())
}

/// The record of a line without its end, about rows below `n_rows`; the reason if it is damaged.
fn from_line(line: &[u8], n_rows: usize) -> Result<Record, String> {
    let split = || {
        let rest = line.strip_prefix(BEFORE_CHECKSUM.as_bytes())?;
        let (sum, rest) = rest.split_at_checked(CHECKSUM_LEN)?;
        let rest = rest.strip_prefix(BEFORE_RECORD.as_bytes())?;
        Some((sum, rest.strip_suffix(AFTER_RECORD.as_bytes())?))
    };
    let (sum, record) = split().ok_or("is not a record of a verdict")?;
    if sum != checksum(record).as_bytes() {
        return Err("was changed after it was written (its checksum does not match)".into());
    }
    // Before room is made for what it speaks of.
    let told: Value = serde_json::from_slice(record).map_err(unparsed)?;
    let subjects = told.get("judge").and_then(|judge| judge.get("subject")).and_then(Value::as_object);
    for subject in subjects.into_iter().flat_map(|subject| subject.values()) {
        let last = subject.get("rows").and_then(Value::as_str).and_then(ranges::last);
        if let Some(last) = last.filter(|&last| last >= n_rows) {
            return Err(format!("is about image {last}, and the scan has {n_rows}"));
        }
    }
    serde_json::from_value(told).map_err(unparsed)
}

fn unparsed(error: serde_json::Error) -> String {
    format!("cannot be parsed: {error}")
}

/// The file of this process.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// Its name without the extension.
    pub session: String,
    /// Bytes that are safely written.
    len: u64,
    n_records: usize,
}

impl Log {
    /// Begins a file that no other process has.
    pub fn begin(folder: &Path, author: &str, at: u64) -> io::Result<Self> {
        make(folder)?;
        for at in at.. {
            let session = format!("{}-{at}", plain(author));
            step()?;
            match File::options().append(true).create_new(true).open(folder.join(format!("{session}{EXTENSION}"))) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                file => {
                    let file = file?;
                    sync_folder(folder)?;
                    return Ok(Self { file, session, len: 0, n_records: 0 });
                }
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// The name of the verdict that is written next.
    pub fn next_id(&self) -> VerdictId {
        VerdictId(format!("{}:{}", self.session, self.n_records))
    }

    /// Appends a record in one write; when this returns it survives the end of the process and of the power.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let line = to_line(record)?;
        let written = step().and_then(|()| self.file.write_all(&line));
        let written = written.and_then(|()| step()).and_then(|()| self.file.sync_data());
        let written = written.and_then(|()| check_linked(&self.file));
        if let Err(error) = written {
            // What is half there must not become part of the next line; the first error is the one to report.
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += line.len() as u64;
        self.n_records += 1;
        Ok(())
    }
}

/// Makes the folder of a scan that is there. A scan that is gone does not come back by it, and a link leads out of the scan.
fn make(folder: &Path) -> io::Result<()> {
    step()?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ if folder.symlink_metadata()?.is_symlink() => Err(io::Error::new(ErrorKind::InvalidInput, "it is a link")),
        _ => Ok(()),
    }
}

/// Whether a file that is written to is still in a folder: what goes into one that was deleted is lost.
#[cfg(unix)]
fn check_linked(file: &File) -> io::Result<()> {
    match std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) {
        0 => Err(io::Error::new(ErrorKind::NotFound, "it was deleted meanwhile")),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_linked(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether a name is that of a log; systems leave hidden files of like names beside it.
fn is_log(name: &str) -> bool {
    name.ends_with(EXTENSION) && !name.starts_with('.')
}

/// Takes over the files of another folder: those that are not here, and those that have gone on there. Gives how many.
///
/// A file of the same name is the same session; it only ever grows, so that the longer one holds the other.
pub(super) fn merge(folder: &Path, other: &Path) -> io::Result<usize> {
    let mut n_taken = 0;
    for entry in fs::read_dir(other)? {
        let from = entry?.path();
        let Some(name) = from.file_name().filter(|name| is_log(&name.to_string_lossy())) else { continue };
        let to = folder.join(name);
        let (theirs, ours) = (disk::read(&from)?, disk::read(&to).unwrap_or_default());
        if theirs.len() > ours.len() && theirs.starts_with(&ours) {
            make(folder)?;
            disk::replace(&to, |file| file.write_all(&theirs))?;
            n_taken += 1;
        }
    }
    Ok(n_taken)
}

/// An author as part of a file name.
fn plain(author: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '-' };
    author.chars().take(32).map(plain).collect()
}

/// Where reading stopped in each file.
#[derive(Default)]
pub(super) struct Reader {
    seen: BTreeMap<String, Seen>,
}

#[derive(Default, Clone, Copy)]
struct Seen {
    bytes: u64,
    n_lines: usize,
}

impl Reader {
    /// The records written since the last call, in no particular order; damaged lines are told to `problem`.
    ///
    /// An unfinished last line is left for the next call: its writer is at it, or died before the verdict was given.
    pub fn read_new(
        &mut self,
        folder: &Path,
        n_rows: usize,
        mut problem: impl FnMut(String),
    ) -> io::Result<Vec<Record>> {
        let entries = match step().and_then(|()| fs::read_dir(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files: Vec<(String, PathBuf)> = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_log(&name) && path.is_file() {
                files.push((name, path));
            }
        }
        files.sort();
        let mut records = Vec::new();
        for (name, path) in files {
            let seen = self.seen.entry(name.clone()).or_default();
            let bytes = match read_from(&path, seen.bytes) {
                Ok(bytes) => bytes,
                // It was deleted between two looks.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                // Without these verdicts all that rests on them would be wrong.
                Err(error) => return Err(io::Error::new(error.kind(), format!("{name} cannot be read: {error}"))),
            };
            for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                let Some(line) = line.strip_suffix(b"\n") else { break };
                seen.bytes += line.len() as u64 + 1;
                seen.n_lines += 1;
                match from_line(line, n_rows) {
                    Ok(record) => records.push(record),
                    Err(reason) => problem(format!("{name}, line {}, {reason}; it is left out", seen.n_lines)),
                }
            }
        }
        Ok(records)
    }

    /// Notes that the log's own records are known.
    pub fn skip(&mut self, log: &Log) {
        let seen = Seen { bytes: log.len, n_lines: log.n_records };
        self.seen.insert(format!("{}{EXTENSION}", log.session), seen);
    }
}

fn read_from(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    step()?;
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
