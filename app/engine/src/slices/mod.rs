//! From a scan to slices: project, slice, and say what is in each slice.

pub mod advice;
mod carried;
pub mod evidence;
mod judged;
mod layout;
mod per_class;
mod picked;
mod report;
mod stored;
#[cfg(test)]
pub(crate) mod tests;

pub use carried::{Carried, carried};
pub use judged::judged_by;
pub use picked::with_slice_of;
pub use report::{ConfusionCell, N_MEMBERS, SliceReport, VERDICT_GAP};

use ascan_config::RunConfig;
use ascan_config::host::PluginHost;
use ascan_config::sections::{PerClass, PluginSection};
use ascan_core::params::ParamMap;
use ascan_core::{Context, Error, Kind, Projector, Result, SliceTable, Slicer, Tensor, metrics, slicer};
use ascan_store::Scan;
use ascan_store::table::{ScanTable, SliceInput};
use evidence::{Errors, Evidence};
use report::Source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The slices that one slicer found in one scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceSet {
    /// The slicer's name and a hash of [`Self::recipe`]: the same recipe has the same id.
    pub id: String,
    /// How the slices were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Images that were sliced: those that did not fail, or of these the wrong ones with `errors_only`.
    pub n: usize,
    /// Accuracy over all images that did not fail, `None` without labels.
    pub accuracy: Option<f64>,
    /// The slice of each scan row, −1 for noise and for rows that were not sliced. Kept beside the JSON, not in it.
    #[serde(skip)]
    pub assignment: Vec<i32>,
    /// The slices that have images: those with clear evidence first; among equals what costs most right answers
    /// (`gap · size`).
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
    /// Whether each class was sliced on its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_class: PerClass,
    /// Whether only wrong images were sliced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors_only: bool,
    /// Seed of everything random.
    pub seed: u64,
}

/// What is left out of a recipe, so that an option that is not used changes no id.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Recipe {
    /// That of a set of a scan; `None` if it cannot be read.
    pub fn of_set(scan: &Scan, id: &str) -> Option<Self> {
        serde_json::from_value(scan.slice_params(id).ok()?).ok()
    }

    /// What a person calls the set: `kmeans · 14 · each label apart`.
    pub fn title(&self) -> String {
        let n = self.params.get("n_slices").filter(|n| n.is_number()).map(ToString::to_string);
        let apart = match self.per_class {
            PerClass::None => None,
            PerClass::Label => Some("each label apart".to_owned()),
            PerClass::PredictedClass => Some("each prediction apart".to_owned()),
        };
        let errors = self.errors_only.then(|| "errors only".to_owned());
        let parts = [Some(self.plugin.clone()), n, apart, errors];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    /// Name and hash.
    pub fn id(&self) -> String {
        let text = serde_json::to_value(self).map(|value| canonical(&value)).unwrap_or_default();
        format!("{}-{}", self.plugin, &blake3::hash(text.as_bytes()).to_hex()[..8])
    }
}

impl SliceSet {
    /// What was sliced, and how much of everything is right: `1200 images, 80 % right`; `n` and `percent` write the figures.
    pub fn summary(&self, n: impl Fn(usize) -> String, percent: impl Fn(f64) -> String) -> String {
        let right = self.accuracy.map(percent);
        match (right, self.recipe.errors_only) {
            (Some(right), false) => format!("{} images, {right} right", n(self.n)),
            (Some(right), true) => format!("{} wrong images; {right} of all are right", n(self.n)),
            (None, _) => format!("{} images", n(self.n)),
        }
    }

    /// The scan rows of a slice, rising.
    pub fn rows(&self, slice: i32) -> Vec<usize> {
        (0..self.assignment.len()).filter(|&row| self.assignment[row] == slice).collect()
    }

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
    let (recipe, projector) = recipe(config, host, context)?;
    let slicer = host.slicer(&recipe.plugin, &recipe.params)?;
    find(table, recipe, projector.as_deref(), slicer.as_ref(), context)
}

/// What a configuration says, with its projector.
fn recipe(config: &RunConfig, host: &PluginHost, context: &Context) -> Result<(Recipe, Option<Box<dyn Projector>>)> {
    let mut recipe = Recipe {
        plugin: config.slicing.plugin.clone(),
        params: host.checked(Kind::Slicer, &config.slicing.plugin, &config.slicing.params)?,
        projection: PluginSection { plugin: "none".into(), params: ParamMap::new() },
        per_class: config.slicing.per_class,
        errors_only: config.slicing.errors_only,
        seed: context.seed,
    };
    let mut projector = None;
    if !matches!(config.projection.plugin.as_str(), "" | "none") {
        let params = host.checked(Kind::Projector, &config.projection.plugin, &config.projection.params)?;
        projector = Some(host.projector(&config.projection.plugin, &params)?);
        recipe.projection = PluginSection { plugin: config.projection.plugin.clone(), params };
    }
    Ok((recipe, projector))
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
    let input = sliced(table, &recipe)?;
    let embeddings = projected(&input, projector, context)?;
    let (assigned, _) = assigned(slicer, &input.table(&embeddings), None, recipe.per_class, context)?;
    Ok(describe(table, recipe, &input.rows, &embeddings, &assigned))
}

