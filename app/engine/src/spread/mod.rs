//! From marks on some images to the spuriousness of every image, class by class; checked before it is used.
//!
//! Spuriousness is the share of `spurious` in what an image becomes when the marks `core` and `spurious` of its class
//! spread over it: 0 is core, 1 is spurious. `noisy_label` says something about labels, not about what the model
//! looks at, and does not enter.

mod check;
mod held;
mod review;
mod stored;
#[cfg(test)]
mod tests;

pub use check::{Bin, Check};
pub use review::Review;

use ascan_config::sections::SpreadSettings;
use ascan_core::params::{Params, Problems};
use ascan_core::{Context, Error, Level, Result};
use ascan_math::label_spreading::{Kernel, Settings, Similarity};
use ascan_math::points::{Normalise, Points};
use ascan_store::annotations::{Annotations, Mark, VerdictId};
use ascan_store::table::ScanTable;
use ascan_store::{Scan, is_damage};
use check::Answers;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Spuriousness of every image, and how far it can be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// `[n]` in [0, 1]; NaN where nothing is known: classes without marks, failed images. Kept beside the JSON.
    #[serde(skip)]
    pub spuriousness: Vec<f32>,
    /// `[n]`, the marks that spread, and those that do not enter. Kept beside the JSON.
    #[serde(skip)]
    pub marked: Vec<Option<Mark>>,
    /// What marks that were held out say.
    pub check: Check,
    /// What was done in each class.
    pub classes: Vec<ClassNote>,
    /// How it was done.
    pub settings: SpreadSettings,
    /// Seed of everything random.
    pub seed: u64,
    /// The verdicts that the marks come from; empty where they come from elsewhere.
    #[serde(default)]
    pub verdicts: Vec<VerdictId>,
    /// What a person made of it. Kept in a file of its own.
    #[serde(skip)]
    pub review: Review,
}

/// What was done in one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassNote {
    /// Output index.
    pub class: i32,
    /// Images that belong to it by their label, or by their prediction where the label is unknown.
    pub n: usize,
    /// Images marked `core`.
    pub n_core: usize,
    /// Images marked `spurious`.
    pub n_spurious: usize,
    /// Images marked `noisy_label`, which do not enter.
    pub n_noisy_label: usize,
    /// What was done, in words.
    pub text: String,
}

/// What spreads, as numbers of the labels.
const KINDS: [Mark; 2] = [Mark::Core, Mark::Spurious];

/// Spreads the marks of each row over the rows of its class.
///
/// A class with marks of one kind only has nothing to compare: its marked images get 0 or 1, the others the prior. Marks
/// are then held out, drawn by `context.seed`, and predicted from the rest: where each kind comes from three verdicts
/// or more, each verdict once, whole, in at most five parts; elsewhere a fifth of the images.
///
/// # Shapes
/// `marks`, `sources`: `[n]`, as [`ascan_store::annotations::Annotations`] gives them. Marks without a source are held out as
/// images.
///
/// # Errors
/// `Shape` for another number of marks or sources, `Param` for settings out of range, `Cancelled`.
///
/// # Source
/// Xuan et al. 2025, arXiv 2401.06462, which spreads by Zhou et al. 2004.
pub fn spread(
    table: &ScanTable,
    marks: &[Option<Mark>],
    sources: &[Option<usize>],
    settings: &SpreadSettings,
    context: &Context,
) -> Result<Spread> {
    for (what, len) in [("marks", marks.len()), ("sources of marks", sources.len())] {
        if len != table.n() {
            return Err(Error::shape(what, format!("{} values, one per row of the scan", table.n()), len));
        }
    }
    let mut problems = Problems::default();
    settings.check(&mut problems);
    if let Some(problem) = problems.into_errors().into_iter().next() {
        return Err(problem);
    }
    let pool = ascan_math::pool("spread", context)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(context.seed);
    let mut spuriousness = vec![f32::NAN; table.n()];
    let (mut notes, mut answers) = (Vec::new(), Answers::default());
    let prior = settings.prior.unwrap_or_else(|| share_of_spurious(marks));
    let classes = classes(table);
    for (at, (&class, rows)) in classes.iter().enumerate() {
        context.progress("spreading marks", at, classes.len())?;
        let mut note = ClassNote::new(class, rows, marks);
        note.text = match (note.n_core, note.n_spurious) {
            (0, 0) => "no core or spurious marks: nothing is known".to_owned(),
            (_, 0) => one_kind(Mark::Core, rows, marks, prior, &mut spuriousness),
            (0, _) => one_kind(Mark::Spurious, rows, marks, prior, &mut spuriousness),
            _ => {
                let stop = |_, _| context.progress("spreading marks", at, classes.len());
                let class = ClassSpread::new(table, rows, (marks, sources), settings, prior, context.seed);
                class.run(&pool, &mut rng, &mut spuriousness, &mut answers, stop)?
            }
        };
        notes.push(note);
    }
    context.progress("spreading marks", classes.len(), classes.len())?;
    Ok(Spread {
        spuriousness,
        marked: marks.to_vec(),
        check: answers.check(),
        classes: notes,
        settings: settings.clone(),
        seed: context.seed,
        verdicts: Vec::new(),
        review: Review::default(),
    })
}

