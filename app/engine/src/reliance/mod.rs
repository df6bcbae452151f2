//! What predictions follow: a region of the picture, or the rest. Asked of the model itself, without a verdict and without
//! a group label.
//!
//! An image and one that the model takes for another class exchange a region, both ways. If the prediction goes with the
//! region whenever it moves, the *reliance* on the region is 1; if it stays with the rest, 0. It is the mean log odds over
//! the exchanges, as a probability. It is measured for two regions: where the attribution says the model looks, and where the
//! object probably is ([`crate::scanned::object`]). A slice whose predictions follow the attributed region but not the object
//! looks at the wrong thing.

mod suggest;
mod swap;
#[cfg(test)]
mod tests;

pub use suggest::{Suggestion, suggest};

use crate::question::Question;
use crate::scanned::{self, ScannedModel};
use crate::seeds::seed_of;
use crate::slices::SliceSet;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Level, Result, metrics};
use ascan_store::Scan;
use ascan_store::table::ScanTable;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use swap::{OfImage, Swapper};

/// Images of a slice that are tried.
pub const N_IMAGES: usize = 20;

/// Images from which the other pictures are taken.
const N_LENDERS: usize = 64;

/// What the predictions of a scan's slices follow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reliance {
    /// The slice set.
    pub set: String,
    /// Seed of what was drawn.
    pub seed: u64,
    /// Forward passes per image that was tried.
    pub n_passes: usize,
    /// One per slice that has images which could be tried, by id.
    pub slices: Vec<SliceReliance>,
    /// Slices that have not been asked about yet: the work was stopped.
    #[serde(default)]
    pub left: Vec<i32>,
}

/// What the predictions of a slice follow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SliceReliance {
    /// Its id.
    pub slice: i32,
    /// Reliance on the attributed region.
    pub region: Estimate,
    /// Reliance on the object.
    pub object: Estimate,
    /// Share of the attribution that lies on the object.
    pub on_object: Estimate,
}

/// The mean of a figure in [0, 1] over images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean; ½ if there is no image.
    pub mean: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Images that have the figure.
    pub n: usize,
}

impl Estimate {
    /// Of these values.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let n = values.len();
        let mean = if n == 0 { 0.5 } else { values.iter().sum::<f64>() / n as f64 };
        let (low, high) = metrics::mean_interval(mean, n);
        Self { mean, low, high, n }
    }
}

impl Reliance {
    /// What was found out before, and what the model says now: it is asked about at most [`N_IMAGES`] images of each slice that is
    /// left. Answers are kept in the scan's cache slice by slice.
    ///
    /// # Errors
    /// `File` if images or model have gone; `Unsupported` for a model without a feature map, or one that takes all images
    /// for the same class; what the engine reports; `Cancelled`.
    pub fn of_scan(scan: &Scan, set: &SliceSet, host: &PluginHost, context: &Context) -> Result<Self> {
        let kept =
            Self::kept(scan, &set.id).filter(|kept| (kept.seed, kept.n_passes) == (context.seed, swap::N_PASSES));
        let begun = kept.unwrap_or_else(|| Self {
            set: set.id.clone(),
            seed: context.seed,
            n_passes: swap::N_PASSES,
            left: set.slices.iter().map(|slice| slice.id).collect::<BTreeSet<_>>().into_iter().collect(),
            ..Self::default()
        });
        if begun.left.is_empty() { Ok(begun) } else { begun.go_on(scan, set, host, context) }
    }

    fn go_on(mut self, scan: &Scan, set: &SliceSet, host: &PluginHost, context: &Context) -> Result<Self> {
        scan.plan.check_model("reliance on the region")?;
        Question::has_classes(&scan.plan.model, "reliance on the region")?;
        let (table, images) = (scan.table()?, scanned::images(scan)?);
        let model = ScannedModel::open(scan, host, "burn", context.n_threads)?;
        let lenders = lenders(&table, context.seed);
        let swapper = Swapper::new(&model, &table, &images, &lenders, context)?;
        let tried: Vec<(i32, Vec<usize>)> = (self.left.iter())
            .map(|&slice| (slice, some(set.rows(slice), seed_of(context.seed, [21, slice as u64])).collect()))
            .collect();
        let n: usize = tried.iter().map(|(_, rows)| rows.len()).sum();
        let text = format!("asking the model about {n} images, {} forward passes each", self.n_passes);
        context.reporter.log(Level::Info, &text);
        let mut before = 0;
        for (slice, rows) in tried {
            let found: Vec<OfImage> = swapper.ask(&rows, [before, n], context)?.into_iter().flatten().collect();
            before += rows.len();
            let of = |figure: fn(&OfImage) -> Option<f64>| Estimate::of(found.iter().filter_map(figure));
            if !found.is_empty() {
                let [region, object, on_object] =
                    [of(|image| image.region), of(|image| image.object), of(|image| image.on_object)];
                self.slices.push(SliceReliance { slice, region, object, on_object });
            }
            self.left.retain(|&left| left != slice);
            scan.cache(&file(&set.id), &serde_json::to_vec_pretty(&self).unwrap_or_default());
        }
        Ok(self)
    }

    /// What was measured before; `None` if nothing was.
    pub fn kept(scan: &Scan, set: &str) -> Option<Self> {
        serde_json::from_slice(&scan.cached(&file(set))?).ok()
    }

    /// That of a slice.
    pub fn of_slice(&self, slice: i32) -> Option<&SliceReliance> {
        self.slices.iter().find(|found| found.slice == slice)
    }
}

fn file(set: &str) -> String {
    format!("reliance-{set}.json")
}

/// Some of these rows, drawn by lot.
fn some(mut rows: Vec<usize>, seed: u64) -> impl Iterator<Item = usize> {
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    rows.into_iter().take(N_IMAGES)
}

/// Rows whose pictures are put into others, as many of each predicted class as there are, in turn.
fn lenders(table: &ScanTable, seed: u64) -> Vec<usize> {
    let mut rows = table.valid_rows();
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, [22, 0])));
    let mut turns: BTreeMap<i32, usize> = BTreeMap::new();
    let mut in_turn: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
    for row in rows {
        let turn = turns.entry(table.predicted_classes[row]).or_default();
        in_turn.push((*turn, row));
        *turn += 1;
    }
    // Stable: within a turn the order stays drawn.
    in_turn.sort_by_key(|(turn, _)| *turn);
    in_turn.into_iter().take(N_LENDERS).map(|(_, row)| row).collect()
}

/// There is nothing to exchange with.
fn one_class() -> Error {
    Error::unsupported(
        "the model says the same class of every image, so there is no other picture to exchange regions with",
        "scan images of at least two classes",
    )
}
