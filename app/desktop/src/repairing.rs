//! Long tasks over a scan: slicing it anew, repairing its model, and comparing both models.

use super::ahead::Ahead;
use super::model::ASK;
use ascan_config::LoadedConfig;
use ascan_config::host::PluginHost;
use ascan_config::repair::RepairConfig;
use ascan_core::{Context, Error, Level, Reporter, Result};
use ascan_engine::plan::RunPlan;
use ascan_engine::repair::{Findings, RepairPlan, RepairSummary, repair, weigh_verdicts};
use ascan_engine::scan::scan;
use ascan_engine::slices::{self, SliceSet, judged_by};
use ascan_report::album::Album;
use ascan_report::compare::{Comparison, compare};
use ascan_report::{curves, mosaic};
use ascan_store::Scan;
use ascan_viz::heat::Look;
use image::RgbImage;
use std::path::{Path, PathBuf};

/// What a repair is to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepairOrder {
    /// Overrides of the scan's configuration.
    pub overrides: Vec<String>,
    /// The folder of a scan of more images.
    pub also: Option<PathBuf>,
    /// The folder of the repair.
    pub out: PathBuf,
}

/// Two scans of the same images.
pub struct Compared {
    /// The figures.
    pub comparison: Comparison,
    /// The same slices by the model before and by the one after.
    pub mosaics: [RgbImage; 2],
    /// Each slice by both models, in the order of the set: number, title, images, share right before and after.
    pub slices: Vec<SliceBar>,
    /// Images that are right only after, and only before: as the model before saw them, with what they are taken for.
    pub changed: [Vec<(RgbImage, String)>; 2],
    /// The scan by the model before.
    pub before: PathBuf,
    /// The scan by the model after.
    pub after: PathBuf,
}

/// Images that are shown of those that changed.
const N_SHOWN: usize = 24;
/// Their longer side.
const SIDE_PX: u32 = 128;

/// A slice by both models.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceBar {
    /// Its number.
    pub id: i32,
    /// What most of its images were taken for before.
    pub title: String,
    /// Images with a label.
    pub n: usize,
    /// Share right, before and after.
    pub accuracy: [f64; 2],
    /// Images that are right only after, and only before.
    pub changed: [usize; 2],
}

/// Everything that is wrong with a configuration, as one error.
fn wrong(path: &Path, errors: &ascan_config::ConfigErrors) -> Error {
    Error::file(path, errors.to_string(), "change the values in the form, or the file itself")
}

/// What `ascan slice` does.
///
/// # Errors
/// What is wrong with the parameters; what the slicer reports.
pub fn slice(dir: &Path, overrides: &[String], host: &PluginHost, context: &Context) -> Result<SliceSet> {
    let path = dir.join("scan.toml");
    let mut loaded = LoadedConfig::read(&path, overrides).map_err(|errors| wrong(&path, &errors))?;
    loaded.resolve_plugins(host);
    let config = loaded.finish().map_err(|errors| wrong(&path, &errors))?.config;
    host.permits().remember(dir);
    let scan = Scan::open(dir)?;
    let set = slices::slice(&scan.table()?, &config, host, context)?;
    set.save(&scan)?;
    Ok(set)
}

/// What `ascan repair` does.
///
/// # Errors
/// As [`repair`].
pub fn mend(dir: &Path, order: &RepairOrder, host: &PluginHost, reporter: &dyn Reporter) -> Result<RepairSummary> {
    let path = dir.join("scan.toml");
    let config = RepairConfig::load(&path, &order.overrides, host).map_err(|errors| wrong(&path, &errors))?;
    let scan = Scan::open(dir)?;
    let also = order.also.as_deref().map(Scan::open).transpose()?;
    let mut plan = RepairPlan::compile(&scan, also.as_ref(), config, host)?;
    plan.notes.iter().for_each(|note| reporter.log(Level::Info, note));
    let passes = plan.passes();
    let summary = repair(&mut plan, host, &order.out, (&Ahead::new(reporter, passes), ASK))?;
    curves::draw(&order.out)?;
    Ok(summary)
}

/// What a repair will say of the verdicts on a scan.
///
/// # Errors
/// As [`weigh_verdicts`].
pub fn weigh(dir: &Path, host: &PluginHost, context: &Context) -> Result<Findings> {
    let path = dir.join("scan.toml");
    let config = RepairConfig::load(&path, &[], host).map_err(|errors| wrong(&path, &errors))?;
    let mut plan = RepairPlan::compile(&Scan::open(dir)?, None, config, host)?;
    weigh_verdicts(&mut plan, context)
}

/// What `ascan scan` does with a configuration that was read, slices included.
///
/// # Errors
/// What is wrong with the configuration; as [`scan`].
pub fn scan_and_slice(loaded: LoadedConfig, out: &Path, host: &PluginHost, reporter: &dyn Reporter) -> Result<()> {
    let plan = RunPlan::compile(loaded, host).map_err(|errors| wrong(out, &errors))?;
    plan.notes.iter().for_each(|note| reporter.log(Level::Info, note));
    scan(&plan, out, reporter)?;
    host.permits().remember(out);
    let context = Context { seed: plan.config.run.seed, n_threads: plan.n_threads, reporter };
    drop(plan);
    let scan = Scan::open(out)?;
    slices::slice(&scan.table()?, &scan.config, host, &context)?.save(&scan)
}

/// Scans the images of an album with another model, and puts both side by side.
///
/// # Errors
/// As [`scan_and_slice`] and [`compare`].
pub fn both(
    album: &Album,
    set: &SliceSet,
    (model, out): (&Path, &Path),
    host: &PluginHost,
    context: &Context,
) -> Result<Compared> {
    let path = album.scan.dir.join("scan.toml");
    let model = std::path::absolute(model).unwrap_or_else(|_| model.to_owned());
    let overrides = [format!("model.path={}", model.display())];
    let loaded = LoadedConfig::read(&path, &overrides).map_err(|errors| wrong(&path, &errors))?;
    scan_and_slice(loaded, out, host, context.reporter)?;
    let (before, after) = (Scan::open(&album.scan.dir)?, Scan::open(out)?);
    let comparison = compare(&before, &after, set, None, host, context)?;
    let judged = judged_by(set, &after.table()?)?;
    let after = Album::open(after)?;
    let mosaics = [mosaic::mosaic(&album.scene_of(&set.id, &set.slices), set), mosaic::mosaic(&after.scene(), &judged)];
    let scene = album.scene();
    let bars = set.slices.iter().filter_map(|slice| {
        let pair = comparison.slices.iter().find(|pair| pair.id == slice.id)?;
        Some(SliceBar {
            id: slice.id,
            title: scene.title(slice),
            n: pair.n,
            accuracy: [pair.accuracy.before, pair.accuracy.after],
            changed: [pair.n_fixed, pair.n_broken],
        })
    });
    let slices = bars.collect();
    let look = Look::default();
    let shown = |rows: &[usize]| -> Vec<(RgbImage, String)> {
        let one = |&row: &usize| {
            let (picture, table) = (scene.picture(row, SIDE_PX), &album.table);
            let plane = scene.heat(row).plane(picture.width(), picture.height());
            (look.draw(&picture, &plane), scene.outcome(table.labels[row], table.predicted_classes[row]))
        };
        rows.iter().take(N_SHOWN).map(one).collect()
    };
    let changed = [shown(&comparison.fixed), shown(&comparison.broken)];
    drop(scene);
    Ok(Compared { slices, mosaics, changed, before: album.scan.dir.clone(), after: out.to_owned(), comparison })
}
