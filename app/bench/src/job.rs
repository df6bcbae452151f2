//! One measurement: a method on tables of one sort, in a process of its own, so that its memory is its own.

use super::planted::{self, Planted};
use super::score::{Score, Truth, parts_of, score};
use super::variants;
use ascan_config::bench::{Method, PlantedSection, Variant};
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Level, Reporter, Result, Tensor, TensorView};
use ascan_engine::memory::peak_rss_mib;
use ascan_store::Scan;
use ascan_store::table::{ScanTable, SliceInput};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The method's name in the results.
    pub name: String,
    /// The method.
    pub method: Method,
    /// On what.
    pub task: Task,
    /// Seed of the method.
    pub seed: u64,
    /// Threads of the method.
    pub n_threads: usize,
}

/// The tables of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Task {
    /// Tables with a planted slice.
    Planted {
        /// Which.
        tables: Vec<Planted>,
        /// What they have in common.
        section: PlantedSection,
    },
    /// A table of this size; only cost counts.
    Slicer {
        /// Rows.
        n_rows: usize,
        /// Dimensions.
        n_dims: usize,
    },
    /// As [`Self::Slicer`], for a projector.
    Projector {
        /// Rows.
        n_rows: usize,
        /// Dimensions.
        n_dims: usize,
    },
    /// Two scans of real images.
    Scan {
        /// Name of the scan in the bench's configuration.
        scan: String,
        /// Folder of the scan that is fitted to.
        fit: PathBuf,
        /// Folder of the scan that is scored.
        test: PathBuf,
        /// Form of the features.
        variant: Variant,
        /// Known groups to be found; none: those that are clearly worse than the whole.
        groups: Vec<String>,
    },
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// One for each table.
    pub measured: Vec<Measured>,
    /// What the method said, each once.
    pub warnings: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Quality, where something is known of the table.
    pub score: Option<Score>,
    /// Fitting and applying the projector.
    pub project_seconds: f64,
    /// Fitting the slicer (or the projector itself, where it is what is measured).
    pub fit_seconds: f64,
    /// Membership of the scored table (or of the same one).
    pub apply_seconds: f64,
    /// The most memory that the process held meanwhile, the table included.
    pub peak_mib: Option<f64>,
}

impl Measured {
    /// All of it.
    pub fn seconds(&self) -> f64 {
        self.project_seconds + self.fit_seconds + self.apply_seconds
    }
}

impl Job {
    /// Does it, in this process.
    ///
    /// # Errors
    /// Whatever the method reports.
    pub fn work(&self, host: &PluginHost) -> Result<Outcome> {
        let warnings = Warnings::default();
        let context = Context { seed: self.seed, n_threads: self.n_threads, reporter: &warnings };
        let measured = match &self.task {
            Task::Planted { tables, section } => {
                let one = |&table: &Planted| {
                    let [fit, test] = planted::tables(table, section);
                    let parts = parts_of(&test.slices, test.input.rows.len());
                    let truth = Truth { slices: &test.slices, parts: &parts };
                    let both = [(&fit.input, &fit.input.embeddings), (&test.input, &test.input.embeddings)];
                    self.slice(host, both, Some(&truth), &context)
                };
                tables.iter().map(one).collect::<Result<_>>()?
            }
            Task::Slicer { n_rows, n_dims } => {
                let input = planted::table_of(*n_rows, *n_dims, self.seed);
                vec![self.slice(host, [(&input, &input.embeddings); 2], None, &context)?]
            }
            Task::Projector { n_rows, n_dims } => {
                let input = planted::table_of(*n_rows, *n_dims, self.seed);
                vec![self.project(host, input.embeddings.view(), &context)?]
            }
            Task::Scan { fit, test, variant, groups, .. } => {
                let (fit, test) = (Opened::new(fit, *variant)?, Opened::new(test, *variant)?);
                let truth = Known::new(&test, groups)?;
                let both = [(&fit.input, &fit.features), (&test.input, &test.features)];
                let truth = Truth { slices: &truth.slices, parts: &truth.parts };
                vec![self.slice(host, both, Some(&truth), &context)?]
            }
        };
        let said = warnings.said.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Outcome { measured, warnings: said.into_iter().collect() })
    }

    /// Fits to the first of the tables and scores on the second.
    fn slice(
        &self,
        host: &PluginHost,
        [fit, test]: [(&SliceInput, &Tensor); 2],
        truth: Option<&Truth>,
        context: &Context,
    ) -> Result<Measured> {
        reset_peak_rss();
        let start = Instant::now();
        let projected = match (self.method.projection.plugin.as_str(), truth) {
            // Cost is that of the slicer alone.
            ("" | "none", _) | (_, None) => None,
            (plugin, _) => {
                let projector = host.projector(plugin, &self.method.projection.params)?;
                let projection = projector.fit(fit.1.view(), context)?;
                Some([projection.project(fit.1.view(), context)?, projection.project(test.1.view(), context)?])
            }
        };
        let [fit_embeddings, test_embeddings] = projected.as_ref().map_or([fit.1, test.1], |[fit, test]| [fit, test]);
        let mut measured = Measured { project_seconds: start.elapsed().as_secs_f64(), ..Measured::default() };
        let slicer = host.slicer(&self.method.plugin, &self.method.params)?;
        let (fit_table, test_table) = (fit.0.table(fit_embeddings), test.0.table(test_embeddings));
        let start = Instant::now();
        let model = slicer.fit(&fit_table, context)?;
        measured.fit_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let membership = model.membership(&test_table, context)?;
        measured.apply_seconds = start.elapsed().as_secs_f64();
        measured.peak_mib = peak_rss_mib();
        if let Some(truth) = truth {
            let fitted = model.membership(&fit_table, context)?;
            measured.score = Some(score((&fit_table, &fitted), &membership, truth));
        }
        Ok(measured)
    }

    fn project(&self, host: &PluginHost, embeddings: TensorView, context: &Context) -> Result<Measured> {
        let projector = host.projector(&self.method.plugin, &self.method.params)?;
        reset_peak_rss();
        let start = Instant::now();
        let projection = projector.fit(embeddings, context)?;
        let fit_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        projection.project(embeddings, context)?;
        let apply_seconds = start.elapsed().as_secs_f64();
        Ok(Measured { fit_seconds, apply_seconds, peak_mib: peak_rss_mib(), ..Measured::default() })
    }
}

