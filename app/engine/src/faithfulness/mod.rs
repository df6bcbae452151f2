//! Whether to trust an attribution method on this model: every method on the same images, by the same measures.
//!
//! No truth is known of what a model looks at, so several questions are asked, each with its own name: what happens to
//! the prediction when the image is taken away in the order of the map (deletion, insertion, ROAD), whether the map's
//! sums foretell that (sensitivity-n), whether it lies on the object where masks are known, whether it changes when the
//! model's weights are randomised or it is trained on shuffled labels, and how far the methods agree. Two controls stand
//! beside them: chance, and the edges of the image. A method that is no better than these says nothing about the model.

mod impute;
mod maps;
pub mod masks;
mod probe;
mod remarks;
mod removal;
mod sensitivity;
#[cfg(test)]
mod tests;

use crate::memory::{forget_peak, peak_rss_mib};
use crate::plan::RunPlan;
use crate::question::Question;
use crate::seeds::seed_of;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Kind, Result};
use ascan_onnx::Model;
use ascan_store::Scan;
use ascan_store::table::ScanTable;
pub use remarks::HEADINGS;

use maps::{Map, Subject};
use probe::Probe;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The control that knows nothing.
pub const CHANCE: &str = "(chance)";
/// The control that never asks the model.
pub const EDGES: &str = "(edges)";
/// Where the figures of a scan are kept.
const FILE: &str = "faithfulness.json";

/// A mean over images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Images that have the figure.
    pub n: usize,
}

impl Figure {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        (n > 0).then(|| Self { mean, error: (variance / n as f64).sqrt(), n })
    }
}

/// What was found of a method.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MethodReport {
    /// Name of the plugin, or of a control.
    pub name: String,
    /// How the maps are computed, in a few words.
    pub method: String,
    /// Why there is nothing else, if the method does not work with this model.
    pub failed: Option<String>,
    /// Images whose map could not be made or has numbers that are not finite.
    pub n_failed: usize,
    /// Images whose map is zero everywhere.
    pub n_empty: usize,
    /// Images whose map is largest in the outermost sixteenth of the image.
    pub n_on_border: usize,
    /// Area under the curve of deletion, in [0, 1]; low is good.
    pub deletion: Option<Figure>,
    /// Area under the curve of insertion, in [0, 1]; high is good.
    pub insertion: Option<Figure>,
    /// ROAD, in [−½, ½]; high is good, 0 is chance.
    pub road: Option<Figure>,
    /// ROAD of each image, NaN where there is no map: methods are compared image by image.
    #[serde(deserialize_with = "nan_for_null")]
    pub road_by_image: Vec<f64>,
    /// Sensitivity-n, a correlation; high is good, 0 is chance.
    pub sensitivity_n: Option<Figure>,
    /// Share of the positive attribution inside the object's mask.
    pub energy: Option<Figure>,
    /// Share of images whose largest attribution lies in the object's mask (the pointing game).
    pub pointing: Option<Figure>,
    /// Rank correlation with the map of the same model with randomised weights; near 0 is good.
    pub randomised: Option<Figure>,
    /// Rank correlation with the map of a model that was trained on shuffled labels, where one is given; near 0 is good.
    #[serde(default)]
    pub shuffled_labels: Option<Figure>,
    /// Mean rank correlation with the other methods' maps.
    pub agreement: Option<Figure>,
    /// Distance of the map's sum from what the method promises, where it promises something, in logits.
    pub convergence_delta: Option<Figure>,
    /// Forward pass and attribution of one image on one thread, in seconds.
    pub seconds: Option<Figure>,
    /// The most memory that the process held while the maps were made, the models of all threads included; in MiB.
    #[serde(default)]
    pub peak_mib: Option<f64>,
}

/// What was found of all methods.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Faithfulness {
    /// Images that were looked at.
    pub n_images: usize,
    /// Methods and controls, the highest ROAD first, those that failed last.
    pub methods: Vec<MethodReport>,
    /// What to make of it, a sentence each.
    pub verdict: Vec<String>,
}

impl Faithfulness {
    /// Keeps the figures with their scan, for its report and its window; those that were there are replaced.
    pub fn keep(&self, scan: &Scan) {
        if let Ok(bytes) = serde_json::to_vec_pretty(self) {
            scan.cache(FILE, &bytes);
        }
    }

    /// The figures that were kept with a scan.
    pub fn load(scan: &Scan) -> Option<Self> {
        serde_json::from_slice(&scan.cached(FILE)?).ok()
    }

    /// The method with the highest ROAD, controls left out.
    pub fn first(&self) -> Option<(&str, Figure)> {
        self.methods.iter().filter(|report| !report.is_control()).find_map(|report| Some((&*report.name, report.road?)))
    }

    /// What was found of the method of this name, if it goes with the model.
    pub fn method(&self, name: &str) -> Option<&MethodReport> {
        self.methods.iter().find(|report| report.name == name && report.failed.is_none())
    }
}

/// JSON has no NaN.
fn nan_for_null<'de, D: Deserializer<'de>>(values: D) -> std::result::Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(values)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Names of attributors; empty: all that there are.
    pub methods: Vec<String>,
    /// How many images to look at, drawn by the context's seed.
    pub n_images: usize,
    /// Only images among these rows; empty: all.
    pub rows: Vec<usize>,
    /// Whether to ask a model with randomised weights too.
    pub randomise: bool,
    /// A model that was trained on shuffled labels (`repair.shuffle_labels`), to ask it too.
    pub shuffled_labels: Option<PathBuf>,
}