impl Spread {
    /// Spreads the verdicts on a scan over all its images, and remembers which verdicts these were. Nothing is written:
    /// see [`Self::save`].
    ///
    /// `annotations` are taken as they have been read: marks, sources and basis are of one moment.
    ///
    /// # Errors
    /// `File` for a scan that has no marks, or that is not finished; as [`spread`].
    pub fn of_scan(scan: &Scan, annotations: &Annotations, context: &Context) -> Result<Self> {
        let n_rows = scan.plan.data.n_rows;
        let (marks, sources) = (annotations.marks(n_rows), annotations.sources(n_rows));
        if marks.iter().all(Option::is_none) {
            let hint = "mark slices as `core` and `spurious` with `ascan mark`";
            return Err(Error::file(&scan.dir, "has no marks to spread", hint));
        }
        let found = spread(&scan.table()?, &marks, &sources, &scan.config.spread, context)?;
        let found = Self { verdicts: annotations.basis(), ..found };
        let before = match Self::load(scan) {
            Err(Error::File { path, message, .. }) if is_damage(&message) => {
                let lost = format!("{}: {message}; what was decided on single images before is lost", path.display());
                context.reporter.log(Level::Warning, &lost);
                None
            }
            before => before?,
        };
        // What was decided on single images stays decided. Whether all of it may be used is asked anew, unless nothing is new.
        let review =
            before.map(|before| Review { accepted: before.review.accepted && before.is_same(&found), ..before.review });
        Ok(Self { review: review.unwrap_or_default(), ..found })
    }

    /// Whether another spread says the same of every image, for the same reasons.
    fn is_same(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        (&self.marked, &self.settings, self.seed, &self.verdicts)
            == (&other.marked, &other.settings, other.seed, &other.verdicts)
            && self.spuriousness.len() == other.spuriousness.len()
            && self.spuriousness.iter().zip(&other.spuriousness).all(is_same)
    }
}

impl Spread {
    /// `[n]`: whether nothing is known of an image beyond the prior: it has no mark, and none of both kinds reaches it.
    pub fn at_prior(&self) -> Vec<bool> {
        let prior = self.settings.prior.unwrap_or_else(|| share_of_spurious(&self.marked));
        let is_marked = |mark: Option<Mark>| mark.is_some_and(|mark| KINDS.contains(&mark));
        self.spuriousness.iter().zip(&self.marked).map(|(&value, &mark)| value == prior && !is_marked(mark)).collect()
    }
}

/// Rows of each class that did not fail.
fn classes(table: &ScanTable) -> BTreeMap<i32, Vec<usize>> {
    let mut classes: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for row in table.valid_rows() {
        let (label, predicted) = (table.labels[row], table.predicted_classes[row]);
        classes.entry(if label >= 0 { label } else { predicted }).or_default().push(row);
    }
    classes
}

impl ClassNote {
    fn new(class: i32, rows: &[usize], marks: &[Option<Mark>]) -> Self {
        let count = |mark: Mark| rows.iter().filter(|&&row| marks[row] == Some(mark)).count();
        let (n_core, n_spurious, n_noisy_label) = (count(Mark::Core), count(Mark::Spurious), count(Mark::NoisyLabel));
        Self { class, n: rows.len(), n_core, n_spurious, n_noisy_label, text: String::new() }
    }

    /// The kind of mark that the class lacks, where it has the other.
    pub fn missing(&self) -> Option<Mark> {
        match (self.n_core, self.n_spurious) {
            (0, 1..) => Some(Mark::Core),
            (1.., 0) => Some(Mark::Spurious),
            _ => None,
        }
    }
}

/// The share of `spurious` among the marks `core` and `spurious` of all classes, by Laplace's rule of succession: one half
/// without marks, and never 0 or 1.
fn share_of_spurious(marks: &[Option<Mark>]) -> f32 {
    let n = |mark| marks.iter().filter(|&&given| given == Some(mark)).count() as f32;
    let (core, spurious) = (n(Mark::Core), n(Mark::Spurious));
    (spurious + 1.0) / (core + spurious + 2.0)
}