/// A scan and one form of its features.
struct Opened {
    table: ScanTable,
    input: SliceInput,
    features: Tensor,
}

impl Opened {
    fn new(dir: &std::path::Path, variant: Variant) -> Result<Self> {
        let scan = Scan::open(dir)?;
        let table = scan.table()?;
        let input = table.slice_input();
        let features = variants::features(&scan.plan, &input, variant)?;
        Ok(Self { table, input, features })
    }
}

/// Known groups of a scan, as slices to be found.
struct Known {
    slices: Vec<(String, Vec<bool>)>,
    parts: Vec<i32>,
}

impl Known {
    fn new(opened: &Opened, wanted: &[String]) -> Result<Self> {
        let groups: Vec<String> =
            opened.input.rows.iter().map(|&row| opened.table.group(row).unwrap_or_default()).collect();
        let names: BTreeMap<&String, i32> = groups.iter().collect::<BTreeSet<_>>().into_iter().zip(0..).collect();
        let parts = groups.iter().map(|group| names[group]).collect();
        let members = |name: &String| -> Vec<bool> { groups.iter().map(|group| group == name).collect() };
        if let Some(unknown) = wanted.iter().find(|name| !names.contains_key(name)) {
            return Err(Error::unknown_name("group", unknown, names.into_keys()));
        }
        let slices = if wanted.is_empty() {
            let all = names.keys().map(|&name| (name.clone(), members(name)));
            all.filter(|(_, members)| is_worse(&opened.input, members)).collect()
        } else {
            wanted.iter().map(|name| (name.clone(), members(name))).collect()
        };
        Ok(Self { slices, parts })
    }
}

/// Whether the model is clearly worse on these images than on all.
fn is_worse(input: &SliceInput, members: &[bool]) -> bool {
    use ascan_core::metrics::{accuracy, wilson_interval};
    use ascan_engine::slices::VERDICT_GAP;
    let overall = accuracy(&input.labels, &input.predicted_classes);
    let known: Vec<bool> = (0..members.len())
        .filter(|&i| members[i] && input.labels[i] >= 0)
        .map(|i| input.labels[i] == input.predicted_classes[i])
        .collect();
    let right = known.iter().filter(|&&right| right).count();
    !known.is_empty()
        && right as f64 / known.len() as f64 - overall <= -VERDICT_GAP
        && wilson_interval(right, known.len()).1 < overall
}

/// From here on the peak is that of what follows, where the system can do this.
fn reset_peak_rss() {
    // Linux since 4.0; elsewhere the peak includes making the table.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Keeps warnings and never stops anything: who wants to stop ends the process.
#[derive(Default)]
struct Warnings {
    said: Mutex<BTreeSet<String>>,
}

impl Reporter for Warnings {
    fn log(&self, level: Level, message: &str) {
        if level == Level::Warning {
            self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(message.to_owned());
        }
    }

    fn progress(&self, _stage: &str, _done: u64, _total: u64) -> bool {
        true
    }
}
