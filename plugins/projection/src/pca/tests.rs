use super::*;
use ascan_core::testing::{check_projector, toy_slice_table};

fn fit(embeddings: &Tensor, n_dims: usize, whiten: bool) -> Box<dyn Projection> {
    Pca::new(PcaParams { n_dims, whiten, solver: Solver::Exact })
        .unwrap()
        .fit(embeddings.view(), &Context::default())
        .unwrap()
}

fn project(projection: &dyn Projection, embeddings: &Tensor) -> Tensor {
    projection.project(embeddings.view(), &Context::default()).unwrap()
}

/// Covariance (over n − 1) of the columns `a` and `b`.
fn covariance(projected: &Tensor, a: usize, b: usize) -> f64 {
    let n = projected.n_rows();
    let column = |j: usize| (0..n).map(move |i| f64::from(projected.row(i)[j]));
    let mean = |j: usize| column(j).sum::<f64>() / n as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    column(a).zip(column(b)).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum::<f64>() / (n - 1) as f64
}

#[test]
fn conforms() {
    for solver in [Solver::Exact, Solver::Randomised] {
        for (n_dims, whiten) in [(3, false), (64, false), (3, true), (64, true)] {
            check_projector("pca", &Pca::new(PcaParams { n_dims, whiten, solver }).unwrap());
        }
    }
}

/// scikit-learn 1.9.1, `PCA(4, svd_solver="full")` on the same tables: variances, and the projection of the second
/// and the last image under our sign rule.
#[test]
fn the_same_numbers_as_scikit_learn() {
    let cases = [
        (
            [600, 10],
            [27.295_295_14, 27.052_984_82, 26.688_634_29, 25.609_663_50],
            [2.454_025_06, -6.210_714_76, -0.365_661_04, 7.443_892_04],
            [3.149_328_57, 9.322_897_65, -6.085_442_35, 0.541_947_50],
        ),
        (
            [12, 30],
            [115.370_774_18, 96.998_738_72, 82.212_438_60, 68.002_458_13],
            [-13.619_128_90, -6.801_400_15, -4.429_063_05, 0.286_795_91],
            [-14.299_619_47, -8.679_952_23, -6.809_491_45, 0.474_935_95],
        ),
    ];
    for ([n, d], variances, second, last) in cases {
        let embeddings = toy_slice_table(n, d, 7).embeddings;
        let projected = project(fit(&embeddings, 4, false).as_ref(), &embeddings);
        for j in 0..4 {
            assert!((covariance(&projected, j, j) / variances[j] - 1.0).abs() < 1e-5, "variance {j}");
            assert!((f64::from(projected.row(1)[j]) - second[j]).abs() < 1e-4, "{:?}", projected.row(1));
            assert!((f64::from(projected.row(n - 1)[j]) - last[j]).abs() < 1e-4, "{:?}", projected.row(n - 1));
        }
    }
}

#[test]
fn dimensions_are_uncorrelated_and_whitening_makes_their_variance_one() {
    for [n, d] in [[300, 9], [20, 40]] {
        let embeddings = toy_slice_table(n, d, 2).embeddings;
        let projected = project(fit(&embeddings, 6, true).as_ref(), &embeddings);
        for a in 0..6 {
            for b in 0..6 {
                let expected = if a == b { 1.0 } else { 0.0 };
                assert!((covariance(&projected, a, b) - expected).abs() < 1e-5, "{n} × {d}: {a}, {b}");
            }
        }
    }
}

