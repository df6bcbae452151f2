use super::*;
use ascan_core::testing::{check_projector, toy_slice_table};
use ascan_core::{Params, Problems};
use ascan_math::trustworthiness::trustworthiness;
use serde_json::Value;

fn fit(params: &UmapParams, embeddings: &Tensor, context: &Context) -> Box<dyn Projection> {
    Umap::new(params.clone()).unwrap().fit(embeddings.view(), context).unwrap()
}

fn project(projection: &dyn Projection, embeddings: &Tensor) -> Tensor {
    projection.project(embeddings.view(), &Context::default()).unwrap()
}

#[test]
fn conforms() {
    let quick = UmapParams { n_epochs: 30, ..Default::default() };
    for params in [
        quick.clone(),
        UmapParams { n_dims: 2, metric: Metric::Cosine, min_dist: 0.1, ..quick.clone() },
        UmapParams { n_neighbors: 2, n_dims: 1, negative_sample_rate: 9, ..quick },
    ] {
        check_projector("umap", &Umap::new(params).unwrap());
    }
}

/// umap-learn 0.5.12 on 500 digits of scikit-learn 1.9.1, and on 100 more that are placed afterwards
/// (`tests/golden/make_digits.py`).
#[test]
fn as_trustworthy_as_umap_learn() {
    let golden: Value = serde_json::from_str(include_str!("../../../../tests/golden/digits.json")).unwrap();
    let digits = golden["digits"].as_array().unwrap().iter();
    let pixels = digits.flat_map(|row| row.as_str().unwrap().chars().map(|c| c.to_digit(17).unwrap() as f32));
    let pixels: Vec<f32> = pixels.collect();
    let all = Tensor::new([600, 64], pixels).unwrap();
    let some = Tensor::new([500, 64], all.data()[..500 * 64].to_vec()).unwrap();
    for expected in golden["umap"].as_array().unwrap() {
        let metric = if expected["metric"] == "cosine" { Metric::Cosine } else { Metric::Euclidean };
        let params = UmapParams {
            n_dims: expected["n_components"].as_u64().unwrap() as usize,
            min_dist: expected["min_dist"].as_f64().unwrap(),
            metric,
            ..Default::default()
        };
        let scores: Vec<f64> = expected["scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let theirs = scores.iter().sum::<f64>() / scores.len() as f64;
        let projection = fit(&params, &some, &Context { n_threads: 2, ..Context::default() });
        let trust = |images: &Tensor| {
            let layout = project(projection.as_ref(), images);
            let mut as_measured = images.clone();
            if metric == Metric::Cosine {
                // Angles are distances of what has length 1.
                for row in as_measured.data_mut().chunks_exact_mut(64) {
                    let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                    row.iter_mut().for_each(|v| *v /= length);
                }
            }
            trustworthiness(as_measured.view(), layout.view(), 15)
        };
        let ours = trust(&some);
        println!("{params:?}: {ours:.4}, umap-learn {theirs:.4}");
        assert!(ours > theirs - 0.01, "{params:?}: {ours}, umap-learn {theirs}");
        let theirs = expected["with_new"].as_f64().unwrap();
        let ours = trust(&all);
        println!("with new digits: {ours:.4}, umap-learn {theirs:.4}");
        assert!(ours > theirs - 0.01, "{params:?}, with new images: {ours}, umap-learn {theirs}");
    }
}

#[test]
fn planted_clusters_are_far_apart_in_the_layout_and_new_images_join_theirs() {
    let table = toy_slice_table(400, 10, 3);
    let projection = fit(&UmapParams { n_dims: 2, ..Default::default() }, &table.embeddings, &Context::default());
    let fitted = project(projection.as_ref(), &table.embeddings);
    let new = toy_slice_table(60, 10, 8);
    let placed = project(projection.as_ref(), &new.embeddings);
    for i in 0..60 {
        let distance =
            |j: &usize| -> f32 { placed.row(i).iter().zip(fitted.row(*j)).map(|(a, b)| (a - b) * (a - b)).sum() };
        let nearest = (0..400).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
        assert_eq!(table.planted[nearest], new.planted[i], "image {i}");
    }
}

#[test]
fn the_same_bits_at_any_number_of_threads_on_many_blocks() {
    let embeddings = toy_slice_table(3_001, 6, 5).embeddings;
    let others = toy_slice_table(600, 6, 6).embeddings;
    let params = UmapParams { n_epochs: 20, ..Default::default() };
    let at = |n_threads| {
        let context = Context { n_threads, ..Context::default() };
        let projection = fit(&params, &embeddings, &context);
        let new = projection.project(others.view(), &context).unwrap();
        (project(projection.as_ref(), &embeddings), new)
    };
    let one = at(1);
    assert!(at(2) == one);
    assert!(at(5) == one);
}

#[test]
fn where_a_new_image_goes_does_not_depend_on_those_beside_it() {
    let projection = fit(
        &UmapParams { n_epochs: 30, ..Default::default() },
        &toy_slice_table(300, 6, 5).embeddings,
        &Context::default(),
    );
    let new = toy_slice_table(37, 6, 8);
    let together = project(projection.as_ref(), &new.embeddings);
    for i in [0, 5, 15, 16, 36] {
        let alone = project(projection.as_ref(), &new.rows(&[i]).embeddings);
        assert_eq!(alone.data(), together.row(i), "image {i}");
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let bad = UmapParams {
        n_dims: 0,
        n_neighbors: 1,
        min_dist: 2.0,
        learning_rate: 0.0,
        negative_sample_rate: 0,
        ..Default::default()
    };
    let mut problems = Problems::default();
    bad.check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_dims", "n_neighbors", "min_dist", "learning_rate", "negative_sample_rate"]);
}
