use super::*;
use ascan_core::testing::{Memory, check_slicer, toy_slice_table};
use ascan_core::{Params, Problems, slicer};
use ascan_math::mixture::Covariance;

fn gmm(params: GmmParams) -> Gmm {
    Gmm::new(params).unwrap()
}

fn k(n_slices: usize) -> GmmParams {
    GmmParams { n_slices, ..Default::default() }
}

const COVARIANCES: [Covariance; 3] = [Covariance::Full, Covariance::Diagonal, Covariance::Spherical];

#[test]
fn conforms() {
    for covariance in COVARIANCES {
        for normalise in [Normalise::None, Normalise::L2] {
            check_slicer("gmm", &gmm(GmmParams { covariance, normalise, ..k(7) }));
        }
        check_slicer("gmm", &gmm(GmmParams { covariance, ..Default::default() }));
    }
}

#[test]
fn planted_clusters_are_found() {
    let table = toy_slice_table(500, 10, 3);
    let context = Context::default();
    for covariance in COVARIANCES {
        let model = gmm(GmmParams { covariance, n_init: 4, ..k(5) }).fit(&table.view(), &context).unwrap();
        let found = slicer::assignment(&model.membership(&table.view(), &context).unwrap());
        for i in 0..500 {
            for j in 0..i {
                let together = table.planted[i] == table.planted[j];
                assert_eq!(found[i] == found[j], together, "{covariance:?}: images {i} and {j}");
            }
        }
    }
}

#[test]
fn shares_of_an_image_sum_to_one() {
    let table = toy_slice_table(200, 3, 5);
    let context = Context::default();
    let model = gmm(k(9)).fit(&table.view(), &context).unwrap();
    let membership = model.membership(&table.view(), &context).unwrap();
    let sums: Vec<f32> = (0..200).map(|i| membership.row(i).iter().sum()).collect();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{sums:?}");
    assert!((0..200).any(|i| membership.row(i).iter().all(|&share| share < 0.9)), "no image is on a border");
}

#[test]
fn what_is_not_as_asked_is_said() {
    let table = toy_slice_table(30, 4, 0).rows(&[0, 1, 2, 0, 1, 2, 2, 2]);
    let memory = Memory::default();
    let context = Context { reporter: &memory, ..Context::default() };
    assert_eq!(gmm(k(40)).fit(&table.view(), &context).unwrap().n_slices(), 3);
    let params = GmmParams { max_iterations: 1, ..k(5) };
    gmm(params).fit(&toy_slice_table(100, 4, 0).view(), &context).unwrap();
    let warnings = memory.0.into_inner().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("3 slices instead of 40"));
    assert!(warnings[1].contains("`max_iterations`"));
}

/// More dimensions than images, and no regularisation asked for: rounding must not make numbers of nothing.
#[test]
fn nothing_collapses_without_regularisation() {
    let table = toy_slice_table(6, 12, 0);
    let context = Context::default();
    for covariance in COVARIANCES {
        let model = gmm(GmmParams { covariance, reg_covar: 0.0, ..k(2) }).fit(&table.view(), &context).unwrap();
        assert!(model.membership(&table.view(), &context).unwrap().view().is_finite());
        check_slicer("gmm", &gmm(GmmParams { covariance, reg_covar: 0.0, ..k(3) }));
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let mut problems = Problems::default();
    GmmParams { n_slices: 0, n_init: 0, max_iterations: 0, tolerance: f64::NAN, reg_covar: -1.0, ..Default::default() }
        .check(&mut problems);
    let keys: Vec<_> = problems.into_errors().iter().filter_map(|error| error.key().map(str::to_owned)).collect();
    assert_eq!(keys, ["n_slices", "n_init", "max_iterations", "tolerance", "reg_covar"]);
}
