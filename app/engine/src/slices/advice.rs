//! How many slices: other numbers beside the one that is configured.

use super::{Recipe, assigned, projected, recipe, sliced};
use ascan_config::RunConfig;
use ascan_config::host::PluginHost;
use ascan_core::{Context, Error, Projector, Result, Slicer, TensorView};
use ascan_math::points::{Normalise, Points};
pub use ascan_math::quality::Advice;
use ascan_math::quality::{self, Candidate, MAX_EXACT};
use ascan_store::table::ScanTable;

/// Slices a scan as [`super::slice`] does, into a quarter to four times as many slices, and says what silhouette,
/// Davies–Bouldin index and the elbow of the inertia prefer. Keeps nothing. Works with any slicer that has the parameter `n_slices`.
///
/// # Errors
/// `Param` for a slicer that finds the number itself; else as [`super::slice`].
pub fn advise(table: &ScanTable, config: &RunConfig, host: &PluginHost, context: &Context) -> Result<Advice> {
    let (recipe, projector) = recipe(config, host, context)?;
    compare(table, &recipe, projector.as_deref(), &|recipe| host.slicer(&recipe.plugin, &recipe.params), context)
}

fn compare(
    table: &ScanTable,
    recipe: &Recipe,
    projector: Option<&dyn Projector>,
    slicer: &dyn Fn(&Recipe) -> Result<Box<dyn Slicer>>,
    context: &Context,
) -> Result<Advice> {
    let n_slices = recipe.params.get("n_slices").and_then(|value| value.as_u64()).unwrap_or(0) as usize;
    if n_slices == 0 {
        let message = format!("`{}` finds the number of slices itself", recipe.plugin);
        return Err(Error::param("slicing", message, "use a slicer with the parameter `n_slices`, such as `kmeans`"));
    }
    let input = sliced(table, recipe)?;
    let embeddings = projected(&input, projector, context)?;
    let view = input.table(&embeddings);
    let mut numbers = vec![n_slices / 4, n_slices / 2, n_slices, n_slices * 2, n_slices * 4];
    // One slice has no other to be apart from, and there are no more than images.
    numbers.retain(|&k| k >= 2 && k <= view.n());
    numbers.dedup();
    let mut tried = Vec::with_capacity(numbers.len());
    for k in numbers {
        let mut recipe = recipe.clone();
        recipe.params.insert("n_slices".into(), k.into());
        tried.push((k, assigned(slicer(&recipe)?.as_ref(), &view, None, recipe.per_class, context)?.0));
    }
    let candidates: Vec<Candidate> =
        tried.iter().map(|(n_clusters, assignment)| Candidate { n_clusters: *n_clusters, assignment }).collect();
    // As the slicer saw them.
    let normalise =
        if recipe.params.get("normalise").is_some_and(|value| value == "l2") { Normalise::L2 } else { Normalise::None };
    let rows: Vec<usize> = (0..view.n()).collect();
    let points = Points::to_fit(view.embeddings, &rows, normalise)?;
    let shape = [points.n(), points.d()];
    let as_sliced = TensorView::new(&shape, points.rows(0..points.n()))?;
    let pool = ascan_math::pool("advice", context)?;
    Ok(quality::advise(as_sliced, &candidates, MAX_EXACT, context.seed, &pool))
}

#[cfg(test)]
mod tests {
    use super::super::tests::table_of;
    use super::*;
    use crate::testing::recipe;
    use ascan_core::{SliceModel, SliceTable, Tensor, slicer};

    /// `n_slices` equal stretches of the first value, from 0 to 20.
    struct Stretches(usize);

    impl Slicer for Stretches {
        fn fit(&self, _: &SliceTable, _: &Context) -> Result<Box<dyn SliceModel>> {
            Ok(Box::new(Self(self.0)))
        }
    }

    impl SliceModel for Stretches {
        fn n_slices(&self) -> usize {
            self.0
        }

        fn membership(&self, table: &SliceTable, _: &Context) -> Result<Tensor> {
            let slice = |i| Some((table.embeddings.row(i)[0] as usize * self.0 / 20).min(self.0 - 1));
            Ok(slicer::one_hot((0..table.n()).map(slice), self.0))
        }
    }

    fn asked(n_slices: usize) -> Result<Advice> {
        let mut recipe = recipe();
        recipe.params.insert("n_slices".into(), n_slices.into());
        // Images at 1, 6, 11 and 16.
        let stretches: Vec<(usize, usize)> = (0..17).map(|i| (0, if i % 5 == 1 { 30 } else { 0 })).collect();
        let slicer = |recipe: &Recipe| -> Result<Box<dyn Slicer>> {
            Ok(Box::new(Stretches(recipe.params["n_slices"].as_u64().unwrap() as usize)))
        };
        compare(&table_of(&stretches), &recipe, None, &slicer, &Context::default())
    }

    #[test]
    fn four_places_are_four_slices() {
        let advice = asked(8).unwrap();
        let numbers: Vec<usize> = advice.table.iter().map(|line| line.n_clusters).collect();
        assert_eq!(numbers, [2, 4, 8, 16, 32]);
        assert_eq!((advice.by_silhouette, advice.by_elbow, advice.suggestion), (Some(4), Some(4), Some(4)));
        assert_eq!(asked(100).unwrap().table.iter().map(|line| line.n_clusters).collect::<Vec<_>>(), [25, 50, 100]);
    }

    #[test]
    fn a_slicer_that_finds_its_number_needs_no_advice() {
        assert!(asked(0).unwrap_err().to_string().contains("finds the number of slices itself"));
    }
}
