//! The slices of one scan, found again in another, and the verdicts on them.

use super::{SliceSet, assigned, sliced};
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Kind, Result, Tensor};
use ascan_store::Scan;
use ascan_store::annotations::{Annotations, Judgement, Mark, Subject};
use std::collections::BTreeMap;

/// Verdicts on slices of one scan, as verdicts on images of another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Carried {
    /// Rows of the other scan, never empty; the verdict, and its comment with where it comes from.
    pub verdicts: Vec<(Vec<usize>, Mark, String)>,
    /// What was left behind, one sentence each.
    pub notes: Vec<String>,
}

impl Carried {
    /// Those of `before`, the verdicts on the scan `from`, that apply to the scan `onto`.
    ///
    /// # Errors
    /// As [`carried`]; `Unsupported` if none applies.
    pub fn of(from: &Scan, before: &Annotations, onto: &Scan, host: &PluginHost, context: &Context) -> Result<Self> {
        let (mut made, mut found, mut n_images) = (Self::default(), BTreeMap::new(), 0);
        for verdict in before.in_force() {
            let (Subject::Slice { set, slice, .. }, Judgement::Mark { mark, note }) =
                (&verdict.subject, &verdict.judgement)
            else {
                n_images += 1;
                continue;
            };
            if !found.contains_key(set) {
                found.insert(set.clone(), carried(from, &SliceSet::load(from, Some(set))?, onto, host, context)?);
            }
            let rows: Vec<usize> =
                (found[set].iter().enumerate()).filter(|(_, here)| *here == slice).map(|(row, _)| row).collect();
            if rows.is_empty() {
                made.notes.push(format!("slice {slice} of {set} holds no image of {}", onto.dir.display()));
                continue;
            }
            let origin = format!("from slice {slice} of {set} in {}", from.dir.display());
            let note = if note.is_empty() { origin } else { format!("{note} ({origin})") };
            made.verdicts.push((rows, *mark, note));
        }
        if n_images > 0 {
            made.notes.push(format!("{n_images} verdicts on single images were not carried: they are not here"));
        }
        if made.verdicts.is_empty() {
            let message = format!("no verdict on a slice of {} applies to {}", from.dir.display(), onto.dir.display());
            return Err(Error::unsupported(message, "judge slices of it first"));
        }
        Ok(made)
    }
}

/// The slice of `set`, which was made of the scan `from`, for each row of the scan `onto`; −1 for none.
///
/// The slices are fitted to `from` once more, and must come out as they were when they were judged.
///
/// # Errors
/// `Unsupported` for scans by different models or with different features, for slices that a person picked, and for slices
/// that do not come out as they were; whatever the plugins report.
pub fn carried(from: &Scan, set: &SliceSet, onto: &Scan, host: &PluginHost, context: &Context) -> Result<Vec<i32>> {
    let is_same = {
        let (a, b) = (&from.plan, &onto.plan);
        (&a.model.sha256, &a.preprocess, &a.attribution, &a.features)
            == (&b.model.sha256, &b.preprocess, &b.attribution, &b.features)
    };
    if !is_same {
        let (from, onto) = (from.dir.display(), onto.dir.display());
        let message =
            format!("{from} and {onto} differ in model, attribution or features, so their slices cannot be compared");
        return Err(Error::unsupported(message, "scan both with the same settings but `[data]`"));
    }
    let recipe = &set.recipe;
    if recipe.plugin == "picked" {
        let message = format!("a person picked slices of {}, and no rule finds them elsewhere", set.id);
        return Err(Error::unsupported(message, "judge slices that a slicer made"));
    }
    let context = Context { seed: recipe.seed, ..*context };
    host.ask(&from.dir, Kind::Slicer, &recipe.plugin, &recipe.params)?;
    let slicer = host.slicer(&recipe.plugin, &recipe.params)?;
    let (table, table_onto) = (from.table()?, onto.table()?);
    let (input, input_onto) = (sliced(&table, recipe)?, sliced(&table_onto, recipe)?);
    let (embeddings, embeddings_onto) = match recipe.projection.plugin.as_str() {
        "" | "none" => (input.embeddings.clone(), input_onto.embeddings.clone()),
        plugin => {
            let projector = host.projector(plugin, &recipe.projection.params)?;
            let fitted = projector.fit(input.embeddings.view(), &context)?;
            let project = |embeddings: &Tensor| fitted.project(embeddings.view(), &context);
            (project(&input.embeddings)?, project(&input_onto.embeddings)?)
        }
    };
    let (view, view_onto) = (input.table(&embeddings), input_onto.table(&embeddings_onto));
    let (again, found) = assigned(&*slicer, &view, Some(&view_onto), recipe.per_class, &context)?;
    if input.rows.iter().zip(&again).any(|(&row, &slice)| set.assignment[row] != slice) {
        let message =
            format!("the slices of {} come out differently today, so the verdicts on them cannot be carried", set.id);
        return Err(Error::unsupported(message, "another version of the slicer is installed: slice and judge again"));
    }
    let mut assignment = vec![-1; table_onto.n()];
    input_onto.rows.iter().zip(found).for_each(|(&row, slice)| assignment[row] = slice);
    Ok(assignment)
}
