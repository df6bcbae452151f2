//! An open scan: its rows, one slice set, and the verdicts on it.

use super::confusion::Matrix;
use super::mark_name;
use super::methods::Method;
use ascan_core::Result;
use ascan_engine::classes::{class_name, outcome, said_of, slice_title};
use ascan_engine::reliance::{Estimate, Reliance};
use ascan_engine::repair::Findings;
use ascan_engine::slices::{SliceReport, SliceSet};
use ascan_engine::spread::Spread;
use ascan_report::album::Album;
use ascan_report::figures::{Beside, Figure, tells_confidence};
use ascan_store::annotations::{Annotator, Judgement, Mark, Subject, VerdictId};
use ascan_viz::words::percent;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A slice set, as it is chosen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSet {
    /// Its id.
    pub id: String,
    /// How it was made, in words.
    pub title: String,
}

impl NamedSet {
    /// The name of a set.
    pub fn of(set: &SliceSet) -> Self {
        Self { id: set.id.clone(), title: set.recipe.title() }
    }
}

/// What all views show parts of.
pub struct Session {
    /// The scan's rows and pictures; workers share it.
    pub album: Arc<Album>,
    /// The slice sets of the scan.
    pub sets: Vec<NamedSet>,
    /// The set that is shown.
    pub set: SliceSet,
    /// Rows of each slice, by id; ascending.
    pub members: BTreeMap<i32, Vec<usize>>,
    /// What people said.
    pub annotations: Annotator,
    /// The mark of each row that standing verdicts give it.
    pub marks: Vec<Option<Mark>>,
    /// Spuriousness of each row after the review, if verdicts have been spread; NaN where nothing is known.
    pub spuriousness: Option<Vec<f32>>,
    /// The spread verdicts with their review.
    pub spread: Option<Spread>,
    /// What a repair will say of these verdicts, once that was looked at.
    pub weighed: Option<(Vec<VerdictId>, Findings)>,
    /// What the predictions of the slices follow, once the model was asked.
    pub reliance: Option<Reliance>,
    /// How far the images of a slice lie from its middle, by slice and row, once that was asked for.
    pub distances: HashMap<i32, HashMap<usize, f32>>,
    /// Attribution plugins that can be tried on single images: all, until it is known which go with the model.
    pub attributors: Vec<Method>,
    /// Whether that is known.
    pub knows_attributors: bool,
    matrix: OnceCell<Matrix>,
    groups: OnceCell<Vec<String>>,
    /// Slicers to choose from, until a form has them.
    pub slicers: Vec<Method>,
    /// Regularizers to choose from, until a form has them.
    pub regularizers: Vec<Method>,
    /// Projector plugins that suit a map of the images.
    pub projections: Vec<String>,
    /// Images that could not be read.
    pub n_failed: usize,
    /// What is wrong with the scan, each with what to do.
    pub problems: Vec<String>,
}

impl Session {
    /// Of an album and a set of its slices.
    pub fn new(album: Arc<Album>, sets: Vec<NamedSet>, set: SliceSet, annotations: Annotator) -> Self {
        let problems = album.problems.iter().chain(&annotations.problems).cloned().collect();
        let n_failed = album.table.errors.iter().flatten().count();
        let mut session = Self {
            n_failed,
            album,
            sets,
            set: SliceSet { slices: Vec::new(), ..set.clone() },
            members: BTreeMap::new(),
            annotations,
            marks: Vec::new(),
            spuriousness: None,
            spread: None,
            weighed: None,
            reliance: None,
            distances: HashMap::new(),
            attributors: Vec::new(),
            knows_attributors: false,
            matrix: OnceCell::new(),
            groups: OnceCell::new(),
            slicers: Vec::new(),
            regularizers: Vec::new(),
            projections: Vec::new(),
            problems,
        };
        session.show(set);
        session
    }

    /// Shows another set of the same scan.
    pub fn show(&mut self, set: SliceSet) {
        self.members.clear();
        self.distances.clear();
        for (row, &slice) in set.assignment.iter().enumerate() {
            self.members.entry(slice).or_default().push(row);
        }
        self.reliance = Reliance::kept(&self.album.scan, &set.id);
        self.set = set;
        self.refresh_marks();
    }