/// With every dimension kept, PCA is a rotation.
#[test]
fn distances_are_kept_when_every_dimension_is() {
    let embeddings = toy_slice_table(50, 7, 2).embeddings;
    let projected = project(fit(&embeddings, 7, false).as_ref(), &embeddings);
    let distance = |t: &Tensor, i: usize, j: usize| -> f32 {
        t.row(i).iter().zip(t.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
    };
    for (i, j) in [(0, 1), (3, 40), (49, 7)] {
        assert!((distance(&embeddings, i, j) - distance(&projected, i, j)).abs() < 1e-4);
    }
}

#[test]
fn dimensions_that_do_not_vary_are_left_out() {
    let table = toy_slice_table(50, 3, 2).embeddings;
    // Three dimensions, each twice: rank 3.
    let doubled: Vec<f32> = table.data().chunks(3).flat_map(|row| [row, row].concat()).collect();
    let doubled = Tensor::new([50, 6], doubled).unwrap();
    assert_eq!(fit(&doubled, 64, false).n_dims(), 3);
    let constant = Tensor::new([4, 2], vec![1.5; 8]).unwrap();
    let projection = fit(&constant, 2, true);
    assert_eq!(project(projection.as_ref(), &constant).data(), [0.0; 4]);
}

#[test]
fn the_same_bits_at_any_number_of_threads_on_many_stripes() {
    for solver in [Solver::Exact, Solver::Randomised] {
        for [n, d] in [[2_500, 300], [290, 700]] {
            let embeddings = toy_slice_table(n, d, 4).embeddings;
            let at = |n_threads| {
                let context = Context { n_threads, ..Context::default() };
                let pca = Pca::new(PcaParams { n_dims: 10, whiten: false, solver }).unwrap();
                let projection = pca.fit(embeddings.view(), &context).unwrap();
                projection.project(embeddings.view(), &context).unwrap()
            };
            let one = at(1);
            assert_eq!(at(2), one);
            assert_eq!(at(3), one);
        }
    }
}

/// A spectrum without a gap, which is hard for a random subspace: variance `1 / (1 + j)` along dimension `j`, turned.
fn slowly_falling(n: usize, d: usize) -> Tensor {
    let normal = randomised::gaussian(d, n, 3);
    let mut data: Vec<f32> = (0..n * d).map(|at| normal[(at % d, at / d)] as f32).collect();
    for row in data.chunks_exact_mut(d) {
        for (j, value) in row.iter_mut().enumerate() {
            *value /= (1.0 + j as f32).sqrt();
        }
        // Haar steps: a rotation that mixes the dimensions.
        for j in 0..d - 1 {
            let (a, b) = (row[j], row[j + 1]);
            (row[j], row[j + 1]) = ((a + b) * 0.5f32.sqrt(), (a - b) * 0.5f32.sqrt());
        }
    }
    Tensor::new([n, d], data).unwrap()
}

#[test]
fn the_randomised_subspace_holds_nearly_as_much_variance_as_the_exact_one() {
    for [n, d] in [[1_500, 200], [200, 600]] {
        let embeddings = slowly_falling(n, d);
        let held = |solver, seed| {
            let pca = Pca::new(PcaParams { n_dims: 12, whiten: false, solver }).unwrap();
            let context = Context { seed, ..Context::default() };
            let projection = pca.fit(embeddings.view(), &context).unwrap();
            let projected = projection.project(embeddings.view(), &context).unwrap();
            assert_eq!(projection.n_dims(), 12);
            (0..12).map(|j| covariance(&projected, j, j)).collect::<Vec<f64>>()
        };
        let exact = held(Solver::Exact, 0);
        for seed in [0, 1] {
            let found = held(Solver::Randomised, seed);
            assert!((found[0] / exact[0] - 1.0).abs() < 1e-3, "{} for {}", found[0], exact[0]);
            let share = found.iter().sum::<f64>() / exact.iter().sum::<f64>();
            // More than the exact one no subspace holds.
            assert!((0.985..=1.0 + 1e-6).contains(&share), "{n} × {d}: {share}");
        }
    }
}

#[test]
fn where_the_rank_is_small_the_randomised_solver_is_exact() {
    let table = toy_slice_table(60, 5, 2).embeddings;
    let wide: Vec<f32> = table.data().chunks(5).flat_map(|row| row.repeat(20)).collect();
    let wide = Tensor::new([60, 100], wide).unwrap();
    let at = |solver| {
        let pca = Pca::new(PcaParams { n_dims: 5, whiten: true, solver }).unwrap();
        project(pca.fit(wide.view(), &Context::default()).unwrap().as_ref(), &wide)
    };
    let (exact, randomised) = (at(Solver::Exact), at(Solver::Randomised));
    for (a, b) in exact.data().iter().zip(randomised.data()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn auto_takes_the_random_subspace_only_where_it_pays() {
    assert!(!randomised::is_cheaper(1_000_000, 128, 64));
    assert!(!randomised::is_cheaper(1_200, 1_280, 64));
    assert!(randomised::is_cheaper(20_000, 8_192, 64));
    assert!(!randomised::is_cheaper(20_000, 8_192, 8_192));
}