/// A class with marks of one kind: there is nothing to compare with. What was done, in words.
fn one_kind(kind: Mark, rows: &[usize], marks: &[Option<Mark>], prior: f32, spuriousness: &mut [f32]) -> String {
    let own = f32::from(u8::from(kind == Mark::Spurious));
    rows.iter().for_each(|&row| spuriousness[row] = if marks[row] == Some(kind) { own } else { prior });
    format!("only {kind} marks: marked images get {own}, the others the prior of {prior:.2}")
}

/// A class with both kinds of marks.
struct ClassSpread<'a> {
    table: &'a ScanTable,
    rows: &'a [usize],
    /// `[rows]`, positions in [`KINDS`].
    kinds: Vec<Option<usize>>,
    /// `[rows]`, where the marks come from.
    sources: Vec<Option<usize>>,
    settings: Settings,
    normalise: Normalise,
    prior: f32,
}

impl<'a> ClassSpread<'a> {
    fn new(
        table: &'a ScanTable,
        rows: &'a [usize],
        (marks, sources): (&[Option<Mark>], &[Option<usize>]),
        settings: &SpreadSettings,
        prior: f32,
        seed: u64,
    ) -> Self {
        let kind = |&row: &usize| KINDS.iter().position(|&kind| marks[row] == Some(kind));
        let &SpreadSettings { alpha, kernel, gamma, n_neighbors, normalise, max_iter, tol, .. } = settings;
        let settings = Settings { alpha, kernel, gamma, n_neighbors, max_iter, tol, seed };
        let kinds = rows.iter().map(kind).collect();
        let sources = rows.iter().map(|&row| sources[row]).collect();
        Self { table, rows, kinds, sources, settings, normalise, prior }
    }

    /// Spreads all marks into `spuriousness`, then all but those held out into `answers`; what was done, in words.
    fn run(
        &self,
        pool: &ThreadPool,
        rng: &mut Xoshiro256PlusPlus,
        spuriousness: &mut [f32],
        answers: &mut Answers,
        stop: impl Fn(usize, usize) -> Result<()>,
    ) -> Result<String> {
        let points = Points::to_fit(self.table.embeddings.view(), self.rows, self.normalise)?;
        let similarity = Similarity::new(&points, &self.settings, pool, &stop)?;
        let spread = similarity.spread(&self.kinds, KINDS.len(), &self.settings, &stop)?;
        let mut n_unreached = 0;
        for (at, &row) in self.rows.iter().enumerate() {
            let reached = spurious_share(&spread.shares, at);
            n_unreached += usize::from(reached.is_none());
            spuriousness[row] = reached.unwrap_or(self.prior);
        }

        answers.n_marks += self.kinds.iter().flatten().count();
        let (parts, verdicts) = match held::whole_verdicts(&self.kinds, &self.sources, rng) {
            Some(parts) => parts,
            None => (vec![held::images(&self.kinds, rng)], BTreeSet::new()),
        };
        answers.verdicts.extend(verdicts);
        for held_out in parts.into_iter().filter(|part| !part.is_empty()) {
            let mut kept = self.kinds.clone();
            held_out.iter().for_each(|&at| kept[at] = None);
            let without = similarity.spread(&kept, KINDS.len(), &self.settings, &stop)?;
            for at in held_out {
                answers.given.push(spurious_share(&without.shares, at).unwrap_or(self.prior));
                answers.right.push(self.kinds[at] == Some(1));
            }
        }

        let by = match similarity.kernel() {
            (Kernel::Knn, _) => format!("over the {} nearest images of each", self.settings.n_neighbors),
            (_, gamma) => format!("by a Gaussian (gamma {:.4})", gamma.unwrap_or_default()),
        };
        let mut text = format!("spread {by}, {} steps", spread.n_iter);
        if !spread.converged {
            text += ", not converged: raise max_iter";
        }
        if n_unreached > 0 {
            text += &format!("; {n_unreached} images that no mark reaches stay at the prior of {:.2}", self.prior);
        }
        Ok(text)
    }
}

/// Share of `spurious` in a row; `None` where no mark reaches it.
fn spurious_share(shares: &[f64], at: usize) -> Option<f32> {
    let of_row = &shares[at * KINDS.len()..][..KINDS.len()];
    (of_row.iter().sum::<f64>() > 0.0).then_some(of_row[1] as f32)
}
