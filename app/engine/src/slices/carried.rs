//! The slices of one scan, found again in another.

use super::{SliceSet, assigned, sliced};
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Kind, Result, Tensor};
use ascan_store::Scan;

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