    /// Whether there are attribution maps, so that something is lit in the pictures.
    pub fn is_lit(&self) -> bool {
        self.album.scan.plan.has_maps()
    }

    /// Whether there is a model that can be asked; a scan of vectors has none.
    pub fn has_model(&self) -> bool {
        self.album.scan.plan.check_model("").is_ok()
    }

    /// Slices in the order of the set; the images in no slice come last.
    pub fn slices(&self) -> impl Iterator<Item = &SliceReport> {
        self.set.slices.iter().chain(&self.set.noise)
    }

    /// Rows of a slice.
    pub fn rows(&self, slice: i32) -> &[usize] {
        self.members.get(&slice).map_or(&[], Vec::as_slice)
    }

    /// The known groups that images are in, sorted.
    pub fn groups(&self) -> &[String] {
        self.groups.get_or_init(|| {
            let table = &self.album.table;
            let named: BTreeSet<String> = (0..table.n()).filter_map(|row| table.group(row)).collect();
            named.into_iter().collect()
        })
    }

    /// The confusion matrix of all images.
    pub fn matrix(&self) -> &Matrix {
        self.matrix.get_or_init(|| Matrix::of(&self.album.table))
    }

    /// The standing mark of a slice and its note.
    pub fn mark(&self, slice: i32) -> Option<(Mark, &str)> {
        match &self.annotations.of_slice(&self.set.id, slice)?.judgement {
            Judgement::Mark { mark, note } => Some((*mark, note)),
            Judgement::Clear | Judgement::Fix(_) | Judgement::Name(_) => None,
        }
    }

    /// What a verdict on a slice is about.
    pub fn subject(&self, slice: i32) -> Subject {
        Subject::Slice { set: self.set.id.clone(), slice, rows: self.rows(slice).to_vec() }
    }

    /// Takes spread verdicts, as reviewed.
    pub fn set_spread(&mut self, spread: Option<Spread>) {
        self.spread = spread;
        self.review_changed();
    }

    /// The review of the spread is another.
    pub fn review_changed(&mut self) {
        self.spuriousness = self.spread.as_ref().map(Spread::reviewed);
    }

    /// Mean spuriousness of a slice, if verdicts have been spread to its images.
    pub fn slice_spuriousness(&self, slice: i32) -> Option<f64> {
        let all = self.spuriousness.as_ref()?;
        let known = self.rows(slice).iter().filter_map(|&row| all.get(row)).filter(|v| v.is_finite());
        let (sum, n) = known.fold((0.0, 0usize), |(sum, n), &v| (sum + f64::from(v), n + 1));
        (n > 0).then(|| sum / n as f64)
    }

    /// The value of a figure of a slice, if it has one.
    pub fn value(&self, figure: Figure, slice: &SliceReport) -> Option<f64> {
        if matches!(figure, Figure::Confidence | Figure::Confidences) && !tells_confidence(&self.set) {
            return None;
        }
        let reliance = self.slice_reliance(slice.id).map(|found| found.mean);
        figure.value(slice, Beside { spuriousness: self.slice_spuriousness(slice.id), reliance })
    }

    /// How far the predictions of a slice follow the object, if the model was asked and could tell.
    pub fn slice_reliance(&self, slice: i32) -> Option<Estimate> {
        let found = self.reliance.as_ref()?.of_slice(slice)?;
        (found.object.n > 0).then_some(found.object)
    }

    /// Only these attribution methods go with the model: what was found most faithful comes first, then by name.
    pub fn applies(&mut self, names: &[String]) {
        self.attributors.retain(|method| names.contains(&method.name));
        let roads: Vec<f64> =
            self.attributors.iter().map(|method| self.road(&method.name).unwrap_or(f64::NEG_INFINITY)).collect();
        let mut order: Vec<usize> = (0..roads.len()).collect();
        order.sort_by(|&a, &b| roads[b].total_cmp(&roads[a]));
        self.attributors = order.into_iter().map(|i| self.attributors[i].clone()).collect();
        self.knows_attributors = true;
    }

