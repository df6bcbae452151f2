//! The laws of a [`Projector`].

use super::laws::{Laws, THREADS, context, reshaped, stopping, take, with_value};
use super::toy_data::toy_slice_table;
use crate::{Projection, Projector, Tensor, TensorView};

const N: usize = 120;
const D: usize = 8;

/// Checks a projector on small seeded embeddings.
///
/// # Panics
/// If the projector breaks a law of the contract, naming both.
pub fn check_projector(plugin: &str, projector: &dyn Projector) {
    let laws = Laws { plugin };
    let embeddings = toy_slice_table(N, D, 1).embeddings;
    let projection = laws.succeeds("fit", || projector.fit(embeddings.view(), &context(0, 1)));
    let projected = apply(&laws, projection.as_ref(), &embeddings);
    laws.require(projection.n_dims() > 0, "a projection has at least one dimension");

    for n_threads in THREADS {
        let again = laws.succeeds("fit", || projector.fit(embeddings.view(), &context(0, n_threads)));
        let again = laws.succeeds("project", || again.project(embeddings.view(), &context(0, n_threads)));
        laws.require(again.shape() == projected.shape(), "the number of dimensions must not depend on the threads");
        let law = format!("same embeddings and seed, same projection ({n_threads} threads)");
        laws.same(&law, again.data(), projected.data());
    }
    let other = laws.succeeds("fit with another seed", || projector.fit(embeddings.view(), &context(1, 1)));
    apply(&laws, other.as_ref(), &embeddings);

    apply(&laws, projection.as_ref(), &toy_slice_table(37, D, 2).embeddings);
    apply(&laws, projection.as_ref(), &take(&embeddings, &[]));
    apply(&laws, projection.as_ref(), &take(&embeddings, &[3]));
    laws.fails("projecting embeddings of another width than at the fit", || {
        projection.project(toy_slice_table(N, D + 3, 1).embeddings.view(), &context(0, 1))
    });

    let doubled = apply(&laws, projection.as_ref(), &take(&embeddings, &[0, 1, 2, 0, 1, 2]));
    let (first, second) = doubled.data().split_at(doubled.data().len() / 2);
    laws.close("equal embeddings must be projected to the same place", first, second, 1e-5);

    for (what, rows) in [("no images", vec![]), ("one image", vec![0]), ("equal images", vec![4; 30])] {
        let few = take(&embeddings, &rows);
        if let Ok(fit) = laws.call(&format!("fit to {what}"), || projector.fit(few.view(), &context(0, 1))) {
            apply(&laws, fit.as_ref(), &few);
        }
    }
    check_bad(&laws, "fit", &embeddings, |bad| projector.fit(bad, &context(0, 1)).map(drop));
    check_bad(&laws, "project", &embeddings, |bad| projection.project(bad, &context(0, 1)).map(drop));
    laws.cancels("a fit that is told to stop", || projector.fit(embeddings.view(), &stopping()));
    laws.cancels("a projection that is told to stop", || projection.project(embeddings.view(), &stopping()));
}

fn apply(laws: &Laws, projection: &dyn Projection, embeddings: &Tensor) -> Tensor {
    let projected = laws.succeeds("project", || projection.project(embeddings.view(), &context(0, 1)));
    laws.shape("the projection", &projected, &[embeddings.n_rows(), projection.n_dims()]);
    laws.finite("the projection", &projected);
    projected
}

fn check_bad(laws: &Laws, call: &str, embeddings: &Tensor, run: impl Fn(TensorView) -> crate::Result<()>) {
    for value in [f32::NAN, f32::INFINITY] {
        let bad = with_value(embeddings, 5, value);
        laws.fails(&format!("{call} of embeddings with {value}"), || run(bad.view()));
    }
    for shape in [vec![N * D], vec![N, D / 2, 2]] {
        let bad = reshaped(embeddings, &shape);
        laws.fails(&format!("{call} of embeddings of rank {}", shape.len()), || run(bad.view()));
    }
}