/// Asks all methods about images of a scan.
///
/// # Errors
/// `File` if images or model have gone; `UnknownName` for a method that does not exist; `Cancelled`. A method that
/// does not go with the model is no error: its report says why.
pub fn faithfulness(scan: &Scan, settings: &Settings, host: &PluginHost, context: &Context) -> Result<Faithfulness> {
    scan.plan.check_model("faithfulness")?;
    Question::has_classes(&scan.plan.model, "faithfulness")?;
    let table = scan.table()?;
    let rows = draw(&table, settings, context.seed)?;
    let all = host.names(Kind::Attributor);
    let names: Vec<&str> =
        if settings.methods.is_empty() { all } else { settings.methods.iter().map(String::as_str).collect() };
    for name in &names {
        host.plugin(Kind::Attributor, name)?;
    }
    let subjects: Vec<Subject> =
        rows.iter().map(|&row| Subject { row, target_class: table.target_classes[row].max(0) as usize }).collect();
    if let Some(model) = &settings.shuffled_labels {
        // Before anything is computed.
        Model::load(model)?;
    }
    let probe = Probe::new(scan, host, &table, subjects, context)?;

    let own = scan.config.attribution.plugin.as_str();
    let folder = tempfile::tempdir().map_err(|error| Error::file("the temporary folder", error.to_string(), ""))?;
    let random_model = settings.randomise.then(|| folder.path().join("randomised.onnx"));
    if let Some(to) = &random_model {
        maps::randomised(&scan.config.model.path, to, context.seed)?;
    }
    let mut methods = Vec::new();
    let mut of_methods: Vec<Vec<Option<Map>>> = Vec::new();
    for name in names {
        let plan = |model: Option<&Path>| compile(scan, name, name == own, model, host);
        let counted = forget_peak();
        let made = plan(None).and_then(|plan| Ok((maps::of(&plan, &probe.subjects, context)?, plan)));
        let peak_mib = peak_rss_mib().filter(|_| counted);
        let (maps, plan_of_name) = match made {
            Ok(made) => made,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                let failed = Some(error.to_string().lines().next().unwrap_or_default().to_owned());
                methods.push(MethodReport { name: name.to_owned(), failed, ..MethodReport::default() });
                continue;
            }
        };
        let maps: Vec<Option<Map>> = maps.into_iter().map(usable).collect();
        let mut report = probe.judge(name, &maps, context)?;
        report.method = plan_of_name.method.requirements.method;
        report.peak_mib = peak_mib;
        let likeness_to = |model: &Option<PathBuf>| -> Result<Option<Figure>> {
            let Some(model) = model else { return Ok(None) };
            let others = maps::of(&plan(Some(model))?, &probe.subjects, context)?;
            Ok(Figure::of(probe.likenesses(&maps, &others.into_iter().map(usable).collect::<Vec<_>>())))
        };
        report.randomised = likeness_to(&random_model)?;
        report.shuffled_labels = likeness_to(&settings.shuffled_labels)?;
        methods.push(report);
        of_methods.push(maps);
    }
    agreement(&probe, &mut methods, &of_methods);
    let noise = |i: usize| maps::noise(probe.size[0] * probe.size[1], context.seed, probe.subjects[i].row);
    for (name, method, maps) in [
        (CHANCE, "random numbers", (0..rows.len()).map(|i| Some(noise(i))).collect::<Vec<_>>()),
        (EDGES, "edges of the image", probe.images.iter().map(|image| Some(maps::edges(image, probe.size))).collect()),
    ] {
        methods.push(MethodReport { method: method.into(), seconds: None, ..probe.judge(name, &maps, context)? });
    }
    let road = |report: &MethodReport| report.road.map_or(f64::NEG_INFINITY, |figure| figure.mean);
    methods.sort_by(|a, b| road(b).total_cmp(&road(a)));
    let verdict = remarks::verdict(&methods);
    Ok(Faithfulness { n_images: rows.len(), methods, verdict })
}

/// The images to look at.
fn draw(table: &ScanTable, settings: &Settings, seed: u64) -> Result<Vec<usize>> {
    let mut rows = table.valid_rows();
    if !settings.rows.is_empty() {
        let asked: BTreeSet<usize> = settings.rows.iter().copied().collect();
        rows.retain(|row| asked.contains(row));
    }
    if rows.is_empty() {
        return Err(Error::param("images", "there is no image to look at", "choose another slice"));
    }
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [17, 0])));
    rows.truncate(settings.n_images.max(1));
    rows.sort_unstable();
    Ok(rows)
}

/// The scan's plan with another method, with the scan's own parameters where it is the scan's own method.
fn compile(scan: &Scan, name: &str, is_own: bool, model: Option<&Path>, host: &PluginHost) -> Result<RunPlan> {
    let mut overrides =
        vec![format!("attribution.plugin={name}"), "attribution.also=[]".into(), "model.backend=auto".into()];
    if !is_own {
        overrides.push("attribution.params={}".into());
    }
    if let Some(model) = model {
        overrides.push(format!("model.path={}", model.display()));
    }
    LoadedConfig::read(&scan.dir.join("scan.toml"), &overrides)
        .and_then(|loaded| RunPlan::compile(loaded, host))
        .map_err(|errors| Error::unsupported(errors.to_string(), ""))
}

fn usable(map: Result<Map>) -> Option<Map> {
    map.ok().filter(|map| map.values.iter().all(|value| value.is_finite()))
}

/// How far each method agrees with the others, image by image.
fn agreement(probe: &Probe, reports: &mut [MethodReport], maps: &[Vec<Option<Map>>]) {
    let made = reports.iter_mut().filter(|report| report.failed.is_none());
    for (i, report) in made.enumerate() {
        let others = maps.iter().enumerate().filter(|(j, _)| *j != i);
        let likeness = others.flat_map(|(_, other)| probe.likenesses(&maps[i], other));
        report.agreement = Figure::of(likeness);
    }
}
