//! Verdicts: their subjects, giving, undoing and spreading them, and their wording.

use super::task::Task;
use super::{Changes, Model};
use crate::command::{VerdictsCommand, View};
use ascan_core::Result;
use ascan_engine::slices::Carried;
use ascan_engine::spread::Spread;
use ascan_store::annotations::{Fix, Judgement, Mark, Subject, Verdict};

/// Words of the status bar while the model is asked.
pub const ASKING: &str = "asking the model";
/// The same while the verdicts are held against the pictures.
pub const WEIGHING: &str = "looking whether the pictures bear the verdicts out";
/// The same while the slices of another scan are found again here.
pub const CARRYING: &str = "taking over verdicts";

impl Model {
    /// What a verdict would be about now: the picked images, the open image, or the selected slice.
    pub fn subject(&self) -> Option<Subject> {
        if !self.images.picked.is_empty() {
            return Some(Subject::Images { rows: self.images.picked.iter().copied().collect() });
        }
        if let Some(row) = self.images.open {
            return Some(Subject::Images { rows: vec![row] });
        }
        self.selected.map(|id| self.session.subject(id))
    }

    pub(super) fn apply_to_verdicts(&mut self, command: VerdictsCommand) -> Changes {
        let done = match command {
            VerdictsCommand::Judge(mark) => {
                let Some(subject) = self.subject() else {
                    self.toast = "Select a slice or pick images first".to_owned();
                    return Changes::SHELL;
                };
                self.judge(subject, mark)
            }
            VerdictsCommand::JudgeImage(mark) => match self.images.open {
                Some(row) => self.judge(Subject::Images { rows: vec![row] }, mark),
                None => Ok(()),
            },
            VerdictsCommand::Note(note) => self.note(note),
            VerdictsCommand::Draft(text) => {
                if let (Some(slice), true) = (self.selected, self.images.picked.is_empty()) {
                    self.drafts.insert(slice, text);
                }
                return Changes::NONE;
            }
            VerdictsCommand::Name(name) => self.name(name.trim().to_owned()),
            VerdictsCommand::Undo => self.session.annotations.undo().map(|undone| {
                self.toast =
                    undone.map_or_else(|| "Nothing to undo".into(), |verdict| format!("Undone: {}", said(&verdict)));
            }),
            VerdictsCommand::Redo => self.session.annotations.redo().map(|redone| {
                self.toast =
                    redone.map_or_else(|| "Nothing to redo".into(), |verdict| format!("Redone: {}", said(&verdict)));
            }),
            VerdictsCommand::Fix { row, fix } => self.fix(row, fix),
            VerdictsCommand::Relabel(row) => match self.suggested(row) {
                Some(class) => self.fix(row, Fix::Relabel(class)),
                None => Ok(()),
            },
            VerdictsCommand::SelectCandidate(row) => {
                self.candidate = Some(row);
                return Changes::LABELS;
            }
            VerdictsCommand::Refresh => return self.refresh(),
            VerdictsCommand::Spread => {
                let basis = self.session.annotations.basis();
                self.begin("spreading verdicts", Task::Spread { basis });
                return Changes::SHELL;
            }
            VerdictsCommand::AskModel => {
                self.begin(ASKING, Task::Reliance(self.session.set.id.clone()));
                return Changes::SHELL | Changes::INSPECTOR;
            }
            VerdictsCommand::Carry(from) => {
                self.begin(CARRYING, Task::Carry(from));
                return Changes::SHELL;
            }
        };
        if let Err(error) = done {
            return self.fail(&error);
        }
        self.verdicts_changed()
    }

    /// Looks whether the pictures bear the verdicts out, where that is not known of these.
    pub(super) fn weigh(&mut self) {
        let basis = self.session.annotations.basis();
        let is_known = self.session.weighed.as_ref().is_some_and(|(known, _)| *known == basis);
        let is_asked = matches!(self.view, View::Spread | View::Repair) && !self.busy.contains(&WEIGHING);
        let has_spurious = self.session.marks.contains(&Some(Mark::Spurious));
        if is_asked && has_spurious && !is_known {
            self.begin(WEIGHING, Task::Weigh { basis });
        }
    }

    /// Gives the verdicts that another scan brings, one after the other: each can be undone.
    pub(super) fn carried(&mut self, carried: Carried) -> Changes {
        let n = carried.verdicts.len();
        for (rows, mark, note) in carried.verdicts {
            let given = self.session.annotations.judge(Subject::Images { rows }, Judgement::Mark { mark, note });
            if let Err(error) = given {
                return self.fail(&error) | self.verdicts_changed();
            }
        }
        let rest: String = carried.notes.iter().map(|note| format!("; {note}")).collect();
        let s = if n == 1 { "" } else { "s" };
        self.toast = format!("{n} verdict{s} taken over, as verdicts on images{rest}");
        self.verdicts_changed() | Changes::SHELL
    }

    /// Takes over what other windows have said.
    pub(super) fn refresh(&mut self) -> Changes {
        match self.session.refresh() {
            // What was spread may be of other verdicts now.
            Ok(true) => self.verdicts_changed() | Changes::STEPS | Changes::SHELL,
            Ok(false) => Changes::NONE,
            Err(error) => self.fail(&error),
        }
    }