/// The rows that are sliced. The only door to a slicer: they have no groups, no masks and no failed rows.
fn sliced(table: &ScanTable, recipe: &Recipe) -> Result<SliceInput> {
    let input = if recipe.errors_only { table.slice_errors() } else { table.slice_input() };
    if !input.rows.is_empty() {
        return Ok(input);
    }
    let (message, hint) = if recipe.errors_only && table.valid_rows().iter().any(|&row| table.labels[row] >= 0) {
        ("the model is right on all images of this scan, and only errors were to be sliced", "leave `errors_only` out")
    } else if recipe.errors_only {
        ("without labels it is unknown which images are wrong", "give the data labels, or leave `errors_only` out")
    } else {
        ("no image of this scan can be sliced: all failed", "look at the scan's errors")
    };
    Err(Error::param("scan", message, hint))
}

/// The embeddings that are sliced.
fn projected(input: &SliceInput, projector: Option<&dyn Projector>, context: &Context) -> Result<Tensor> {
    let embeddings = &input.embeddings;
    projector.map_or_else(
        || Ok(embeddings.clone()),
        |projector| projector.fit(embeddings.view(), context)?.project(embeddings.view(), context),
    )
}

/// The slice of each image of a table, and of each image of `onto` by the same slices.
fn assigned(
    slicer: &dyn Slicer,
    table: &SliceTable,
    onto: Option<&SliceTable>,
    per_class: PerClass,
    context: &Context,
) -> Result<Both> {
    match per_class::column(per_class, table) {
        None => Ok(assign(slicer, table, onto, context)?.0),
        Some(classes) => {
            let onto = onto.and_then(|onto| Some((onto, per_class::column(per_class, onto)?)));
            per_class::assign(slicer, (table, classes), onto, context)
        }
    }
}

/// The slice of each image of a table, and of another; the second is empty where there is none.
type Both = (Vec<i32>, Vec<i32>);

/// Fits a slicer to a table and applies it to that and to `onto`: the slice of each image, and the number of slices.
fn assign(
    slicer: &dyn Slicer,
    table: &SliceTable,
    onto: Option<&SliceTable>,
    context: &Context,
) -> Result<(Both, usize)> {
    let model = slicer.fit(table, context)?;
    let apply = |table: &SliceTable| {
        let membership = model.membership(table, context)?;
        let [n, k] = membership.view().dims("membership", "[n, n_slices]")?;
        if n != table.n() {
            return Err(Error::shape("membership", format!("{} rows, one per image", table.n()), n));
        }
        Ok((slicer::assignment(&membership), k))
    };
    let (own, k) = apply(table)?;
    let others = onto.map(apply).transpose()?.map_or_else(Vec::new, |(others, _)| others);
    Ok(((own, others), k))
}

/// Everything said about an assignment of the given scan rows.
fn describe(table: &ScanTable, recipe: Recipe, rows: &[usize], sliced: &Tensor, assigned: &[i32]) -> SliceSet {
    let mut members: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    let mut assignment = vec![-1; table.n()];
    for (member, &slice) in assigned.iter().enumerate() {
        members.entry(slice).or_default().push(member);
        assignment[rows[member]] = slice;
    }
    let valid = table.valid_rows();
    let pick = |values: &[i32]| -> Vec<i32> { valid.iter().map(|&row| values[row]).collect() };
    let accuracy = metrics::accuracy(&pick(&table.labels), &pick(&table.predicted_classes));
    let source = Source { table, rows, sliced, accuracy };

    let noise = members.remove(&-1).map(|members| source.report(-1, &members));
    let centres: Vec<Vec<f64>> = members.values().map(|members| source.centre(members)).collect();
    let mut slices: Vec<SliceReport> = members
        .iter()
        .zip(layout::principal_plane(&centres))
        .map(|((&id, members), position)| SliceReport { position, ..source.report(id, members) })
        .collect();
    // Slices that were made of errors prove nothing by being wrong: there they stay unknown, by size.
    if !recipe.errors_only {
        let errors: Vec<Errors> = slices.iter().map(SliceReport::errors).collect();
        let everything = noise.iter().map(SliceReport::errors).chain(errors.iter().copied());
        let whole = everything.fold(Errors::default(), |a, b| Errors { n_wrong: a.n_wrong + b.n_wrong, n: a.n + b.n });
        for (slice, q_value) in slices.iter_mut().zip(evidence::q_values(&errors, whole)) {
            slice.judge(q_value);
        }
    }
    let cost = |slice: &SliceReport| slice.gap.unwrap_or(0.0) * slice.size as f64;
    let rank = |slice: &SliceReport| slice.evidence != Evidence::Clear;
    slices.sort_by(|a, b| rank(a).cmp(&rank(b)).then(cost(a).total_cmp(&cost(b))).then(a.id.cmp(&b.id)));

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
