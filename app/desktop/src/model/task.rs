//! What is asked of background threads, and what they answer, as plain data.

use crate::command::Artefact;
use crate::repairing::{Compared, RepairOrder};
use ascan_core::Result;
use ascan_engine::mislabels::Candidates;
use ascan_engine::reliance::Reliance;
use ascan_engine::repair::{Findings, RepairSummary};
use ascan_engine::slices::{Carried, SliceSet};
use ascan_engine::spread::Spread;
use ascan_store::annotations::VerdictId;
use std::path::PathBuf;

/// Work for a background thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// The place of every row by this projection.
    Points(String),
    /// Whether the images are where they were.
    LookForImages,
    /// Probabilities and neighbours of an image.
    Image(usize),
    /// Another attribution of an image, by the plugin's name.
    Attribution(usize, String),
    /// Which attribution methods go with the model.
    Attributors,
    /// How far these rows of a slice lie from its middle.
    Distances(i32, Vec<usize>),
    /// Labels that look wrong.
    Candidates,
    /// Spread the verdicts. Those that were known when it was asked for tell one such task from the next.
    Spread {
        /// Their names.
        basis: Vec<VerdictId>,
    },
    /// Whether the pictures bear the verdicts out, as a repair will look at them.
    Weigh {
        /// The verdicts, by name.
        basis: Vec<VerdictId>,
    },
    /// What the predictions of the slices of this set follow.
    Reliance(String),
    /// Find the verdicts on slices of the scan in this folder again in the open one.
    Carry(PathBuf),
    /// Write a file.
    Export(Artefact, PathBuf),
    /// A slice set like the shown one with a slice of these rows.
    SliceOf(Vec<usize>),
    /// A slice set by a configuration with these overrides.
    Slice(Vec<String>),
    /// Repair the model.
    Repair(RepairOrder),
    /// Scan the same images with a repaired model, and compare.
    Compare {
        /// The model.
        model: PathBuf,
        /// Folder of its scan.
        out: PathBuf,
        /// The slice set of the open scan.
        set: String,
        /// The folder of another scan, on whose images they are compared.
        on: Option<PathBuf>,
    },
}

impl Task {
    /// Whether it can be stopped by itself: there is one of these at a time.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Repair(_) | Self::Compare { .. })
    }
}

/// What came of a task.
pub enum Answer {
    /// For [`Task::Points`].
    Points(String, Result<Vec<[f32; 2]>>),
    /// For [`Task::LookForImages`].
    Images(Result<()>),
    /// For [`Task::Image`].
    Image(ImageFacts),
    /// For [`Task::Attributors`]: their names.
    Attributors(Result<Vec<String>>),
    /// For [`Task::Distances`]: the slice, and the distance of each row.
    Distances(i32, Result<Vec<(usize, f32)>>),
    /// For [`Task::Candidates`].
    Candidates(Result<Candidates>),
    /// For [`Task::Spread`].
    Spread(Result<Box<Spread>>),
    /// For [`Task::Weigh`]: of these verdicts.
    Weighed(Vec<VerdictId>, Result<Findings>),
    /// For [`Task::Reliance`].
    Reliance(Result<Box<Reliance>>),
    /// For [`Task::Carry`].
    Carried(Result<Carried>),
    /// For [`Task::Export`].
    Exported(Result<PathBuf>),
    /// For [`Task::SliceOf`].
    Sliced(Result<Box<SliceSet>>),
    /// For [`Task::Slice`].
    SlicedAnew(Result<Box<SliceSet>>),
    /// For [`Task::Repair`].
    Repaired(Result<Box<RepairSummary>>),
    /// For [`Task::Compare`].
    Compared(Result<Box<Compared>>),
}

/// What is known of one image beside its row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageFacts {
    /// The row.
    pub row: usize,
    /// `[n_classes]`.
    pub probs: Vec<f32>,
    /// Nearest rows and their cosine.
    pub neighbours: Vec<(usize, f32)>,
    /// What could not be had.
    pub problem: Option<String>,
}
