//! From a scan to slices: project, slice, and say what is in each slice.

mod layout;
mod report;
mod stored;
#[cfg(test)]
pub(crate) mod tests;

pub use report::{ConfusionCell, N_MEMBERS, SliceReport, VERDICT_GAP};

use crate::config::RunConfig;
use crate::config::sections::PluginSection;
use crate::host::PluginHost;
use crate::table::ScanTable;
use ascan_core::params::ParamMap;
use ascan_core::{Context, Error, Kind, Projector, Result, Slicer, metrics, slicer};
use report::Source;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The slices that one slicer found in one scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceSet {
    /// The slicer's name and a hash of [`Self::recipe`]: the same recipe has the same id.
    pub id: String,
    /// How the slices were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Images that were sliced: those that did not fail.
    pub n: usize,
    /// Accuracy over all of them, `None` without labels.
    pub accuracy: Option<f64>,
    /// The slice of each scan row, −1 for noise and for failed rows. Kept beside the JSON, not in it.
    #[serde(skip)]
    pub assignment: Vec<i32>,
    /// The slices that have images; what costs most right answers (`gap · size`) first.
    pub slices: Vec<SliceReport>,
    /// The images in no slice, if there are any.
    pub noise: Option<SliceReport>,
    /// Normalised mutual information of slices and annotated groups, where groups are known.
    pub nmi_group: Option<f64>,
}

/// What decides the slices of a given scan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Recipe {
    /// Slicer plugin.
    pub plugin: String,
    /// Its parameters, defaults written out.
    pub params: ParamMap,
    /// Projector plugin and its parameters; `none` leaves the projection out.
    pub projection: PluginSection,
    /// Seed of everything random.
    pub seed: u64,
}

impl Recipe {
    /// Name and hash.
    pub fn id(&self) -> String {
        let text = serde_json::to_value(self).map(|value| canonical(&value)).unwrap_or_default();
        format!("{}-{}", self.plugin, &blake3::hash(text.as_bytes()).to_hex()[..8])
    }
}

impl SliceSet {
    /// The report of a slice.
    pub fn slice(&self, id: i32) -> Option<&SliceReport> {
        self.slices.iter().chain(&self.noise).find(|slice| slice.id == id)
    }
}

/// Slices a scan as `[projection]` and `[slicing]` say. Annotated groups reach no plugin: they only score.
///
/// # Errors
/// `UnknownName` or `Param` from the configuration, or whatever the plugins report.
pub fn slice(table: &ScanTable, config: &RunConfig, host: &PluginHost, context: &Context) -> Result<SliceSet> {
    let resolved = |kind: Kind, section: &PluginSection| -> Result<ParamMap> {
        let resolved = host.resolve(kind, &section.plugin, &section.params)?;
        match resolved.problems.into_iter().next() {
            Some(problem) => Err(Error::param(problem.key, problem.message, problem.hint)),
            None => Ok(resolved.params),
        }
    };
    let mut recipe = Recipe {
        plugin: config.slicing.plugin.clone(),
        params: resolved(Kind::Slicer, &config.slicing)?,
        projection: PluginSection { plugin: "none".into(), params: ParamMap::new() },
        seed: context.seed,
    };
    let slicer = host.slicer(&recipe.plugin, &recipe.params)?;
    let mut projector = None;
    if !matches!(config.projection.plugin.as_str(), "" | "none") {
        let params = resolved(Kind::Projector, &config.projection)?;
        projector = Some(host.projector(&config.projection.plugin, &params)?);
        recipe.projection = PluginSection { plugin: config.projection.plugin.clone(), params };
    }
    find(table, recipe, projector.as_deref(), slicer.as_ref(), context)
}

/// Slices a scan with these plugins; `recipe` is what they were made from.
///
/// # Errors
/// `Param` if no image of the scan can be sliced, `Shape` if the slicer breaks its contract, or what the plugins report.
pub fn find(
    table: &ScanTable,
    recipe: Recipe,
    projector: Option<&dyn Projector>,
    slicer: &dyn Slicer,
    context: &Context,
) -> Result<SliceSet> {
    // The only door to a slicer: it has no groups, no masks and no failed rows.
    let input = table.slice_input();
    if input.rows.is_empty() {
        return Err(Error::param(
            "scan",
            "no image of this scan can be sliced: all failed",
            "look at the scan's errors",
        ));
    }
    let sliced = match projector {
        None => Cow::Borrowed(&input.embeddings),
        Some(projector) => {
            let view = input.embeddings.view();
            Cow::Owned(projector.fit(view, context)?.project(view, context)?)
        }
    };
    let view = input.table(&sliced);
    let membership = slicer.fit(&view, context)?.membership(&view, context)?;
    let [n, _] = membership.view().dims("membership", "[n, n_slices]")?;
    if n != input.rows.len() {
        return Err(Error::shape("membership", format!("{} rows, one an image", input.rows.len()), n));
    }
    Ok(describe(table, recipe, &input.rows, &sliced, &slicer::assignment(&membership)))
}

/// Everything said about an assignment of the given scan rows.
fn describe(
    table: &ScanTable,
    recipe: Recipe,
    rows: &[usize],
    sliced: &ascan_core::Tensor,
    assigned: &[i32],
) -> SliceSet {
    let mut members: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    let mut assignment = vec![-1; table.n()];
    for (member, &slice) in assigned.iter().enumerate() {
        members.entry(slice).or_default().push(member);
        assignment[rows[member]] = slice;
    }
    let pick = |values: &[i32]| -> Vec<i32> { rows.iter().map(|&row| values[row]).collect() };
    let accuracy = metrics::accuracy(&pick(&table.labels), &pick(&table.predicted_classes));
    let source = Source { table, rows, sliced, accuracy };

    let noise = members.remove(&-1).map(|members| source.report(-1, &members));
    let centres: Vec<Vec<f64>> = members.values().map(|members| source.centre(members)).collect();
    let mut slices: Vec<SliceReport> = members
        .iter()
        .zip(layout::principal_plane(&centres))
        .map(|((&id, members), position)| SliceReport { position, ..source.report(id, members) })
        .collect();
    let cost = |slice: &SliceReport| slice.gap.unwrap_or(0.0) * slice.size as f64;
    slices.sort_by(|a, b| cost(a).total_cmp(&cost(b)).then(a.id.cmp(&b.id)));

    SliceSet {
        id: recipe.id(),
        recipe,
        n: rows.len(),
        accuracy: accuracy.is_finite().then_some(accuracy),
        assignment,
        slices,
        noise,
        nmi_group: nmi_group(table, rows, assigned),
    }
}

fn nmi_group(table: &ScanTable, rows: &[usize], assigned: &[i32]) -> Option<f64> {
    let groups: Vec<String> = rows.iter().map(|&row| table.group(row)).collect::<Option<_>>()?;
    let names: BTreeMap<&String, i32> = groups.iter().zip(0..).collect();
    let ids: Vec<i32> = groups.iter().map(|group| names[group]).collect();
    Some(metrics::nmi(assigned, &ids))
}

/// JSON text with sorted keys, so that a hash of it does not depend on how maps are kept.
fn canonical(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map.iter().map(|(key, value)| (key, canonical(value))).collect();
            let parts: Vec<String> = sorted.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
            format!("{{{}}}", parts.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}