    fn verdicts_changed(&mut self) -> Changes {
        self.session.refresh_marks();
        self.list.update(&self.session);
        Changes::LIST
            | Changes::TILES
            | Changes::INSPECTOR
            | Changes::PICKED
            | Changes::IMAGE
            | Changes::LABELS
            | if self.view == View::Scatter { Changes::SCATTER } else { Changes::NONE }
    }

    fn judge(&mut self, subject: Subject, mark: Option<Mark>) -> Result<()> {
        // The note of an earlier verdict stays with its slice.
        let note = match &subject {
            Subject::Slice { slice, .. } => {
                let draft = self.drafts.remove(slice);
                draft.or_else(|| self.session.mark(*slice).map(|(_, note)| note.to_owned())).unwrap_or_default()
            }
            Subject::Images { .. } => String::new(),
        };
        let what = match &subject {
            Subject::Slice { slice, .. } => format!("Slice {slice}"),
            Subject::Images { rows } => ascan_viz::words::images(rows.len()),
        };
        self.toast = match mark {
            Some(mark) => format!("{what}: {}", mark_name(mark)),
            None => format!("{what}: no verdict"),
        };
        self.toast_undo = true;
        let judgement = mark.map_or(Judgement::Clear, |mark| Judgement::Mark { mark, note });
        self.session.annotations.judge(subject, judgement).map(|_| ())
    }

    fn note(&mut self, note: String) -> Result<()> {
        let Some(slice) = self.selected else { return Ok(()) };
        self.drafts.remove(&slice);
        match self.session.mark(slice).map(|(mark, old)| (mark, old == note)) {
            Some((_, true)) => Ok(()),
            Some((mark, false)) => {
                let subject = self.session.subject(slice);
                self.toast = format!("Slice {slice}: comment saved");
                self.session.annotations.judge(subject, Judgement::Mark { mark, note }).map(|_| ())
            }
            None => {
                self.toast = "Kept: it is saved with your verdict on this slice".to_owned();
                self.drafts.insert(slice, note);
                Ok(())
            }
        }
    }

    /// Calls the selected slice something.
    fn name(&mut self, name: String) -> Result<()> {
        let Some(slice) = self.selected.filter(|&slice| slice >= 0) else { return Ok(()) };
        if self.session.annotations.name_of(&self.session.set.id, slice).unwrap_or_default() == name {
            return Ok(());
        }
        self.toast =
            if name.is_empty() { format!("Slice {slice} has no name") } else { format!("Slice {slice}: “{name}”") };
        self.toast_undo = true;
        self.session.annotations.judge(self.session.subject(slice), Judgement::Name(name)).map(|_| ())
    }

    /// A comment that was typed and not confirmed is saved with the slice's verdict, or waits for one.
    pub(super) fn keep_draft(&mut self) -> Changes {
        let Some(slice) = self.selected else { return Changes::NONE };
        if self.session.mark(slice).is_none() {
            return Changes::NONE;
        }
        let Some(draft) = self.drafts.remove(&slice) else { return Changes::NONE };
        match self.note(draft) {
            Ok(()) => self.verdicts_changed() | Changes::SHELL,
            Err(error) => self.fail(&error),
        }
    }

    fn fix(&mut self, row: usize, fix: Fix) -> Result<()> {
        self.candidate = Some(row);
        // A second click on the same decision takes it back.
        let judgement = match self.session.annotations.fixes().get(&row) {
            Some(present) if *present == fix => Judgement::Clear,
            _ => Judgement::Fix(fix),
        };
        self.session.annotations.judge(Subject::Images { rows: vec![row] }, judgement).map(|_| ())
    }

    fn suggested(&self, row: usize) -> Option<i32> {
        let candidates = self.candidates.as_ref()?;
        candidates.candidates.iter().find(|candidate| candidate.row == row).map(|candidate| candidate.suggested)
    }
}

/// How well the spread did in its check, in one sentence.
pub(super) fn spread_words(spread: &Spread) -> String {
    let n = spread.spuriousness.iter().filter(|value| value.is_finite()).count();
    let check = match spread.check.auroc {
        Some(auroc) => format!("on {} held-out marks its AUROC is {auroc:.2}", spread.check.n_held_out),
        None => "to check it, a class needs marks of both kinds".to_owned(),
    };
    format!("Spread to {}: {check}", ascan_viz::words::images(n))
}

/// A verdict in a few words.
fn said(verdict: &Verdict) -> String {
    let what = match &verdict.subject {
        Subject::Slice { slice, .. } => format!("slice {slice}"),
        Subject::Images { rows } => ascan_viz::words::images(rows.len()),
    };
    match &verdict.judgement {
        Judgement::Mark { mark, note } if note.is_empty() => format!("{what}, {}", mark_name(*mark)),
        Judgement::Mark { mark, note } => format!("{what}, {}, “{note}”", mark_name(*mark)),
        Judgement::Clear => format!("{what}, verdict removed"),
        Judgement::Fix(Fix::Keep) => format!("{what}, label kept"),
        Judgement::Fix(Fix::Relabel(_)) => format!("{what}, relabelled"),
        Judgement::Fix(Fix::Drop) => format!("{what}, dropped"),
        Judgement::Name(name) => format!("{what}, called “{name}”"),
    }
}

/// A mark as people say it.
pub fn mark_name(mark: Mark) -> &'static str {
    match mark {
        Mark::Core => "core",
        Mark::Spurious => "spurious",
        Mark::NoisyLabel => "noisy label",
    }
}