    /// How faithful an attribution method was found to be to this model, if that was measured: its ROAD.
    pub fn road(&self, method: &str) -> Option<f64> {
        Some(self.album.faithfulness.as_ref()?.method(method)?.road?.mean)
    }

    /// Reads the verdicts that other windows gave meanwhile; whether there were any.
    ///
    /// # Errors
    /// `File` if the verdicts cannot be read.
    pub fn refresh(&mut self) -> Result<bool> {
        let news = self.annotations.refresh()?;
        if news {
            self.refresh_marks();
        }
        Ok(news)
    }

    /// Recomputes the marks of the rows after a verdict.
    pub fn refresh_marks(&mut self) {
        self.marks = self.annotations.marks(self.album.table.n());
    }

    /// What people call a slice, or what most of its images are and are taken for: `landbird → waterbird`.
    pub fn title(&self, slice: &SliceReport) -> String {
        if slice.id < 0 {
            return "in no slice".to_owned();
        }
        let name = self.annotations.name_of(&self.set.id, slice.id);
        name.map_or_else(|| slice_title(&self.album.class_names, slice), str::to_owned)
    }

    /// `landbird`, or `landbird → waterbird` where they differ.
    pub fn outcome(&self, label: i32, predicted_class: i32) -> String {
        outcome(&self.album.class_names, label, predicted_class)
    }

    /// What the model made of an image.
    pub fn said_of(&self, row: usize) -> String {
        said_of(&self.album.table, &self.album.class_names, row)
    }

    /// Name of a class.
    pub fn class(&self, class: i32) -> String {
        class_name(&self.album.class_names, class)
    }

    /// What the model said of a slice when it was asked, with the verdict that this speaks for, if any; empty before.
    pub fn evidence(&self, slice: i32) -> String {
        let Some(found) = self.reliance.as_ref().and_then(|found| found.of_slice(slice)) else {
            return if self.is_set_aside(slice) {
                "Most of its attribution lies on the object, as far as object maps tell: a repair takes its images as core. Is the \
                 object lit, or what is around it? If you are sure, ask the model: what it confirms stands."
                    .to_owned()
            } else {
                String::new()
            };
        };
        let (proposal, reason) = found.proposal();
        if let (Some(said), Some((mark, _))) = (proposal, self.mark(slice))
            && said != mark
            && mark != Mark::NoisyLabel
        {
            return format!(
                "Speaks for {}, against the verdict: {reason}. Where pictures and verdict disagree, a repair goes by the pictures.",
                mark_name(said)
            );
        }
        match proposal {
            Some(mark) => format!("Speaks for {}: {reason}.", mark_name(mark)),
            None => format!("Speaks for neither: {reason}."),
        }
    }

    /// Whether a repair does not follow the verdict on a slice, as far as that was looked at.
    fn is_set_aside(&self, slice: i32) -> bool {
        let (named, mark) = (format!("slice {slice}"), self.mark(slice).map(|(mark, _)| mark));
        mark == Some(Mark::Spurious)
            && self.weighed.as_ref().is_some_and(|(_, findings)| findings.contradicted.contains(&named))
    }

    /// What a person should know of the verdicts before a repair uses them; `None` where nothing speaks against them.
    pub fn set_aside(&self) -> Option<String> {
        let (basis, findings) = self.weighed.as_ref()?;
        if *basis != self.annotations.basis() {
            return None;
        }
        Some(format!("{}. {}", findings.set_aside()?, crate::model::ASK))
    }

    /// One sentence that says what the slice is and what to do about it.
    pub fn sentence(&self, slice: &SliceReport) -> String {
        let (Some(accuracy), Some(overall)) = (slice.accuracy, self.set.accuracy) else {
            return "Its images have no labels: check whether the model looks at the right thing.".to_owned();
        };
        let right = percent(accuracy);
        if slice.needs_verdict && self.mark(slice.id).is_none() {
            format!("{right} right, {} overall: clearly worse than the rest.", percent(overall))
        } else {
            format!("{right} right, {} overall.", percent(overall))
        }
    }
}
